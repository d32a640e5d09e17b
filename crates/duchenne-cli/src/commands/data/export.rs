//! `duchenne data export`: the pictures of a packed data set as files.

use std::path::PathBuf;

use crate::terminal::{Terminal, clear, counted, say};
use duchenne::data::PackedDataset;
use duchenne::data::packed::export::export;
use duchenne::{Unit, Watch as _, Work};

/// Arguments of `duchenne data export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes DIR/<split>/<class>/<row>.png, which `duchenne data import folder` reads again.\n\n\
                        Example:\n  duchenne data export fer2013.safetensors --out pictures/"
)]
pub(super) struct ExportArgs {
    /// The packed data set
    file: PathBuf,
    /// Output folder; must be empty or not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let dataset = PackedDataset::open(&args.file)?;
    let work = Work { what: "writing", unit: Unit::Pictures };
    let exported = export(&dataset, &args.out, &|done, total| Terminal.progress(work, done, total));
    clear();
    exported?;
    say(format_args!("{}: {}", args.out.display(), counted(dataset.len(), "picture")));
    Ok(())
}
