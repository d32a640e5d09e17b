//! The recogniser as Python sees it: plain tuples, which the package makes into objects.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use duchenne::experiments::scoring::predictor_of;
use duchenne::inference::InferenceError;
use duchenne::{
    Clip, Device, Face, Ffmpeg, Picture, Quiet, Section, TrackedFace, VideoFaces, VideoOptions, Views,
};
use numpy::{PyArray2, PyArrayDyn, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::pictures::{Given, crops};
use crate::research::named;
use crate::{begin, refused};

/// Crops classified at once, so that memory stays flat.
const CROPS: usize = 512;

/// Box, score, angle and landmarks, probabilities.
type FaceValues = ([i64; 4], Option<f32>, Option<f32>, Option<[[f32; 2]; 5]>, Vec<f32>);
/// Width, height, what is to be known of the file, faces; or why there is no picture.
type PictureValues = (Option<String>, u32, u32, Option<String>, Vec<FaceValues>);

/// A face's number, what its frame says of it, and its smoothed probabilities.
type TrackedValues = (u64, FaceValues, Option<Vec<f32>>);
/// Place, time in seconds, width, height, faces.
type FrameValues = (u64, f64, u32, u32, Vec<TrackedValues>);

/// A model, a face finder and a pool of threads.
#[pyclass(frozen, module = "duchenne._duchenne")]
pub(crate) struct Recognizer {
    recognizer: Arc<duchenne::Recognizer>,
    views: Views,
    pool: Option<Arc<rayon::ThreadPool>>,
}

#[pymethods]
impl Recognizer {
    #[new]
    #[pyo3(signature = (models, device, threads, views, min_face, min_score, whole))]
    #[expect(clippy::too_many_arguments, reason = "the package names them")]
    fn new(
        py: Python<'_>,
        models: Vec<PathBuf>,
        device: &str,
        threads: Option<usize>,
        views: &str,
        min_face: Option<u32>,
        min_score: Option<f32>,
        whole: bool,
    ) -> PyResult<Self> {
        begin()?;
        let device: Device = named("device", device)?;
        let views = views_named(views)?;
        let pool = match threads {
            None => None,
            Some(0) => return Err(PyValueError::new_err("threads = 0, expected at least 1")),
            Some(count) => Some(rayon::ThreadPoolBuilder::new().num_threads(count).build().map_err(refused)?),
        };
        let predictor = py.detach(|| predictor_of(&models, &device, &Quiet)).map_err(refused)?;
        let mut recognizer = duchenne::Recognizer::new(predictor).views(views);
        if let Some(score) = min_score {
            recognizer = recognizer.min_score(score);
        }
        if let Some(pixels) = min_face {
            recognizer = recognizer.min_face(pixels);
        }
        if whole {
            recognizer = recognizer.whole_picture();
        }
        Ok(Self { recognizer: Arc::new(recognizer), views, pool: pool.map(Arc::new) })
    }

    /// The classes, in the order of probabilities.
    #[getter]
    fn classes(&self) -> Vec<&'static str> {
        self.recognizer.predictor().label_set().names().to_vec()
    }

    /// What is recognised in each picture.
    fn recognize(&self, py: Python<'_>, pictures: Vec<Given>) -> PyResult<Vec<PictureValues>> {
        begin()?;
        py.detach(|| self.in_pool(|| self.recognized(pictures))).map_err(refused)
    }

    /// The frames of a clip, as an iterator.
    #[expect(clippy::too_many_arguments, reason = "the package names them")]
    fn recognize_video(
        &self,
        py: Python<'_>,
        path: PathBuf,
        from: Option<f64>,
        to: Option<f64>,
        every: Option<f64>,
        smooth: Option<f64>,
        search_every: f64,
        ffmpeg: PathBuf,
    ) -> PyResult<Video> {
        begin()?;
        let section = Section { from, to, every };
        let clip = py.detach(|| Clip::open(&path, section, &Ffmpeg::at(ffmpeg))).map_err(refused)?;
        let options = VideoOptions { smooth, search_every, keep_pictures: false };
        let finder = self.recognizer.finder();
        let faces = VideoFaces::new(Arc::clone(&self.recognizer), finder, clip, options);
        Ok(Video { faces: Mutex::new(faces), pool: self.pool.clone() })
    }

    /// Probabilities `[n, classes]` of face crops.
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        faces: &Bound<'py, PyArrayDyn<u8>>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        begin()?;
        let predictor = self.recognizer.predictor();
        let classes = predictor.label_set().len();
        let count = faces.shape().first().copied().unwrap_or(0);
        let mut all = Vec::with_capacity(count * classes);
        for begin in (0..count).step_by(CROPS) {
            let crops = crops(faces, begin..count.min(begin + CROPS))?;
            let work = || predictor.probabilities(&crops, self.views);
            let rows = py.detach(|| self.in_pool(work)).map_err(refused)?;
            rows.into_iter().for_each(|row| all.extend(row));
        }
        numpy::PyArray1::from_vec(py, all).reshape([count, classes])
    }
}

/// The frames of a clip, one after the other.
#[pyclass(frozen, module = "duchenne._duchenne")]
pub(crate) struct Video {
    faces: Mutex<VideoFaces<Arc<duchenne::Recognizer>>>,
    pool: Option<Arc<rayon::ThreadPool>>,
}

#[pymethods]
impl Video {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// The next frame.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<FrameValues>> {
        begin()?;
        let next = || self.faces.lock().unwrap_or_else(PoisonError::into_inner).next();
        let frame = py.detach(|| match &self.pool {
            Some(pool) => pool.install(next),
            None => next(),
        });
        let Some(frame) = frame.transpose().map_err(refused)? else { return Ok(None) };
        let of_face = |face: &TrackedFace| {
            let smoothed = face.smoothed.as_ref().map(probabilities_of);
            (face.track, values(&face.face), smoothed)
        };
        let faces = frame.faces.iter().map(of_face).collect();
        Ok(Some((frame.index, frame.time, frame.size[0], frame.size[1], faces)))
    }

    /// What is to be known of the clip, once its last frame was given.
    #[getter]
    fn warning(&self) -> Option<String> {
        let faces = self.faces.lock().unwrap_or_else(PoisonError::into_inner);
        faces.clip().warning().map(|warning| warning.to_string())
    }
}

/// The views that a word names.
pub(crate) fn views_named(views: &str) -> PyResult<Views> {
    match views {
        "single" => Ok(Views::Centre),
        "mirrored" => Ok(Views::Mirrored),
        "ten-crop" => Ok(Views::TenCrop),
        other => {
            let problem = format!("views = {other:?}, expected 'single', 'mirrored' or 'ten-crop'");
            Err(PyValueError::new_err(problem))
        }
    }
}

impl Recognizer {
    /// In this recogniser's own threads, where it has such.
    fn in_pool<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Decodes and searches pictures side by side, and classifies all of their faces together.
    fn recognized(&self, pictures: Vec<Given>) -> Result<Vec<PictureValues>, InferenceError> {
        let found = |picture: Picture| {
            let size = [picture.width(), picture.height()];
            (size, picture.warning().map(|warning| warning.to_string()), self.recognizer.find(&picture))
        };
        // A bug in a decoder, met by one strange file, must not end a batch, or a cluster's job over and over.
        let open = |given: Given| {
            catch_unwind(AssertUnwindSafe(|| given.open().map(found)))
                .unwrap_or_else(|_| Err("the picture made the package fail: please report it".to_owned()))
        };
        let opened: Vec<_> = pictures.into_par_iter().map(open).collect();
        let mut found = Vec::new();
        let mut places = Vec::with_capacity(opened.len());
        for one in opened {
            places.push(one.map(|(size, warning, faces)| {
                let count = faces.len();
                found.extend(faces);
                (size, warning, count)
            }));
        }
        let mut faces = self.recognizer.classify(&found)?.into_iter();
        let of_picture = |place: Result<([u32; 2], Option<String>, usize), String>| match place {
            Ok(([width, height], warning, count)) => {
                let faces = faces.by_ref().take(count).map(|face| values(&face)).collect();
                (None, width, height, warning, faces)
            }
            Err(problem) => (Some(problem), 0, 0, None, Vec::new()),
        };
        Ok(places.into_iter().map(of_picture).collect())
    }
}

fn values(face: &Face) -> FaceValues {
    let bounds = face.bounds();
    let landmarks = face.landmarks();
    (
        [bounds.x.into(), bounds.y.into(), bounds.width.into(), bounds.height.into()],
        face.score(),
        landmarks.map(duchenne::Landmarks::angle),
        landmarks.map(duchenne::Landmarks::points),
        probabilities_of(face),
    )
}

fn probabilities_of(face: &Face) -> Vec<f32> {
    face.probabilities().map(|(_, probability)| probability).collect()
}
