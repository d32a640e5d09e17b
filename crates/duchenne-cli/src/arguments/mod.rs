//! *Arguments* that several commands share.

pub mod device;
pub mod recognizer;
pub mod scoring;

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Parses one of the names of a table as what it stands for; help and errors list the names.
pub fn one_of<T, const N: usize>(table: [(&'static str, T); N]) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let names = table.clone().map(|(name, _)| name);
    PossibleValuesParser::new(names).map(move |wanted: String| {
        let named = table.iter().find(|(name, _)| *name == wanted);
        named.expect("clap lets only these names pass").1.clone()
    })
}
