//! `duchenne data`.

use std::process::ExitCode;

/// Arguments of `duchenne data`.
#[derive(Debug, clap::Args)]
pub struct DataArgs {}

/// Runs the command.
pub fn run(_args: DataArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not here yet")
}
