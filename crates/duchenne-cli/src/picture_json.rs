//! The faces of a picture as JSON, the same on the command line and over HTTP.

use duchenne::{Face, FaceBox};
use serde::{Serialize, Serializer};

/// A recognised picture.
#[derive(Debug, Serialize)]
pub(crate) struct PictureJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    width: u32,
    height: u32,
    faces: Vec<FaceJson<'a>>,
}

impl<'a> PictureJson<'a> {
    /// A picture from `path`, if from one, of this width and height in pixels when upright; its faces in reading
    /// order.
    pub(crate) fn new(path: Option<&'a str>, [width, height]: [u32; 2], faces: &'a [Face]) -> Self {
        Self { path, width, height, faces: faces.iter().map(FaceJson::new).collect() }
    }
}

#[derive(Debug, Serialize)]
struct FaceJson<'a> {
    #[serde(rename = "box")]
    bounds: FaceBox,
    score: Option<f32>,
    expression: &'a str,
    probabilities: Probabilities<'a>,
}

impl<'a> FaceJson<'a> {
    fn new(face: &'a Face) -> Self {
        Self {
            bounds: face.bounds(),
            score: face.score(),
            expression: face.expression(),
            probabilities: Probabilities(face),
        }
    }
}

/// An object from name to probability, in the order of the label set.
#[derive(Debug)]
struct Probabilities<'a>(&'a Face);

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.probabilities())
    }
}
