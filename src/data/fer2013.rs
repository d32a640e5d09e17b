//! Imports FER-2013 from its csv text, `fer2013.csv` or `icml_face_data.csv`, plain, compressed or in
//! an archive (Goodfellow et al. 2013, "Challenges in Representation Learning").
//!
//! The text streams: one thread reads and unpacks blocks, one takes the checksum, and the blocks'
//! rows are parsed on all cores, in order.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use rayon::prelude::*;

use super::Progress;
use super::archive::{Form, MAX_TEXT_BYTES, form_of_file, open_zip, stream_error, with_csv, zip_entry_name};
use super::builder::{Imported, PackedBuilder};
use super::checksum::checksum_of_file;
use super::error::{DataError, RowProblem};
use super::ferplus::{self, VoteRow};
use super::folder::{self, FolderOptions};
use super::pixel_rows::{Columns, MAX_LINE, Rows, SIZE, parse_rows};
use super::split::Origin;
use crate::expression::LabelSet;

/// Rows of the official file; another number is not an error but worth a note.
pub const OFFICIAL_ROWS: usize = 35_887;
/// Text read before it is handed to the parser.
const BLOCK: usize = 2 << 20;
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
        let checksum = scope.spawn(|| checksum_of_file(source));
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
/// Blocks go back and forth between the two: fresh memory would cost more than the parsing.
fn parse(path: &Path, reader: &mut dyn Read) -> Result<PackedBuilder, DataError> {
    let (filled_sender, filled) = sync_channel(BLOCKS_AHEAD);
    let (emptied_sender, emptied) = channel();
    for _ in 0..BLOCKS_AHEAD + 2 {
        emptied_sender.send(Vec::with_capacity(BLOCK)).expect("its receiver is above");
    }
    thread::scope(|scope| {
        let parser = scope.spawn(move || parse_blocks(path, &filled, &emptied_sender));
        let reading = read_blocks(path, reader, &emptied, &filled_sender);
        drop(filled_sender);
        // An error of an earlier row comes before whatever stopped the reading after it.
        let parsed = parser.join().expect("the parser does not panic")?;
        let rows = parsed.as_ref().map_or(0, |builder| builder.len() as u64);
        match reading {
            Reading::Failed(error) => return Err(error),
            Reading::LineTooLong => {
                let problem = RowProblem::TooLong { limit: MAX_LINE };
                return Err(DataError::Row { path: path.to_owned(), row: rows + 1, problem });
            }
            Reading::Finished => {}
        }
        let Some(builder) = parsed else {
            return Err(DataError::file(path, "is empty; expected a header `emotion,pixels,Usage`"));
        };
        if builder.is_empty() {
            return Err(DataError::file(path, "has no data rows; expected one row a picture"));
        }
        Ok(builder)
    })
}

/// Sends blocks of whole lines, until the text ends or the parser has found an error.
fn read_blocks(
    path: &Path,
    reader: &mut dyn Read,
    emptied: &Receiver<Vec<u8>>,
    filled: &SyncSender<Vec<u8>>,
) -> Reading {
    // The beginning of a line whose end is in the next block.
    let mut begun: Vec<u8> = Vec::new();
    // The parser hangs up when it has found an error, which it tells itself.
    while let Ok(mut block) = emptied.recv() {
        block.clear();
        block.extend_from_slice(&begun);
        let missing = (BLOCK - begun.len()) as u64;
        let at_end = match Read::take(&mut *reader, missing).read_to_end(&mut block) {
            Err(error) => return Reading::Failed(stream_error(path, error)),
            Ok(length) => (length as u64) < missing,
        };
        if !at_end {
            let Some(end) = memchr::memrchr(b'\n', &block) else { return Reading::LineTooLong };
            begun.clear();
            begun.extend_from_slice(&block[end + 1..]);
            block.truncate(end + 1);
        }
        if filled.send(block).is_err() || at_end {
            break;
        }
    }
    Reading::Finished
}

/// Parses blocks of whole lines in their order; the first line of all is the header. `None` if there is
/// not even that.
fn parse_blocks(
    path: &Path,
    filled: &Receiver<Vec<u8>>,
    emptied: &Sender<Vec<u8>>,
) -> Result<Option<PackedBuilder>, DataError> {
    let mut builder = PackedBuilder::new("fer2013", LabelSet::Fer2013, SIZE, SIZE);
    builder.reserve(OFFICIAL_ROWS);
    let mut columns = None;
    // One per task, kept from block to block.
    let mut parsed: Vec<Rows> = Vec::new();
    for block in filled {
        let (columns, text) = match columns {
            Some(columns) => (columns, block.as_slice()),
            None if block.is_empty() => break,
            None => {
                let (header, text) = split_line(&block);
                let found = Columns::of_header(header).map_err(|found| {
                    DataError::file(path, format!("has columns `{found}`, expected emotion, pixels, Usage"))
                })?;
                (*columns.insert(found), text)
            }
        };
        let tasks = tasks(text);
        if parsed.len() < tasks.len() {
            parsed.resize_with(tasks.len(), Rows::default);
        }
        let results: Vec<_> =
            tasks.par_iter().zip(&mut parsed).map(|(task, rows)| parse_rows(task, columns, rows)).collect();
        for (rows, result) in parsed.iter().zip(results) {
            result.map_err(|problem| DataError::Row {
                path: path.to_owned(),
                row: (builder.len() + rows.labels.len()) as u64 + 1,
                problem,
            })?;
            append(&mut builder, rows)?;
        }
        // The reader may have finished and gone.
        let _ = emptied.send(block);
    }
    Ok(columns.map(|_| builder))
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
