//! *Stretching* of pictures that are dark or faint: their gray levels are spread over the whole range, so that what
//! was learned from ordinary pictures finds its edges again.

use image::{DynamicImage, ImageBuffer, Pixel};

use super::picture::{Picture, Pixels};

/// Gray levels between the darkest and the lightest hundredth below which a picture is stretched. Ordinary photographs
/// have 150 to 250.
const FAINT: i32 = 80;
/// Share of pixels on either end that may be clipped.
const CLIPPED: f64 = 0.01;
/// Pixels that are looked at, evenly spread.
const SAMPLES: usize = 1 << 17;

/// What a program needs that stretches pictures in the same way.
pub(crate) fn settings() -> serde_json::Value {
    serde_json::json!({ "below_levels": FAINT, "clipped_share": CLIPPED, "most_samples": SAMPLES })
}

impl Picture {
    /// The picture with its levels spread over `0..=255` where they are few; `None` where that is not needed, or where
    /// it is of one level. Colours keep their hue.
    pub(crate) fn stretched(&self) -> Option<Self> {
        let (low, high) = match &self.pixels {
            Pixels::Gray(image) => levels(image.as_raw(), 1),
            Pixels::Color(image) => levels(image.as_raw(), 3),
        };
        if high - low >= FAINT || high == low {
            return None;
        }
        let table: [u8; 256] = std::array::from_fn(|value| {
            let stretched = (value as i32 - low) as f32 * 255.0 / (high - low) as f32;
            stretched.round().clamp(0.0, 255.0) as u8
        });
        let pixels = match &self.pixels {
            Pixels::Gray(image) => Pixels::Gray(through(image, &table)),
            Pixels::Color(image) => Pixels::Color(through(image, &table)),
        };
        Some(Self { pixels, ..*self })
    }
}

/// The darkest and the lightest level without a hundredth of the pixels on either side; of colours the mean counts.
fn levels(values: &[u8], channels: usize) -> (i32, i32) {
    let mut counts = [0_u32; 256];
    let pixels = values.len() / channels;
    for pixel in values.chunks_exact(channels).step_by(pixels.div_ceil(SAMPLES).max(1)) {
        let sum: usize = pixel.iter().map(|value| usize::from(*value)).sum();
        counts[sum / channels] += 1;
    }
    let most = (f64::from(counts.iter().sum::<u32>()) * CLIPPED) as u32;
    let end = |levels: &[usize; 256]| {
        let mut passed = 0;
        let found = levels.iter().find(|level| {
            passed += counts[**level];
            passed > most
        });
        found.map_or(0, |level| *level as i32)
    };
    (end(&std::array::from_fn(|level| level)), end(&std::array::from_fn(|level| 255 - level)))
}

fn through<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    table: &[u8; 256],
) -> ImageBuffer<P, Vec<u8>> {
    let mut image = image.clone();
    image.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    image
}

/// Cameras of 10 and 12 bits store their values in 16 and leave the upper ones empty: taken as they are, such a picture
/// is nearly black. Transparency has its own scale and stays as it is.
pub(super) fn fill_upper_bits(image: &mut DynamicImage) {
    match image {
        DynamicImage::ImageLuma16(image) => shift_up(image, 1, 1),
        DynamicImage::ImageLumaA16(image) => shift_up(image, 2, 1),
        DynamicImage::ImageRgb16(image) => shift_up(image, 3, 3),
        DynamicImage::ImageRgba16(image) => shift_up(image, 4, 3),
        _ => {}
    }
}

/// Moves the values of all but transparency up by the bits that none of them uses, at most to 8 used ones.
fn shift_up(values: &mut [u16], channels: usize, colors: usize) {
    let largest =
        values.chunks_exact(channels).flat_map(|pixel| &pixel[..colors]).copied().max().unwrap_or(0);
    let empty = largest.leading_zeros();
    // One or two empty bits are a picture without its brightest tones.
    if !(4..16).contains(&empty) {
        return;
    }
    let shift = empty.min(8);
    let pixels = values.chunks_exact_mut(channels);
    pixels.flat_map(|pixel| &mut pixel[..colors]).for_each(|value| *value <<= shift);
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    fn gray(level: impl Fn(u32, u32) -> u8) -> Picture {
        let image = GrayImage::from_fn(100, 100, |x, y| Luma([level(x, y)]));
        Picture::from(image)
    }

    #[test]
    fn empty_upper_bits_are_filled_and_transparency_left_alone() {
        let mut values = [4095, 16, 0, 65_535];
        shift_up(&mut values, 2, 1);
        assert_eq!(values, [65_520, 16, 0, 65_535]);
        // Eight bits stored in sixteen; a picture that uses them all; a black one.
        for (before, after) in [([255, 3], [65_280, 768]), ([40_000, 3], [40_000, 3]), ([0, 0], [0, 0])] {
            let mut values = before;
            shift_up(&mut values, 1, 1);
            assert_eq!(values, after);
        }
    }

    #[test]
    fn faint_pictures_are_spread_and_others_left_alone() {
        // A ramp of 20 levels, with a few bright pixels that do not count.
        let faint = gray(|x, y| if (x, y) == (3, 3) { 255 } else { 40 + (x / 5) as u8 });
        let stretched = faint.stretched().unwrap().to_gray();
        assert_eq!((stretched.get_pixel(0, 0)[0], stretched.get_pixel(99, 0)[0]), (0, 255));
        assert_eq!(stretched.get_pixel(50, 0)[0], (10.0_f32 * 255.0 / 19.0).round() as u8);
        assert!(gray(|x, _| (x * 2) as u8).stretched().is_none());
        assert!(gray(|_, _| 7).stretched().is_none());
        let image = RgbImage::from_fn(100, 100, |x, _| Rgb([20 + x as u8 / 5, 10, 10]));
        let picture = Picture::from(image);
        assert!(picture.stretched().is_some());
    }
}
