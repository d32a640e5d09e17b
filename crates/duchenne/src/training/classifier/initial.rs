//! What a run's weights begin from when not from fresh ones: another model of this program, or weights that
//! were trained on something else (ImageNet) and come from PyTorch.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Normal};

use crate::data::DataError;
use crate::data::faces::batches::mix_seed;
use crate::expression::LabelSet;
use crate::files::checksum::{checksum, checksum_of_file};
use crate::inference::built_in::BuiltInModel;
use crate::models::checkpoint::Checkpoint;
use crate::models::import::{fold_channels, read_weights};
use crate::models::network::Network;
use crate::models::provenance::ClassifierProvenance;
use crate::models::weights::{NamedTensor, collect};
use crate::training::classifier::recipe::{Initialization, Recipe};
use crate::training::error::TrainingError;

/// Weights that a run begins from.
#[derive(Debug)]
pub struct InitialWeights {
    weights: Vec<NamedTensor>,
    name: String,
    checksum: String,
    /// Of a model of this program.
    provenance: Option<ClassifierProvenance>,
    /// What a model of this program knows.
    label_set: Option<LabelSet>,
}

impl InitialWeights {
    /// Of the kind that the recipe asks for: a model of this program, by file or built-in name, for `scratch`, torchvision's names for
    /// `pretrained`.
    ///
    /// # Errors
    /// When the file cannot be read or is not of that kind.
    pub fn read(path: &Path, recipe: &Recipe) -> Result<Self, TrainingError> {
        let (weights, provenance, label_set, checksum) = match recipe.network.init {
            Initialization::Scratch => {
                let bytes = BuiltInModel::bytes_of(path)?;
                let Checkpoint { manifest, weights } = Checkpoint::from_bytes(&bytes, path)?;
                (weights, Some(manifest.provenance), Some(manifest.label_set), checksum(&bytes))
            }
            Initialization::Pretrained => {
                let mut weights = read_weights(path)?;
                if recipe.input.channels == 1 {
                    // Weights that already take one channel stay as they are.
                    let _ = fold_channels(&mut weights);
                }
                (weights, None, None, checksum_of_file(path).map_err(DataError::from)?)
            }
        };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { weights, name, checksum, provenance, label_set })
    }

    /// The file's BLAKE3, which identifies the run.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// File and content, for provenance.
    pub fn source(&self) -> String {
        format!("{} ({})", self.name, self.checksum)
    }

    /// Provenance of the model that the weights are of, if it is one of this program.
    pub fn provenance(&self) -> Option<&ClassifierProvenance> {
        self.provenance.as_ref()
    }

    /// The weights as `fresh`'s. Those of a model of this program that knows other labels than `label_set` fill all but
    /// the last layer, of which the rows of classes that both know are taken, and the others stay as they are drawn. Pre-trained weights must fill every layer but those of the head, of which the ones
    /// of another shape are drawn from a normal distribution, biases zero.
    pub fn fitted(&self, fresh: &Network, recipe: &Recipe, label_set: LabelSet) -> Vec<NamedTensor> {
        let mut weights = self.weights.clone();
        if recipe.network.init == Initialization::Scratch {
            if self.label_set != Some(label_set) {
                let own = collect(fresh);
                let last = last_layer(&own);
                let mut layer: Vec<NamedTensor> =
                    own.iter().filter(|tensor| layer_of(&tensor.name) == last).cloned().collect();
                if let Some(known) = self.label_set {
                    layer.iter_mut().for_each(|tensor| take_common_rows(tensor, label_set, &weights, known));
                }
                weights.retain(|tensor| layer_of(&tensor.name) != last);
                weights.extend(layer);
            }
            return weights;
        }
        let seed = mix_seed(&[recipe.training.seed, u64::from(b'n')]);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let normal =
            Normal::new(0.0, recipe.network.new_layers).expect("the recipe was checked to be in range");
        let own = collect(fresh);
        let differs = |layer: &str| {
            let shape = |all: &[NamedTensor]| {
                let name = format!("{layer}.weight");
                all.iter().find(|tensor| tensor.name == name).map(|tensor| tensor.shape.clone())
            };
            shape(&own) != shape(&self.weights)
        };
        for mut tensor in own.iter().filter(|own| is_head(&own.name) && differs(layer_of(&own.name))).cloned()
        {
            let is_bias = tensor.shape.len() == 1;
            tensor.values.fill_with(|| if is_bias { 0.0 } else { normal.sample(&mut random) });
            match weights.iter_mut().find(|known| known.name == tensor.name) {
                Some(known) => *known = tensor,
                None => weights.push(tensor),
            }
        }
        weights
    }
}

/// Takes the rows of the classes of `labels` that `known` has too from the same tensor among `weights`: a row of weights, or
/// one number of the bias, for each class.
fn take_common_rows(tensor: &mut NamedTensor, labels: LabelSet, weights: &[NamedTensor], known: LabelSet) {
    let Some(source) = weights.iter().find(|source| source.name == tensor.name) else { return };
    let fits = source.shape.first() == Some(&known.len()) && tensor.shape.first() == Some(&labels.len());
    if !fits || source.shape[1..] != tensor.shape[1..] {
        return;
    }
    let length: usize = tensor.shape[1..].iter().product();
    for label in 0..labels.len() {
        if let Some(there) = labels.translate(label as u8, known) {
            let from = &source.values[usize::from(there) * length..][..length];
            tensor.values[label * length..][..length].copy_from_slice(from);
        }
    }
}

/// The layer of a weight.
fn layer_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

/// The layer that gives the logits: `fc`, or the last of a VGG's `classifier`.
fn last_layer(weights: &[NamedTensor]) -> &str {
    let number = |layer: &str| layer.rsplit_once('.').and_then(|(_, number)| number.parse::<usize>().ok());
    let heads = weights.iter().map(|tensor| tensor.name.as_str()).filter(|name| is_head(name)).map(layer_of);
    heads.max_by_key(|layer| number(layer)).unwrap_or_default()
}

/// Whether a weight is of the fully connected layers.
fn is_head(name: &str) -> bool {
    name.starts_with("classifier.") || name.starts_with("fc.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::network::{Architecture, NetworkConfig};
    use crate::models::tensors::{Precision, write_tensors};
    use burn::tensor::Device;

    #[test]
    fn pretrained_weights_fill_all_but_the_head_layers_of_another_shape() {
        let device = Device::flex();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resnet18.safetensors");
        let source = collect(&NetworkConfig::new(Architecture::ResNet18, 3, 1000).init(1, &device));
        write_tensors(&source, &[], Default::default(), Precision::Full, &path).unwrap();
        let text = "network = { architecture = \"resnet18\", init = \"pretrained\", new_layers = 0.1 }";
        for (channels, first) in [("input.channels=3", [64, 3, 7, 7]), ("input.channels=1", [64, 1, 7, 7])] {
            let recipe = Recipe::parse("r", text, &[channels.parse().unwrap()]).unwrap();
            let fresh = recipe.manifest(crate::expression::LabelSet::Fer2013).network.init(2, &device);
            let initial = InitialWeights::read(&path, &recipe).unwrap();
            let weights = initial.fitted(&fresh, &recipe, LabelSet::Fer2013);
            let of = |name: &str| weights.iter().find(|tensor| tensor.name == name).unwrap();
            assert_eq!(of("conv1.weight").shape, first);
            assert_eq!((of("fc.weight").shape.as_slice(), of("fc.bias").values[0]), (&[7, 512][..], 0.0));
            let values = &of("fc.weight").values;
            let deviation =
                (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt();
            assert!((deviation - 0.1).abs() < 0.01, "{deviation}");
            let deep = "layer4.1.conv2.weight";
            assert_eq!(of(deep).values, source.iter().find(|tensor| tensor.name == deep).unwrap().values);
            crate::models::weights::assign(fresh, weights).unwrap();
        }
    }

    #[test]
    fn classes_that_both_know_keep_their_rows() {
        let device = Device::flex();
        let recipe = Recipe::built_in("compact-votes").unwrap();
        let labels = LabelSet::own(&["bored", "happy", "angry"]).unwrap();
        let fresh = recipe.manifest(labels).network.init(2, &device);
        let own = collect(&fresh);
        let initial = InitialWeights::read("built-in-compact".as_ref(), &recipe).unwrap();
        let weights = initial.fitted(&fresh, &recipe, labels);
        for part in ["weight", "bias"] {
            let name = format!("{}.{part}", last_layer(&own));
            let of = |all: &[NamedTensor]| all.iter().find(|tensor| tensor.name == name).unwrap().clone();
            let (got, drawn, known) = (of(&weights), of(&own), of(&initial.weights));
            assert_eq!(got.shape, drawn.shape);
            let length = got.values.len() / 3;
            let row = |tensor: &NamedTensor, row: usize| tensor.values[row * length..][..length].to_vec();
            assert_eq!(row(&got, 0), row(&drawn, 0));
            for (label, name) in [(1, "happy"), (2, "angry")] {
                let there = usize::from(LabelSet::FerPlus.label_of(name).unwrap());
                assert_eq!(row(&got, label), row(&known, there), "{name}");
            }
        }
        crate::models::weights::assign(fresh, weights).unwrap();
    }
}
