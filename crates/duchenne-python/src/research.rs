//! Data sets and models under the evaluation protocol, support vector machines, generated faces.

use std::path::PathBuf;

use duchenne::data::packed::findings::training_duplicates;
use duchenne::experiments::scoring::{EvaluatedSplit, compare_models, figures, labelled, predictor_of};
use duchenne::inference::synthesis::Synthesizer;
use duchenne::training::recipe_file::Setting;
use duchenne::training::svm::{SvmSettings, fit_weighted};
use duchenne::{Device, LabelSet, PackedDataset, Quiet, Split, Views};
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::recognizer::views_named;
use crate::{begin, refused};

/// A value that a word names.
pub(crate) fn named<T: std::str::FromStr<Err: std::fmt::Display>>(what: &str, word: &str) -> PyResult<T> {
    T::from_str(word).map_err(|error| PyValueError::new_err(format!("{what} = {word:?}: {error}")))
}

/// A built-in label set by its key.
fn label_set(key: Option<&str>) -> PyResult<Option<LabelSet>> {
    let unknown = |key: &str| {
        let known: Vec<&str> = LabelSet::ALL.iter().map(|set| set.key()).collect();
        PyValueError::new_err(format!("labels = {key:?}, expected one of {}", known.join(", ")))
    };
    key.map(|key| LabelSet::from_key(key).ok_or_else(|| unknown(key))).transpose()
}

/// Settings as `key=value`.
pub(crate) fn parsed(settings: &[String]) -> PyResult<Vec<Setting>> {
    settings.iter().map(|setting| named("settings", setting)).collect()
}

/// What a packed data set is, checked as the program checks it when it opens one, as JSON.
#[pyfunction]
pub(crate) fn describe(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    begin()?;
    let dataset = py.detach(|| PackedDataset::open(&path)).map_err(refused)?;
    Ok(serde_json::json!({
        "name": dataset.name(),
        "classes": dataset.label_set().names(),
        "fingerprint": dataset.fingerprint(),
        // In the order of their numbers in the file.
        "splits": Split::ALL.map(Split::key),
    })
    .to_string())
}

/// How models are scored.
struct Scoring {
    split: EvaluatedSplit,
    views: Views,
    asked: Option<LabelSet>,
    device: Device,
}

fn scoring(split: &str, views: &str, labels: Option<&str>, device: &str) -> PyResult<Scoring> {
    Ok(Scoring {
        split: named("split", split)?,
        views: views_named(views)?,
        asked: label_set(labels)?,
        device: named("device", device)?,
    })
}

/// The report of a model, or of an ensemble, on a split of a data set, as JSON.
#[pyfunction]
pub(crate) fn evaluate_model(
    py: Python<'_>,
    models: Vec<PathBuf>,
    data: PathBuf,
    split: &str,
    views: &str,
    labels: Option<&str>,
    device: &str,
) -> PyResult<String> {
    begin()?;
    let Scoring { split, views, asked, device } = scoring(split, views, labels, device)?;
    let work = || -> duchenne::Result<_> {
        let predictor = predictor_of(&models, &device, &Quiet)?;
        let dataset = labelled(&PackedDataset::open(&data)?, asked, predictor.label_set())?;
        figures(&predictor, &dataset, split, &training_duplicates(&dataset), views)
    };
    let report = py.detach(work).map_err(refused)?;
    serde_json::to_string(&report).map_err(refused)
}

/// Models compared on the same images, as JSON.
#[pyfunction]
pub(crate) fn compare(
    py: Python<'_>,
    models: Vec<PathBuf>,
    data: PathBuf,
    split: &str,
    views: &str,
    labels: Option<&str>,
    device: &str,
) -> PyResult<String> {
    begin()?;
    let Scoring { split, views, asked, device } = scoring(split, views, labels, device)?;
    let work = || -> duchenne::Result<_> {
        compare_models(&models, &PackedDataset::open(&data)?, asked, split, views, &device)
    };
    let comparison = py.detach(work).map_err(refused)?;
    serde_json::to_string(&comparison).map_err(refused)
}

/// Weights `[classes, features]`, intercepts, passes and whether each class converged.
type Fitted<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<f64>>, Vec<usize>, Vec<bool>);

/// Linear SVMs, one per class against the rest, of features `[n, d]` and labels `[n]`; a weight for each class.
#[pyfunction]
pub(crate) fn fit_svm<'py>(
    py: Python<'py>,
    features: &Bound<'py, PyArray2<f32>>,
    labels: &Bound<'py, PyArray1<u8>>,
    class_weights: Vec<f64>,
    settings: Vec<String>,
) -> PyResult<Fitted<'py>> {
    begin()?;
    let settings = SvmSettings::with(&parsed(&settings)?).map_err(refused)?;
    let length = features.shape()[1];
    let features: Vec<f32> = features.readonly().as_array().iter().copied().collect();
    let labels: Vec<u8> = labels.readonly().as_array().to_vec();
    let work = || fit_weighted(&features, length, &labels, &class_weights, &settings, &|_, _| ());
    let fitted = py.detach(work).map_err(refused)?;
    let weights = PyArray1::from_vec(py, fitted.weights).reshape([class_weights.len(), length])?;
    Ok((weights, PyArray1::from_vec(py, fitted.intercepts), fitted.passes, fitted.converged))
}

/// Faces `[count, side, side]` of a class by a generator's file, and the names of its classes.
#[pyfunction]
pub(crate) fn generate<'py>(
    py: Python<'py>,
    generator: PathBuf,
    expression: Option<&str>,
    count: usize,
    seed: u64,
    side: usize,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    begin()?;
    let synthesizer = py.detach(|| Synthesizer::load(&generator, &Device::cpu())).map_err(refused)?;
    let manifest = synthesizer.manifest();
    let names = manifest.label_set.names();
    let known: Vec<&str> = manifest.labels.iter().map(|label| names[usize::from(*label)]).collect();
    let label = match (expression, manifest.labels.as_slice()) {
        (None, [only]) => *only,
        (None, _) => {
            let problem = format!("the generator makes {}: name one with `expression`", known.join(", "));
            return Err(PyValueError::new_err(problem));
        }
        (Some(word), labels) => {
            let wanted = LabelSet::usual_name(word).unwrap_or(word);
            *labels.iter().find(|label| names[usize::from(**label)] == wanted).ok_or_else(|| {
                let problem = format!("expression = {word:?}, but the generator makes {}", known.join(", "));
                PyValueError::new_err(problem)
            })?
        }
    };
    let faces = py.detach(|| synthesizer.faces(label, 0..count, seed, side));
    let pixels: Vec<u8> = faces.into_iter().flat_map(|face| face.into_raw()).collect();
    PyArray1::from_vec(py, pixels).reshape([count, side, side])
}
