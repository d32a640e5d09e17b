//! `duchenne data import`: a data set becomes one packed file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::arguments::label_set;
use crate::terminal::{Terminal, clear, counted, say};
use duchenne::data::import::folder::{FolderOptions, Layout};
use duchenne::data::import::picture_tree::Sizing;
use duchenne::data::import::{ckplus, fer2013, folder};
use duchenne::data::packed::builder::Imported;
use duchenne::data::{DataError, Progress};
use duchenne::expression::LabelSet;
use duchenne::files::ReadError;
use duchenne::files::atomic::check_writable;
use duchenne::{Note, Unit, Watch as _, Work};

/// Arguments of `duchenne data import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// FER-2013: its csv file, plain or as .gz, .xz, .zip, .tar.gz, or train/ and test/ folders
    ///
    /// Reads fer2013.csv and icml_face_data.csv; the format is detected from the content. In folders,
    /// PublicTest and PrivateTest can be told apart only where the file names say so
    /// (PrivateTest_123.jpg).
    #[command(
        after_help = "Example:\n  duchenne data import fer2013 fer2013.csv.xz --ferplus fer2013new.csv --out fer2013.safetensors"
    )]
    Fer2013 {
        /// The csv file, archive or folder
        source: PathBuf,
        /// FER+'s votes (fer2013new.csv), joined row by row
        #[arg(long, value_name = "CSV")]
        ferplus: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// CK+: the zip archive or folder of 48x48 pictures; subject, sequence and frame are kept
    #[command(after_help = "Example:\n  duchenne data import ckplus CK+48.zip --out ckplus.safetensors")]
    Ckplus {
        /// The zip archive or folder, <class>/S<subject>_<sequence>_<frame>.png
        source: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Pictures in folders, <split>/<class>/ or <class>/ (then all are Training)
    ///
    /// Pictures become gray and are scaled to one size; pictures that are not square are stretched. Splits are
    /// train, public-test, private-test, test and unassigned.
    #[command(
        after_help = "Example:\n  duchenne data import folder faces/ --size 48 --labels fer2013 --out faces.safetensors"
    )]
    Folder {
        /// The folder, or a zip archive of it
        source: PathBuf,
        /// Height and width of the packed pictures, in pixels
        #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u32).range(8..=512))]
        size: u32,
        /// Label set whose classes the folders are named after
        #[arg(long, default_value = "fer2013", value_parser = label_set())]
        labels: LabelSet,
        /// Mark the pictures as generated; they may only train
        #[arg(long)]
        synthetic: bool,
        /// Leave out pictures that cannot be read, and list them, instead of refusing all
        #[arg(long)]
        skip_broken: bool,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
struct Output {
    /// The packed file to write; an existing one is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    match &args.source {
        Source::Fer2013 { source, ferplus, output } => {
            if let Some(ferplus) = ferplus {
                refuse_same(ferplus, &output.out)?;
            }
            let unit = if source.is_dir() { Unit::Pictures } else { Unit::Bytes };
            import(source, &output.out, unit, |progress| {
                fer2013::import(source, ferplus.as_deref(), &output.out, progress)
            })
        }
        Source::Ckplus { source, output } => import(source, &output.out, Unit::Pictures, |progress| {
            ckplus::import(source, &output.out, progress)
        }),
        Source::Folder { source, size, labels, synthetic, skip_broken, output } => {
            let options = FolderOptions {
                name: name_of(source)?,
                label_set: *labels,
                sizing: Sizing::Scale(*size),
                synthetic: *synthetic,
                layout: Layout::Classes,
                skip_broken: *skip_broken,
            };
            import(source, &output.out, Unit::Pictures, |progress| {
                folder::import(source, &options, &output.out, progress)
            })
        }
    }
}

/// Checks the output and imports with a progress bar.
fn import(
    source: &Path,
    out: &Path,
    unit: Unit,
    read: impl FnOnce(Progress<'_>) -> Result<Imported, DataError>,
) -> anyhow::Result<()> {
    check_writable(out)?;
    refuse_same(source, out)?;
    let work = Work { what: "reading", unit };
    let imported = read(&|done, total| Terminal.progress(work, done, total));
    clear();
    let imported = imported?;
    imported.notes.iter().for_each(|note| Terminal.note(&Note::Import(note)));
    say(format_args!("{}: {}", out.display(), counted(imported.samples, "picture")));
    Ok(())
}

/// Refuses to replace an input by the output.
fn refuse_same(input: &Path, out: &Path) -> anyhow::Result<()> {
    if let (Ok(input), Ok(out)) = (input.canonicalize(), out.canonicalize())
        && input == out
    {
        bail!("`{}` is both source and output; name another output", out.display());
    }
    Ok(())
}

/// A data set's name from its folder's or archive's, such as `faces` from `faces.zip`.
fn name_of(source: &Path) -> anyhow::Result<String> {
    let full = source.canonicalize().map_err(|error| ReadError::new(source, error))?;
    let name = if full.is_dir() { full.file_name() } else { full.file_stem() };
    Ok(name.with_context(|| format!("`{}` has no name", source.display()))?.to_string_lossy().into_owned())
}
