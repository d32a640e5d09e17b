//! `duchenne data`: import, inspect, check, split and export data sets.

mod check;
mod export;
mod import;
mod info;
mod split;

pub(crate) use split::By;

use crate::Outcome;

use clap::Subcommand;

/// Arguments of `duchenne data`.
#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Turn a data set into one packed file
    Import(import::ImportArgs),
    /// Show what a packed data set holds: counts per class and split
    Info(info::InfoArgs),
    /// Look for duplicates, near duplicates, leaks across splits and other faults
    Check(check::CheckArgs),
    /// Draw validation and test splits
    Split(split::SplitArgs),
    /// Write the pictures of a packed data set as files
    Export(export::ExportArgs),
}

/// Runs the command.
pub(crate) fn run(args: DataArgs) -> anyhow::Result<Outcome> {
    match args.command {
        DataCommand::Import(args) => import::run(&args),
        DataCommand::Info(args) => info::run(&args),
        DataCommand::Check(args) => check::run(&args),
        DataCommand::Split(args) => split::run(&args),
        DataCommand::Export(args) => export::run(&args),
    }?;
    Ok(Outcome::Done)
}
