//! *Reshaping* of decoded pictures for detectors: other sizes, parts, quarter turns.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Pixel};

use super::augmentation::sample;
use super::picture::{Picture, Pixels};

/// A turn of a picture by quarters, clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A quarter clockwise.
    Right,
    /// A quarter the other way.
    Left,
    /// Upside down.
    Half,
}

impl Turn {
    /// Every turn.
    pub const ALL: [Self; 3] = [Self::Right, Self::Left, Self::Half];

    /// Where a point of the turned picture was in the picture of `[width, height]`.
    pub fn back(self, [x, y]: [f32; 2], [width, height]: [f32; 2]) -> [f32; 2] {
        match self {
            Self::Right => [y, height - x],
            Self::Left => [width - y, x],
            Self::Half => [width - x, height - y],
        }
    }
}

/// A square part of a picture that may be turned.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The middle, in pixels of the picture.
    pub centre: [f32; 2],
    /// The side, in pixels of the picture.
    pub side: f32,
    /// How far it is turned, in degrees clockwise.
    pub angle: f32,
}

impl Window {
    /// Where a point of the window, shown in `pixels x pixels`, lies in the picture.
    pub fn point(&self, [x, y]: [f32; 2], pixels: u32) -> [f32; 2] {
        let scale = self.side / pixels as f32;
        let middle = pixels as f32 / 2.0;
        let (across, along) = ((x - middle) * scale, (y - middle) * scale);
        let (sine, cosine) = self.angle.to_radians().sin_cos();
        [self.centre[0] + across * cosine - along * sine, self.centre[1] + across * sine + along * cosine]
    }
}

/// The same operation on gray or colour.
macro_rules! each {
    ($picture:expr, $image:ident => $operation:expr) => {
        Picture {
            pixels: match &$picture.pixels {
                Pixels::Gray($image) => Pixels::Gray($operation),
                Pixels::Color($image) => Pixels::Color($operation),
            },
            format: $picture.format,
            warning: $picture.warning,
        }
    };
}

impl Picture {
    /// At another size `[width, height]`: averaged where it shrinks, interpolated where it grows.
    pub(crate) fn resized(&self, [width, height]: [u32; 2]) -> Self {
        if width <= self.width() && height <= self.height() {
            // Integer box averaging: `resize` would hold a float copy of a large picture.
            each!(self, image => imageops::thumbnail(image, width, height))
        } else {
            each!(self, image => imageops::resize(image, width, height, FilterType::Triangle))
        }
    }

    /// Turned by quarters.
    pub(crate) fn turned(&self, turn: Turn) -> Self {
        match turn {
            Turn::Right => each!(self, image => imageops::rotate90(image)),
            Turn::Left => each!(self, image => imageops::rotate270(image)),
            Turn::Half => each!(self, image => imageops::rotate180(image)),
        }
    }

    /// The part `[left, top, width, height]`, which lies inside.
    pub(crate) fn part(&self, [left, top, width, height]: [u32; 4]) -> Self {
        each!(self, image => imageops::crop_imm(image, left, top, width, height).to_image())
    }

    /// The upright square whose upper left corner is `[x, y]`, pixel by pixel; beyond the edge the edge pixels go on.
    pub(crate) fn square(&self, [x, y]: [i64; 2], side: u32) -> Self {
        let nearest = |start: i64, offset: u32, size: u32| {
            (start + i64::from(offset)).clamp(0, i64::from(size) - 1) as u32
        };
        each!(self, image => ImageBuffer::from_fn(side, side, |column, row| {
            *image.get_pixel(nearest(x, column, image.width()), nearest(y, row, image.height()))
        }))
    }

    /// What a window shows, in `pixels x pixels`; beyond the edge the edge pixels go on.
    pub(crate) fn window(&self, window: &Window, pixels: u32) -> Self {
        each!(self, image => seen(image, window, pixels))
    }

    /// The pixels, row by row: red, green and blue, or one byte where the picture is gray.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.pixels {
            Pixels::Gray(image) => image.as_raw(),
            Pixels::Color(image) => image.as_raw(),
        }
    }
}

/// The window of one image: bilinear where it shows pixels in their own size or larger, else the mean over as many
/// points as keep what is shrunk from flickering.
fn seen<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    window: &Window,
    pixels: u32,
) -> ImageBuffer<P, Vec<u8>> {
    let channels = usize::from(P::CHANNEL_COUNT);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let raw = image.as_raw();
    // Points to a side of each pixel.
    let points = (window.side / pixels as f32).ceil().clamp(1.0, 8.0) as u32;
    let value = |x: f32, y: f32, channel: usize| sample(raw, [height, width, channels], channel, y, x);
    let mut shown = ImageBuffer::new(pixels, pixels);
    for (column, row, out) in shown.enumerate_pixels_mut() {
        let mut sums = [0.0_f32; 4];
        for point in 0..points * points {
            let inside = |index: u32| (index as f32 + 0.5) / points as f32;
            let place = [column as f32 + inside(point % points), row as f32 + inside(point / points)];
            let [x, y] = window.point(place, pixels);
            sums.iter_mut()
                .take(channels)
                .enumerate()
                .for_each(|(channel, sum)| *sum += value(x - 0.5, y - 0.5, channel));
        }
        let pixel: &mut P = out;
        let values = pixel.channels_mut().iter_mut().zip(sums);
        values.for_each(|(to, sum)| *to = (sum / (points * points) as f32).round() as u8);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn points_of_a_turned_picture_are_found_again() {
        let image = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8, y as u8, 9]));
        let picture = Picture::from(image);
        for turn in Turn::ALL {
            let turned = picture.turned(turn);
            let Pixels::Color(image) = &turned.pixels else { unreachable!("colour stays colour") };
            for (x, y, pixel) in image.enumerate_pixels() {
                let [was_x, was_y] = turn.back([x as f32 + 0.5, y as f32 + 0.5], [5.0, 3.0]);
                assert_eq!([was_x, was_y].map(|at| at.floor() as u8), [pixel[0], pixel[1]], "{turn:?}");
            }
        }
    }

    #[test]
    fn a_window_shows_what_is_there_upright() {
        let image = RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 4, y as u8 * 4, 9]));
        let picture = Picture::from(image);
        for (side, angle) in [(8.0, 0.0), (8.0, 90.0), (16.0, -30.0)] {
            let window = Window { centre: [20.0, 15.0], side, angle };
            let shown = picture.window(&window, 8);
            let Pixels::Color(image) = &shown.pixels else { unreachable!("colour stays colour") };
            for (column, row, pixel) in image.enumerate_pixels() {
                let [x, y] = window.point([column as f32 + 0.5, row as f32 + 0.5], 8);
                let off = [pixel[0] as f32 - (x - 0.5) * 4.0, pixel[1] as f32 - (y - 0.5) * 4.0];
                assert!(off.iter().all(|off| off.abs() < 1.0), "{angle} {off:?}");
            }
        }
    }

    #[test]
    fn a_part_is_where_it_was() {
        let image = RgbImage::from_fn(4, 3, |x, y| Rgb([x as u8, y as u8, 9]));
        let picture = Picture::from(image);
        assert_eq!(picture.part([2, 1, 2, 1]).bytes(), [2, 1, 9, 3, 1, 9]);
    }
}
