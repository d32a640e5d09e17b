//! *Reshaping* of decoded pictures for detectors: other sizes, parts, quarter turns.

use std::ops::Range;

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Pixel};

use super::augmentation::Between;
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
    pub fn point(&self, point: [f32; 2], pixels: u32) -> [f32; 2] {
        self.points(pixels)(point)
    }

    /// As [`point`](Self::point), for many points.
    fn points(&self, pixels: u32) -> impl Fn([f32; 2]) -> [f32; 2] {
        let scale = self.side / pixels as f32;
        let middle = pixels as f32 / 2.0;
        let (sine, cosine) = self.angle.to_radians().sin_cos();
        let centre = self.centre;
        move |[x, y]| {
            let (across, along) = ((x - middle) * scale, (y - middle) * scale);
            [centre[0] + across * cosine - along * sine, centre[1] + across * sine + along * cosine]
        }
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
            each!(self, image => averaged(image, [width, height]))
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
        let factor = (window.side / pixels as f32) as u32;
        if let Some((part, window)) = self.shrunk_around(window, factor) {
            return part.window(&window, pixels);
        }
        let pixels = match &self.pixels {
            Pixels::Gray(image) => Pixels::Gray(seen::<1, _>(image, window, pixels)),
            Pixels::Color(image) => Pixels::Color(seen::<3, _>(image, window, pixels)),
        };
        Self { pixels, format: self.format, warning: self.warning }
    }

    /// The part of the picture that a window shows, shrunk by a whole factor, and the window in it; `None` where the factor
    /// is 1 or nothing is left.
    ///
    /// A window of a large face at 160 pixels is the mean of dozens of points a pixel: adding up rows is cheaper.
    fn shrunk_around(&self, window: &Window, factor: u32) -> Option<(Self, Window)> {
        // The half diagonal reaches every corner, however the window is turned.
        let reach = window.side * std::f32::consts::FRAC_1_SQRT_2 + factor as f32;
        let range = |centre: f32, size: u32| {
            let first = (centre - reach).clamp(0.0, size as f32) as u32;
            let end = (centre + reach).ceil().clamp(0.0, size as f32) as u32;
            (first, (end - first) / factor * factor)
        };
        if factor < 2 {
            return None;
        }
        let (left, width) = range(window.centre[0], self.width());
        let (top, height) = range(window.centre[1], self.height());
        if width == 0 || height == 0 {
            return None;
        }
        let scale = factor as f32;
        let part = self.part([left, top, width, height]).resized([width / factor, height / factor]);
        let [x, y] = window.centre;
        let centre = [(x - left as f32) / scale, (y - top as f32) / scale];
        Some((part, Window { centre, side: window.side / scale, angle: window.angle }))
    }

    /// Values of at most `side x side` pixels, evenly spread: green where there are colours.
    pub(crate) fn samples(&self, side: u32) -> Vec<u8> {
        let (width, height) = (self.width(), self.height());
        let (columns, rows) = (side.min(width), side.min(height));
        let at = |part: u32, parts: u32, size: u32| {
            ((u64::from(part) * 2 + 1) * u64::from(size) / (u64::from(parts) * 2)) as u32
        };
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        let places = places.map(|(column, row)| (at(column, columns, width), at(row, rows, height)));
        match &self.pixels {
            Pixels::Gray(image) => places.map(|(x, y)| image.get_pixel(x, y)[0]).collect(),
            Pixels::Color(image) => places.map(|(x, y)| image.get_pixel(x, y)[1]).collect(),
        }
    }

    /// The pixels, row by row: red, green and blue, or one byte where the picture is gray.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.pixels {
            Pixels::Gray(image) => image.as_raw(),
            Pixels::Color(image) => image.as_raw(),
        }
    }
}

/// An image shrunk to `[width, height]`: each pixel the mean of those that it stands for.
///
/// As `image::imageops::thumbnail`, to the bit and in a third of its time, which was a fifth of a whole `predict` over photos:
/// whole rows are added up before anything is divided.
fn averaged<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    [width, height]: [u32; 2],
) -> ImageBuffer<P, Vec<u8>> {
    let channels = usize::from(P::CHANNEL_COUNT);
    let stride = image.width() as usize * channels;
    let columns: Vec<Range<usize>> = blocks(image.width(), width).collect();
    let mut sums = vec![0_u32; stride];
    let mut pixels = Vec::with_capacity(columns.len() * channels * height as usize);
    for rows in blocks(image.height(), height) {
        sums.fill(0);
        for row in image.as_raw()[rows.start * stride..rows.end * stride].chunks_exact(stride) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += u32::from(*value));
        }
        for block in &columns {
            let count = (block.len() * rows.len()) as u64;
            let sums = &sums[block.start * channels..block.end * channels];
            for channel in 0..channels {
                let mut sum = count / 2;
                for value in sums.chunks_exact(channels) {
                    sum += u64::from(value[channel]);
                }
                pixels.push((sum / count) as u8);
            }
        }
    }
    ImageBuffer::from_vec(width, height, pixels).expect("a value was made for every channel of every pixel")
}

/// The ranges of `size` pixels that `parts`, at most as many, stand for; none is empty.
fn blocks(size: u32, parts: u32) -> impl Iterator<Item = Range<usize>> {
    let ratio = size as f32 / parts as f32;
    (0..parts).map(move |part| {
        let start = part as f32 * ratio;
        let first = (start.ceil() as u32).min(size - 1);
        let end = ((start + ratio).ceil() as u32).clamp(first + 1, size);
        first as usize..end as usize
    })
}

/// The window of one image of `CHANNELS` channels: bilinear where it shows pixels in their own size or larger, else the
/// mean over two by two points a pixel.
fn seen<const CHANNELS: usize, P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    window: &Window,
    pixels: u32,
) -> ImageBuffer<P, Vec<u8>> {
    let size = [image.height() as usize, image.width() as usize];
    let (raw, _) = image.as_raw().as_chunks::<CHANNELS>();
    // Points to a side of each pixel.
    let points: u32 = if window.side > pixels as f32 { 2 } else { 1 };
    let inside: Vec<f32> = (0..points).map(|index| (index as f32 + 0.5) / points as f32).collect();
    let count = (points * points) as f32;
    let point = window.points(pixels);
    let mut shown = Vec::with_capacity((pixels * pixels) as usize * CHANNELS);
    for row in 0..pixels {
        for column in 0..pixels {
            let mut sums = [0.0_f32; CHANNELS];
            for down in &inside {
                for across in &inside {
                    let [x, y] = point([column as f32 + across, row as f32 + down]);
                    let values = Between::new(size, y - 0.5, x - 0.5).values(raw);
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
            shown.extend(sums.map(|sum| (sum / count + 0.5) as u8));
        }
    }
    ImageBuffer::from_vec(pixels, pixels, shown).expect("a value was made for every channel of every pixel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn shrinking_is_that_of_the_image_crate() {
        let value = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) >> 3) as u8;
        let color = RgbImage::from_fn(97, 53, |x, y| Rgb([value(x, y), value(y, x), (x * y) as u8]));
        let gray = Picture::from(color.clone()).into_gray();
        for [width, height] in [[97, 53], [96, 52], [64, 35], [31, 17], [13, 53], [5, 2], [1, 1]] {
            assert_eq!(averaged(&color, [width, height]), imageops::thumbnail(&color, width, height));
            assert_eq!(averaged(&gray, [width, height]), imageops::thumbnail(&gray, width, height));
        }
    }

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
