//! A *recogniser* is everything needed to recognise faces in a picture: face finder, classifier, views.

use std::borrow::Borrow;
use std::path::Path;

use rayon::prelude::*;

use crate::data::faces::picture::Picture;
use crate::data::faces::views::Views;
use crate::data::video::Clip;
use crate::inference::InferenceError;
use crate::inference::built_in::BuiltInModel;
use crate::inference::face_detection::FaceDetector;
use crate::inference::predictor::Predictor;
use crate::inference::recognition::{Face, FaceFinder, FoundFace, classify};
use crate::inference::video::{VideoFaces, VideoOptions};

/// Finds the faces of pictures and recognises their expressions. One recogniser serves several threads at once.
///
/// ```
/// use duchenne::{Picture, Recognizer, Views};
///
/// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
/// let recognizer = Recognizer::built_in()?.views(Views::TenCrop).min_face(40);
/// let picture = Picture::open("examples/faces.png")?;
/// for face in recognizer.recognize(&picture)? {
///     println!("{} {:.0} % at {:?}", face.expression(), 100.0 * face.confidence(), face.bounds());
/// }
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug)]
pub struct Recognizer {
    predictor: Predictor,
    finder: FaceFinder,
    views: Views,
}

impl Recognizer {
    /// The built-in model that answers what human raters see, on the CPU, mirror images averaged in.
    ///
    /// # Errors
    /// None in a build that passes its tests.
    pub fn built_in() -> Result<Self, InferenceError> {
        Predictor::built_in(BuiltInModel::Raters, &burn::tensor::Device::flex()).map(Self::new)
    }

    /// A model file (a network or a support vector machine on the features of several), or a built-in model by name, on the
    /// CPU.
    ///
    /// # Errors
    /// When the file cannot be read or is not a model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, InferenceError> {
        Predictor::named(path.as_ref(), &burn::tensor::Device::flex()).map(Self::new)
    }

    /// Any classifier, on the device that it was loaded for.
    pub fn new(predictor: Predictor) -> Self {
        Self { predictor, finder: FaceFinder::Detector(FaceDetector::new(None)), views: Views::Mirrored }
    }

    /// Averages over these views of every face instead of the face and its mirror image.
    #[must_use]
    pub fn views(self, views: Views) -> Self {
        Self { views, ..self }
    }

    /// Looks for faces of at least `pixels` width or height (12 or more). Otherwise such small faces are found in
    /// pictures of up to 0.8 megapixels, and the limit grows with the square root of the pixels in larger ones.
    #[must_use]
    pub fn min_face(self, pixels: u32) -> Self {
        self.detecting(|detector| detector.min_face(pixels))
    }

    /// Keeps what the detector takes for a face with at least this score, `0..=1`, instead of
    /// [`DEFAULT_MIN_SCORE`](crate::inference::face_detection::DEFAULT_MIN_SCORE).
    #[must_use]
    pub fn min_score(self, score: f32) -> Self {
        self.detecting(|detector| detector.min_score(score))
    }

    /// With another detector; a recogniser of whole pictures becomes one that detects.
    fn detecting(self, change: impl FnOnce(FaceDetector) -> FaceDetector) -> Self {
        let detector = match self.finder {
            FaceFinder::Detector(detector) => detector,
            FaceFinder::WholePicture => FaceDetector::new(None),
        };
        Self { finder: FaceFinder::Detector(change(detector)), ..self }
    }

    /// Takes every picture as the crop of one face, without detection.
    #[must_use]
    pub fn whole_picture(self) -> Self {
        Self { finder: FaceFinder::WholePicture, ..self }
    }

    /// How faces are looked for.
    pub fn finder(&self) -> FaceFinder {
        self.finder
    }

    /// The classifier.
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// The faces of a picture with their expressions, in reading order.
    ///
    /// # Errors
    /// [`InferenceError`] where the classifier fails.
    pub fn recognize(&self, picture: &Picture) -> Result<Vec<Face>, InferenceError> {
        self.classify(&self.find(picture))
    }

    /// The same for another way to find faces than the recogniser's own.
    ///
    /// # Errors
    /// As [`recognize`](Self::recognize).
    pub fn recognize_by(&self, finder: &FaceFinder, picture: &Picture) -> Result<Vec<Face>, InferenceError> {
        self.classify(&finder.find(picture))
    }

    /// The faces of several pictures, searched in parallel and classified in common batches.
    ///
    /// # Errors
    /// As [`recognize`](Self::recognize).
    pub fn recognize_all(&self, pictures: &[Picture]) -> Result<Vec<Vec<Face>>, InferenceError> {
        let found: Vec<Vec<FoundFace>> = pictures.par_iter().map(|picture| self.find(picture)).collect();
        let counts: Vec<usize> = found.iter().map(Vec::len).collect();
        let found: Vec<FoundFace> = found.into_iter().flatten().collect();
        let mut faces = self.classify(&found)?.into_iter();
        Ok(counts.into_iter().map(|count| faces.by_ref().take(count).collect()).collect())
    }

    /// The faces of a picture, not yet classified: work for one thread.
    pub fn find(&self, picture: &Picture) -> Vec<FoundFace> {
        self.finder.find(picture)
    }

    /// The expressions of found faces, of one picture or of many, in their order.
    ///
    /// # Errors
    /// As [`recognize`](Self::recognize).
    pub fn classify<F: Borrow<FoundFace>>(&self, faces: &[F]) -> Result<Vec<Face>, InferenceError> {
        classify(&self.predictor, faces, self.views)
    }

    /// The faces of a clip, frame by frame, each with its number, as an iterator.
    ///
    /// ```no_run
    /// use duchenne::{Clip, Ffmpeg, Recognizer, Section, VideoOptions};
    ///
    /// let recognizer = Recognizer::built_in()?;
    /// let clip = Clip::open("clip.mp4", Section::default(), &Ffmpeg::default())?;
    /// for frame in recognizer.recognize_video(clip, VideoOptions::default()) {
    ///     let frame = frame?;
    ///     for face in &frame.faces {
    ///         println!("{:.3} s, face {}: {}", frame.time, face.track, face.face.expression());
    ///     }
    /// }
    /// # Ok::<(), duchenne::Error>(())
    /// ```
    pub fn recognize_video(&self, clip: Clip, options: VideoOptions) -> VideoFaces<&Self> {
        self.recognize_video_by(self.finder, clip, options)
    }

    /// The same for another way to find faces than the recogniser's own.
    pub fn recognize_video_by(
        &self,
        finder: FaceFinder,
        clip: Clip,
        options: VideoOptions,
    ) -> VideoFaces<&Self> {
        VideoFaces::new(self, finder, clip, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_models_are_loaded_by_name() {
        let compact = Recognizer::load("built-in-compact").unwrap();
        assert_eq!(compact.predictor().description(), "compact");
    }

    #[test]
    fn several_pictures_give_what_each_gives_alone() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faces.png");
        let picture = Picture::open(&path).unwrap();
        let recognizer = Recognizer::built_in().unwrap().views(Views::Centre);
        let alone = recognizer.recognize(&picture).unwrap();
        assert_eq!(alone.len(), 6);
        let together = recognizer.recognize_all(&[picture.clone(), picture]).unwrap();
        for faces in together {
            for (one, other) in alone.iter().zip(&faces) {
                assert_eq!((one.bounds(), one.expression()), (other.bounds(), other.expression()));
                assert!((one.confidence() - other.confidence()).abs() < 1e-5);
            }
            assert_eq!(faces.len(), 6);
        }
    }
}
