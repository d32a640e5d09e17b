//! The faces of a picture as JSON, the same on the command line and over HTTP.

use duchenne::data::faces::warnings::PictureWarning;
use duchenne::{Face, FaceBox, Landmarks};
use serde::{Serialize, Serializer};

/// A recognised picture.
#[derive(Debug, Serialize)]
pub(crate) struct PictureJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    faces: Vec<FaceJson<'a>>,
}

impl<'a> PictureJson<'a> {
    /// A picture from `path`, if from one, of this width and height in pixels when upright; what is to be known of the
    /// file; its faces in reading order.
    pub(crate) fn new(
        path: Option<&'a str>,
        [width, height]: [u32; 2],
        warning: Option<PictureWarning>,
        faces: &'a [Face],
    ) -> Self {
        let warning = warning.map(|warning| warning.to_string());
        Self { path, width, height, warning, faces: faces.iter().map(FaceJson::new).collect() }
    }
}

#[derive(Debug, Serialize)]
struct FaceJson<'a> {
    #[serde(rename = "box")]
    bounds: FaceBox,
    score: Option<f32>,
    /// Degrees clockwise by which the head is turned in the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    angle: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    landmarks: Option<Landmarks>,
    expression: &'a str,
    probabilities: Probabilities<'a>,
}

impl<'a> FaceJson<'a> {
    fn new(face: &'a Face) -> Self {
        Self {
            bounds: face.bounds(),
            score: face.score(),
            angle: face.landmarks().map(|landmarks| tenths(landmarks.angle())),
            landmarks: face.landmarks().map(|landmarks| landmarks.map(tenths)),
            expression: face.expression(),
            probabilities: Probabilities(face),
        }
    }
}

/// Rounded to tenths, finer than any detector sees.
pub(crate) fn tenths(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

/// An object from name to probability, in the order of the label set.
#[derive(Debug)]
struct Probabilities<'a>(&'a Face);

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.probabilities())
    }
}
