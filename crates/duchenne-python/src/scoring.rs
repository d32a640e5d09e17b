//! Figures of anybody's logits, under the evaluation protocol.

use duchenne::{ScoredSplit, evaluate as evaluate_split, fit_temperature};
use numpy::{PyArray1, PyArray2, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::refused;

/// Labels `[n]` and logits `[n, classes]`.
type Labelled<'py> = (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray2<f32>>);

/// The figures of logits `[n, classes]` for labels `[n]`, as JSON. The temperature is fitted on a validation split, or given.
#[pyfunction]
#[pyo3(signature = (split, classes, labels, logits, temperature, validation, seen, votes))]
#[expect(clippy::too_many_arguments, reason = "the package names them")]
pub(crate) fn evaluate(
    py: Python<'_>,
    split: String,
    classes: Vec<String>,
    labels: &Bound<'_, PyArray1<u8>>,
    logits: &Bound<'_, PyArray2<f32>>,
    temperature: Option<f64>,
    validation: Option<Labelled<'_>>,
    seen: Option<Vec<bool>>,
    votes: Option<&Bound<'_, PyArray2<u8>>>,
) -> PyResult<String> {
    let seen = seen.unwrap_or_else(|| vec![false; labels.len()]);
    let mut scored = scored(&split, &classes, labels, logits, seen)?;
    if let Some(votes) = votes {
        let rows: Vec<u8> = votes.readonly().as_array().iter().copied().collect();
        if votes.shape()[1] != 10 {
            return Err(PyValueError::new_err(
                "votes have ten columns: FER+'s eight classes, unknown, no face",
            ));
        }
        let rows = rows.chunks_exact(10).filter_map(|row| row.try_into().ok()).collect();
        scored.ferplus_votes = Some(rows);
    }
    let temperature = match (temperature, validation) {
        (Some(temperature), _) => temperature,
        (None, Some((labels, logits))) => {
            let none = vec![false; labels.len()];
            fit_temperature(&self::scored("validation", &classes, &labels, &logits, none)?)
                .map_err(refused)?
        }
        (None, None) => 1.0,
    };
    let report = py.detach(|| evaluate_split(&scored, temperature)).map_err(refused)?;
    serde_json::to_string(&report).map_err(refused)
}

fn scored(
    split: &str,
    classes: &[String],
    labels: &Bound<'_, PyArray1<u8>>,
    logits: &Bound<'_, PyArray2<f32>>,
    seen: Vec<bool>,
) -> PyResult<ScoredSplit> {
    if logits.shape() != [labels.len(), classes.len()] {
        let (got, expected) = (logits.shape(), (labels.len(), classes.len()));
        return Err(PyValueError::new_err(format!(
            "logits have shape {got:?}, expected {expected:?}: images, classes"
        )));
    }
    Ok(ScoredSplit {
        split: split.to_owned(),
        class_names: classes.to_vec(),
        labels: labels.readonly().as_array().to_vec(),
        logits: logits.readonly().as_array().iter().copied().collect(),
        rows: (0..labels.len() as u32).collect(),
        seen_in_training: seen,
        ferplus_votes: None,
    })
}
