//! `duchenne data`: import, inspect, check and export data sets.

mod check;
mod export;
mod import;
mod info;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use duchenne::evaluation::report::thousands;

/// Arguments of `duchenne data`.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Turn a data set into one packed file
    Import(import::ImportArgs),
    /// Show what a packed data set holds: counts per class and split
    Info(info::InfoArgs),
    /// Look for duplicates, conflicting labels and constant pictures
    Check(check::CheckArgs),
    /// Write the pictures of a packed data set as files
    Export(export::ExportArgs),
}

/// Runs the command.
pub fn run(args: DataArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        DataCommand::Import(args) => import::run(&args),
        DataCommand::Info(args) => info::run(&args),
        DataCommand::Check(args) => check::run(&args),
        DataCommand::Export(args) => export::run(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a result to standard output. A reader who has seen enough (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Writes a value to standard output as JSON.
fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Bytes,
    Pictures,
}

/// A progress bar on standard error, invisible where that is no terminal.
fn progress_bar(unit: Unit) -> ProgressBar {
    let template = match unit {
        Unit::Bytes => "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
        Unit::Pictures => "{bar:30} {pos}/{len} pictures, {per_sec}, {eta} left",
    };
    let style = ProgressStyle::with_template(template).expect("the templates are sound");
    ProgressBar::no_length().with_style(style)
}

/// A number with commas between its thousands.
fn grouped(number: usize) -> String {
    thousands(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 35_887, 1_234_567].map(grouped).join(" "), "0 999 1,000 35,887 1,234,567");
    }

    #[test]
    fn progress_templates_are_sound() {
        for unit in [Unit::Bytes, Unit::Pictures] {
            progress_bar(unit).finish_and_clear();
        }
    }
}
