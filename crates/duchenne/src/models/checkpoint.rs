//! A *checkpoint* is a network's weights together with all that is needed to use and to trust them:
//! architecture, label set, preprocessing, temperature, provenance, figures. One safetensors file; it
//! loads completely or not at all.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::import::BATCH_COUNTER;
use super::network::{Network, NetworkConfig};
use super::provenance::ClassifierProvenance;
use super::weights::{NamedTensor, StoredFloat, WeightsError, assign, collect};
use crate::data::faces::preprocessing::Preprocessing;
use crate::expression::LabelSet;
use crate::files::atomic::{AtomicError, write_atomically};

/// Key of the manifest in the safetensors metadata.
const MANIFEST_KEY: &str = "duchenne.manifest";
/// Version of the manifest that this program writes and reads.
const FORMAT: u32 = 1;

/// All about a model that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Architecture and options.
    pub network: NetworkConfig,
    /// What the outputs mean.
    pub label_set: LabelSet,
    /// How a face becomes the input.
    pub preprocessing: Preprocessing,
    /// Divides the logits before softmax, fitted on PublicTest (Guo et al. 2017); 1 if never fitted.
    pub temperature: f64,
    /// Where the weights come from.
    pub provenance: ClassifierProvenance,
    /// Figures by name, such as `public-test.accuracy`.
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

    /// What does not fit together, if anything.
    pub fn problem(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("manifest has format {}, expected {FORMAT}", self.format));
        }
        if let Some(problem) = self.preprocessing.problem() {
            return Some(problem);
        }
        let (inputs, channels) = (self.network.channels, self.preprocessing.channels());
        if inputs != channels {
            return Some(format!("the network has {inputs} input channels, the preprocessing {channels}"));
        }
        let (outputs, classes) = (self.network.classes, self.label_set.len());
        if outputs != classes {
            return Some(format!("the network has {outputs} outputs, `{}` has {classes}", self.label_set));
        }
        let smallest = self.network.architecture.smallest_input();
        if self.preprocessing.crop < smallest {
            let (name, got) = (self.network.architecture.name(), self.preprocessing.crop);
            return Some(format!("{name} needs inputs of at least {smallest} pixels, got {got}"));
        }
        if !(1..=7).contains(&self.network.head) || !(0.0..1.0).contains(&self.network.dropout) {
            return Some("head must be 1 to 7 and dropout from 0 to below 1".to_owned());
        }
        if !(1..=16).contains(&self.network.widen) {
            return Some(format!("widen is {}, expected 1 to 16", self.network.widen));
        }
        (!(self.temperature.is_finite() && self.temperature > 0.0))
            .then(|| format!("temperature is {}, expected a positive number", self.temperature))
    }
}

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("cannot read model `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not a model of this program.
    #[error("`{}` is not a duchenne model: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
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
    #[error("model cannot be saved: {0}")]
    Manifest(String),
}

/// Precision of stored weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Full,
    /// 16 bits (IEEE half), for shipping.
    Half,
}

/// A model as it is on disk: manifest and weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// All but the weights.
    pub manifest: Manifest,
    /// The weights.
    pub weights: Vec<NamedTensor>,
}

impl Checkpoint {
    /// Of a network in memory.
    pub fn of(manifest: Manifest, network: &Network) -> Self {
        Self { manifest, weights: collect(network) }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes =
            std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads a file's bytes; `path` names it in errors.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        let format = |reason: String| CheckpointError::Format { path: path.to_owned(), reason };
        let (metadata, weights) = read_tensors(bytes).map_err(format)?;
        let text = metadata
            .get(MANIFEST_KEY)
            .ok_or_else(|| format("no manifest; `duchenne model import` reads plain weights".to_owned()))?;
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| format(error.to_string()))?;
        if let Some(problem) = manifest.problem() {
            return Err(format(problem));
        }
        Ok(Self { manifest, weights })
    }

    /// The network with these weights on `device`; `path` names the model in errors.
    pub fn into_network(self, device: &Device, path: &Path) -> Result<(Manifest, Network), CheckpointError> {
        let blank = self.manifest.network.blank(device);
        let network = assign(blank, self.weights)
            .map_err(|source| CheckpointError::Weights { path: path.to_owned(), source })?;
        Ok((self.manifest, network))
    }

    /// Writes a file, whole or not at all.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), CheckpointError> {
        if let Some(problem) = self.manifest.problem() {
            return Err(CheckpointError::Manifest(problem));
        }
        let text = serde_json::to_string(&self.manifest)
            .map_err(|error| CheckpointError::Manifest(error.to_string()))?;
        let metadata = HashMap::from([(MANIFEST_KEY.to_owned(), text)]);
        // `load_state_dict(strict=True)` asks for a counter beside every running mean.
        let counters = self.weights.iter().filter_map(|tensor| {
            let layer = tensor.name.strip_suffix("running_mean")?;
            Some(format!("{layer}{BATCH_COUNTER}"))
        });
        write_tensors(&self.weights, counters.collect(), metadata, precision, path)
            .map_err(CheckpointError::Write)
    }
}

/// The metadata and the float tensors of a safetensors file; batch counters, which are integers, are
/// left out.
///
/// # Errors
/// What is wrong with the file.
pub fn read_tensors(bytes: &[u8]) -> Result<(HashMap<String, String>, Vec<NamedTensor>), String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = tensors.tensors().into_iter().filter(|(name, _)| !name.ends_with(BATCH_COUNTER));
    let named = tensors.map(|(name, view)| {
        let values = floats(&view)
            .ok_or_else(|| format!("weight `{name}` is {:?}, expected f32 or f16", view.dtype()))?;
        Ok(NamedTensor { name, shape: view.shape().to_vec(), values })
    });
    let named = named.collect::<Result<_, String>>()?;
    Ok((metadata.metadata().clone().unwrap_or_default(), named))
}

/// Writes named tensors as safetensors, whole or not at all; `counters` are written as the 64-bit
/// integer 0.
pub fn write_tensors(
    tensors: &[NamedTensor],
    counters: Vec<String>,
    metadata: HashMap<String, String>,
    precision: Precision,
    path: &Path,
) -> Result<(), AtomicError> {
    let encoded: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| match precision {
            Precision::Full => tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Precision::Half => {
                tensor.values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
            }
        })
        .collect();
    let dtype = match precision {
        Precision::Full => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let views = tensors.iter().zip(&encoded).map(|(tensor, bytes)| {
        let view = TensorView::new(dtype, tensor.shape.clone(), bytes)
            .expect("a named tensor has as many values as its shape says");
        (tensor.name.as_str(), view)
    });
    let zeros = counters.iter().map(|name| {
        let view = TensorView::new(Dtype::I64, Vec::new(), &[0; 8]).expect("a scalar of 64 bits has 8 bytes");
        (name.as_str(), view)
    });
    let file = safetensors::serialize(views.chain(zeros), Some(metadata)).expect("tensor names are unique");
    write_atomically(path, |out| out.write_all(&file).map_err(|error| AtomicError::system(path, error)))
}

/// The values of a float tensor, or `None` for other types.
pub fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let stored = match view.dtype() {
        Dtype::F32 => StoredFloat::F32,
        Dtype::F16 => StoredFloat::F16,
        Dtype::BF16 => StoredFloat::Bf16,
        _ => return None,
    };
    Some(stored.decode(view.data()))
}
