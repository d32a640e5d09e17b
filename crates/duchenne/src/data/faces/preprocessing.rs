//! *Preprocessing*: how a gray face becomes the numbers a network sees. It exists once, travels inside
//! every checkpoint, and is the same in training, evaluation and use.

use image::GrayImage;
use image::imageops::{FilterType, resize};
use serde::{Deserialize, Serialize};

use crate::data::counted;
use crate::data::faces::views::View;

/// Resize to a square, take the centre, scale: `(pixel / 255 - mean) / deviation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Side of the square that a face is resized to, in pixels.
    pub resize: usize,
    /// Side of the centre that the network sees, at most `resize`.
    pub crop: usize,
    /// Subtracted from each channel of a picture in 0..=1; one value per input channel.
    pub mean: Vec<f32>,
    /// Divides each channel; one value per input channel.
    pub deviation: Vec<f32>,
}

impl Preprocessing {
    /// For gray input of one channel.
    pub fn gray(resize: usize, crop: usize, mean: f32, deviation: f32) -> Self {
        Self { resize, crop, mean: vec![mean], deviation: vec![deviation] }
    }

    /// Input channels of the network; a gray face is repeated over three.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Numbers per face.
    pub fn input_len(&self) -> usize {
        self.channels() * self.crop * self.crop
    }

    /// The first invalid setting and its valid range, if any is invalid.
    pub fn problem(&self) -> Option<String> {
        if !(1..=1024).contains(&self.resize) || self.crop == 0 || self.crop > self.resize {
            return Some(format!(
                "resize {} and crop {} are not sizes with 1 <= crop <= resize <= 1024",
                self.resize, self.crop
            ));
        }
        if ![1, 3].contains(&self.channels()) || self.deviation.len() != self.channels() {
            let (means, deviations) = (self.mean.len(), self.deviation.len());
            return Some(format!(
                "{} and {}, expected 1 or 3 of both",
                counted(means, "mean"),
                counted(deviations, "deviation")
            ));
        }
        let finite = self.mean.iter().chain(&self.deviation).all(|value| value.is_finite());
        (!finite || self.deviation.iter().any(|value| *value <= 0.0))
            .then(|| "means must be finite and deviations positive".to_owned())
    }

    /// The face resized to `resize x resize`, row by row; unchanged if it has that size. Triangle
    /// filter, which averages when it makes smaller.
    pub fn resized(&self, face: &GrayImage) -> Vec<u8> {
        squared(face, self.resize as u32)
    }

    /// Writes a view of a resized face as `[channels, crop, crop]`.
    ///
    /// # Panics
    /// If `pixels` is not `resize * resize` or `out` not [`input_len`](Self::input_len) long.
    pub fn write_view(&self, pixels: &[u8], view: View, out: &mut [f32]) {
        assert_eq!(pixels.len(), self.resize * self.resize, "face size differs from the preprocessing");
        let [top, left] = view.start(self.resize, self.crop);
        let values = (0..self.crop * self.crop).map(|index| {
            let (row, column) = (index / self.crop, index % self.crop);
            let column = if view.mirrored { self.crop - 1 - column } else { column };
            f32::from(pixels[(row + top) * self.resize + column + left])
        });
        self.write_scaled(values, out);
    }

    /// Scales gray values in 0..=255, in rows of the crop, into every channel of `out`.
    pub fn write_scaled(&self, values: impl Iterator<Item = f32>, out: &mut [f32]) {
        let area = self.crop * self.crop;
        assert_eq!(out.len(), self.input_len(), "output size differs from the preprocessing");
        let (first, others) = out.split_at_mut(area);
        for (to, value) in first.iter_mut().zip(values) {
            *to = value / 255.0;
        }
        for (channel, out) in others.chunks_exact_mut(area).enumerate() {
            for (to, value) in out.iter_mut().zip(&*first) {
                *to = (value - self.mean[channel + 1]) / self.deviation[channel + 1];
            }
        }
        for value in first {
            *value = (*value - self.mean[0]) / self.deviation[0];
        }
    }
}

/// The picture stretched to `side x side` pixels, row by row; unchanged if it has that size. Imported pictures
/// and the faces that a network sees come to their size alike.
pub(crate) fn squared(picture: &GrayImage, side: u32) -> Vec<u8> {
    if picture.dimensions() == (side, side) {
        return picture.as_raw().clone();
    }
    resize(picture, side, side, FilterType::Triangle).into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centre_is_cropped_scaled_and_mirrored() {
        let preprocessing = Preprocessing::gray(4, 2, 0.5, 0.25);
        let pixels: Vec<u8> = (0..16).map(|v| v * 16).collect();
        let mut out = [0.0; 4];
        preprocessing.write_view(&pixels, View::CENTRE, &mut out);
        let expected = [5.0_f32, 6.0, 9.0, 10.0].map(|v| (v * 16.0 / 255.0 - 0.5) / 0.25);
        assert_eq!(out, expected);
        preprocessing.write_view(&pixels, View::MIRRORED_CENTRE, &mut out);
        assert_eq!(out, [expected[1], expected[0], expected[3], expected[2]]);
    }

    #[test]
    fn gray_is_repeated_over_three_channels_each_with_its_scale() {
        let preprocessing =
            Preprocessing { resize: 1, crop: 1, mean: vec![0.0, 0.5, 1.0], deviation: vec![1.0, 0.5, 2.0] };
        let mut out = [0.0; 3];
        preprocessing.write_view(&[255], View::CENTRE, &mut out);
        assert_eq!(out, [1.0, 1.0, 0.0]);
    }

    #[test]
    fn impossible_settings_are_named() {
        assert!(Preprocessing::gray(48, 44, 0.5, 0.25).problem().is_none());
        assert!(Preprocessing::gray(48, 49, 0.5, 0.25).problem().is_some());
        assert!(Preprocessing::gray(48, 48, 0.5, 0.0).problem().is_some());
        assert!(Preprocessing::gray(48, 48, f32::NAN, 1.0).problem().is_some());
        let uneven = Preprocessing { deviation: vec![1.0; 3], ..Preprocessing::gray(48, 48, 0.0, 1.0) };
        assert_eq!(uneven.problem().unwrap(), "1 mean and 3 deviations, expected 1 or 3 of both");
    }
}
