//! The faces of a picture, or of a clip's frame, as JSON, the same on the command line and over HTTP.

use duchenne::data::faces::warnings::PictureWarning;
use duchenne::{Face, FaceBox, FrameFaces, Landmarks, TrackedFace};
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

/// A frame of a clip.
#[derive(Debug, Serialize)]
pub(crate) struct FrameJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    frame: u64,
    /// Seconds from the clip's beginning.
    time: f64,
    width: u32,
    height: u32,
    faces: Vec<FaceJson<'a>>,
}

impl<'a> FrameJson<'a> {
    /// A frame of the clip at `path`, if from one.
    pub(crate) fn new(path: Option<&'a str>, frame: &'a FrameFaces) -> Self {
        let [width, height] = frame.size;
        let faces = frame.faces.iter().map(FaceJson::tracked).collect();
        Self { path, frame: frame.index, time: microseconds(frame.time), width, height, faces }
    }
}

/// Seconds rounded to millionths.
pub(crate) fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// Probabilities smoothed over time.
#[derive(Debug, Serialize)]
struct SmoothedJson<'a> {
    expression: &'a str,
    probabilities: Probabilities<'a>,
}

#[derive(Debug, Serialize)]
struct FaceJson<'a> {
    /// Its number in the clip, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<u64>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    smoothed: Option<SmoothedJson<'a>>,
}

impl<'a> FaceJson<'a> {
    fn tracked(tracked: &'a TrackedFace) -> Self {
        let smoothed = tracked
            .smoothed
            .as_ref()
            .map(|face| SmoothedJson { expression: face.expression(), probabilities: Probabilities(face) });
        Self { track: Some(tracked.track), smoothed, ..Self::new(&tracked.face) }
    }

    fn new(face: &'a Face) -> Self {
        Self {
            track: None,
            smoothed: None,
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
