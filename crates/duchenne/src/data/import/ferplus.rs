//! Reads FER+, the labels that ten raters gave FER-2013's pictures (Barsoum et al. 2016): the csv file that joins
//! FER-2013's own, or the folders of pictures that the authors' program makes of both, `FER2013Train`, `FER2013Valid` and
//! `FER2013Test`, each with a `label.csv` without a header: name, box, ten votes.
//!
//! Its rows are FER-2013's, in the same order; the number in an image name is not the row, and rows
//! that the raters' tool dropped have no name.

use std::path::Path;

use crate::data::error::{DataError, RowProblem, excerpt};
use crate::data::import::folder::PictureOptions;
use crate::data::import::listing::{Listed, Listing};
use crate::data::import::lookup::Lookup;
use crate::data::import::picture_tree::PictureTree;
use crate::data::packed::builder::Imported;
use crate::data::packed::split::Split;
use crate::data::packed::votes::{VOTE_COLUMNS, vote_shares};
use crate::data::{Progress, counted};
use crate::expression::LabelSet;

/// The raters of every picture; no class can have more votes.
const RATERS: u32 = 10;
/// The vote columns in the order of the packed file.
pub(super) const COLUMNS: [&str; VOTE_COLUMNS] =
    ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"];

/// The folders of pictures, each with its split.
const FOLDERS: [(&str, Split); 3] =
    [("FER2013Train", Split::Training), ("FER2013Valid", Split::Validation), ("FER2013Test", Split::Test)];
/// The list in each.
const LIST: &str = "label.csv";

/// Imports FER+'s folders of pictures from the folder or zip archive `source`: every picture's label is the class with the
/// most votes, and its votes are kept. Pictures in which most raters saw no face, or none an expression, are left out.
///
/// # Errors
/// [`DataError`] naming the file or row and what was expected.
pub fn import(
    source: &Path,
    options: &PictureOptions<'_>,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Imported, DataError> {
    let mut tree = PictureTree::open(source)?;
    let lists = tree.others_named(|name| name == LIST);
    if lists.is_empty() {
        return Err(DataError::file(
            source,
            "holds no label.csv; expected FER2013Train/, FER2013Valid/ and FER2013Test/, each with pictures and a \
             label.csv (for fer2013new.csv: duchenne data import fer2013 fer2013.csv --ferplus fer2013new.csv)",
        ));
    }
    let mut listing = Listing::new(&options.name, LabelSet::FerPlus);
    let pictures = Lookup::new(&tree);
    let (mut texts, mut without) = (String::new(), 0);
    for (index, list) in lists {
        let around = list.rsplit_once('/').map_or("", |(around, _)| around);
        let folder = around.rsplit('/').next().unwrap_or_default();
        let split = FOLDERS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(folder));
        let (_, split) = split.ok_or_else(|| {
            let names = FOLDERS.map(|(name, _)| name).join(", ");
            DataError::entry(source, &list, format!("lies in no folder of {names}"))
        })?;
        let text = tree.text(index)?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(true)
            .has_headers(false)
            .from_reader(text.as_bytes());
        for (record, row) in reader.byte_records().zip(1..) {
            let path = source.join(&list);
            let record = record.map_err(|error| csv_error(&path, row, error))?;
            let listed = folder_row(&record).and_then(|(name, votes)| {
                let inside = format!("{around}/{name}");
                Ok((pictures.find(&inside).map_err(RowProblem::Field)?, votes))
            });
            match listed.map_err(|problem| DataError::Row { path, row, problem }) {
                Ok((picture, votes)) => match vote_shares(&votes) {
                    Some(shares) => listing.listed.push(Listed {
                        votes: Some(votes),
                        ..Listed::photograph(picture, shares.likeliest(), split)
                    }),
                    None => without += 1,
                },
                Err(error) => listing.add(Err(error), options.skip_broken)?,
            }
        }
        texts += &text;
    }
    if without > 0 {
        let pictures = counted(without, "picture");
        listing.notes.push(format!("left out {pictures} in which raters saw no face or no expression"));
    }
    listing.pack(&mut tree, texts.as_bytes(), options, out, progress)
}

/// Name and votes of a row of `label.csv`.
fn folder_row(record: &csv::ByteRecord) -> Result<(String, [u8; VOTE_COLUMNS]), RowProblem> {
    const FIELDS: usize = 2 + VOTE_COLUMNS;
    if record.len() != FIELDS {
        return Err(RowProblem::FieldCount { got: record.len(), expected: FIELDS });
    }
    let columns = std::array::from_fn(|column| 2 + column);
    Ok((String::from_utf8_lossy(&record[0]).into_owned(), votes_of(record, &columns)?))
}

/// One row of FER+.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoteRow {
    pub split: Split,
    pub votes: [u8; VOTE_COLUMNS],
}

/// Reads `fer2013new.csv` at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<VoteRow>, DataError> {
    let file = std::fs::File::open(path).map_err(|error| DataError::read(path, error))?;
    if file.metadata().map_err(|error| DataError::read(path, error))?.is_dir() {
        return Err(DataError::file(path, "is a folder, expected FER+'s file fer2013new.csv"));
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(file);
    let header = reader.byte_headers().map_err(|error| csv_error(path, 0, error))?.clone();
    let place = |wanted: &str| {
        header.iter().position(|name| name.eq_ignore_ascii_case(wanted.as_bytes())).ok_or_else(|| {
            let problem =
                format!("has no column `{wanted}`, expected Usage, Image name, {}", COLUMNS.join(", "));
            DataError::file(path, problem)
        })
    };
    let usage = place("Usage")?;
    let mut columns = [0; VOTE_COLUMNS];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        *column = place(name)?;
    }
    let mut rows = Vec::new();
    let mut record = csv::ByteRecord::new();
    loop {
        let row = rows.len() as u64 + 1;
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(csv_error(path, row, error)),
        }
        let parsed = if record.len() == header.len() {
            parse_row(&record, usage, &columns)
        } else {
            Err(RowProblem::FieldCount { got: record.len(), expected: header.len() })
        };
        rows.push(parsed.map_err(|problem| DataError::Row { path: path.to_owned(), row, problem })?);
    }
    if rows.is_empty() {
        return Err(DataError::file(path, "has no data rows; expected one row a picture"));
    }
    Ok(rows)
}

fn parse_row(
    record: &csv::ByteRecord,
    usage: usize,
    columns: &[usize; VOTE_COLUMNS],
) -> Result<VoteRow, RowProblem> {
    let usage = &record[usage];
    let split = Split::from_usage(usage).ok_or_else(|| RowProblem::Usage { got: excerpt(usage) })?;
    Ok(VoteRow { split, votes: votes_of(record, columns)? })
}

/// The votes in these columns of a row.
fn votes_of(
    record: &csv::ByteRecord,
    columns: &[usize; VOTE_COLUMNS],
) -> Result<[u8; VOTE_COLUMNS], RowProblem> {
    let mut votes = [0; VOTE_COLUMNS];
    for ((vote, &column), name) in votes.iter_mut().zip(columns).zip(COLUMNS) {
        let field = &record[column];
        let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<u8>().ok());
        *vote = number
            .filter(|&number| u32::from(number) <= RATERS)
            .ok_or_else(|| RowProblem::Vote { column: name.to_owned(), got: excerpt(field) })?;
    }
    let sum = votes.iter().map(|&vote| u32::from(vote)).sum();
    if sum > RATERS {
        return Err(RowProblem::VoteSum { got: sum });
    }
    Ok(votes)
}

fn csv_error(path: &Path, row: u64, error: csv::Error) -> DataError {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => DataError::read(path, error),
        _ => DataError::Row { path: path.to_owned(), row, problem: RowProblem::Csv(text) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n";

    fn read_text(text: &str) -> Result<Vec<VoteRow>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("votes.csv");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_without_a_name_count_too() {
        let rows = read_text(&format!(
            "{HEADER}Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\nPublicTest,,0,0,0,0,0,0,0,0,0,10\n"
        ))
        .unwrap();
        assert_eq!(rows[0].votes, [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]);
        assert_eq!(rows[1], VoteRow { split: Split::Validation, votes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 10] });
    }

    #[test]
    fn bad_rows_are_told_with_their_place() {
        let good = "Training,a.png,4,0,0,1,3,2,0,0,0,0\n";
        for (bad, message) in [
            ("Training,b.png,4,0,0,1,3,2,0,0,0", "has 11 fields, expected 12"),
            ("Train,b.png,4,0,0,1,3,2,0,0,0,0", "usage `Train`"),
            ("Training,b.png,11,0,0,0,0,0,0,0,0,0", "column `neutral` is `11`"),
            ("Training,b.png,4,0,0,1,3,2,0,0,0,x", "column `NF` is `x`"),
            ("Training,b.png,5,0,0,1,3,2,0,0,0,0", "has 11 votes in all"),
        ] {
            let error = read_text(&format!("{HEADER}{good}{bad}\n")).unwrap_err();
            assert!(error.contains("votes.csv`, row 2: ") && error.contains(message), "{error}");
        }
        assert!(read_text("emotion,pixels,Usage\n").unwrap_err().contains("no column `neutral`"));
        assert!(read_text("").unwrap_err().contains("no column `Usage`"));
        assert!(read_text(HEADER).unwrap_err().contains("no data rows"));
    }
}
