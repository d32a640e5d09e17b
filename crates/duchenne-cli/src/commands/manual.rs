//! `duchenne manual`: manual pages of the program and of each of its commands.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use duchenne::files::atomic::{AtomicError, write_atomically};

use crate::Outcome;
use crate::terminal::{counted, say};

/// Arguments of `duchenne manual`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  duchenne manual --out ~/.local/share/man/man1")]
pub(crate) struct ManualArgs {
    /// Folder for the pages; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &ManualArgs, program: clap::Command) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make `{}`", args.out.display()))?;
    let pages = write_pages("duchenne", program, &args.out)?;
    say(format_args!("{}: {}", args.out.display(), counted(pages, "manual page")));
    Ok(Outcome::Done)
}

/// Writes the page of a command, named with all that stands before it, and those of its own commands: how many.
fn write_pages(name: &str, command: clap::Command, folder: &Path) -> anyhow::Result<usize> {
    let command = command.display_name(name.to_owned()).name(name.to_owned());
    let path = folder.join(format!("{name}.1"));
    let page = clap_mangen::Man::new(command.clone());
    write_atomically(&path, |out| page.render(out).map_err(|error| AtomicError::system(&path, error)))?;
    let mut pages = 1;
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        pages += write_pages(&format!("{name}-{}", inner.get_name()), inner.clone(), folder)?;
    }
    Ok(pages)
}
