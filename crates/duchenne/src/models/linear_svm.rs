//! A *linear support vector machine*: one weight vector per class, on features that networks or any other program
//! made. One safetensors file; an SVM on deep features names its networks by path and checksum.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::provenance::SvmProvenance;
use super::stored::{FORMAT, ManifestError, Stored, StoredError, StoredManifest};
use super::tensors::{NamedTensor, Precision};
use super::weights::WeightsError;
use crate::expression::LabelSet;

/// Names of the tensors.
const WEIGHT: &str = "weight";
const BIAS: &str = "bias";

/// A network whose penultimate activations are part of the features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureNetwork {
    /// Its checkpoint, relative to the SVM's folder unless absolute.
    pub path: PathBuf,
    /// BLAKE3 of the checkpoint file.
    pub checksum: String,
}

/// All about a linear SVM that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvmManifest {
    format: u32,
    /// Number of features per sample.
    pub length: usize,
    /// Number of classes.
    pub classes: usize,
    /// Label set of the classes, where it is known.
    pub label_set: Option<LabelSet>,
    /// The networks whose features are joined in this order and scaled to length one; empty for features of
    /// another program, which are taken as they are.
    pub networks: Vec<FeatureNetwork>,
    /// What decision values are multiplied with before softmax makes probabilities of them.
    pub scale: f64,
    /// Where the weights come from.
    pub provenance: SvmProvenance,
}

impl StoredManifest for SvmManifest {
    const KEY: &'static str = "duchenne.svm";
    const KIND: &'static str = "linear SVM";
    const ABSENT: &'static str = "it holds none; `duchenne svm fit` makes one";
    type Number = f64;

    fn format(&self) -> u32 {
        self.format
    }

    fn check(&self) -> Result<(), ManifestError> {
        let classes = self.classes;
        if classes == 0 || self.length == 0 {
            return Err(ManifestError(format!("it has {classes} classes of {} features", self.length)));
        }
        if self.label_set.is_some_and(|set| set.len() != classes) {
            return Err(ManifestError(format!("{classes} classes do not fit its label set")));
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(ManifestError(format!("scale is {}, expected a positive number", self.scale)));
        }
        Ok(())
    }
}

/// A linear SVM.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSvm {
    /// All but the weights.
    pub manifest: SvmManifest,
    weights: Vec<f64>,
    intercepts: Vec<f64>,
}

impl LinearSvm {
    /// Of weights `[classes, length]`, row-major, and intercepts `[classes]`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn new(weights: Vec<f64>, intercepts: Vec<f64>, label_set: Option<LabelSet>) -> Self {
        let classes = intercepts.len();
        assert!(
            classes > 0 && weights.len().is_multiple_of(classes),
            "weights are whole rows, one per class"
        );
        let manifest = SvmManifest {
            format: FORMAT,
            length: weights.len() / classes,
            classes,
            label_set,
            networks: Vec::new(),
            scale: 1.0,
            provenance: SvmProvenance::default(),
        };
        Self { manifest, weights, intercepts }
    }

    /// Decision values `[samples, classes]` of features `[samples, length]`, both row-major.
    ///
    /// # Panics
    /// If the features are not whole rows.
    pub fn decisions(&self, features: &[f32]) -> Vec<f64> {
        let length = self.manifest.length;
        assert!(features.len().is_multiple_of(length), "features are whole rows");
        let of_row = |row: &[f32]| -> Vec<f64> {
            let of_class = |(weights, intercept): (&[f64], &f64)| {
                row.iter().zip(weights).map(|(x, w)| f64::from(*x) * w).sum::<f64>() + intercept
            };
            self.weights.chunks_exact(length).zip(&self.intercepts).map(of_class).collect()
        };
        features.par_chunks_exact(length).flat_map_iter(of_row).collect()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or does not hold an SVM.
    pub fn read(path: &Path) -> Result<Self, StoredError> {
        Self::of_stored(Stored::read(path)?).map_err(|problem| Stored::<SvmManifest>::refusal(path, problem))
    }

    /// Reads a file if it holds an SVM; `None` if it is some other safetensors file or none at all.
    ///
    /// # Errors
    /// When it cannot be read, or holds an SVM that cannot be used.
    pub fn read_if_one(path: &Path) -> Result<Option<Self>, StoredError> {
        Stored::<SvmManifest>::is_at(path)?.then(|| Self::read(path)).transpose()
    }

    fn of_stored(Stored { manifest, mut weights }: Stored<SvmManifest>) -> Result<Self, WeightsError> {
        let mut take = |name: &str, expected: &[usize]| {
            let at = weights.iter().position(|tensor| tensor.name == name);
            let missing = || WeightsError::Missing { name: name.to_owned(), missing: 1, expected: 2 };
            let NamedTensor { name, shape, values } = weights.swap_remove(at.ok_or_else(missing)?);
            if shape != expected {
                return Err(WeightsError::Shape { name, got: shape, expected: expected.to_vec() });
            }
            match values.iter().all(|value| value.is_finite()) {
                true => Ok(values),
                false => Err(WeightsError::NotFinite(name)),
            }
        };
        let weights = take(WEIGHT, &[manifest.classes, manifest.length])?;
        let intercepts = take(BIAS, &[manifest.classes])?;
        Ok(Self { weights, intercepts, manifest })
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), StoredError> {
        let (length, classes) = (self.manifest.length, self.manifest.classes);
        let tensor = |name: &str, shape, values: &Vec<f64>| NamedTensor {
            name: name.to_owned(),
            shape,
            values: values.clone(),
        };
        let weights = vec![
            tensor(WEIGHT, vec![classes, length], &self.weights),
            tensor(BIAS, vec![classes], &self.intercepts),
        ];
        Stored { manifest: self.manifest.clone(), weights }.write(path, Precision::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_svm_survives_the_disk_and_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("svm.safetensors");
        let mut svm = LinearSvm::new(vec![1.0, 2.0, -1.0, 0.5], vec![0.25, -3.0], None);
        svm.manifest.provenance.objective = Some(0.1);
        svm.write(&path).unwrap();
        let read = LinearSvm::read(&path).unwrap();
        assert_eq!(read, svm);
        assert_eq!(read.decisions(&[1.0, 1.0, 2.0, 0.0]), [3.25, -3.5, 2.25, -5.0]);
        std::fs::write(&path, "no SVM").unwrap();
        assert!(LinearSvm::read(&path).is_err());
    }
}
