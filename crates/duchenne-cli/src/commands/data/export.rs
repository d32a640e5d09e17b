//! `duchenne data export`: the pictures of a packed data set as files.

use std::path::PathBuf;

use crate::commands::data::{Unit, grouped, progress_bar};
use duchenne::data::PackedDataset;
use duchenne::data::packed::export::export;

/// Arguments of `duchenne data export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes DIR/<split>/<class>/<row>.png, which `duchenne data import folder` reads again.\n\n\
                        Example:\n  duchenne data export fer2013.safetensors --to pictures/"
)]
pub struct ExportArgs {
    /// The packed data set
    file: PathBuf,
    /// The folder to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Runs the command.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let dataset = PackedDataset::open(&args.file)?;
    let bar = progress_bar(Unit::Pictures);
    bar.set_length(dataset.len() as u64);
    let exported = export(&dataset, &args.to, &|done, _| bar.set_position(done));
    bar.finish_and_clear();
    exported?;
    eprintln!("{}: {} pictures", args.to.display(), grouped(dataset.len()));
    Ok(())
}
