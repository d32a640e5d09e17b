//! Parses rows of FER-2013's csv text: a label, 2,304 pixels as decimal numbers, a usage.
//!
//! The file is 287 MB of digits, so this is written for speed: two pixels are read from each eight
//! bytes, and nothing is allocated per row.

use super::error::{RowProblem, excerpt};
use super::split::Split;

/// Height and width of FER-2013's pictures.
pub(super) const SIZE: usize = 48;
/// Pixels of one picture.
pub(super) const PIXELS: usize = SIZE * SIZE;
/// No line of a sound file is longer: 2,304 pixels of four bytes, label, usage.
pub(super) const MAX_LINE: usize = 1 << 16;
/// FER-2013's seven classes are numbered from 0.
const HIGHEST_LABEL: u8 = 6;

/// Which field of a row holds what, as the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    label: usize,
    pixels: usize,
    usage: usize,
}

impl Columns {
    const COUNT: usize = 3;

    /// Finds `emotion`, `pixels` and `Usage` in a header line, in any order, whatever the spaces.
    /// On failure returns the columns found.
    pub fn of_header(line: &[u8]) -> Result<Self, String> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let names: Vec<String> =
            line.split(|&byte| byte == b',').map(|name| excerpt(bare(name)).to_ascii_lowercase()).collect();
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        match (place("emotion"), place("pixels"), place("usage")) {
            (Some(label), Some(pixels), Some(usage)) if names.len() == Self::COUNT => {
                Ok(Self { label, pixels, usage })
            }
            _ => Err(names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Pictures, labels and splits of consecutive rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
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
pub(super) fn parse_rows(text: &[u8], columns: Columns, rows: &mut Rows) -> Result<(), RowProblem> {
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
    let mut fields: [&[u8]; Columns::COUNT] = [&[]; Columns::COUNT];
    let (mut count, mut start) = (0, 0);
    for end in memchr::memchr_iter(b',', line).chain([line.len()]) {
        if let Some(field) = fields.get_mut(count) {
            *field = bare(&line[start..end]);
        }
        (count, start) = (count + 1, end + 1);
    }
    if count != Columns::COUNT {
        return Err(RowProblem::FieldCount { got: count, expected: Columns::COUNT });
    }
    let label = match fields[columns.label] {
        &[digit @ b'0'..=b'9'] if digit - b'0' <= HIGHEST_LABEL => digit - b'0',
        other => return Err(RowProblem::Label { got: excerpt(other), highest: HIGHEST_LABEL }),
    };
    let begin = rows.images.len();
    rows.images.resize(begin + PIXELS, 0);
    parse_pixels(fields[columns.pixels], &mut rows.images[begin..])?;
    let usage = fields[columns.usage];
    let split = Split::from_usage(usage).ok_or_else(|| RowProblem::Usage { got: excerpt(usage) })?;
    rows.splits.push(split);
    rows.labels.push(label);
    Ok(())
}

/// A field without the spaces and quotes around it.
fn bare(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    match field {
        [b'"', inner @ .., b'"'] => inner.trim_ascii(),
        _ => field,
    }
}

/// Reads numbers from 0 to 255 separated by spaces into `pixels`, exactly as many as it holds.
fn parse_pixels(text: &[u8], pixels: &mut [u8]) -> Result<(), RowProblem> {
    let (filled, position) = parse_pairs(text, pixels);
    parse_carefully(&text[position..], filled, pixels)
}

/// Reads pairs of pixels, each followed by one space, as long as the text is of that kind. Returns how
/// many pixels were read and where in `text` the next one starts.
///
/// A pixel has one to three digits, so two with their spaces always fit the eight bytes of one load.
fn parse_pairs(text: &[u8], pixels: &mut [u8]) -> (usize, usize) {
    let (mut filled, mut position) = (0, 0);
    for pair in pixels.chunks_exact_mut(2) {
        let Some(bytes) = text.get(position..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        // Each byte becomes its digit, and every other character at least 10.
        let digits = u64::from_le_bytes(*bytes) ^ 0x3030_3030_3030_3030;
        // Bytes of 10 and more get a bit in their upper half. A sum that overflows spoils only the
        // bytes after one that is no space, and those are not used.
        let marks = (digits.wrapping_add(0x0606_0606_0606_0606) | digits) & 0xf0f0_f0f0_f0f0_f0f0;
        let first = marks.trailing_zeros() / 8;
        if !(1..=3).contains(&first) {
            break;
        }
        let skipped = 8 * (first + 1);
        let (next_digits, next_marks) = (digits >> skipped, marks >> skipped);
        let second = next_marks.trailing_zeros() / 8;
        if !(1..=3).contains(&second) {
            break;
        }
        let (one, two) = (number(digits, first), number(next_digits, second));
        let spaces = separator(digits, first) == SPACE && separator(next_digits, second) == SPACE;
        if !spaces || one > 255 || two > 255 {
            break;
        }
        pair[0] = one as u8;
        pair[1] = two as u8;
        filled += 2;
        position += (first + second + 2) as usize;
    }
    (filled, position)
}

/// A space, as the digits' transformation leaves it.
const SPACE: u64 = (b' ' ^ b'0') as u64;

/// The byte after `count` digits.
fn separator(digits: u64, count: u32) -> u64 {
    (digits >> (8 * count)) & 0xff
}

/// The number in the lowest `count` bytes of `digits`, 1 to 3, the first digit lowest.
fn number(digits: u64, count: u32) -> u64 {
    // Shifted up, the last digit is the highest of eight bytes and missing ones are zero.
    let aligned = digits << (64 - 8 * count);
    (aligned >> 56) + 10 * ((aligned >> 48) & 0xff) + 100 * ((aligned >> 40) & 0xff)
}

/// Reads the pixels after the first `filled` one by one and finds what is wrong, if anything is.
fn parse_carefully(text: &[u8], filled: usize, pixels: &mut [u8]) -> Result<(), RowProblem> {
    let mut position = filled;
    for token in text.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty()) {
        let wrong = || RowProblem::PixelValue { position: position + 1, got: excerpt(token) };
        if token.len() > 3 {
            return Err(wrong());
        }
        let mut value = 0_u16;
        for &byte in token {
            if !byte.is_ascii_digit() {
                return Err(wrong());
            }
            value = 10 * value + u16::from(byte - b'0');
        }
        let value = u8::try_from(value).map_err(|_| wrong())?;
        if let Some(pixel) = pixels.get_mut(position) {
            *pixel = value;
        }
        position += 1;
    }
    if position == pixels.len() {
        Ok(())
    } else {
        Err(RowProblem::PixelCount { got: position, expected: pixels.len() })
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
        assert_eq!(official(), Columns { label: 0, pixels: 1, usage: 2 });
        let kaggle = Columns::of_header(b"emotion, Usage, pixels\r").unwrap();
        assert_eq!(kaggle, Columns { label: 0, pixels: 2, usage: 1 });
        assert!(Columns::of_header(b"\xef\xbb\xbf\"emotion\",\"pixels\",\"Usage\"").is_ok());
        assert_eq!(Columns::of_header(b"emotion,pixels").unwrap_err(), "emotion, pixels");
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
            (replace("3,", "7,"), RowProblem::Label { got: "7".into(), highest: 6 }),
            (replace("3,", "33,"), RowProblem::Label { got: "33".into(), highest: 6 }),
            (replace("3,", ","), RowProblem::Label { got: "".into(), highest: 6 }),
            (replace("Training", "Validation"), RowProblem::Usage { got: "Validation".into() }),
            (row_of(&[7; PIXELS - 1]), RowProblem::PixelCount { got: 2303, expected: 2304 }),
            (row_of(&[7; PIXELS + 1]), RowProblem::PixelCount { got: 2305, expected: 2304 }),
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
        fn fast_and_careful_parsing_agree(bytes in proptest::collection::vec(
            prop_oneof![8 => b'0'..=b'9', 4 => Just(b' '), 1 => any::<u8>()], 0..400),
            count in 0..80_usize,
        ) {
            let (mut fast, mut careful) = (vec![0; count], vec![0; count]);
            let results =
                (parse_pixels(&bytes, &mut fast), parse_carefully(&bytes, 0, &mut careful));
            prop_assert_eq!(&results.0, &results.1);
            if results.0.is_ok() {
                prop_assert_eq!(fast, careful);
            }
        }

        #[test]
        fn any_pixels_survive(pixels in proptest::collection::vec(0..256_u16, PIXELS)) {
            let rows = parse(&row_of(&pixels)).unwrap();
            let got: Vec<u16> = rows.images.iter().map(|&pixel| u16::from(pixel)).collect();
            prop_assert_eq!(got, pixels);
        }
    }
}
