//! Reads FER+, the labels that ten raters gave FER-2013's pictures (Barsoum et al. 2016).
//!
//! Its rows are FER-2013's, in the same order; the number in an image name is not the row, and rows
//! that the raters' tool dropped have no name.

use std::path::Path;

use crate::data::error::{DataError, RowProblem, excerpt};
use crate::data::packed::split::Split;
use crate::data::packed::votes::VOTE_COLUMNS;

/// The raters of every picture; no class can have more votes.
const RATERS: u32 = 10;
/// The vote columns in the order of the packed file.
const COLUMNS: [&str; VOTE_COLUMNS] =
    ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"];

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
    Ok(VoteRow { split, votes })
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
        assert_eq!(rows[1], VoteRow { split: Split::PublicTest, votes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 10] });
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
