//! *Recognition* joins face detection and the classifier: from pictures to faces with expressions.
//!
//! It comes in two steps, since they scale differently: [`FaceFinder::find`] is work for one thread per
//! picture, [`recognize`] classifies the faces of many pictures in common batches.

use image::GrayImage;

use crate::data::faces::picture::Picture;
use crate::data::faces::views::Views;
use crate::expression::LabelSet;
use crate::inference::face_detection::{FaceBox, FaceDetector, crop_face};
use crate::inference::predictor::{InferenceError, Predictor};

/// The most faces that are classified in one batch: enough to keep the cores busy, and little memory.
const BATCH: usize = 64;

/// A face cut out of its picture, not yet classified.
#[derive(Debug, Clone)]
pub struct FoundFace {
    /// Where the face is: the detector's box, clipped to the picture.
    pub bounds: FaceBox,
    /// The detector's raw score; `None` where the whole picture was taken as a face.
    pub score: Option<f32>,
    /// The gray crop for the classifier, of any size.
    pub crop: GrayImage,
}

/// A face with its expression.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognizedFace {
    /// Where the face is: the detector's box, clipped to the picture.
    pub bounds: FaceBox,
    /// The detector's raw score; `None` where the whole picture was taken as a face.
    pub score: Option<f32>,
    /// The probabilities of the label set's classes, in its order.
    pub probabilities: Vec<f32>,
}

impl RecognizedFace {
    /// The labels from the likeliest to the least likely, with their probabilities.
    pub fn ranked(&self) -> Vec<(usize, f32)> {
        let mut ranked: Vec<(usize, f32)> = self.probabilities.iter().copied().enumerate().collect();
        ranked.sort_by(|first, second| second.1.total_cmp(&first.1));
        ranked
    }

    /// The name of the likeliest expression of `labels`.
    pub fn expression(&self, labels: LabelSet) -> &'static str {
        let (label, _) = self.ranked()[0];
        labels.names()[label]
    }
}

/// How faces are looked for in a picture.
pub enum FaceFinder {
    /// By the face detector.
    Detector(FaceDetector),
    /// Not at all: every picture is a crop of one face, as the images of FER-2013 are.
    WholePicture,
}

impl FaceFinder {
    /// The faces of `picture`, in reading order.
    pub fn find(&self, picture: &Picture) -> Vec<FoundFace> {
        let gray = picture.to_gray();
        let (width, height) = gray.dimensions();
        match self {
            Self::WholePicture => {
                vec![FoundFace { bounds: FaceBox::whole(width, height), score: None, crop: gray }]
            }
            Self::Detector(detector) => detector
                .detect(&gray)
                .into_iter()
                .filter_map(|face| {
                    Some(FoundFace {
                        bounds: face.bounds.clipped(width, height)?,
                        score: Some(face.score),
                        crop: crop_face(&gray, face.bounds),
                    })
                })
                .collect(),
        }
    }
}

/// Recognises the expressions of found faces, in order, from the mean over `views`.
///
/// # Errors
/// [`InferenceError`] where the classifier fails.
pub fn recognize(
    predictor: &Predictor,
    faces: Vec<FoundFace>,
    views: Views,
) -> Result<Vec<RecognizedFace>, InferenceError> {
    let mut recognized = Vec::with_capacity(faces.len());
    let mut faces = faces.into_iter();
    loop {
        let (places, crops): (Vec<_>, Vec<_>) =
            faces.by_ref().take(BATCH).map(|face| ((face.bounds, face.score), face.crop)).unzip();
        if crops.is_empty() {
            return Ok(recognized);
        }
        let probabilities = predictor.probabilities(&crops, views)?;
        recognized.extend(
            places.into_iter().zip(probabilities).map(|((bounds, score), probabilities)| RecognizedFace {
                bounds,
                score,
                probabilities,
            }),
        );
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use image::{DynamicImage, ImageFormat, Luma};

    use super::*;
    use crate::inference::built_in::BuiltInModel;

    fn picture(gray: GrayImage) -> Picture {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::from(gray).write_to(&mut bytes, ImageFormat::Png).unwrap();
        Picture::from_bytes(bytes.get_ref(), std::path::Path::new("test")).unwrap()
    }

    #[test]
    fn a_whole_picture_is_one_face_without_a_score() {
        let gray = GrayImage::from_fn(48, 40, |x, y| Luma([(x + y) as u8]));
        let found = FaceFinder::WholePicture.find(&picture(gray.clone()));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].bounds, found[0].score), (FaceBox::whole(48, 40), None));
        assert_eq!(found[0].crop, gray);
    }

    #[test]
    fn batches_keep_the_order_and_lose_nothing() {
        let predictor = Predictor::built_in(BuiltInModel::Compact, &Device::flex()).unwrap();
        let faces: Vec<FoundFace> = (0..BATCH as u32 + 3)
            .map(|index| FoundFace {
                bounds: FaceBox { x: index as i32, y: 0, width: 1, height: 1 },
                score: None,
                crop: GrayImage::from_pixel(48, 48, Luma([(index * 3) as u8])),
            })
            .collect();
        let one = recognize(&predictor, faces[BATCH + 1..=BATCH + 1].to_vec(), Views::Mirrored).unwrap();
        let all = recognize(&predictor, faces, Views::Mirrored).unwrap();
        assert_eq!(all.len(), BATCH + 3);
        for (index, face) in all.iter().enumerate() {
            assert_eq!(face.bounds.x, index as i32);
            assert!((face.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        assert_eq!(all[BATCH + 1].expression(LabelSet::Fer2013), one[0].expression(LabelSet::Fer2013));
    }

    #[test]
    fn ranking_goes_downwards_and_names_the_first() {
        let face = RecognizedFace {
            bounds: FaceBox::whole(1, 1),
            score: None,
            probabilities: vec![0.1, 0.0, 0.05, 0.6, 0.15, 0.0, 0.1],
        };
        assert_eq!(face.ranked()[..2], [(3, 0.6), (4, 0.15)]);
        assert_eq!(face.expression(LabelSet::Fer2013), "happy");
    }
}
