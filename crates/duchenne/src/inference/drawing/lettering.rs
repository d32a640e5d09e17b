//! *Lettering*: words drawn into gray pictures, in the program's own font.

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _};
use image::GrayImage;

/// DejaVu Sans Bold, printable ASCII only (licence beside it).
const FONT: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-Bold-ascii.ttf");

/// The program's font.
pub(super) fn font() -> FontRef<'static> {
    FontRef::try_from_slice(FONT).expect("the built-in font is well formed")
}

/// Width of a line of text, in pixels, with letters `size` pixels from line to line.
pub(super) fn text_width(text: &str, size: f32) -> f32 {
    let font = font();
    let scaled = font.as_scaled(PxScale::from(size));
    text.chars().map(|letter| scaled.h_advance(scaled.glyph_id(letter))).sum()
}

/// Calls `blend(x, y, coverage)` for every pixel that a line of text touches, its left end and base line at
/// `start`; coverage is 0.0..=1.0.
pub(super) fn draw_text(text: &str, start: (f32, f32), size: f32, mut blend: impl FnMut(i32, i32, f32)) {
    let font = font();
    let scaled = font.as_scaled(PxScale::from(size));
    let mut pen = start.0;
    for letter in text.chars() {
        let glyph = scaled.glyph_id(letter);
        let advance = scaled.h_advance(glyph);
        let placed = glyph.with_scale_and_position(size, ab_glyph::point(pen, start.1));
        if let Some(outline) = font.outline_glyph(placed) {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                blend(corner.x as i32 + x as i32, corner.y as i32 + y as i32, coverage.clamp(0.0, 1.0));
            });
        }
        pen += advance;
    }
}

/// Writes a line of black text with its upper left corner at `corner`.
pub(super) fn write_text(picture: &mut GrayImage, text: &str, corner: (f32, f32), size: f32) {
    let font = font();
    let baseline = corner.1 + font.as_scaled(PxScale::from(size)).ascent();
    draw_text(text, (corner.0, baseline), size, |x, y, coverage| {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if let Some(pixel) = picture.get_pixel_mut_checked(x, y) {
            pixel.0[0] = (f32::from(pixel.0[0]) * (1.0 - coverage)).round() as u8;
        }
    });
}
