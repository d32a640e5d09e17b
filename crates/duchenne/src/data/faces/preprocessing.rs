//! *Preprocessing*: how a face becomes the numbers a network sees. It exists once, travels inside
//! every checkpoint, and is the same in training, evaluation and use.

use serde::{Deserialize, Serialize};

use crate::data::counted;
use crate::data::faces::pixels::FacePixels;
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
    /// Whether the network sees colour; else every face is made gray, and repeated where there are three channels.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub color: bool,
}

impl Preprocessing {
    /// For gray input of one channel.
    pub fn gray(resize: usize, crop: usize, mean: f32, deviation: f32) -> Self {
        Self { resize, crop, mean: vec![mean], deviation: vec![deviation], color: false }
    }

    /// Input channels of the network.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Bytes of a pixel of a resized face: 3 in colour, else 1.
    pub fn depth(&self) -> usize {
        if self.color { 3 } else { 1 }
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
        if self.color && self.channels() != 3 {
            return Some("colour needs three channels".to_owned());
        }
        let finite = self.mean.iter().chain(&self.deviation).all(|value| value.is_finite());
        (!finite || self.deviation.iter().any(|value| *value <= 0.0))
            .then(|| "means must be finite and deviations positive".to_owned())
    }

    /// The face resized to `resize x resize`, row by row; unchanged if it has that size. Triangle
    /// filter, which averages when it makes smaller.
    pub fn resized(&self, face: &impl FacePixels) -> Vec<u8> {
        face.squared(self.resize as u32, self.color)
    }

    /// Writes a view of a resized face as `[channels, crop, crop]`.
    ///
    /// # Panics
    /// If `pixels` is not `resize * resize * depth` or `out` not [`input_len`](Self::input_len) long.
    pub fn write_view(&self, pixels: &[u8], view: View, out: &mut [f32]) {
        let depth = self.depth();
        assert_eq!(
            pixels.len(),
            self.resize * self.resize * depth,
            "face size differs from the preprocessing"
        );
        let [top, left] = view.start(self.resize, self.crop);
        let value = |index: usize, channel: usize| {
            let (row, column) = (index / self.crop, index % self.crop);
            let column = if view.mirrored { self.crop - 1 - column } else { column };
            f32::from(pixels[((row + top) * self.resize + column + left) * depth + channel])
        };
        self.write_scaled(value, out);
    }

    /// Scales values in 0..=255, each by its place in the rows of the crop and its channel (always 0 but in colour), into
    /// `out`.
    pub(crate) fn write_scaled(&self, value: impl Fn(usize, usize) -> f32, out: &mut [f32]) {
        let area = self.crop * self.crop;
        assert_eq!(out.len(), self.input_len(), "output size differs from the preprocessing");
        let (first, others) = out.split_at_mut(area);
        first.iter_mut().enumerate().for_each(|(index, to)| *to = value(index, 0) / 255.0);
        for (channel, out) in (1..).zip(others.chunks_exact_mut(area)) {
            let (mean, deviation) = (self.mean[channel], self.deviation[channel]);
            if self.color {
                out.iter_mut()
                    .enumerate()
                    .for_each(|(index, to)| *to = (value(index, channel) / 255.0 - mean) / deviation);
            } else {
                out.iter_mut().zip(&*first).for_each(|(to, value)| *to = (value - mean) / deviation);
            }
        }
        for value in first {
            *value = (*value - self.mean[0]) / self.deviation[0];
        }
    }
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
        let preprocessing = Preprocessing {
            mean: vec![0.0, 0.5, 1.0],
            deviation: vec![1.0, 0.5, 2.0],
            ..Preprocessing::gray(1, 1, 0.0, 1.0)
        };
        let mut out = [0.0; 3];
        preprocessing.write_view(&[255], View::CENTRE, &mut out);
        assert_eq!(out, [1.0, 1.0, 0.0]);
        let preprocessing = Preprocessing { color: true, ..preprocessing };
        preprocessing.write_view(&[255, 0, 51], View::CENTRE, &mut out);
        assert_eq!(out, [1.0, -1.0, -0.4]);
    }

    #[test]
    fn impossible_settings_are_named() {
        assert!(Preprocessing::gray(48, 44, 0.5, 0.25).problem().is_none());
        assert!(Preprocessing::gray(48, 49, 0.5, 0.25).problem().is_some());
        assert!(Preprocessing::gray(48, 48, 0.5, 0.0).problem().is_some());
        assert!(Preprocessing::gray(48, 48, f32::NAN, 1.0).problem().is_some());
        let colorless = Preprocessing { color: true, ..Preprocessing::gray(48, 48, 0.0, 1.0) };
        assert_eq!(colorless.problem().unwrap(), "colour needs three channels");
        let uneven = Preprocessing { deviation: vec![1.0; 3], ..Preprocessing::gray(48, 48, 0.0, 1.0) };
        assert_eq!(uneven.problem().unwrap(), "1 mean and 3 deviations, expected 1 or 3 of both");
    }
}
