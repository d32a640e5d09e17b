//! What `eval` and `compare` are told in common: what is scored, from what of a face, and how it is shown.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use duchenne::Views;
use duchenne::experiments::scoring::EvaluatedSplit;

use super::{DeviceArgs, evaluated_split, one_of};

/// Arguments about scoring.
#[derive(Debug, clap::Args)]
pub(crate) struct ScoringArgs {
    /// Packed data set
    #[arg(long)]
    pub data: PathBuf,
    /// Split to score; temperatures are fitted on public-test in either case
    #[arg(long, default_value = "public-test", value_parser = evaluated_split())]
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

/// Parses the name of the views that are averaged.
pub(super) fn views() -> impl TypedValueParser<Value = Views> {
    one_of([("single", Views::Centre), ("mirrored", Views::Mirrored), ("ten-crop", Views::TenCrop)])
}
