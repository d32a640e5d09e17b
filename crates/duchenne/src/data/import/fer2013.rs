//! Imports FER-2013 from its csv text, `fer2013.csv` or `icml_face_data.csv`, plain, compressed or in
//! an archive (Goodfellow et al. 2013, "Challenges in Representation Learning"), or from folders of its pictures.

use std::path::Path;
use std::thread;

use crate::data::error::{DataError, RowProblem};
use crate::data::faces::format::PictureFormat;
use crate::data::import::archive::{Form, MAX_TEXT_BYTES, form_of_file, open_zip, with_csv, zip_entry_name};
use crate::data::import::fer2013_text::parse;
use crate::data::import::ferplus::{self, VoteRow};
use crate::data::import::folder::{self, Layout, PictureOptions};
use crate::data::packed::builder::{Imported, PackedBuilder};
use crate::data::{FACE_SIDE, Progress, counted};
use crate::expression::LabelSet;
use crate::files::checksum::{Observed, SourceChecksum};

/// Rows of the official file; another number is not an error but worth a note.
pub const OFFICIAL_ROWS: usize = 35_887;

/// Imports FER-2013 from `source`: its csv in any packing, or a folder or zip archive of
/// `train/<class>/` and `test/<class>/` pictures. With `ferplus`, the votes of FER+ are joined row by
/// row. The packed file is written to `out`, whole or not at all.
///
/// # Errors
/// [`DataError`] naming file, row and what was expected.
pub fn import(
    source: &Path,
    ferplus: Option<&Path>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    if is_tree_of_pictures(source)? {
        if let Some(ferplus) = ferplus {
            let problem = format!(
                "FER+ is joined by row, and the pictures of `{}` have lost their rows; \
                 import fer2013.csv instead",
                source.display()
            );
            return Err(DataError::file(ferplus, problem));
        }
        return folder::import(source, Layout::Fer2013, &PictureOptions::fer2013(), out, progress);
    }
    // Read first: it is small, and a mistake in it should not cost the large file's time.
    let votes = ferplus.map(ferplus::read).transpose()?;
    let mut builder = PackedBuilder::new("fer2013", LabelSet::Fer2013, FACE_SIDE, FACE_SIDE);
    let mut has_usage = true;
    let source_checksum = if form_of_file(source)? == Form::Plain {
        // Plain text is read as fast as the disk can write, and its checksum taken while it is read.
        builder.begin_file(out, &SourceChecksum::new().text())?;
        let mut checksum = SourceChecksum::new();
        with_csv(source, MAX_TEXT_BYTES, progress, |reader| {
            has_usage = parse(source, &mut Observed { reader, checksum: &mut checksum }, &mut builder)?;
            Ok(())
        })?;
        checksum.text()
    } else {
        thread::scope(|scope| {
            let checksum = scope.spawn(|| SourceChecksum::of_file(source));
            has_usage =
                with_csv(source, MAX_TEXT_BYTES, progress, |reader| parse(source, reader, &mut builder))?;
            Ok::<_, DataError>(checksum.join().expect("taking a checksum does not panic")?)
        })?
    };
    if let (Some(path), Some(votes)) = (ferplus, votes) {
        join(&mut builder, path, source, votes)?;
    }
    let samples = builder.len();
    builder.write(out, &source_checksum)?;
    let mut notes = Vec::new();
    if samples != OFFICIAL_ROWS {
        notes.push(format!("{}; the official file has {OFFICIAL_ROWS}", counted(samples, "row")));
    }
    if !has_usage {
        notes.push(
            "no Usage column: all pictures are training; `duchenne train --validation 0.1` holds out a validation split, \
             `duchenne data split` draws lasting ones"
                .to_owned(),
        );
    }
    Ok(Imported { samples, notes })
}

/// Whether `source` is a folder, or a zip archive of pictures without a csv file.
fn is_tree_of_pictures(source: &Path) -> Result<bool, DataError> {
    let metadata = std::fs::metadata(source).map_err(|error| DataError::read(source, error))?;
    if metadata.is_dir() {
        return Ok(true);
    }
    // The source is opened more than once, which a pipe does not allow.
    if !metadata.is_file() {
        return Err(DataError::file(source, "is not a plain file or a folder, and is read more than once"));
    }
    if form_of_file(source)? != Form::Zip {
        return Ok(false);
    }
    let archive = open_zip(source)?;
    let (mut text, mut picture) = (false, false);
    for index in 0..archive.len() {
        let name = zip_entry_name(source, &archive, index)?;
        text |= name.to_ascii_lowercase().ends_with(".csv");
        picture |= PictureFormat::by_name(Path::new(&name)).is_some();
    }
    Ok(picture && !text)
}

/// Joins FER+ by row, checking that both files name the same split in every row.
fn join(
    builder: &mut PackedBuilder,
    path: &Path,
    source: &Path,
    votes: Vec<VoteRow>,
) -> Result<(), DataError> {
    if votes.len() != builder.len() {
        let problem = format!(
            "has {}, expected {} as in `{}`",
            counted(votes.len(), "row"),
            builder.len(),
            source.display()
        );
        return Err(DataError::file(path, problem));
    }
    for (row, vote) in votes.iter().enumerate() {
        let expected = builder.split(row);
        if vote.split != expected {
            let problem =
                RowProblem::UsageDisagrees { got: vote.split.to_string(), expected: expected.to_string() };
            return Err(DataError::Row { path: path.to_owned(), row: row as u64 + 1, problem });
        }
    }
    builder.set_votes(votes.into_iter().map(|vote| vote.votes).collect())
}
