//! The table of *architectures*: every network that can be trained, loaded and used, by name, with its options.
//!
//! A new member of a known family touches this file alone: a variant, a row of the table, its arm in `family`. A new
//! family touches four places:
//!
//! 1. this file: those three, a variant of `Family`, and what its options and its smallest input are;
//! 2. a file of its own beside `compact.rs`, with its settings, the network, and its forward pass as an ONNX graph;
//! 3. `network.rs`: a variant of [`Network`](super::network::Network), and its arms in `build`, `onnx` and `each!`;
//! 4. the recipe's `[network]` (`training/classifier/recipe/network.rs`), if it has options that no other family has.

use serde::{Deserialize, Serialize};

use super::resnet::Stem;
use super::tensors::NamedTensor;
use super::{compact, vgg};

/// A network by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Our own small network.
    Compact,
    /// ResNet with 18 layers.
    ResNet18,
    /// ResNet with 34 layers.
    ResNet34,
    /// ResNet with 50 layers, of bottleneck blocks.
    ResNet50,
    /// VGG with 11 layers.
    Vgg11,
    /// VGG with 11 layers and batch normalisation.
    #[serde(rename = "vgg11_bn")]
    Vgg11Bn,
    /// VGG with 13 layers.
    Vgg13,
    /// VGG with 13 layers and batch normalisation.
    #[serde(rename = "vgg13_bn")]
    Vgg13Bn,
    /// VGG with 16 layers.
    Vgg16,
    /// VGG with 16 layers and batch normalisation.
    #[serde(rename = "vgg16_bn")]
    Vgg16Bn,
    /// VGG with 19 layers.
    Vgg19,
    /// VGG with 19 layers and batch normalisation.
    #[serde(rename = "vgg19_bn")]
    Vgg19Bn,
}

/// What tells one family member from another.
pub(super) enum Family {
    Compact,
    ResNet { depths: [usize; 4], bottleneck: bool },
    Vgg { depths: [usize; 5], batch_norm: bool },
}

impl Architecture {
    /// Every architecture with its name, torchvision's where torchvision has it.
    pub const TABLE: [(&'static str, Architecture); 12] = [
        ("compact", Architecture::Compact),
        ("resnet18", Architecture::ResNet18),
        ("resnet34", Architecture::ResNet34),
        ("resnet50", Architecture::ResNet50),
        ("vgg11", Architecture::Vgg11),
        ("vgg11_bn", Architecture::Vgg11Bn),
        ("vgg13", Architecture::Vgg13),
        ("vgg13_bn", Architecture::Vgg13Bn),
        ("vgg16", Architecture::Vgg16),
        ("vgg16_bn", Architecture::Vgg16Bn),
        ("vgg19", Architecture::Vgg19),
        ("vgg19_bn", Architecture::Vgg19Bn),
    ];

    /// The architecture of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE
            .into_iter()
            .find(|(candidate, _)| *candidate == name)
            .map(|(_, architecture)| architecture)
    }

    /// The name in the table.
    pub fn name(self) -> &'static str {
        Self::TABLE
            .into_iter()
            .find(|(_, candidate)| *candidate == self)
            .map(|(name, _)| name)
            .expect("the table holds every architecture")
    }

    pub(super) fn family(self) -> Family {
        let resnet = |depths, bottleneck| Family::ResNet { depths, bottleneck };
        let vgg = |depths, batch_norm| Family::Vgg { depths, batch_norm };
        match self {
            Architecture::Compact => Family::Compact,
            Architecture::ResNet18 => resnet([2, 2, 2, 2], false),
            Architecture::ResNet34 => resnet([3, 4, 6, 3], false),
            Architecture::ResNet50 => resnet([3, 4, 6, 3], true),
            Architecture::Vgg11 => vgg([1, 1, 2, 2, 2], false),
            Architecture::Vgg11Bn => vgg([1, 1, 2, 2, 2], true),
            Architecture::Vgg13 => vgg([2, 2, 2, 2, 2], false),
            Architecture::Vgg13Bn => vgg([2, 2, 2, 2, 2], true),
            Architecture::Vgg16 => vgg([2, 2, 3, 3, 3], false),
            Architecture::Vgg16Bn => vgg([2, 2, 3, 3, 3], true),
            Architecture::Vgg19 => vgg([2, 2, 4, 4, 4], false),
            Architecture::Vgg19Bn => vgg([2, 2, 4, 4, 4], true),
        }
    }

    /// Side of the smallest input, in pixels: a VGG halves its input five times.
    pub fn smallest_input(self) -> usize {
        match self.family() {
            Family::Vgg { .. } => 32,
            Family::Compact | Family::ResNet { .. } => 8,
        }
    }
}

/// A network's architecture with its options.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Which network.
    pub architecture: Architecture,
    /// Input channels, 1 or 3.
    pub channels: usize,
    /// Output classes.
    pub classes: usize,
    /// How a ResNet begins; the others ignore it.
    #[serde(default = "NetworkConfig::default_stem")]
    pub stem: Stem,
    /// Side of the map that a VGG's head sees; the others ignore it.
    #[serde(default = "NetworkConfig::default_head")]
    pub head: usize,
    /// Widening factor of compact; the others ignore it.
    #[serde(default = "NetworkConfig::default_widen")]
    pub widen: usize,
    /// Dropout of VGG's and compact's heads; ResNets have none.
    #[serde(default = "NetworkConfig::default_dropout")]
    pub dropout: f64,
}

impl NetworkConfig {
    /// The architecture with its usual options for 48-pixel faces.
    pub fn new(architecture: Architecture, channels: usize, classes: usize) -> Self {
        Self {
            architecture,
            channels,
            classes,
            stem: Self::default_stem(),
            head: Self::default_head(),
            widen: Self::default_widen(),
            dropout: match architecture.family() {
                Family::Compact => 0.2,
                _ => Self::default_dropout(),
            },
        }
    }

    fn default_stem() -> Stem {
        Stem::Paper
    }

    fn default_head() -> usize {
        1
    }

    fn default_widen() -> usize {
        1
    }

    fn default_dropout() -> f64 {
        0.5
    }

    /// The architecture's name, with compact's widening factor where it has one.
    pub fn description(&self) -> String {
        let name = self.architecture.name();
        match (self.architecture.family(), self.widen) {
            (Family::Compact, widen) if widen > 1 => format!("{name}, {widen} times as wide"),
            _ => name.to_owned(),
        }
    }

    /// Sets the options that the shapes of weights tell: a ResNet's stem, a VGG's head, compact's widening factor.
    pub fn detect_options(&mut self, weights: &[NamedTensor]) {
        let shape = |name: &str| {
            let tensor = weights.iter().find(|tensor| tensor.name == name);
            tensor.map(|tensor| tensor.shape.as_slice())
        };
        match (self.architecture.family(), shape("conv1.weight"), shape("classifier.0.weight")) {
            (Family::ResNet { .. }, Some([_, _, 3, 3]), _) => self.stem = Stem::Small,
            (Family::Vgg { .. }, _, Some([_, inputs])) => {
                self.head = ((inputs / vgg::LAST_WIDTH) as f64).sqrt().round() as usize;
            }
            (Family::Compact, Some([outputs, ..]), _) => self.widen = outputs / compact::STEM,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_tell_the_options() {
        for (architecture, name, shape, expected) in [
            (Architecture::ResNet18, "conv1.weight", vec![64, 1, 3, 3], (Stem::Small, 1, 1)),
            (Architecture::ResNet18, "conv1.weight", vec![64, 1, 7, 7], (Stem::Paper, 1, 1)),
            (Architecture::Vgg16, "classifier.0.weight", vec![4096, 512 * 49], (Stem::Paper, 7, 1)),
            (Architecture::Compact, "conv1.weight", vec![48, 1, 3, 3], (Stem::Paper, 1, 3)),
        ] {
            let values = vec![0.0; shape.iter().product()];
            let mut config = NetworkConfig::new(architecture, 1, 7);
            config.detect_options(&[NamedTensor { name: name.into(), shape, values }]);
            assert_eq!((config.stem, config.head, config.widen), expected, "{}", architecture.name());
        }
    }
}
