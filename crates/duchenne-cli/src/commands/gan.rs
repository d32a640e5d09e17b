//! `duchenne gan`: trains generators of faces and uses them.

mod eval;
mod grid;
mod sample;
mod train;

use crate::Outcome;

/// Arguments of `duchenne gan`.
#[derive(Debug, clap::Args)]
pub(crate) struct GanArgs {
    #[command(subcommand)]
    command: GanCommand,
}

#[derive(Debug, clap::Subcommand)]
enum GanCommand {
    /// Train generators on a data set, or resume their training
    Train(train::GanTrainArgs),
    /// Generate faces as a synthetic packed data set
    Sample(sample::SampleArgs),
    /// Judge generated faces against photographs: distances, memorisation, diversity
    Eval(eval::GanEvalArgs),
    /// One face of every class from several runs, in one picture
    Grid(grid::GridArgs),
}

/// Runs the command.
pub(crate) fn run(args: GanArgs) -> anyhow::Result<Outcome> {
    match args.command {
        GanCommand::Train(args) => train::run(args),
        GanCommand::Sample(args) => sample::run(args),
        GanCommand::Eval(args) => eval::run(args),
        GanCommand::Grid(args) => grid::run(args),
    }
}
