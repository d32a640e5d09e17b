//! `duchenne compare`: models on the same images, after the evaluation protocol.

use std::path::PathBuf;

use crate::Outcome;
use crate::arguments::ScoringArgs;
use crate::terminal::{print, print_json};
use duchenne::Predictor;
use duchenne::data::PackedDataset;
use duchenne::evaluation::comparison::{Comparison, Contestant, render_comparison};
use duchenne::experiments::scoring::score_split;

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
    let dataset = PackedDataset::open(&args.scoring.data)?;
    let views = args.scoring.views;
    let seen = vec![false; dataset.len()];
    // All of them before the first is scored.
    let device = &args.scoring.device.device;
    let predictors = args.models.iter().map(|model| Predictor::named(model, device));
    let predictors = predictors.collect::<Result<Vec<_>, _>>()?;
    let dataset = args.scoring.labelled(&dataset, predictors[0].label_set())?;
    let contestants = args
        .models
        .iter()
        .zip(&predictors)
        .map(|(model, predictor)| {
            Ok(Contestant {
                name: model.display().to_string(),
                provenance: predictor.manifest().provenance.clone(),
                scored: score_split(predictor, &dataset, args.scoring.split, &seen, views)?,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let comparison = Comparison::new(views.description(), &contestants)?;
    if args.scoring.json {
        print_json(&comparison)?;
    } else {
        print(render_comparison(&comparison))?;
    }
    Ok(Outcome::Done)
}
