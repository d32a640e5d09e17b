//! A generator on disk: one safetensors file with the weights and all that is needed to use and to trust
//! them.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Generator, GeneratorConfig};
use crate::expression::LabelSet;
use crate::models::checkpoint::{CheckpointError, Precision, read_tensors, write_tensors};
use crate::models::provenance::GeneratorProvenance;
use crate::models::weights::{NamedTensor, assign, collect};

/// Key of the manifest in the safetensors metadata.
const MANIFEST_KEY: &str = "duchenne.generator";
/// Version of the manifest that this program writes and reads.
const FORMAT: u32 = 1;

/// All about a generator that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorManifest {
    /// Version of this format.
    format: u32,
    /// The network.
    pub network: GeneratorConfig,
    /// What the labels mean.
    pub label_set: LabelSet,
    /// The labels it can generate: one for a generator of one class; with a condition all it has seen.
    pub labels: Vec<u8>,
    /// Where the weights come from.
    pub provenance: GeneratorProvenance,
}

impl GeneratorManifest {
    /// Of a generator that can generate `labels`.
    pub fn new(network: GeneratorConfig, label_set: LabelSet, labels: Vec<u8>) -> Self {
        Self { format: FORMAT, network, label_set, labels, provenance: GeneratorProvenance::default() }
    }

    fn problem(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("manifest has format {}, expected {FORMAT}", self.format));
        }
        let classes = self.label_set.len();
        if self.labels.is_empty() || self.labels.iter().any(|label| usize::from(*label) >= classes) {
            return Some(format!("labels {:?} are not all of `{}`", self.labels, self.label_set));
        }
        if ![0, classes].contains(&self.network.classes) {
            let got = self.network.classes;
            return Some(format!("the network has {got} classes, `{}` has {classes}", self.label_set));
        }
        self.network.problem()
    }
}

/// A generator as it is on disk: manifest and weights.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorCheckpoint {
    /// All but the weights.
    pub manifest: GeneratorManifest,
    /// The weights.
    pub weights: Vec<NamedTensor>,
}

impl GeneratorCheckpoint {
    /// Of a network in memory.
    pub fn of(manifest: GeneratorManifest, generator: &Generator) -> Self {
        Self { manifest, weights: collect(generator) }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a generator.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes =
            std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        let format = |reason: String| CheckpointError::Format { path: path.to_owned(), reason };
        let (metadata, weights) = read_tensors(&bytes).map_err(format)?;
        let text = metadata.get(MANIFEST_KEY).ok_or_else(|| format("it holds no generator".to_owned()))?;
        let manifest: GeneratorManifest =
            serde_json::from_str(text).map_err(|error| format(error.to_string()))?;
        match manifest.problem() {
            Some(problem) => Err(format(problem)),
            None => Ok(Self { manifest, weights }),
        }
    }

    /// The generator with these weights on `device`; `path` names it in errors.
    ///
    /// # Errors
    /// When the weights do not fit the manifest.
    pub fn into_generator(
        self,
        device: &Device,
        path: &Path,
    ) -> Result<(GeneratorManifest, Generator), CheckpointError> {
        let generator = assign(self.manifest.network.init(0, device), self.weights)
            .map_err(|source| CheckpointError::Weights { path: path.to_owned(), source })?;
        Ok((self.manifest, generator))
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// When the manifest contradicts itself or the file cannot be written.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), CheckpointError> {
        if let Some(problem) = self.manifest.problem() {
            return Err(CheckpointError::Manifest(problem));
        }
        let text = serde_json::to_string(&self.manifest)
            .map_err(|error| CheckpointError::Manifest(error.to_string()))?;
        let metadata = HashMap::from([(MANIFEST_KEY.to_owned(), text)]);
        Ok(write_tensors(&self.weights, Vec::new(), metadata, precision, path)?)
    }
}
