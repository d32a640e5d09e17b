//! `duchenne data import`: a data set becomes one packed file.

mod options;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use self::options::{ClassArgs, Output, PictureArgs, named_column};
use crate::terminal::{Terminal, clear, counted, say};
use duchenne::data::import::ckplus::CkPlusOptions;
use duchenne::data::import::folder::{Layout, PictureOptions};
use duchenne::data::import::table::TableOptions;
use duchenne::data::import::{affectnet, ckplus, expw, fer2013, ferplus, folder, jaffe, rafdb, table};
use duchenne::data::packed::builder::Imported;
use duchenne::data::{DataError, PackedDataset, Progress};
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
    /// Reads fer2013.csv and icml_face_data.csv, and variants with other columns beside, semicolons, names for numbers, or
    /// no Usage; the format is detected from the content. Its PublicTest becomes the validation split, its PrivateTest the
    /// test split. In folders they can be told apart only where the file names say so (PrivateTest_123.jpg).
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
    /// FER+: the folders FER2013Train/, FER2013Valid/ and FER2013Test/ of pictures, each with its label.csv
    #[command(after_help = "Example:\n  duchenne data import ferplus FERPlus/data --out ferplus.safetensors")]
    Ferplus {
        /// The folder that holds the three, or a zip archive of it
        source: PathBuf,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
    /// CK+: the 48x48 pictures, or cohn-kanade-images/ and Emotion/; subject, sequence and frame are kept
    ///
    /// Of the university's films the last three frames are taken, as in the 48x48 pictures.
    #[command(after_help = "Examples:\n  duchenne data import ckplus CK+48.zip --out ckplus.safetensors\n  \
        duchenne data import ckplus CK+/ --detect --neutral --out ckplus8.safetensors")]
    Ckplus {
        /// The zip archive or folder: <class>/S<subject>_<sequence>_<frame>.png, or cohn-kanade-images/ and Emotion/
        source: PathBuf,
        /// Take the first frame of every film as neutral; the classes are then eight
        #[arg(long)]
        neutral: bool,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
    /// RAF-DB: the pictures with list_patition_label.txt, or folders train/1/ to test/7/
    #[command(after_help = "Example:\n  duchenne data import rafdb RAF-DB/basic --out rafdb.safetensors")]
    Rafdb {
        /// The folder, or a zip archive of it
        source: PathBuf,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
    /// AffectNet: the pictures with training.csv and validation.csv, or folders train/0/ to val/7/
    ///
    /// Faces are cut out by the csv's boxes. Rows without an expression (8, 9, 10) are left out and counted.
    #[command(
        after_help = "Example:\n  duchenne data import affectnet AffectNet/ --size 96 --out affectnet.safetensors"
    )]
    Affectnet {
        /// The folder, or a zip archive of it
        source: PathBuf,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
    /// JAFFE: pictures named such as KA.AN1.39.tiff; the persons are kept
    #[command(after_help = "Example:\n  duchenne data import jaffe jaffe/ --detect --out jaffe.safetensors")]
    Jaffe {
        /// The folder, or a zip archive of it
        source: PathBuf,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
    /// ExpW: the pictures with label.lst, a line a face; faces are cut out by their boxes
    #[command(after_help = "Example:\n  duchenne data import expw ExpW/ --out expw.safetensors")]
    Expw {
        /// The folder, or a zip archive of it
        source: PathBuf,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
    /// A table of pictures: csv, semicolons or tabs, with the columns path and label
    ///
    /// Further columns are used where they are there: split, subject, box (x y width height, or columns x, y, width, height,
    /// or left, top, right, bottom), votes (FER+'s ten). Usual other names are understood; --column names the rest.
    #[command(
        after_help = "Example:\n  duchenne data import table faces.csv --root pictures/ --column label=mood --out own.safetensors"
    )]
    Table {
        /// The table
        source: PathBuf,
        /// Folder or zip archive that the table's paths begin in [default: the table's folder]
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
        /// The name of a column by what it is, such as label=mood (repeatable): path, label, split, subject, box, votes
        #[arg(long = "column", value_name = "WHAT=NAME", value_parser = named_column)]
        columns: Vec<(String, String)>,
        #[command(flatten)]
        classes: ClassArgs,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Pictures in folders, <split>/<class>/ or <class>/ (then all are Training)
    ///
    /// The classes are what the folders are called. Pictures become gray and are scaled to one size; pictures that are not
    /// square are stretched. Splits are train, validation (val, valid), test and unassigned.
    #[command(after_help = "Examples:\n  duchenne data import folder faces/ --out faces.safetensors\n  \
        duchenne data import folder numbered/ --map 1=surprise,2=fear --out faces.safetensors")]
    Folder {
        /// The folder, or a zip archive of it
        source: PathBuf,
        #[command(flatten)]
        classes: ClassArgs,
        /// Mark the pictures as generated; they may only train
        #[arg(long)]
        synthetic: bool,
        #[command(flatten)]
        pictures: PictureArgs,
        #[command(flatten)]
        output: Output,
    },
}

/// Runs the command.
pub(super) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let pictures = Unit::Pictures;
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
        Source::Ckplus { source, neutral, pictures: how, output } => {
            let finder = how.finder();
            let options = CkPlusOptions { pictures: how.options("ckplus", &finder), neutral: *neutral };
            import(source, &output.out, pictures, |progress| {
                ckplus::import(source, &options, &output.out, progress)
            })
        }
        Source::Ferplus { source, pictures, output } => {
            import_set(source, pictures, output, "ferplus", ferplus::import)
        }
        Source::Rafdb { source, pictures, output } => {
            import_set(source, pictures, output, "rafdb", rafdb::import)
        }
        Source::Affectnet { source, pictures, output } => {
            import_set(source, pictures, output, "affectnet", affectnet::import)
        }
        Source::Jaffe { source, pictures, output } => {
            import_set(source, pictures, output, "jaffe", jaffe::import)
        }
        Source::Expw { source, pictures, output } => {
            import_set(source, pictures, output, "expw", expw::import)
        }
        Source::Table { source, root, columns, classes, pictures: how, output } => {
            let finder = how.finder();
            let mut options = how.options(&name_of(source)?, &finder);
            classes.apply(&mut options)?;
            if let Some(root) = root {
                refuse_same(root, &output.out)?;
            }
            let table = TableOptions { root: root.clone(), columns: columns.clone() };
            import(source, &output.out, pictures, |progress| {
                table::import(source, &table, &options, &output.out, progress)
            })
        }
        Source::Folder { source, classes, synthetic, pictures: how, output } => {
            let finder = how.finder();
            let mut options = how.options(&name_of(source)?, &finder);
            classes.apply(&mut options)?;
            options.synthetic = *synthetic;
            import(source, &output.out, pictures, |progress| {
                folder::import(source, Layout::Classes, &options, &output.out, progress)
            })
        }
    }
}

/// A reader of a public set of pictures.
type Reader = fn(&Path, &PictureOptions<'_>, &Path, Progress<'_>) -> Result<Imported, DataError>;

/// Imports a public set that needs no further word.
fn import_set(
    source: &Path,
    pictures: &PictureArgs,
    output: &Output,
    name: &str,
    read: Reader,
) -> anyhow::Result<()> {
    let finder = pictures.finder();
    let options = pictures.options(name, &finder);
    import(source, &output.out, Unit::Pictures, |progress| read(source, &options, &output.out, progress))
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
    let classes = PackedDataset::open(out)?.label_set().names().join(", ");
    say(format_args!("{}: {} of {classes}", out.display(), counted(imported.samples, "picture")));
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
