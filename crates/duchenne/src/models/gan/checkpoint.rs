//! A generator on disk: one safetensors file with the weights and all that is needed to use and to trust
//! them.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Generator, GeneratorConfig};
use crate::expression::LabelSet;
use crate::models::provenance::GeneratorProvenance;
use crate::models::stored::{FORMAT, ManifestError, Stored, StoredError, StoredManifest};
use crate::models::weights::{assign, collect};

/// All about a generator that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorManifest {
    /// Version of this format.
    format: u32,
    /// Settings of the network.
    pub network: GeneratorConfig,
    /// Label set of the classes.
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
}

impl StoredManifest for GeneratorManifest {
    const KEY: &'static str = "duchenne.generator";
    const KIND: &'static str = "generator of this program";
    const ABSENT: &'static str = "it holds none";
    type Number = f32;

    fn format(&self) -> u32 {
        self.format
    }

    fn check(&self) -> Result<(), ManifestError> {
        let refuse = |problem: String| Err(ManifestError(problem));
        let classes = self.label_set.len();
        if self.labels.is_empty() || self.labels.iter().any(|label| usize::from(*label) >= classes) {
            return refuse(format!("labels {:?} are not all of `{}`", self.labels, self.label_set));
        }
        if ![0, classes].contains(&self.network.classes) {
            let got = self.network.classes;
            return refuse(format!("the network has {got} classes, `{}` has {classes}", self.label_set));
        }
        self.network.problem().map_or(Ok(()), refuse)
    }
}

/// A generator as it is on disk: manifest and weights.
pub type GeneratorCheckpoint = Stored<GeneratorManifest>;

impl GeneratorCheckpoint {
    /// Of a network in memory.
    pub fn of(manifest: GeneratorManifest, generator: &Generator) -> Self {
        Self { manifest, weights: collect(generator) }
    }

    /// The generator with these weights on `device`; `path` names it in errors.
    ///
    /// # Errors
    /// When the weights do not fit the manifest.
    pub fn into_generator(
        self,
        device: &Device,
        path: &Path,
    ) -> Result<(GeneratorManifest, Generator), StoredError> {
        let generator = assign(self.manifest.network.init(0, device), self.weights)
            .map_err(|source| StoredError::Weights { path: path.to_owned(), source })?;
        Ok((self.manifest, generator))
    }
}
