//! The *appearance* of a face, by which two people who pass each other are told apart: a small picture of it.

use crate::data::faces::picture::Picture;
use crate::data::faces::reshaping::Window;
use crate::inference::face_detection::DetectedFace;

/// The side of the small picture, in pixels.
const PIXELS: u32 = 16;
/// How much of a newer look enters the kept one.
const RENEWED: f32 = 0.1;

/// A small upright picture of a face, its brightness and contrast taken out.
#[derive(Debug, Clone)]
pub(super) struct Appearance(Vec<f32>);

impl Appearance {
    /// The side of the small picture in sides of the face: hair and collar tell people apart, too.
    pub(super) const FACES: f32 = 1.4;

    /// Of a face in a picture.
    pub(super) fn of(picture: &Picture, face: &DetectedFace) -> Self {
        let window =
            Window { centre: face.centre(), side: face.side() * Self::FACES, angle: face.landmarks.angle() };
        let small = picture.window(&window, PIXELS).into_rgb();
        Self(normalized(small.as_raw().iter().map(|value| f32::from(*value)).collect()))
    }

    /// How different two faces look: one less their correlation, `0..=2`. Frames of one face that follow each other differ
    /// by some hundredths, two people by 0.3 and more.
    pub(super) fn difference(&self, other: &Self) -> f32 {
        1.0 - self.0.iter().zip(&other.0).map(|(one, other)| one * other).sum::<f32>()
    }

    /// Lets a newer look in.
    pub(super) fn renew(&mut self, newer: &Self) {
        let mixed = self.0.iter().zip(&newer.0).map(|(old, new)| old + RENEWED * (new - old));
        self.0 = normalized(mixed.collect());
    }
}

/// Values with a mean of 0 and a length of 1.
fn normalized(mut values: Vec<f32>) -> Vec<f32> {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    values.iter_mut().for_each(|value| *value -= mean);
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
    values
}
