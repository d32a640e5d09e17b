//! `duchenne gan train`: one generator per class, or one for all.

use std::path::PathBuf;

use crate::Outcome;
use crate::arguments::{DeviceArgs, OverrideArgs};
use crate::interrupt::stop_flag;
use crate::terminal::{Terminal, print_line, say};
use duchenne::data::PackedDataset;
use duchenne::experiments::generators::training::GanRun;
use duchenne::experiments::session::Session;
use duchenne::training::gan::GanRecipe;

/// Arguments of `duchenne gan train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne gan train --recipe dcgan --data ckplus.safetensors --run runs/dcgan\n  \
    duchenne gan train --recipe dcgan --data fer2013.safetensors --class neutral --run runs/neutral\n\n\
    Run the same command again to resume a run that was stopped or killed."
)]
pub(super) struct GanTrainArgs {
    /// Built-in recipe (dcgan, wgan-gp, cgan, modern) or a TOML file
    #[arg(long)]
    recipe: String,
    /// Packed data set; its Training photographs, or those without a split (CK+), are learned from
    #[arg(long)]
    data: PathBuf,
    /// Directory of this run, with a folder for each class
    #[arg(long)]
    run: PathBuf,
    /// Class by name, or all; a conditional recipe has one generator for all
    #[arg(long, default_value = "all")]
    class: String,
    #[command(flatten)]
    overrides: OverrideArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(super) fn run(args: GanTrainArgs) -> anyhow::Result<Outcome> {
    let recipe = recipe(&args)?;
    let dataset = PackedDataset::open(&args.data)?;
    let run = GanRun {
        recipe: &recipe,
        recipe_name: &args.recipe,
        dataset: &dataset,
        class: &args.class,
        directory: &args.run,
        session: Session { device: &args.device.device, stop: &*stop_flag()?, watch: &Terminal },
    };
    let Some(finished) = run.finish()? else {
        return Ok(Outcome::Incomplete);
    };
    for path in finished {
        print_line(path.display())?;
    }
    let run = args.run.display();
    say(format_args!(
        "finished; generate with: duchenne gan sample {run} --count 1000 --out faces.safetensors"
    ));
    Ok(Outcome::Done)
}

fn recipe(args: &GanTrainArgs) -> anyhow::Result<GanRecipe> {
    Ok(GanRecipe::read(&args.recipe, &args.overrides.all())?)
}
