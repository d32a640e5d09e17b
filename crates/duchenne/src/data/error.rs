//! The errors of the data floor, sorted by who can repair them.

use std::io;
use std::path::{Path, PathBuf};

use crate::data::counted;
use crate::data::faces::picture::PictureProblem;
use crate::data::packed::split::Split;
use crate::files::ReadError;
use crate::files::atomic::AtomicError;
use crate::files::mapped::MapError;

/// An error of the data floor; its message names the file, the place in it and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system refused to read: no such file, no permission, a failing disk.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A packed data set or a feature file cannot be mapped: unreadable, empty, not a file.
    #[error(transparent)]
    Map(#[from] MapError),
    /// An output could not be written.
    #[error(transparent)]
    Write(#[from] AtomicError),
    /// A file as a whole is not what was expected: empty, of another kind, broken.
    #[error("`{}`: {problem}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Got, expected and the remedy.
        problem: String,
    },
    /// One row of a text file is wrong.
    #[error("`{}`, row {row}: {problem}", path.display())]
    Row {
        /// The text file, or the archive that holds it.
        path: PathBuf,
        /// The data row, from 1; the header is not counted.
        row: u64,
        /// The first thing that is wrong with the row.
        problem: RowProblem,
    },
    /// One file inside a folder or an archive is wrong.
    #[error("`{}`, `{entry}`: {problem}", path.display())]
    Entry {
        /// The folder or archive.
        path: PathBuf,
        /// The file's path inside it.
        entry: String,
        /// Got, expected and the remedy.
        problem: String,
    },
    /// A picture inside a folder or an archive cannot be decoded.
    #[error("`{}`, `{entry}`: {problem}", path.display())]
    Picture {
        /// The folder or archive.
        path: PathBuf,
        /// The picture's path inside it.
        entry: String,
        /// The reason why its bytes cannot be decoded.
        problem: PictureProblem,
    },
    /// An entry's name would lead out of the folder that holds its archive.
    #[error(
        "`{}`, `{entry}`: this entry leads out of the archive's folder; such an archive is not read",
        path.display()
    )]
    EntryOutside {
        /// The archive.
        path: PathBuf,
        /// The entry's name, printable.
        entry: String,
    },
    /// An input has more content than this program reads; a guard against archives that expand without end.
    #[error("`{}` is over a limit: its content has more than {limit} bytes when unpacked", path.display())]
    TooManyBytes {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// A folder or an archive has more entries than this program reads.
    #[error("`{}` is over a limit: it has more than {limit} entries", path.display())]
    TooManyEntries {
        /// The folder or archive.
        path: PathBuf,
        /// The most entries that are read.
        limit: usize,
    },
    /// A sample cannot join the data set being built.
    #[error("sample {row} (from 0): {problem}")]
    Sample {
        /// The row it would have had, from 0.
        row: usize,
        /// Why not.
        problem: String,
    },
    /// The data set lacks the split that was asked for.
    #[error("data set `{name}` has no {split} samples; {}", remedy_of(*split))]
    NoSamples {
        /// The data set's name.
        name: String,
        /// The split.
        split: Split,
    },
    /// The labels of raters were asked for, and the data set was imported without them.
    #[error(
        "data set `{name}` has no raters' votes; import it with them: duchenne data import fer2013 fer2013.csv --ferplus \
         fer2013new.csv --out fer2013.safetensors"
    )]
    NoVotes {
        /// The data set's name.
        name: String,
    },
    /// Persons were to be kept together, and the data set does not know them.
    #[error(
        "data set `{name}` does not say who is shown: import it with subjects (a `subject` column, or --subject-pattern), or \
         keep only identical pictures together: --by picture"
    )]
    NoSubjects {
        /// The data set's name.
        name: String,
    },
    /// A share to be held out that leaves nothing on one side.
    #[error(
        "{share} of the {} of data set `{name}` cannot be held out: expected a share between 0 and 1 that leaves \
         pictures on both sides", counted(*rows, "training picture")
    )]
    Share {
        /// The data set's name.
        name: String,
        /// The share.
        share: f64,
        /// Pictures that it was to be taken from.
        rows: usize,
    },
    /// Splits that cannot be drawn.
    #[error("the splits of data set `{name}` cannot be drawn: {problem}")]
    Splits {
        /// The data set's name.
        name: String,
        /// Why not.
        problem: String,
    },
    /// A generator finds nothing to learn from.
    #[error(
        "data set `{name}` has no photographs of the training split, nor any without a split, to learn from"
    )]
    NoPhotographs {
        /// The data set's name.
        name: String,
    },
    /// Labels of another set were asked for that has none of the classes.
    #[error("the classes of data set `{name}` are {got}, none of which is one of {expected}")]
    NoCommonClass {
        /// The data set's name.
        name: String,
        /// Its label set.
        got: String,
        /// The label set that was asked for.
        expected: String,
    },
    /// A generator learns gray faces.
    #[error("data set `{name}` is in colour, and generators learn gray faces: import it without --color")]
    Colored {
        /// The data set's name.
        name: String,
    },
    /// Photographs cannot join a training split as generated faces.
    #[error(
        "data set `{name}` is not synthetic: row {row} (from 0) is a photograph; `duchenne gan sample` makes \
         synthetic sets"
    )]
    NotSynthetic {
        /// The data set's name.
        name: String,
        /// The first photograph's row, from 0.
        row: usize,
    },
    /// Generated faces of another size than the pictures that they should join.
    #[error(
        "data set `{name}` has pictures of {} x {} x {}, expected {} x {} x {} (height, width, channels)",
        got[0], got[1], got[2], expected[0], expected[1], expected[2]
    )]
    PictureSize {
        /// The name of the generated set.
        name: String,
        /// Height, width and channels of its pictures.
        got: [usize; 3],
        /// Height, width and channels of the pictures to join.
        expected: [usize; 3],
    },
    /// Generated faces show no class that the enlarged data set has.
    #[error("data set `{name}` has no label that maps to one of `{target}` with neutral = {neutral}")]
    NoCommonLabel {
        /// The name of the generated set.
        name: String,
        /// The label set of the data set to enlarge.
        target: String,
        /// The policy's key.
        neutral: &'static str,
    },
}

impl DataError {
    /// A refused read of `path`.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read(ReadError::new(path, source))
    }

    /// A file that as a whole is not what was expected.
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into() }
    }

    /// A wrong file inside `path`.
    pub(crate) fn entry(path: &Path, entry: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Entry { path: path.to_owned(), entry: entry.into(), problem: problem.into() }
    }
}

/// How a data set comes to samples of a split.
fn remedy_of(split: Split) -> &'static str {
    match split {
        Split::Validation => {
            "train with `--validation 0.1` to hold out a tenth of training, draw a lasting split (duchenne data split FILE \
             --validation 0.1 --out NEW), or evaluate another one with --split"
        }
        Split::Training | Split::Test => {
            "draw the splits: duchenne data split FILE --validation 0.1 --test 0.2 --out NEW (`duchenne data info` shows \
             what there is)"
        }
        Split::Unassigned => "`duchenne data info` shows what there is",
    }
}

/// The reason why one row of a text file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// The row was cut, or has more fields than the header.
    #[error("has {}, expected {expected}; the file may be truncated", counted(*got, "field"))]
    FieldCount {
        /// Fields found.
        got: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// The label is not a class.
    #[error(
        "label `{got}`, expected a number from 0 to {highest} or a class{}",
        meant.map_or(String::new(), |class| format!("; did you mean {class}?"))
    )]
    Label {
        /// The field's text.
        got: String,
        /// The highest label.
        highest: u8,
        /// The class that it nearly names.
        meant: Option<&'static str>,
    },
    /// The usage column names no split.
    #[error("usage `{got}`, expected Training, PublicTest or PrivateTest")]
    Usage {
        /// The field's text.
        got: String,
    },
    /// The wrong number of pixels.
    #[error("has {}, expected {} ({} x {})", counted(*got, "pixel"), expected[0] * expected[1], expected[0], expected[1])]
    PixelCount {
        /// Pixels found.
        got: usize,
        /// Height and width of the expected picture, in pixels.
        expected: [usize; 2],
    },
    /// A pixel that is not a byte.
    #[error("pixel {position} is `{got}`, expected a number from 0 to 255")]
    PixelValue {
        /// The pixel's place, from 1.
        position: usize,
        /// The pixel's text.
        got: String,
    },
    /// A line so long that it cannot be a row.
    #[error("is longer than {limit} bytes; expected one picture a line")]
    TooLong {
        /// The longest line read.
        limit: usize,
    },
    /// A vote that is not a number of raters.
    #[error("column `{column}` is `{got}`, expected a number of votes from 0 to 10")]
    Vote {
        /// The vote's column.
        column: String,
        /// The field's text.
        got: String,
    },
    /// More votes than there were raters.
    #[error("has {got} votes in all, expected at most 10")]
    VoteSum {
        /// The sum of the row's votes.
        got: u32,
    },
    /// The joined files disagree, so their rows do not correspond.
    #[error(
        "usage is {got}, but the same row of the pictures is {expected}; the files do not belong together"
    )]
    UsageDisagrees {
        /// The split this row names.
        got: String,
        /// The split of the row it is joined to.
        expected: String,
    },
    /// A field that cannot be used, in a sentence.
    #[error("{0}")]
    Field(String),
    /// The text is not readable as comma-separated values.
    #[error("is not readable as comma-separated text: {0}")]
    Csv(String),
}

/// At most the first 24 characters of `text`, printable, for error messages.
pub(crate) fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 24;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * LONGEST + 4)]);
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_printable() {
        assert_eq!(excerpt(b"256"), "256");
        assert_eq!(excerpt(b"a\n\x1b"), "a\\n\\u{1b}");
        assert!(excerpt(&[b'9'; 5000]).len() < 40);
    }

    #[test]
    fn one_has_no_plural() {
        let fields = |got| RowProblem::FieldCount { got, expected: 3 }.to_string();
        assert_eq!(fields(1), "has 1 field, expected 3; the file may be truncated");
        assert_eq!(fields(0), "has 0 fields, expected 3; the file may be truncated");
        let pixels = RowProblem::PixelCount { got: 1, expected: [2, 3] }.to_string();
        assert_eq!(pixels, "has 1 pixel, expected 6 (2 x 3)");
    }
}
