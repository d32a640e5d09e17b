//! The faces of a picture as JSON, the same on the command line and over HTTP.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::expression::LabelSet;
use crate::inference::face_detection::FaceBox;
use crate::inference::recognition::RecognizedFace;

/// A recognised picture.
#[derive(Debug, Serialize)]
pub struct PictureJson<'a> {
    /// Where it came from, if from a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    /// The width of the upright picture in pixels.
    pub width: u32,
    /// The height of the upright picture in pixels.
    pub height: u32,
    /// Its faces, in reading order.
    pub faces: Vec<FaceJson<'a>>,
}

/// A recognised face.
#[derive(Debug, Serialize)]
pub struct FaceJson<'a> {
    #[serde(rename = "box")]
    bounds: FaceBox,
    score: Option<f32>,
    expression: &'static str,
    probabilities: Probabilities<'a>,
}

impl<'a> FaceJson<'a> {
    /// The face, its probabilities named by `labels`.
    pub fn new(face: &'a RecognizedFace, labels: LabelSet) -> Self {
        Self {
            bounds: face.bounds,
            score: face.score,
            expression: face.expression(labels),
            probabilities: Probabilities { names: labels.names(), values: &face.probabilities },
        }
    }
}

/// An object from name to probability, in the order of the label set.
#[derive(Debug)]
struct Probabilities<'a> {
    names: &'static [&'static str],
    values: &'a [f32],
}

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.names.len()))?;
        for (name, value) in self.names.iter().zip(self.values) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
