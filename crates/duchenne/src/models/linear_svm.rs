//! A *linear support vector machine*: one weight vector per class, on features that networks or any other program
//! made. One safetensors file; a machine on deep features names its networks by path and checksum.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::checkpoint::CheckpointError;
use super::provenance::SvmProvenance;
use crate::expression::LabelSet;
use crate::files::atomic::{AtomicError, write_atomically};

/// Key of the manifest in the safetensors metadata.
pub const SVM_MANIFEST_KEY: &str = "duchenne.svm";
/// Version of the manifest that this program writes and reads.
const FORMAT: u32 = 1;

/// A network whose last activations but one are part of the features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureNetwork {
    /// Its checkpoint, relative to the machine's folder unless absolute.
    pub path: PathBuf,
    /// BLAKE3 of that file.
    pub checksum: String,
}

/// All about a machine that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvmManifest {
    format: u32,
    /// Features per sample.
    pub length: usize,
    /// The number of classes.
    pub classes: usize,
    /// What the labels mean, where that is known.
    pub label_set: Option<LabelSet>,
    /// The networks whose features are joined in this order and scaled to length one; empty for features of
    /// another program, which are taken as they are.
    pub networks: Vec<FeatureNetwork>,
    /// What decision values are multiplied with before softmax makes probabilities of them.
    pub scale: f64,
    /// Where the weights come from.
    pub provenance: SvmProvenance,
}

/// The machine.
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
    /// When it cannot be read or holds no machine.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes =
            std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes).map_err(|reason| CheckpointError::Format { path: path.to_owned(), reason })
    }

    /// Reads a file if it holds a machine; `None` if it is some other safetensors file or none at all.
    ///
    /// # Errors
    /// When it cannot be read, or holds a machine that cannot be used.
    pub fn read_if_one(path: &Path) -> Result<Option<Self>, CheckpointError> {
        let has_key = || -> std::io::Result<bool> {
            // The header alone: networks may be large.
            let mut file = std::fs::File::open(path)?;
            let mut length = [0; 8];
            file.read_exact(&mut length)?;
            let length = u64::from_le_bytes(length);
            if length > file.metadata()?.len() {
                return Ok(false);
            }
            let mut header = Vec::new();
            file.take(length).read_to_end(&mut header)?;
            let header: serde_json::Value = serde_json::from_slice(&header).unwrap_or_default();
            Ok(header["__metadata__"][SVM_MANIFEST_KEY].is_string())
        };
        match has_key() {
            Ok(true) => Self::read(path).map(Some),
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                Err(CheckpointError::Read { path: path.to_owned(), source: error })
            }
            _ => Ok(None),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let texts = metadata.metadata().clone().unwrap_or_default();
        let text = texts.get(SVM_MANIFEST_KEY).ok_or("it holds no support vector machine")?;
        let manifest: SvmManifest = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let (length, classes) = (manifest.length, manifest.classes);
        if manifest.format != FORMAT {
            return Err(format!("manifest has format {}, expected {FORMAT}", manifest.format));
        }
        if manifest.label_set.is_some_and(|set| set.len() != classes) {
            return Err(format!("{classes} classes do not fit its label set"));
        }
        if !(manifest.scale.is_finite() && manifest.scale > 0.0) {
            return Err(format!("scale is {}, expected a positive number", manifest.scale));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let tensor = |name: &str, shape: &[usize]| -> Result<Vec<f64>, String> {
            let view = tensors.tensor(name).map_err(|error| error.to_string())?;
            if view.dtype() != Dtype::F64 || view.shape() != shape {
                let (dtype, got) = (view.dtype(), view.shape());
                return Err(format!("`{name}` is {dtype:?} {got:?}, expected F64 {shape:?}"));
            }
            let chunks = view.data().as_chunks::<8>().0;
            let values: Vec<f64> = chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
            match values.iter().all(|value| value.is_finite()) {
                true => Ok(values),
                false => Err(format!("`{name}` holds a value that is not finite")),
            }
        };
        let weights = tensor("weight", &[classes, length])?;
        let intercepts = tensor("bias", &[classes])?;
        Ok(Self { weights, intercepts, manifest })
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), AtomicError> {
        let (length, classes) = (self.manifest.length, self.manifest.classes);
        let bytes = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (weights, intercepts) = (bytes(&self.weights), bytes(&self.intercepts));
        let view = |shape, bytes| TensorView::new(Dtype::F64, shape, bytes).expect("shapes fit the values");
        let tensors =
            [("weight", view(vec![classes, length], &weights)), ("bias", view(vec![classes], &intercepts))];
        let text = serde_json::to_string(&self.manifest).expect("a manifest is plain numbers and text");
        let metadata = [(SVM_MANIFEST_KEY.to_owned(), text)].into();
        let file = safetensors::serialize(tensors, Some(metadata)).expect("tensor names are unique");
        write_atomically(path, |out| {
            std::io::Write::write_all(out, &file).map_err(|error| AtomicError::system(path, error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_survives_the_disk_and_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("svm.safetensors");
        let mut svm = LinearSvm::new(vec![1.0, 2.0, -1.0, 0.5], vec![0.25, -3.0], None);
        svm.manifest.provenance.objective = Some(0.1);
        svm.write(&path).unwrap();
        let read = LinearSvm::read(&path).unwrap();
        assert_eq!(read, svm);
        assert_eq!(read.decisions(&[1.0, 1.0, 2.0, 0.0]), [3.25, -3.5, 2.25, -5.0]);
        std::fs::write(&path, "no machine").unwrap();
        assert!(LinearSvm::read(&path).is_err());
    }
}
