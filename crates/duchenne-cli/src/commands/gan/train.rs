//! `duchenne gan train`: one generator per class, or one for all.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::arguments::device::device;
use crate::interrupt::stop_flag;
use duchenne::data::PackedDataset;
use duchenne::experiments::generators::training::GanRun;
use duchenne::experiments::recipes::{all_settings, recipe_text};
use duchenne::training::gan::GanRecipe;

/// Arguments of `duchenne gan train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne gan train --recipe dcgan --data ckplus.safetensors --run runs/dcgan\n  \
    duchenne gan train --recipe dcgan --data fer2013.safetensors --class neutral --run runs/neutral\n\n\
    A run that was stopped or killed goes on when the same command is given again."
)]
pub struct GanTrainArgs {
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
    /// Epochs, in place of the recipe's
    #[arg(long)]
    epochs: Option<usize>,
    /// Seed, in place of the recipe's
    #[arg(long)]
    seed: Option<u64>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Lay a value over the recipe, such as training.batch_size=8; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Runs the command.
pub fn run(args: GanTrainArgs) -> anyhow::Result<ExitCode> {
    let recipe = recipe(&args)?;
    let dataset = PackedDataset::open(&args.data)?;
    let run = GanRun {
        recipe: &recipe,
        recipe_name: &args.recipe,
        dataset: &dataset,
        class: &args.class,
        directory: &args.run,
        device: &device(&args.device)?,
        stop: &*stop_flag()?,
    };
    let Some(finished) = run.finish()? else {
        return Ok(ExitCode::from(1));
    };
    finished.iter().for_each(|path| println!("{}", path.display()));
    let run = args.run.display();
    eprintln!("finished; generate with: duchenne gan sample {run} --count 1000 --out faces.safetensors");
    Ok(ExitCode::SUCCESS)
}

fn recipe(args: &GanTrainArgs) -> anyhow::Result<GanRecipe> {
    let text = recipe_text(&args.recipe, GanRecipe::built_in(&args.recipe), &GanRecipe::built_in_names())?;
    let settings = all_settings(&args.settings, args.epochs, args.seed);
    Ok(GanRecipe::parse(&args.recipe, &text, &settings)?)
}
