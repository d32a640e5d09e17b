//! The faces of a picture as JSON, the same on the command line and over HTTP.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use duchenne::expression::LabelSet;
use duchenne::inference::face_detection::FaceBox;
use duchenne::inference::recognition::RecognizedFace;

/// A recognised picture.
#[derive(Debug, Serialize)]
pub struct PictureJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    width: u32,
    height: u32,
    faces: Vec<FaceJson<'a>>,
}

impl<'a> PictureJson<'a> {
    /// A picture from `path`, if from one, of this width and height in pixels when upright; its faces in reading
    /// order, their probabilities named by `labels`.
    pub fn new(
        path: Option<&'a str>,
        [width, height]: [u32; 2],
        faces: &'a [RecognizedFace],
        labels: LabelSet,
    ) -> Self {
        Self { path, width, height, faces: faces.iter().map(|face| FaceJson::new(face, labels)).collect() }
    }
}

#[derive(Debug, Serialize)]
struct FaceJson<'a> {
    #[serde(rename = "box")]
    bounds: FaceBox,
    score: Option<f32>,
    expression: &'static str,
    probabilities: Probabilities<'a>,
}

impl<'a> FaceJson<'a> {
    fn new(face: &'a RecognizedFace, labels: LabelSet) -> Self {
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
