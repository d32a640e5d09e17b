//! Parses FER-2013's csv text on all cores while it is read.
//!
//! The text streams: one thread reads and unpacks blocks of whole lines, and the blocks' rows are parsed on all cores
//! and put together in order.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::data::error::{DataError, RowProblem};
use crate::data::import::archive::stream_error;
use crate::data::import::pixel_rows::{Columns, MAX_LINE, PIXELS, Rows, parse_rows};
use crate::data::packed::builder::PackedBuilder;
use crate::data::packed::split::Origin;

/// Text parsed at once: smaller blocks pass from thread to thread too often, more or larger ones leave the cache.
const BLOCK: usize = 2 << 20;
/// Blocks beside those that are parsed: read, waiting, or put together.
const BLOCKS_AHEAD: usize = 3;

/// A part of the text, then its rows.
struct Block {
    bytes: Vec<u8>,
    /// The whole lines within `bytes`.
    text: Range<usize>,
    rows: Rows,
    parsed: Result<(), RowProblem>,
}

impl Block {
    fn new() -> Self {
        Self { bytes: vec![0; BLOCK], text: 0..0, rows: Rows::default(), parsed: Ok(()) }
    }

    /// Reads on behind `text` until the memory is full or the stream ends; whether it ends.
    fn fill(&mut self, reader: &mut dyn Read) -> std::io::Result<bool> {
        while self.text.end < self.bytes.len() {
            match reader.read(&mut self.bytes[self.text.end..]) {
                Ok(0) => return Ok(true),
                Ok(length) => self.text.end += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.text.clone()]
    }

    fn parse(&mut self, columns: Columns) {
        self.parsed = parse_rows(&self.bytes[self.text.clone()], columns, &mut self.rows);
    }
}

/// Adds the rows of the csv text that `reader` gives to `builder`; `path` stands for the text in errors.
///
/// This thread reads, for decoders cannot move to another; others parse the blocks, and one puts their rows together.
/// The blocks go round: fresh memory would cost more than the parsing.
///
/// Returns whether the text says which split a row belongs to; where it does not, all are Training.
///
/// # Errors
/// [`DataError::Row`] of the first bad row, [`DataError::File`] for a text without header or rows; that of the
/// stream.
pub(crate) fn parse(
    path: &Path,
    reader: &mut dyn Read,
    builder: &mut PackedBuilder,
) -> Result<bool, DataError> {
    let parsers = rayon::current_num_threads();
    let (emptied_sender, emptied) = channel();
    for _ in 0..parsers + BLOCKS_AHEAD {
        emptied_sender.send(Block::new()).expect("its receiver is above");
    }
    let (filled_sender, filled) = channel::<(usize, Columns, Block)>();
    let filled = Mutex::new(filled);
    let (parsed_sender, parsed) = channel();
    let parse_filled = |parsed: Sender<Option<(usize, Block)>>| {
        let next = || filled.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok((index, columns, mut block)) = next() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| block.parse(columns))) {
                // The collector would wait for this block for ever.
                let _ = parsed.send(None);
                resume_unwind(panic);
            }
            // Hung up: there was an error in an earlier block.
            if parsed.send(Some((index, block))).is_err() {
                break;
            }
        }
    };
    let rows = &mut *builder;
    let (reading, collected) = thread::scope(|scope| {
        for _ in 0..parsers {
            let parsed = parsed_sender.clone();
            scope.spawn(|| parse_filled(parsed));
        }
        drop(parsed_sender);
        let collector = scope.spawn(move || collect(path, &parsed, &emptied_sender, rows));
        let reading = read_blocks(path, reader, &emptied, filled_sender);
        (reading, collector.join().expect("the collector does not panic"))
    });
    // An error in an earlier block comes before whatever stopped the reading after it.
    collected?;
    match reading {
        Reading::Finished(_) if builder.is_empty() => {
            Err(DataError::file(path, "has no data rows; expected one row a picture"))
        }
        Reading::Finished(has_usage) => Ok(has_usage),
        Reading::LineTooLong => {
            let (row, problem) = (builder.len() as u64 + 1, RowProblem::TooLong { limit: MAX_LINE });
            Err(DataError::Row { path: path.to_owned(), row, problem })
        }
        Reading::Failed(error) => Err(error),
    }
}

/// The outcome of reading the text.
enum Reading {
    /// Whether there is a column for the split.
    Finished(bool),
    /// A line is longer than any row.
    LineTooLong,
    Failed(DataError),
}

/// Sends blocks of whole lines with their number and columns, until the text ends or an error is found.
fn read_blocks(
    path: &Path,
    reader: &mut dyn Read,
    emptied: &Receiver<Block>,
    filled: Sender<(usize, Columns, Block)>,
) -> Reading {
    let mut columns = None;
    // A line cut by the block's end, to be completed by the next block.
    let mut begun: Vec<u8> = Vec::new();
    for index in 0.. {
        // Hung up: the collector has found an error, which it tells itself.
        let Ok(mut block) = emptied.recv() else { break };
        block.bytes[..begun.len()].copy_from_slice(&begun);
        block.text = 0..begun.len();
        let at_end = match block.fill(reader) {
            Err(error) => return Reading::Failed(stream_error(path, error)),
            Ok(at_end) => at_end,
        };
        if !at_end {
            let Some(end) = memchr::memrchr(b'\n', block.text()) else { return Reading::LineTooLong };
            begun.clear();
            begun.extend_from_slice(&block.text()[end + 1..]);
            block.text.end = end + 1;
        }
        let columns = match columns {
            Some(columns) => columns,
            None => match header(path, &mut block) {
                Ok(found) => *columns.insert(found),
                Err(error) => return Reading::Failed(error),
            },
        };
        filled.send((index, columns, block)).expect("its receiver outlives this function");
        if at_end {
            break;
        }
    }
    Reading::Finished(columns.is_some_and(Columns::has_usage))
}

/// Takes the header from the first block.
fn header(path: &Path, block: &mut Block) -> Result<Columns, DataError> {
    let text = block.text();
    if text.is_empty() {
        return Err(DataError::file(path, "is empty; expected a header `emotion,pixels,Usage`"));
    }
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    let columns = Columns::of_header(&text[..end]).map_err(|found| {
        DataError::file(
            path,
            format!("has columns `{found}`, expected emotion, pixels and, where there are splits, Usage"),
        )
    })?;
    block.text.start = text.len().min(end + 1);
    Ok(columns)
}

/// Puts the rows of the blocks together in the order of the text, up to the first error or a block that will
/// never come.
fn collect(
    path: &Path,
    parsed: &Receiver<Option<(usize, Block)>>,
    emptied: &Sender<Block>,
    builder: &mut PackedBuilder,
) -> Result<(), DataError> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (index, block) in parsed.iter().map_while(|block| block) {
        early.insert(index, block);
        while let Some(mut block) = early.remove(&next) {
            let rows = &block.rows;
            let problem = std::mem::replace(&mut block.parsed, Ok(()));
            problem.map_err(|problem| DataError::Row {
                path: path.to_owned(),
                row: (builder.len() + rows.labels.len()) as u64 + 1,
                problem,
            })?;
            let images = rows.images.chunks_exact(PIXELS);
            for ((image, &label), &split) in images.zip(&rows.labels).zip(&rows.splits) {
                builder.push(image, label, split, Origin::Photograph)?;
            }
            next += 1;
            emptied.send(block).expect("its receiver outlives this function");
        }
    }
    Ok(())
}
