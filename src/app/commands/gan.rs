//! `duchenne gan`: trains generators of faces and uses them.

mod eval;
mod grid;
mod sample;
mod train;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::training::gan::trainer::GENERATOR_FILE;

/// Arguments of `duchenne gan`.
#[derive(Debug, clap::Args)]
pub struct GanArgs {
    #[command(subcommand)]
    command: GanCommand,
}

#[derive(Debug, clap::Subcommand)]
enum GanCommand {
    /// Train generators on a data set, or go on with them
    Train(train::GanTrainArgs),
    /// Generate faces as a synthetic packed data set
    Sample(sample::SampleArgs),
    /// Judge generated faces against photographs: distances, memorisation, diversity
    Eval(eval::GanEvalArgs),
    /// One face of every class from several runs, in one picture
    Grid(grid::GridArgs),
}

/// Runs the command.
pub fn run(args: GanArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        GanCommand::Train(args) => train::run(args),
        GanCommand::Sample(args) => sample::run(args),
        GanCommand::Eval(args) => eval::run(args),
        GanCommand::Grid(args) => grid::run(args),
    }
}

/// The generators' files of a run, by the names of their folders: the run itself, or the folders in it.
fn generator_files(run: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let own = run.join(GENERATOR_FILE);
    if own.is_file() {
        return Ok(vec![own]);
    }
    let entries = std::fs::read_dir(run).with_context(|| format!("cannot read run `{}`", run.display()))?;
    let begun = entries.flatten().map(|entry| entry.path()).filter(|path| path.join("recipe.toml").is_file());
    let (finished, unfinished): (Vec<PathBuf>, Vec<PathBuf>) =
        begun.partition(|path| path.join(GENERATOR_FILE).is_file());
    for folder in unfinished {
        eprintln!("`{}` holds no finished generator yet and is left out", folder.display());
    }
    let mut files: Vec<PathBuf> = finished.into_iter().map(|folder| folder.join(GENERATOR_FILE)).collect();
    files.sort();
    if files.is_empty() {
        bail!(
            "`{}` holds no finished generator ({GENERATOR_FILE}); train one with `duchenne gan train`",
            run.display()
        );
    }
    Ok(files)
}
