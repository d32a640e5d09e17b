//! What `eval` and `compare` are told in common: what is scored, from what of a face, and how it is shown.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use duchenne::experiments::scoring::{EvaluatedSplit, labelled};
use duchenne::{LabelSet, PackedDataset, Views};

use super::{DeviceArgs, label_set, one_of};

/// Arguments about scoring.
#[derive(Debug, clap::Args)]
pub(crate) struct ScoringArgs {
    /// Packed data set
    #[arg(long)]
    pub data: PathBuf,
    /// Whose labels: those of the data set, or the majority of FER+'s raters (ferplus), where it was imported with their
    /// votes; without it, whichever the model knows
    #[arg(long, value_parser = label_set())]
    pub labels: Option<LabelSet>,
    /// Split to score: training, validation (also public-test, its name in FER-2013) or test (also private-test).
    /// Temperatures are fitted on validation, where there is one
    #[arg(long, default_value = "validation")]
    pub split: EvaluatedSplit,
    /// Views of each face that are averaged, as `predict` does: `eval` shows the figures of other views than the
    /// single crop beside the single crop's
    #[arg(long, default_value = "single", value_parser = views())]
    pub views: Views,
    /// Print JSON instead of the table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl ScoringArgs {
    /// The data set with the labels that were asked for, or those that a model knows.
    pub(crate) fn labelled(
        &self,
        dataset: &PackedDataset,
        model: LabelSet,
    ) -> duchenne::Result<PackedDataset> {
        labelled(dataset, self.labels, model)
    }
}

/// Parses the name of the views that are averaged.
pub(crate) fn views() -> impl TypedValueParser<Value = Views> {
    one_of([("single", Views::Centre), ("mirrored", Views::Mirrored), ("ten-crop", Views::TenCrop)])
}
