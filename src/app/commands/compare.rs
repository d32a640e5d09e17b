//! `duchenne compare`: models on the same images, after the evaluation protocol.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use crate::app::devices::device;
use crate::app::scoring::{EvaluatedSplit, TestTimeAugmentation, predictor, score};
use crate::data::PackedDataset;
use crate::data::views::Views;
use crate::evaluation::ScoredSplit;
use crate::evaluation::comparison::{Comparison, Contestant, SeededTraining, render_comparison};
use crate::inference::predictor::Predictor;
use crate::models::checkpoint::Manifest;

/// Arguments of `duchenne compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  duchenne compare runs/a0/best.safetensors runs/b0/best.safetensors --data fer2013.safetensors\n\n\
    Every model is compared with the first. Models whose training differs in the seed alone are summarised by\n\
    mean and standard deviation. Choose by public-test; score private-test once per finished model."
)]
pub struct CompareArgs {
    /// Model files, `built-in` or `built-in-compact`; at least two
    #[arg(required = true, num_args = 2.., value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Packed data set
    #[arg(long)]
    data: PathBuf,
    /// The split to score
    #[arg(long, value_enum, default_value = "public-test")]
    split: EvaluatedSplit,
    /// Average in the mirror image (`--tta`), or the four corners and all mirror images (`--tta=ten-crop`)
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "mirror"
    )]
    tta: Option<TestTimeAugmentation>,
    /// JSON on standard output in place of the table
    #[arg(long)]
    json: bool,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs the command.
pub fn run(args: CompareArgs) -> anyhow::Result<ExitCode> {
    if args.models.len() < 2 {
        bail!("one model cannot be compared; `duchenne eval` scores it");
    }
    let dataset = PackedDataset::open(&args.data)?;
    let device = device(&args.device)?;
    let views = args.tta.map_or(Views::Centre, TestTimeAugmentation::views);
    // All of them before the first is scored.
    let predictors = args.models.iter().map(|model| predictor(model, &device));
    let predictors = predictors.collect::<anyhow::Result<Vec<_>>>()?;
    let contestants = args
        .models
        .iter()
        .zip(&predictors)
        .map(|(model, predictor)| {
            Ok(Contestant {
                name: model.display().to_string(),
                training: training(predictor.manifest()),
                scored: scored(predictor, &dataset, args.split, views)?,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let comparison = Comparison::new(views.description(), &contestants)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        print!("{}", render_comparison(&comparison));
    }
    Ok(ExitCode::SUCCESS)
}

fn scored(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    views: Views,
) -> anyhow::Result<ScoredSplit> {
    let seen = vec![false; dataset.len()];
    match split {
        EvaluatedSplit::PublicTest => {
            score(predictor, dataset, &dataset.public_test()?, "public-test", &seen, views)
        }
        EvaluatedSplit::PrivateTest => {
            score(predictor, dataset, &dataset.private_test()?, "private-test", &seen, views)
        }
    }
}

/// How a model was trained, but for its seed, if the model says it.
fn training(manifest: &Manifest) -> Option<SeededTraining> {
    let known = |key: &str| manifest.provenance.get(key).cloned();
    // The models that a run begins from have seeds of their own, and the best epoch is each run's.
    let is_common = |key: &str| {
        !["seed", "epoch", "init", "program", "temperature"].contains(&key) && !key.starts_with("began-from.")
    };
    let lineage = manifest.provenance.iter().filter(|(key, _)| is_common(key));
    Some(SeededTraining {
        recipe: known("recipe")?,
        lineage: lineage.map(|(key, value)| format!("{key} {value}\n")).collect(),
        seed: known("seed")?,
    })
}
