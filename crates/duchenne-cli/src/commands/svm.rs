//! `duchenne svm`: linear support vector machines on features of networks or of any other program.

mod eval;
mod fit;

use crate::Outcome;

/// Arguments of `duchenne svm`.
#[derive(Debug, clap::Args)]
pub(crate) struct SvmArgs {
    #[command(subcommand)]
    command: SvmCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SvmCommand {
    /// Fit an SVM on the features of networks, or of a file
    Fit(fit::FitArgs),
    /// Score an SVM
    Eval(eval::SvmEvalArgs),
}

/// Runs the command.
pub(crate) fn run(args: SvmArgs) -> anyhow::Result<Outcome> {
    match args.command {
        SvmCommand::Fit(args) => fit::run(args),
        SvmCommand::Eval(args) => eval::run(args),
    }
}
