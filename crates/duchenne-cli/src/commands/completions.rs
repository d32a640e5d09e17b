//! `duchenne completions`: what a shell needs to complete the command line.

use clap_complete::Shell;

use crate::Outcome;
use crate::terminal::print;

/// Arguments of `duchenne completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  duchenne completions bash > ~/.local/share/bash-completion/completions/duchenne"
)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &CompletionsArgs, mut program: clap::Command) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "duchenne", &mut script);
    print(String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
