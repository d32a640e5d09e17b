//! `duchenne predict`.

use std::process::ExitCode;

/// Arguments of `duchenne predict`.
#[derive(Debug, clap::Args)]
pub struct PredictArgs {}

/// Runs the command.
pub fn run(_args: PredictArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not here yet")
}
