//! *Pixels* of a face in gray or in colour, on their way to the square that a network or a packed data set asks for.

use image::imageops::{FilterType, resize};
use image::{GrayImage, RgbImage};

use super::picture::{Picture, Pixels, luma};

/// A picture of a face.
pub trait FacePixels: Sync {
    /// The picture stretched to `side x side` pixels, row by row: one gray byte each, or, in colour, red, green and blue.
    /// Unchanged if it has that size. Triangle filter, which averages when it makes smaller. A gray picture in colour has
    /// three equal values; one in colour becomes gray first (ITU-R BT.601).
    fn squared(&self, side: u32, color: bool) -> Vec<u8>;
}

impl<P: FacePixels> FacePixels for &P {
    fn squared(&self, side: u32, color: bool) -> Vec<u8> {
        P::squared(self, side, color)
    }
}

impl FacePixels for GrayImage {
    fn squared(&self, side: u32, color: bool) -> Vec<u8> {
        let gray = if self.dimensions() == (side, side) {
            self.as_raw().clone()
        } else {
            resize(self, side, side, FilterType::Triangle).into_raw()
        };
        if color { gray.into_iter().flat_map(|value| [value; 3]).collect() } else { gray }
    }
}

impl FacePixels for RgbImage {
    fn squared(&self, side: u32, color: bool) -> Vec<u8> {
        if !color {
            return gray(self).squared(side, false);
        }
        if self.dimensions() == (side, side) {
            return self.as_raw().clone();
        }
        resize(self, side, side, FilterType::Triangle).into_raw()
    }
}

impl FacePixels for Picture {
    fn squared(&self, side: u32, color: bool) -> Vec<u8> {
        match &self.pixels {
            Pixels::Gray(image) => image.squared(side, color),
            Pixels::Color(image) => image.squared(side, color),
        }
    }
}

/// Rows of bytes as they are packed: gray, or red, green and blue.
pub(crate) struct PackedFace<'a> {
    /// `height * width * channels` bytes.
    pub pixels: &'a [u8],
    /// Height, width and channels, the latter 1 or 3.
    pub shape: [usize; 3],
}

impl FacePixels for PackedFace<'_> {
    fn squared(&self, side: u32, color: bool) -> Vec<u8> {
        let [height, width, channels] = self.shape;
        let (width, height) = (width as u32, height as u32);
        let whole = "packed pictures have the packed size";
        if channels == 1 {
            GrayImage::from_raw(width, height, self.pixels.to_vec()).expect(whole).squared(side, color)
        } else {
            RgbImage::from_raw(width, height, self.pixels.to_vec()).expect(whole).squared(side, color)
        }
    }
}

/// The luma of every pixel.
pub(super) fn gray(image: &RgbImage) -> GrayImage {
    let luma = image.pixels().map(|pixel| luma(pixel.0)).collect();
    GrayImage::from_vec(image.width(), image.height(), luma).expect("one luma value was made per pixel")
}

/// Changes every channel of `pixels`, of `[height, width, channels]`, as a gray picture of its own.
pub(crate) fn each_channel(
    pixels: &[u8],
    [height, width, channels]: [usize; 3],
    mut change: impl FnMut(GrayImage) -> GrayImage,
) -> Vec<u8> {
    let mut changed = vec![0; pixels.len()];
    for channel in 0..channels {
        let plane = pixels.iter().skip(channel).step_by(channels).copied().collect();
        let plane = GrayImage::from_raw(width as u32, height as u32, plane);
        let plane = change(plane.expect("every channel has a value for each pixel"));
        let to = changed.iter_mut().skip(channel).step_by(channels);
        to.zip(plane.as_raw()).for_each(|(to, value)| *to = *value);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn gray_and_colour_come_to_what_is_asked_for() {
        let colored = RgbImage::from_fn(4, 4, |x, y| Rgb([x as u8 * 60, y as u8 * 60, 9]));
        assert_eq!(colored.squared(4, true), *colored.as_raw());
        assert_eq!(colored.squared(4, false), *gray(&colored).as_raw());
        assert_eq!(colored.squared(2, true).len(), 12);
        let gray = gray(&colored);
        assert_eq!(
            gray.squared(4, true)[..6],
            [gray[(0, 0)].0[0]; 3].repeat(2)[..3]
                .iter()
                .chain(&[gray[(1, 0)].0[0]; 3])
                .copied()
                .collect::<Vec<_>>()
        );
        let packed = PackedFace { pixels: colored.as_raw(), shape: [4, 4, 3] };
        assert_eq!(packed.squared(2, true), colored.squared(2, true));
        assert_eq!(packed.squared(2, false), gray.squared(2, false));
    }

    #[test]
    fn channels_are_changed_apart_and_put_together_again() {
        let pixels: Vec<u8> = (0..12).collect();
        let mut number = 0;
        let changed = each_channel(&pixels, [2, 2, 3], |mut plane| {
            number += 100;
            plane.iter_mut().for_each(|value| *value = value.wrapping_add(number));
            plane
        });
        let expected: Vec<u8> =
            pixels.iter().map(|value| value.wrapping_add((value % 3 + 1).wrapping_mul(100))).collect();
        assert_eq!(changed, expected);
        assert_eq!(each_channel(&pixels, [3, 4, 1], |plane| plane), pixels);
    }
}
