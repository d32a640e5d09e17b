//! *Recognition* joins face detection and the classifier: from pictures to faces with expressions.
//!
//! It comes in two steps, since they scale differently: [`FaceFinder::find`] is work for one thread per
//! picture, [`classify`] takes the faces of many pictures in common batches.

use std::borrow::Borrow;

use crate::data::faces::picture::Picture;
use crate::data::faces::views::Views;
use crate::data::import::sample::FaceCropper;
use crate::expression::LabelSet;
use crate::inference::InferenceError;
use crate::inference::alignment::crop_face;
use crate::inference::face_box::{FaceBox, Landmarks};
use crate::inference::face_detection::{DetectedFace, FaceDetector};
use crate::inference::predictor::Predictor;

/// The most faces that are classified in one batch: enough to keep the cores busy, and little memory.
const BATCH: usize = 64;

/// A face cut out of its picture, not yet classified.
#[derive(Debug, Clone)]
pub struct FoundFace {
    /// Where the face is: the detector's box, clipped to the picture.
    pub bounds: FaceBox,
    /// How sure the detector is, `0..=1`; `None` where the whole picture was taken as a face.
    pub score: Option<f32>,
    /// Eyes, nose and mouth; `None` where the whole picture was taken as a face.
    pub landmarks: Option<Landmarks>,
    /// The upright crop for the classifier, of any size, in the picture's own colours.
    pub crop: Picture,
}

impl FoundFace {
    /// A detected face, cut out of its picture; `None` where it lies outside.
    pub(super) fn cut_out(picture: &Picture, face: &DetectedFace) -> Option<Self> {
        Some(Self {
            bounds: face.bounds().clipped(picture.width(), picture.height())?,
            score: Some(face.score),
            landmarks: Some(face.landmarks),
            crop: crop_face(picture, face.area, Some(&face.landmarks)),
        })
    }
}

/// A face with its expression.
///
/// ```
/// use duchenne::{Picture, Recognizer};
///
/// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
/// let recognizer = Recognizer::built_in()?;
/// let faces = recognizer.recognize(&Picture::open("examples/faces.png")?)?;
/// let face = &faces[0];
/// assert_eq!(face.probability(face.expression()), Some(face.confidence()));
/// let sum: f32 = face.probabilities().map(|(_, probability)| probability).sum();
/// assert!((sum - 1.0).abs() < 1e-4);
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    bounds: FaceBox,
    score: Option<f32>,
    landmarks: Option<Landmarks>,
    labels: LabelSet,
    probabilities: Vec<f32>,
}

impl Face {
    /// A face with probabilities in the order of `labels`: what tests of drawing and writing begin from.
    #[doc(hidden)]
    pub fn new(bounds: FaceBox, score: Option<f32>, labels: LabelSet, probabilities: Vec<f32>) -> Self {
        Self { bounds, score, landmarks: None, labels, probabilities }
    }

    /// The same with landmarks.
    #[doc(hidden)]
    #[must_use]
    pub fn with_landmarks(self, points: [[f32; 2]; 5]) -> Self {
        Self { landmarks: Some(Landmarks::from_points(points)), ..self }
    }

    /// The same face with other probabilities, in the order of its label set.
    pub(super) fn with_probabilities(&self, probabilities: Vec<f32>) -> Self {
        Self { probabilities, ..*self }
    }

    /// Where the face is, in pixels of the upright picture: the detector's box, clipped to the picture.
    pub fn bounds(&self) -> FaceBox {
        self.bounds
    }

    /// How sure the detector is that this is a face, `0..=1` (not a calibrated probability); `None` where the whole
    /// picture was taken as a face.
    pub fn score(&self) -> Option<f32> {
        self.score
    }

    /// Eyes, nose and mouth, in pixels of the upright picture; `None` where the whole picture was taken as a face.
    pub fn landmarks(&self) -> Option<&Landmarks> {
        self.landmarks.as_ref()
    }

    /// The name of the likeliest expression.
    pub fn expression(&self) -> &str {
        self.labels.names()[self.likeliest().0]
    }

    /// The calibrated probability of the likeliest expression, `0..=1`.
    pub fn confidence(&self) -> f32 {
        self.likeliest().1
    }

    /// The first of equals, as [`ranked`](Self::ranked) has it.
    fn likeliest(&self) -> (usize, f32) {
        let places = self.probabilities.iter().copied().enumerate();
        let larger = |best: (usize, f32), other: (usize, f32)| {
            if other.1.total_cmp(&best.1).is_gt() { other } else { best }
        };
        places.reduce(larger).expect("every label set has classes")
    }

    /// The calibrated probability of a class by name, `0..=1`; synonyms are understood ("anger" is "angry"). `None`
    /// for a class that the model does not know.
    pub fn probability(&self, class: &str) -> Option<f32> {
        self.labels.label_of(class).map(|label| self.probabilities[usize::from(label)])
    }

    /// Every class with its calibrated probability, `0..=1`, in the label set's order; they add to one.
    pub fn probabilities(&self) -> impl ExactSizeIterator<Item = (&str, f32)> {
        self.labels.names().iter().copied().zip(self.probabilities.iter().copied())
    }

    /// The classes as places in the label set with their probabilities, from the likeliest to the least likely.
    pub fn ranked(&self) -> Vec<(usize, f32)> {
        let mut ranked: Vec<(usize, f32)> = self.probabilities.iter().copied().enumerate().collect();
        ranked.sort_by(|first, second| second.1.total_cmp(&first.1));
        ranked
    }

    /// The classes that the probabilities are of.
    pub fn label_set(&self) -> LabelSet {
        self.labels
    }
}

/// How faces are looked for in a picture.
#[derive(Debug, Clone, Copy)]
pub enum FaceFinder {
    /// By the face detector.
    Detector(FaceDetector),
    /// Not at all: every picture is a crop of one face, as the images of FER-2013 are.
    WholePicture,
}

impl FaceFinder {
    /// The faces of `picture`, in reading order.
    pub fn find(&self, picture: &Picture) -> Vec<FoundFace> {
        let (width, height) = (picture.width(), picture.height());
        match self {
            Self::WholePicture => {
                let bounds = FaceBox::whole(width, height);
                vec![FoundFace { bounds, score: None, landmarks: None, crop: picture.clone() }]
            }
            Self::Detector(detector) => {
                let stretched = picture.stretched();
                let picture = stretched.as_ref().unwrap_or(picture);
                detector.detect(picture).iter().filter_map(|face| FoundFace::cut_out(picture, face)).collect()
            }
        }
    }
}

impl FaceCropper for FaceFinder {
    fn face(&self, picture: Picture) -> Option<Picture> {
        let area = |face: &FoundFace| u64::from(face.bounds.width) * u64::from(face.bounds.height);
        Some(self.find(&picture).into_iter().max_by_key(area)?.crop)
    }
}

/// Classifies found faces, in order, from the mean over `views`.
///
/// # Errors
/// [`InferenceError`] where the classifier fails.
pub fn classify<F: Borrow<FoundFace>>(
    predictor: &Predictor,
    faces: &[F],
    views: Views,
) -> Result<Vec<Face>, InferenceError> {
    let labels = predictor.label_set();
    let mut recognized = Vec::with_capacity(faces.len());
    for faces in faces.chunks(BATCH) {
        let crops: Vec<&Picture> = faces.iter().map(|face| &face.borrow().crop).collect();
        let classified = faces.iter().zip(predictor.probabilities(&crops, views)?);
        recognized.extend(classified.map(|(face, probabilities)| {
            let FoundFace { bounds, score, landmarks, .. } = *face.borrow();
            Face { bounds, score, landmarks, labels, probabilities }
        }));
    }
    Ok(recognized)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use image::{DynamicImage, GrayImage, ImageFormat, Luma};

    use super::*;
    use crate::data::faces::picture::Limits;
    use crate::inference::built_in::BuiltInModel;

    fn picture(gray: GrayImage) -> Picture {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::from(gray).write_to(&mut bytes, ImageFormat::Png).unwrap();
        Picture::from_bytes(bytes.get_ref(), std::path::Path::new("test"), &Limits::RECOGNITION).unwrap()
    }

    #[test]
    fn a_whole_picture_is_one_face_without_a_score() {
        let gray = GrayImage::from_fn(48, 40, |x, y| Luma([(x + y) as u8]));
        let found = FaceFinder::WholePicture.find(&picture(gray.clone()));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].bounds, found[0].score), (FaceBox::whole(48, 40), None));
        assert_eq!(found[0].crop.to_gray(), gray);
    }

    #[test]
    fn batches_keep_the_order_and_lose_nothing() {
        let predictor = Predictor::built_in(BuiltInModel::RatersCompact, &Device::flex()).unwrap();
        let faces: Vec<FoundFace> = (0..BATCH as u32 + 3)
            .map(|index| FoundFace {
                bounds: FaceBox { x: index as i32, y: 0, width: 1, height: 1 },
                score: None,
                landmarks: None,
                crop: picture(GrayImage::from_pixel(48, 48, Luma([(index * 3) as u8]))),
            })
            .collect();
        let one = classify(&predictor, &faces[BATCH + 1..=BATCH + 1], Views::Mirrored).unwrap();
        let all = classify(&predictor, &faces, Views::Mirrored).unwrap();
        assert_eq!(all.len(), BATCH + 3);
        for (index, face) in all.iter().enumerate() {
            assert_eq!(face.bounds.x, index as i32);
            assert!((face.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        assert_eq!(all[BATCH + 1].expression(), one[0].expression());
    }

    #[test]
    fn ranking_goes_downwards_and_names_the_first() {
        let face = Face {
            bounds: FaceBox::whole(1, 1),
            score: None,
            landmarks: None,
            labels: LabelSet::Fer2013,
            probabilities: vec![0.1, 0.0, 0.05, 0.6, 0.15, 0.0, 0.1],
        };
        assert_eq!(face.ranked()[..2], [(3, 0.6), (4, 0.15)]);
        assert_eq!(face.expression(), "happy");
    }
}
