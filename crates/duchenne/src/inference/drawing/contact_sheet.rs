//! A *contact sheet*: rows of faces in one picture, with names.

use std::path::Path;

use image::imageops::{FilterType, replace, resize};
use image::{ExtendedColorType, GrayImage, ImageEncoder as _, Luma, codecs::png::PngEncoder};

use crate::files::atomic::{AtomicError, write_atomically};
use crate::inference::drawing::lettering::{text_width, write_text};

/// Side of a face on the sheet, in pixels.
const CELL: u32 = 96;
/// Between faces.
const GAP: u32 = 4;
/// Height of letters.
const LETTERS: f32 = 15.0;

/// Rows of faces with the names of rows and columns.
#[derive(Debug, Clone)]
pub struct ContactSheet {
    /// Names over the columns, or none.
    pub columns: Vec<String>,
    /// Name and faces of each row; faces of any size.
    pub rows: Vec<(String, Vec<GrayImage>)>,
}

impl ContactSheet {
    /// The picture, black on white.
    pub fn draw(&self) -> GrayImage {
        let names = self.rows.iter().map(|(name, _)| text_width(name, LETTERS).ceil() as u32);
        let left = names.max().unwrap_or(0) + 2 * GAP;
        let top = if self.columns.is_empty() { GAP } else { LETTERS as u32 + 2 * GAP };
        let step = CELL + GAP;
        let widest = self.rows.iter().map(|(_, faces)| faces.len()).max().unwrap_or(0) as u32;
        let size = (left + widest * step, top + self.rows.len() as u32 * step);
        let mut sheet = GrayImage::from_pixel(size.0.max(1), size.1.max(1), Luma([255]));
        for (column, name) in self.columns.iter().enumerate() {
            let middle = (left + column as u32 * step) as f32 + CELL as f32 / 2.0;
            let start = middle - text_width(name, LETTERS) / 2.0;
            write_text(&mut sheet, name, (start, GAP as f32), LETTERS);
        }
        for (row, (name, faces)) in self.rows.iter().enumerate() {
            let y = top + row as u32 * step;
            write_text(&mut sheet, name, (GAP as f32, y as f32 + (CELL as f32 - LETTERS) / 2.0), LETTERS);
            for (column, face) in faces.iter().enumerate() {
                let face = resize(face, CELL, CELL, FilterType::CatmullRom);
                replace(&mut sheet, &face, i64::from(left + column as u32 * step), i64::from(y));
            }
        }
        sheet
    }
}

/// Writes a picture as PNG, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_sheet(sheet: &GrayImage, path: &Path) -> Result<(), AtomicError> {
    write_atomically(path, |out| {
        PngEncoder::new(out)
            .write_image(sheet.as_raw(), sheet.width(), sheet.height(), ExtendedColorType::L8)
            .map_err(|error| AtomicError::system(path, std::io::Error::other(error)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_stand_in_rows_beside_names() {
        let face = |value| GrayImage::from_pixel(48, 48, Luma([value]));
        let rows = vec![("a".to_owned(), vec![face(10), face(20)]), ("b".to_owned(), vec![face(30)])];
        let sheet = ContactSheet { columns: vec!["x".to_owned(), "y".to_owned()], rows }.draw();
        for value in [10, 20, 30] {
            let count = sheet.pixels().filter(|pixel| pixel.0[0] == value).count();
            // The edges of letters have a few pixels of every gray.
            assert!(count.abs_diff((CELL * CELL) as usize) < 50, "face of gray {value}: {count}");
        }
        assert!(sheet.pixels().filter(|pixel| pixel.0[0] < 5).count() > 20, "no letters");
        assert_eq!(ContactSheet { columns: vec![], rows: vec![] }.draw().dimensions(), (8, 4));
    }
}
