//! Parses rows of FER-2013's csv text: a label, 2,304 pixels as decimal numbers, a usage; and of its variants: columns
//! in any order and more of them, semicolons or tabs between them, names for labels, no usage.

use crate::data::FACE_SIDE;
use crate::data::error::{RowProblem, excerpt};
use crate::data::import::pixel_numbers::append_pixels;
use crate::data::packed::split::Split;
use crate::expression::LabelSet;

/// Pixels of one picture.
pub(crate) const PIXELS: usize = FACE_SIDE * FACE_SIDE;
/// No line of a sound file is longer: 2,304 pixels of four bytes, label, usage.
pub(crate) const MAX_LINE: usize = 1 << 16;
/// FER-2013's seven classes are numbered from 0.
const HIGHEST_LABEL: u8 = 6;

/// The most columns of a row.
const MOST_COLUMNS: usize = 16;

/// The places of a row's fields, as the header gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    label: usize,
    pixels: usize,
    usage: Option<usize>,
    count: usize,
    separator: u8,
}

impl Columns {
    /// Finds `emotion`, `pixels` and `Usage` in a header line, in any order, whatever the spaces and what other columns
    /// there are. On failure returns the columns found.
    pub(super) fn of_header(line: &[u8]) -> Result<Self, String> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let separator = [b';', b'\t'].into_iter().find(|separator| line.contains(separator)).unwrap_or(b',');
        let names: Vec<String> = line
            .split(|&byte| byte == separator)
            .map(|name| excerpt(bare(name)).to_ascii_lowercase())
            .collect();
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        let label = place("emotion").or_else(|| place("label")).or_else(|| place("expression"));
        match (label, place("pixels")) {
            (Some(label), Some(pixels)) if names.len() <= MOST_COLUMNS => {
                Ok(Self { label, pixels, usage: place("usage"), count: names.len(), separator })
            }
            _ => Err(names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Whether the text says which split a row belongs to.
    pub(super) fn has_usage(self) -> bool {
        self.usage.is_some()
    }
}

/// Pictures, labels and splits of consecutive rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub images: Vec<u8>,
    pub labels: Vec<u8>,
    pub splits: Vec<Split>,
}

impl Rows {
    /// Forgets the rows but keeps their memory.
    fn clear(&mut self) {
        self.images.clear();
        self.labels.clear();
        self.splits.clear();
    }
}

/// Parses the whole lines of `text` into `rows`, whose former content goes; empty lines are skipped.
/// On failure `rows` has the labels of the rows before the bad one.
pub(crate) fn parse_rows(text: &[u8], columns: Columns, rows: &mut Rows) -> Result<(), RowProblem> {
    rows.clear();
    let mut rest = text;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].trim_ascii();
        rest = rest.get(end + 1..).unwrap_or_default();
        if !line.is_empty() {
            parse_row(line, columns, rows)?;
        }
    }
    Ok(())
}

/// Appends one row; the label comes last, so that their number is that of whole rows.
fn parse_row(line: &[u8], columns: Columns, rows: &mut Rows) -> Result<(), RowProblem> {
    if line.len() > MAX_LINE {
        return Err(RowProblem::TooLong { limit: MAX_LINE });
    }
    let mut fields: [&[u8]; MOST_COLUMNS] = [&[]; MOST_COLUMNS];
    let (mut got, mut begin) = (0, 0);
    for end in memchr::memchr_iter(columns.separator, line).chain([line.len()]) {
        if let Some(field) = fields.get_mut(got) {
            *field = bare(&line[begin..end]);
        }
        (got, begin) = (got + 1, end + 1);
    }
    if got != columns.count {
        return Err(RowProblem::FieldCount { got, expected: columns.count });
    }
    parse_fields(&fields[..got], columns, rows)
}

fn parse_fields(fields: &[&[u8]], columns: Columns, rows: &mut Rows) -> Result<(), RowProblem> {
    let label = match fields[columns.label] {
        &[digit @ b'0'..=b'9'] if digit - b'0' <= HIGHEST_LABEL => digit - b'0',
        other => named_label(other)?,
    };
    append_pixels(fields[columns.pixels], [FACE_SIDE; 2], &mut rows.images)?;
    let split = match columns.usage.map(|usage| fields[usage]) {
        None => Split::Training,
        Some(usage) => Split::from_usage(usage).ok_or_else(|| RowProblem::Usage { got: excerpt(usage) })?,
    };
    rows.splits.push(split);
    rows.labels.push(label);
    Ok(())
}

/// The label that a class's name stands for.
fn named_label(field: &[u8]) -> Result<u8, RowProblem> {
    let name = std::str::from_utf8(field).unwrap_or_default();
    LabelSet::Fer2013.label_of(name).ok_or_else(|| RowProblem::Label {
        got: excerpt(field),
        highest: HIGHEST_LABEL,
        meant: LabelSet::Fer2013.meant(name),
    })
}

/// A field without the spaces and quotes around it.
fn bare(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    match field {
        [b'"', inner @ .., b'"'] => inner.trim_ascii(),
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &[u8]) -> Result<Rows, (usize, RowProblem)> {
        let mut rows = Rows::default();
        match parse_rows(text, official(), &mut rows) {
            Ok(()) => Ok(rows),
            Err(problem) => Err((rows.labels.len(), problem)),
        }
    }

    fn official() -> Columns {
        Columns::of_header(b"emotion,pixels,Usage").unwrap()
    }

    fn row_of(pixels: &[u16]) -> Vec<u8> {
        let text: Vec<String> = pixels.iter().map(u16::to_string).collect();
        format!("3,{},Training\n", text.join(" ")).into_bytes()
    }

    #[test]
    fn columns_are_found_by_name() {
        let three = Columns { label: 0, pixels: 1, usage: Some(2), count: 3, separator: b',' };
        assert_eq!(official(), three);
        let kaggle = Columns::of_header(b"emotion, Usage, pixels\r").unwrap();
        assert_eq!(kaggle, Columns { pixels: 2, usage: Some(1), ..three });
        assert!(Columns::of_header(b"\xef\xbb\xbf\"emotion\",\"pixels\",\"Usage\"").is_ok());
        let others = Columns::of_header(b";emotion;pixels").unwrap();
        assert_eq!(others, Columns { label: 1, pixels: 2, usage: None, count: 3, separator: b';' });
        assert_eq!(Columns::of_header(b"pixels,Usage").unwrap_err(), "pixels, usage");
    }

    #[test]
    fn variants_are_read_alike() {
        let pixels = vec!["7"; PIXELS].join(" ");
        for (header, row, split) in [
            ("emotion;pixels;Usage", format!("3;{pixels};PublicTest"), Split::Validation),
            (",emotion,pixels,Usage", format!("17,3,{pixels},PrivateTest"), Split::Test),
            ("emotion\tpixels", format!("Happiness\t{pixels}"), Split::Training),
            ("pixels,emotion", format!("\"{pixels}\",happy"), Split::Training),
        ] {
            let mut rows = Rows::default();
            let columns = Columns::of_header(header.as_bytes()).unwrap();
            parse_rows(row.as_bytes(), columns, &mut rows).unwrap();
            assert_eq!(
                (&rows.labels[..], &rows.splits[..], rows.images.len()),
                (&[3][..], &[split][..], PIXELS)
            );
        }
        let question = parse(format!("suprise,{pixels},Training").as_bytes()).map(drop).unwrap_err().1;
        assert!(question.to_string().ends_with("or a class; did you mean surprise?"), "{question}");
    }

    #[test]
    fn every_byte_value_is_read() {
        let pixels: Vec<u16> = (0..PIXELS as u16).map(|pixel| pixel % 256).collect();
        let rows = parse(&row_of(&pixels)).unwrap();
        assert!(rows.images.iter().zip(&pixels).all(|(&got, &expected)| u16::from(got) == expected));
        assert_eq!((rows.labels, rows.splits), (vec![3], vec![Split::Training]));
    }

    #[test]
    fn every_kind_of_bad_row_is_told_with_its_place() {
        let good = row_of(&[7; PIXELS]);
        let replace = |from: &str, to: &str| {
            String::from_utf8(good.clone()).unwrap().replacen(from, to, 1).into_bytes()
        };
        let pixels_then =
            |count: usize, last: &str| format!("3,{}{last},Training\n", "7 ".repeat(count)).into_bytes();
        let cases: Vec<(Vec<u8>, RowProblem)> = vec![
            (good[..4000].to_vec(), RowProblem::FieldCount { got: 2, expected: 3 }),
            (b"3".to_vec(), RowProblem::FieldCount { got: 1, expected: 3 }),
            (replace("3,7 7 ", "3,7 7,"), RowProblem::FieldCount { got: 4, expected: 3 }),
            (replace("3,", "7,"), RowProblem::Label { got: "7".into(), highest: 6, meant: None }),
            (replace("3,", "33,"), RowProblem::Label { got: "33".into(), highest: 6, meant: None }),
            (replace("3,", ","), RowProblem::Label { got: "".into(), highest: 6, meant: None }),
            (replace("Training", "Validation"), RowProblem::Usage { got: "Validation".into() }),
            (row_of(&[7; PIXELS - 1]), RowProblem::PixelCount { got: 2303, expected: [48, 48] }),
            (row_of(&[7; PIXELS + 1]), RowProblem::PixelCount { got: 2305, expected: [48, 48] }),
            (replace("3,7 7 ", "3,7 256 "), RowProblem::PixelValue { position: 2, got: "256".into() }),
            (replace("3,7 7 ", "3,-1 7 "), RowProblem::PixelValue { position: 1, got: "-1".into() }),
            (replace("3,7 7 ", "3,7 7.5 "), RowProblem::PixelValue { position: 2, got: "7.5".into() }),
            (replace("3,7 7 ", "3,7 0007 "), RowProblem::PixelValue { position: 2, got: "0007".into() }),
            (pixels_then(2303, "x"), RowProblem::PixelValue { position: 2304, got: "x".into() }),
            (pixels_then(2303, "999"), RowProblem::PixelValue { position: 2304, got: "999".into() }),
            (vec![b'1'; MAX_LINE + 1], RowProblem::TooLong { limit: MAX_LINE }),
        ];
        for (bad, problem) in cases {
            let text = [good.as_slice(), b"\n", &bad].concat();
            assert_eq!(parse(&text).unwrap_err(), (1, problem));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_pixels_survive(pixels in proptest::collection::vec(0..256_u16, PIXELS)) {
            let rows = parse(&row_of(&pixels)).unwrap();
            let got: Vec<u16> = rows.images.iter().map(|&pixel| u16::from(pixel)).collect();
            prop_assert_eq!(got, pixels);
        }
    }
}
