//! `duchenne compare`: models on the same images, after the evaluation protocol.

use std::path::PathBuf;

use crate::Outcome;
use crate::arguments::ScoringArgs;
use crate::terminal::{print, print_json};
use duchenne::data::PackedDataset;
use duchenne::evaluation::comparison::render_comparison;
use duchenne::experiments::scoring::compare_models;

/// Arguments of `duchenne compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  duchenne compare runs/a0/best.safetensors runs/b0/best.safetensors --data fer2013.safetensors\n\n\
    Every model is compared with the first. Models whose training differs only in the seed are summarised by\n\
    mean and standard deviation. Choose by validation; score test once per finished model."
)]
pub(crate) struct CompareArgs {
    /// Model files, or built-in ones by name; at least two
    #[arg(required = true, num_args = 2.., value_name = "MODEL")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    scoring: ScoringArgs,
}

/// Runs the command.
pub(crate) fn run(args: CompareArgs) -> anyhow::Result<Outcome> {
    let ScoringArgs { split, views, labels, .. } = args.scoring;
    let dataset = PackedDataset::open(&args.scoring.data)?;
    let device = &args.scoring.device.device;
    let comparison = compare_models(&args.models, &dataset, labels, split, views, device)?;
    if args.scoring.json {
        print_json(&comparison)?;
    } else {
        print(render_comparison(&comparison))?;
    }
    Ok(Outcome::Done)
}
