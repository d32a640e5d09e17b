//! *Arguments* that several commands share, parsed once into what they stand for.

mod device;
mod neutral;
mod recipe;
mod recognizer;
mod scoring;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use duchenne::LabelSet;

pub(crate) use device::DeviceArgs;
pub(crate) use neutral::NeutralChoice;
pub(crate) use recipe::OverrideArgs;
pub(crate) use recognizer::RecognizerArgs;
pub(crate) use scoring::{ScoringArgs, views};

/// Parses one of the names of a table as what it stands for; help and errors list the names.
pub(crate) fn one_of<T>(
    table: impl IntoIterator<Item = (&'static str, T)>,
) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let table: Vec<(&'static str, T)> = table.into_iter().collect();
    let names: Vec<&'static str> = table.iter().map(|(name, _)| *name).collect();
    PossibleValuesParser::new(names).map(move |wanted: String| {
        let named = table.iter().find(|(name, _)| *name == wanted);
        named.expect("clap lets only these names pass").1.clone()
    })
}

/// Parses the name of a label set.
pub(crate) fn label_set() -> impl TypedValueParser<Value = LabelSet> {
    one_of(LabelSet::ALL.map(|set| (set.key(), set)))
}
