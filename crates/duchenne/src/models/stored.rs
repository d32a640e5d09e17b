//! A *stored* model: one safetensors file of weights and a *manifest*, JSON with all that is needed to use and to
//! trust them. It loads completely or not at all, whatever kind of model it is.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::onnx::is_onnx;
use super::tensors::{
    BATCH_COUNTER, NamedTensor, Precision, StoredNumber, TensorsError, read_tensors, write_tensors,
};
use super::weights::WeightsError;
use crate::files::atomic::AtomicError;

/// Version of the manifests that this program writes and reads.
pub(super) const FORMAT: u32 = 1;

/// All about a kind of model that is not a weight.
pub trait StoredManifest: Serialize + DeserializeOwned {
    /// Key of the manifest in the safetensors metadata.
    const KEY: &'static str;
    /// The kind of model, for messages: `duchenne model`.
    const KIND: &'static str;
    /// What a file without such a manifest lacks, for messages.
    const ABSENT: &'static str;
    /// The numbers that its weights are.
    type Number: StoredNumber;

    /// Version of the manifest.
    fn format(&self) -> u32;

    /// Checks that the parts of the manifest fit together.
    ///
    /// # Errors
    /// The first contradiction.
    fn check(&self) -> Result<(), ManifestError>;
}

/// What contradicts itself in a manifest, or is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ManifestError(pub String);

/// What is wrong with the content of a file.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Its tensors cannot be read.
    #[error(transparent)]
    Tensors(#[from] TensorsError),
    /// It is another program's form of a network.
    #[error(
        "it is ONNX, which this program writes and does not run: it has one engine, its own; `duchenne model import` takes \
         weights under torchvision's names (.pth or .safetensors)"
    )]
    Onnx,
    /// It has no manifest of this kind.
    #[error("{0}")]
    NoManifest(&'static str),
    /// The manifest is not the JSON that this program writes.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The manifest was written by another version of this program.
    #[error("manifest has format {0}, expected {FORMAT}")]
    Version(u32),
    /// The manifest contradicts itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The weights do not fit the manifest.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Why a stored model cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The file cannot be read.
    #[error("cannot read model `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file does not hold such a model.
    #[error("`{}` is not a {kind}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The kind of model that was expected.
        kind: &'static str,
        /// What is wrong.
        problem: FormatError,
    },
    /// The weights do not fit the architecture.
    #[error("model `{}`: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: WeightsError,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] AtomicError),
    /// The manifest contradicts itself.
    #[error("{kind} cannot be saved: {problem}")]
    Manifest {
        /// The kind of model.
        kind: &'static str,
        /// The contradiction.
        problem: ManifestError,
    },
}

/// A model as it is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<M: StoredManifest> {
    /// All but the weights.
    pub manifest: M,
    /// The weights.
    pub weights: Vec<NamedTensor<M::Number>>,
}

impl<M: StoredManifest> Stored<M> {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or does not hold such a model.
    pub fn read(path: &Path) -> Result<Self, StoredError> {
        let bytes =
            std::fs::read(path).map_err(|source| StoredError::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of a file; `path` names it in errors.
    ///
    /// # Errors
    /// When they are not those of such a model.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, StoredError> {
        Self::parse(bytes).map_err(|problem| match problem {
            FormatError::Tensors(_) if is_onnx(path, bytes) => Self::refusal(path, FormatError::Onnx),
            problem => Self::refusal(path, problem),
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        // First of what kind the file is: its tensors may be of another type.
        let texts = safetensors::SafeTensors::read_metadata(bytes)
            .map_err(|error| TensorsError::Format(error.to_string()))?
            .1;
        let text = texts.metadata().as_ref().and_then(|texts| texts.get(M::KEY));
        let manifest: M = serde_json::from_str(text.ok_or(FormatError::NoManifest(M::ABSENT))?)?;
        if manifest.format() != FORMAT {
            return Err(FormatError::Version(manifest.format()));
        }
        manifest.check()?;
        Ok(Self { manifest, weights: read_tensors(bytes)?.tensors })
    }

    /// That the file at `path` does not hold such a model.
    pub(super) fn refusal(path: &Path, problem: impl Into<FormatError>) -> StoredError {
        StoredError::Format { path: path.to_owned(), kind: M::KIND, problem: problem.into() }
    }

    /// Whether a file holds such a model, by its header alone: models may be large. False for any other file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_at(path: &Path) -> Result<bool, StoredError> {
        let has_key = || -> std::io::Result<bool> {
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
            Ok(header["__metadata__"][M::KEY].is_string())
        };
        match has_key() {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            result => result.map_err(|source| StoredError::Read { path: path.to_owned(), source }),
        }
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// When the manifest contradicts itself or the file cannot be written.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), StoredError> {
        let refused = |problem| StoredError::Manifest { kind: M::KIND, problem };
        self.manifest.check().map_err(refused)?;
        let text = serde_json::to_string(&self.manifest)
            .map_err(|error| refused(ManifestError(error.to_string())))?;
        // `load_state_dict(strict=True)` asks for a counter beside every running mean.
        let counters = self.weights.iter().filter_map(|tensor| {
            let layer = tensor.name.strip_suffix("running_mean")?;
            Some(format!("{layer}{BATCH_COUNTER}"))
        });
        let counters: Vec<String> = counters.collect();
        let texts = HashMap::from([(M::KEY.to_owned(), text)]);
        Ok(write_tensors(&self.weights, &counters, texts, precision, path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::checkpoint::Checkpoint;
    use crate::models::gan::GeneratorCheckpoint;
    use crate::models::linear_svm::LinearSvm;

    #[test]
    fn each_kind_names_itself_in_its_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let svm = LinearSvm::new(vec![1.0, 2.0], vec![0.0], None);
        svm.write(&path).unwrap();
        let network = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(
            network.contains("is not a duchenne model: no manifest; `duchenne model import`"),
            "{network}"
        );
        let generator = GeneratorCheckpoint::read(&path).unwrap_err().to_string();
        assert!(generator.contains("is not a generator of this program: it holds none"), "{generator}");
        assert!(LinearSvm::read_if_one(&path).unwrap().is_some());

        for content in [&b""[..], b"no model", &[255; 64]] {
            std::fs::write(&path, content).unwrap();
            assert!(LinearSvm::read_if_one(&path).unwrap().is_none());
            let error = LinearSvm::read(&path).unwrap_err().to_string();
            assert!(error.contains("is not a linear SVM: it is not a whole safetensors file"), "{error}");
        }
        assert!(matches!(Checkpoint::read(folder.path()), Err(StoredError::Read { .. })));
    }
}
