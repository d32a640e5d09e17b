//! The program `duchenne`: command line, terminal, server. It prints, reads the environment and decides exit codes; what
//! it does is in the library [`duchenne`].
//!
//! [`run`] runs the program on given arguments, for those who carry it inside another package; [`server::router`] is the recogniser as routes of a server of one's own (`examples/serve.rs`).

mod arguments;
mod commands;
mod interrupt;
mod picture_json;
mod report;
pub mod server;
mod terminal;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Recognise facial expressions; train and evaluate the networks that do.
#[derive(Debug, Parser)]
#[command(name = "duchenne", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Import, inspect, check, split and export data sets
    Data(commands::data::DataArgs),
    /// Train a classifier, or resume a run
    Train(commands::train::TrainArgs),
    /// Measure a recipe by cross-validation, on data without a test split
    Crossval(commands::crossval::CrossvalArgs),
    /// Score a model on a data set
    Eval(commands::eval::EvalArgs),
    /// Compare models on the same images: differences, McNemar's test, seeds
    Compare(commands::compare::CompareArgs),
    /// Train generators of faces, generate, and judge what they generate
    Gan(commands::gan::GanArgs),
    /// Import, export and inspect model files
    Model(commands::model::ModelArgs),
    /// Fit and evaluate linear support vector machines on deep or other features
    Svm(commands::svm::SvmArgs),
    /// Reproduce the paper: its generators, its Table 1 and its Figure 1
    Reproduce(commands::reproduce::ReproduceArgs),
    /// Recognise the expression of every face in pictures
    Predict(commands::predict::PredictArgs),
    /// Recognise over HTTP, with a page for pictures, videos and the camera
    Serve(commands::serve::ServeArgs),
    /// Print a shell's completion script
    Completions(commands::completions::CompletionsArgs),
    /// Write the manual pages
    Manual(commands::manual::ManualArgs),
}

/// How a command ended that did not end with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All was done.
    Done,
    /// A part was not, and the user was told which.
    Incomplete,
}

/// Runs the program on the process's arguments: 0 done, 1 failed, 2 usage.
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os().skip(1)))
}

/// Runs the program on `arguments`, without its own name, and gives the exit code: 0 done, 1 failed, 2 usage.
///
/// It prints, and may listen for Ctrl-C, as a program of its own would.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let name = OsString::from(env!("CARGO_PKG_NAME").trim_end_matches("-cli"));
    let cli = match Cli::try_parse_from(std::iter::once(name).chain(arguments)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version go to standard output, whose reader may have left.
            drop(error.print());
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    // The library's warnings; who carries the program may listen to them already.
    drop(
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(tracing::Level::WARN)
            .without_time()
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
    );
    let result = match cli.command {
        Command::Data(args) => commands::data::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Crossval(args) => commands::crossval::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Compare(args) => commands::compare::run(args),
        Command::Gan(args) => commands::gan::run(args),
        Command::Model(args) => commands::model::run(args),
        Command::Svm(args) => commands::svm::run(args),
        Command::Reproduce(args) => commands::reproduce::run(args),
        Command::Predict(args) => commands::predict::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()),
        Command::Manual(args) => commands::manual::run(&args, Cli::command()),
    };
    terminal::clear();
    match result {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Incomplete) => 1,
        Err(error) => {
            terminal::say(format_args!("error: {}", message(&error)));
            1
        }
    }
}

/// The error with its causes, each said once: the library's errors already name their cause.
fn message(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |message, cause| {
        let cause = cause.to_string();
        match message.is_empty() {
            true => cause,
            false if message.contains(&cause) => message,
            false => format!("{message}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write `x`: disk full").context("stopped");
        assert_eq!(message(&error), "stopped: cannot write `x`: disk full");
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
