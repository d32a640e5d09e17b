//! A *checkpoint* is a network's weights together with all that is needed to use and to trust them:
//! architecture, label set, preprocessing, temperature, provenance, figures. One safetensors file; it
//! loads completely or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::network::{Network, NetworkConfig};
use super::provenance::ClassifierProvenance;
use super::stored::{FORMAT, ManifestError, Stored, StoredError, StoredManifest};
use super::weights::{assign, collect};
use crate::data::faces::preprocessing::Preprocessing;
use crate::expression::LabelSet;

pub use super::tensors::Precision;

/// All about a model that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Architecture and options.
    pub network: NetworkConfig,
    /// Label set of the outputs.
    pub label_set: LabelSet,
    /// Scaling and cropping that make a face the network's input.
    pub preprocessing: Preprocessing,
    /// Divides the logits before softmax, fitted on the validation split (Guo et al. 2017); 1 if never fitted.
    pub temperature: f64,
    /// Where the weights come from.
    pub provenance: ClassifierProvenance,
    /// Figures by name, such as `validation.accuracy`.
    pub metrics: BTreeMap<String, f64>,
}

impl Manifest {
    /// Of a network that nothing is known about yet.
    pub fn new(network: NetworkConfig, label_set: LabelSet, preprocessing: Preprocessing) -> Self {
        Self {
            format: FORMAT,
            network,
            label_set,
            preprocessing,
            temperature: 1.0,
            provenance: ClassifierProvenance::default(),
            metrics: BTreeMap::new(),
        }
    }
}

impl StoredManifest for Manifest {
    const KEY: &'static str = "duchenne.manifest";
    const KIND: &'static str = "duchenne model";
    const ABSENT: &'static str = "no manifest; `duchenne model import` reads plain weights";
    type Number = f32;

    fn format(&self) -> u32 {
        self.format
    }

    fn check(&self) -> Result<(), ManifestError> {
        let refuse = |problem: String| Err(ManifestError(problem));
        if let Some(problem) = self.preprocessing.problem() {
            return refuse(problem);
        }
        let (inputs, channels) = (self.network.channels, self.preprocessing.channels());
        if inputs != channels {
            return refuse(format!("the network has {inputs} input channels, the preprocessing {channels}"));
        }
        let (outputs, classes) = (self.network.classes, self.label_set.len());
        if outputs != classes {
            return refuse(format!("the network has {outputs} outputs, `{}` has {classes}", self.label_set));
        }
        let smallest = self.network.architecture.smallest_input();
        if self.preprocessing.crop < smallest {
            let (name, got) = (self.network.architecture.name(), self.preprocessing.crop);
            return refuse(format!("{name} needs inputs of at least {smallest} pixels, got {got}"));
        }
        if !(1..=7).contains(&self.network.head) || !(0.0..1.0).contains(&self.network.dropout) {
            return refuse("head must be 1 to 7 and dropout from 0 to below 1".to_owned());
        }
        if !(1..=16).contains(&self.network.widen) {
            return refuse(format!("widen is {}, expected 1 to 16", self.network.widen));
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return refuse(format!("temperature is {}, expected a positive number", self.temperature));
        }
        Ok(())
    }
}

/// A network as it is on disk: manifest and weights.
pub type Checkpoint = Stored<Manifest>;

impl Checkpoint {
    /// Of a network in memory.
    pub fn of(manifest: Manifest, network: &Network) -> Self {
        Self { manifest, weights: collect(network) }
    }

    /// The network with these weights on `device`; `path` names the model in errors.
    ///
    /// # Errors
    /// When the weights do not fit the architecture.
    pub fn into_network(self, device: &Device, path: &Path) -> Result<(Manifest, Network), StoredError> {
        let blank = self.manifest.network.blank(device);
        let network = assign(blank, self.weights)
            .map_err(|source| StoredError::Weights { path: path.to_owned(), source })?;
        Ok((self.manifest, network))
    }
}
