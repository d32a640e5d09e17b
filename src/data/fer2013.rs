//! Imports FER-2013 from its csv text, `fer2013.csv` or `icml_face_data.csv`, plain, compressed or in
//! an archive (Goodfellow et al. 2013, "Challenges in Representation Learning").
//!
//! The text streams: one thread reads and unpacks blocks, one takes the checksum, and the blocks'
//! rows are parsed on all cores, in order.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rayon::prelude::*;

use super::Progress;
use super::archive::{Form, MAX_TEXT_BYTES, form_of_file, open_zip, stream_error, with_csv, zip_entry_name};
use super::builder::{Imported, PackedBuilder};
use super::checksum::sha256_of_file;
use super::error::{DataError, RowProblem};
use super::ferplus::{self, VoteRow};
use super::folder::{self, FolderOptions};
use super::pixel_rows::{Columns, MAX_LINE, Rows, SIZE, parse_rows};
use super::split::Origin;
use crate::expression::LabelSet;

/// Rows of the official file; another number is not an error but worth a note.
pub const OFFICIAL_ROWS: usize = 35_887;
/// Text read before it is handed to the parser.
const BLOCK: usize = 4 << 20;
/// Blocks read ahead of the parser.
const BLOCKS_AHEAD: usize = 2;
/// Text parsed as one task.
const TASK: usize = 256 << 10;

/// Imports FER-2013 from `source`: its csv in any packing, or a folder or zip archive of
/// `train/<class>/` and `test/<class>/` pictures. With `ferplus`, the votes of FER+ are joined row by
/// row.
///
/// # Errors
/// [`DataError`] naming file, row and what was expected.
pub fn import(source: &Path, ferplus: Option<&Path>, progress: Progress<'_>) -> Result<Imported, DataError> {
    if is_tree_of_pictures(source)? {
        if let Some(ferplus) = ferplus {
            let problem = format!(
                "FER+ is joined by row, and the pictures of `{}` have lost their rows; \
                 import fer2013.csv instead",
                source.display()
            );
            return Err(DataError::file(ferplus, problem));
        }
        return folder::import(source, &FolderOptions::fer2013(), progress);
    }
    // Read first: it is small, and a mistake in it should not cost the large file's time.
    let votes = ferplus.map(ferplus::read).transpose()?;
    let (builder, source_checksum) = thread::scope(|scope| {
        let checksum = scope.spawn(|| sha256_of_file(source));
        let builder = with_csv(source, MAX_TEXT_BYTES, progress, |reader| parse(source, reader))?;
        let checksum = checksum.join().expect("taking a checksum does not panic")?;
        Ok::<_, DataError>((builder, checksum))
    })?;
    let mut imported = Imported { builder, source_checksum, notes: Vec::new() };
    let rows = imported.builder.len();
    if rows != OFFICIAL_ROWS {
        imported.notes.push(format!("{rows} rows; the official file has {OFFICIAL_ROWS}"));
    }
    if let (Some(path), Some(votes)) = (ferplus, votes) {
        join(&mut imported.builder, path, source, votes)?;
    }
    Ok(imported)
}

/// Whether `source` is a folder, or a zip archive of pictures without a csv file.
fn is_tree_of_pictures(source: &Path) -> Result<bool, DataError> {
    let metadata = std::fs::metadata(source).map_err(|error| DataError::read(source, error))?;
    if metadata.is_dir() {
        return Ok(true);
    }
    // The source is read twice, for its checksum too, which a pipe does not allow.
    if !metadata.is_file() {
        return Err(DataError::file(source, "is neither a file nor a folder"));
    }
    if form_of_file(source)? != Form::Zip {
        return Ok(false);
    }
    let archive = open_zip(source)?;
    let (mut text, mut picture) = (false, false);
    for index in 0..archive.len() {
        let name = zip_entry_name(source, &archive, index)?;
        text |= name.to_ascii_lowercase().ends_with(".csv");
        picture |= super::picture_tree::is_picture_name(&name);
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
        let problem =
            format!("has {} rows, expected {} as in `{}`", votes.len(), builder.len(), source.display());
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

/// How reading the text came to its end.
enum Reading {
    Finished,
    /// A line is longer than any row.
    LineTooLong,
    Failed(DataError),
}

/// Reads the csv text in this thread, for decoders cannot move to another, and parses it in a second.
fn parse(path: &Path, reader: &mut dyn Read) -> Result<PackedBuilder, DataError> {
    let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
    thread::scope(|scope| {
        let parser = scope.spawn(move || parse_blocks(path, &receiver));
        let reading = read_blocks(path, reader, &sender);
        drop(sender);
        // An error of an earlier row comes before whatever stopped the reading after it.
        let builder = parser.join().expect("the parser does not panic")?;
        match reading {
            Reading::Failed(error) => return Err(error),
            Reading::LineTooLong => {
                let problem = RowProblem::TooLong { limit: MAX_LINE };
                return Err(DataError::Row { path: path.to_owned(), row: builder.len() as u64 + 1, problem });
            }
            Reading::Finished => {}
        }
        if builder.is_empty() {
            return Err(DataError::file(path, "has no data rows; expected one row a picture"));
        }
        Ok(builder)
    })
}

/// Sends blocks of whole lines, until the text ends or the parser has found an error.
fn read_blocks(path: &Path, reader: &mut dyn Read, sender: &SyncSender<Vec<u8>>) -> Reading {
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        let missing = BLOCK - block.len();
        match Read::take(&mut *reader, missing as u64).read_to_end(&mut block) {
            Err(error) => return Reading::Failed(stream_error(path, error)),
            Ok(length) if length < missing => {
                if !block.is_empty() {
                    // A failed send means that the parser stopped; it tells why.
                    let _ = sender.send(block);
                }
                return Reading::Finished;
            }
            Ok(_) => {}
        }
        let Some(end) = memchr::memrchr(b'\n', &block) else { return Reading::LineTooLong };
        let mut next = Vec::with_capacity(BLOCK);
        next.extend_from_slice(&block[end + 1..]);
        block.truncate(end + 1);
        if sender.send(block).is_err() {
            return Reading::Finished;
        }
        block = next;
    }
}

/// Parses blocks of whole lines in their order; the first line of all is the header.
fn parse_blocks(path: &Path, receiver: &Receiver<Vec<u8>>) -> Result<PackedBuilder, DataError> {
    let mut builder = PackedBuilder::new("fer2013", LabelSet::Fer2013, SIZE, SIZE);
    let mut columns = None;
    for block in receiver {
        let (columns, text) = match columns {
            Some(columns) => (columns, block.as_slice()),
            None => {
                let (header, text) = split_line(&block);
                let found = Columns::of_header(header).map_err(|found| {
                    DataError::file(path, format!("has columns `{found}`, expected emotion, pixels, Usage"))
                })?;
                (*columns.insert(found), text)
            }
        };
        let parsed: Vec<_> = tasks(text).into_par_iter().map(|task| parse_rows(task, columns)).collect();
        for rows in parsed {
            let rows = rows.map_err(|(before, problem)| DataError::Row {
                path: path.to_owned(),
                row: (builder.len() + before) as u64 + 1,
                problem,
            })?;
            append(&mut builder, &rows)?;
        }
    }
    match columns {
        Some(_) => Ok(builder),
        None => Err(DataError::file(path, "is empty; expected a header `emotion,pixels,Usage`")),
    }
}

fn append(builder: &mut PackedBuilder, rows: &Rows) -> Result<(), DataError> {
    let images = rows.images.chunks_exact(SIZE * SIZE);
    for ((image, &label), &split) in images.zip(&rows.labels).zip(&rows.splits) {
        builder.push(image, label, split, Origin::Photograph)?;
    }
    Ok(())
}

/// The first line, and what follows it.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[]),
    }
}

/// Cuts `text` behind ends of lines into parts of about [`TASK`] bytes.
fn tasks(mut text: &[u8]) -> Vec<&[u8]> {
    let mut tasks = Vec::with_capacity(text.len() / TASK + 1);
    while text.len() > TASK {
        let Some(end) = memchr::memchr(b'\n', &text[TASK..]) else { break };
        let (task, rest) = text.split_at(TASK + end + 1);
        tasks.push(task);
        text = rest;
    }
    tasks.push(text);
    tasks
}
