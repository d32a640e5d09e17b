//! Any network of the table of [architectures](super::architecture): made by its settings, used without knowing which.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::architecture::Family;
use super::compact::{Compact, CompactConfig};
use super::layers::Initializer;
use super::onnx::{Graph, Value};
use super::resnet::{ResNet, ResNetConfig};
use super::vgg::{Vgg, VggConfig};

pub use super::architecture::{Architecture, NetworkConfig};

impl NetworkConfig {
    /// The network with fresh weights drawn by `seed`, on `device` (with autodiff for training).
    pub fn init(&self, seed: u64, device: &Device) -> Network {
        self.build(&mut Initializer::new(seed, device))
    }

    /// The network on `device` to which weights are about to be assigned
    /// ([`assign`](super::weights::assign)); until then they are zeros.
    pub fn blank(&self, device: &Device) -> Network {
        self.build(&mut Initializer::blank(device))
    }

    fn build(&self, initializer: &mut Initializer) -> Network {
        let (channels, classes) = (self.channels, self.classes);
        match self.architecture.family() {
            Family::Compact => {
                let (widen, dropout) = (self.widen, self.dropout);
                Network::Compact(CompactConfig { channels, classes, widen, dropout }.init(initializer))
            }
            Family::ResNet { depths, bottleneck } => {
                let stem = self.stem;
                Network::ResNet(
                    ResNetConfig { depths, bottleneck, stem, channels, classes }.init(initializer),
                )
            }
            Family::Vgg { depths, batch_norm } => {
                let (head, dropout) = (self.head, self.dropout);
                let config = VggConfig { depths, batch_norm, channels, classes, head, dropout };
                Network::Vgg(config.init(initializer))
            }
        }
    }
}

/// Any network of the table.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Network {
    /// Our own.
    Compact(Compact),
    /// He et al.
    ResNet(ResNet),
    /// Simonyan & Zisserman.
    Vgg(Vgg),
}

/// The same call for whichever network it is.
macro_rules! each {
    ($network:expr, $inner:ident => $call:expr) => {
        match $network {
            Network::Compact($inner) => $call,
            Network::ResNet($inner) => $call,
            Network::Vgg($inner) => $call,
        }
    };
}

impl Network {
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        each!(self, network => network.forward(images))
    }

    /// Activations of the last layer but one: `[batch, features]`.
    pub fn deep_features(&self, images: Tensor<4>) -> Tensor<2> {
        each!(self, network => network.deep_features(images))
    }

    /// How many sections hold exactly the first `layers` layers with weights, projections not counted.
    ///
    /// # Errors
    /// The counts at which the network can be cut, when `layers` is none of them.
    pub fn sections_of(&self, layers: usize) -> Result<usize, Vec<usize>> {
        let sections = each!(self, network => network.sections());
        let cuts: Vec<usize> = sections
            .iter()
            .scan(0, |sum, count| {
                *sum += count;
                Some(*sum)
            })
            .collect();
        cuts.iter().position(|cut| *cut == layers).map(|index| index + 1).ok_or(cuts)
    }

    /// The first `sections` sections alone: `[batch, channels, height, width]`.
    pub fn trunk(&self, images: Tensor<4>, sections: usize) -> Tensor<4> {
        each!(self, network => network.trunk(images, sections))
    }

    /// What follows the first `sections` sections, to the logits: `after_trunk(trunk(x, n), n)` is `forward(x)`.
    pub fn after_trunk(&self, maps: Tensor<4>, sections: usize) -> Tensor<2> {
        each!(self, network => network.after_trunk(maps, sections))
    }

    /// The forward pass at inference as operations of a graph: images of `side x side` pixels to logits. Weights are those
    /// of the parameters, without autodiff.
    pub fn onnx(&self, graph: &mut Graph, images: Value, side: usize) -> Value {
        match self {
            Network::Compact(network) => network.onnx(graph, images),
            Network::ResNet(network) => network.onnx(graph, images),
            Network::Vgg(network) => network.onnx(graph, images, side),
        }
    }

    /// Made ready for inference (weights without autodiff): batch normalisation folded in, weights packed
    /// once. Its parameters stay as they are.
    pub fn prepared(mut self) -> Self {
        each!(&mut self, network => network.prepare());
        self
    }

    /// Multiply-adds for one image; additions of bias, normalisation and pooling are not counted.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        each!(self, network => network.multiply_adds(height, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn every_architecture_runs_on_one_face_and_on_three() {
        let device = Device::flex();
        for (name, architecture) in Architecture::TABLE {
            let network = NetworkConfig::new(architecture, 1, 7).init(0, &device);
            for batch in [1, 3] {
                let images = Tensor::ones([batch, 1, 48, 48], &device);
                assert_eq!(network.forward(images).dims(), [batch, 7], "{name}");
            }
            assert_eq!(Architecture::from_name(name), Some(architecture));
            assert_eq!(serde_json::to_value(architecture).unwrap(), name);
        }
    }

    #[test]
    fn a_network_cut_in_two_is_the_whole_network() {
        let device = Device::flex();
        for (architecture, layers, sections) in [
            (Architecture::Vgg13, 8, 8),
            (Architecture::Vgg11, 10, 10),
            (Architecture::Vgg11Bn, 8, 8),
            (Architecture::ResNet18, 5, 3),
            (Architecture::ResNet50, 10, 4),
            (Architecture::Compact, 4, 3),
        ] {
            let network = NetworkConfig::new(architecture, 1, 7).init(3, &device);
            assert_eq!(network.sections_of(layers), Ok(sections), "{}", architecture.name());
            let images = Tensor::random([2, 1, 48, 48], Distribution::Default, &device);
            let whole: Vec<f32> = network.forward(images.clone()).into_data().iter::<f32>().collect();
            let cut = network.after_trunk(network.trunk(images, sections), sections);
            assert_eq!(cut.into_data().iter::<f32>().collect::<Vec<f32>>(), whole, "{}", architecture.name());
        }
        let network = NetworkConfig::new(Architecture::ResNet18, 1, 7).init(3, &device);
        assert_eq!(network.sections_of(4), Err(vec![1, 3, 5, 7, 9, 11, 13, 15, 17]));
    }

    #[test]
    fn parameters_are_as_many_as_torchvision_has() {
        // torchvision's published counts; ours differ by the running statistics, counted too.
        for (architecture, expected, statistics) in
            [(Architecture::ResNet18, 11_689_512, 9_600), (Architecture::ResNet50, 25_557_032, 53_120)]
        {
            let network = NetworkConfig::new(architecture, 3, 1000).init(0, &Device::flex());
            assert_eq!(network.num_params(), expected + statistics, "{}", architecture.name());
        }
    }

    #[test]
    fn the_compact_network_stays_small() {
        let network = NetworkConfig::new(Architecture::Compact, 1, 7).init(0, &Device::flex());
        assert!(network.multiply_adds(48, 48) <= 50_000_000, "{}", network.multiply_adds(48, 48));
        assert!(network.num_params() * 2 <= 4 << 20, "{}", network.num_params());
    }

    #[test]
    fn a_widening_factor_multiplies_every_width() {
        let plain = NetworkConfig::new(Architecture::Compact, 1, 7);
        let wide = NetworkConfig { widen: 3, ..plain };
        let counts = [plain, wide].map(|config| config.init(0, &Device::flex()).num_params() as f64);
        // Nearly all parameters join a width with a width; the rest grow with one.
        assert!((8.8..9.0).contains(&(counts[1] / counts[0])), "{counts:?}");
        let features =
            wide.init(0, &Device::flex()).deep_features(Tensor::ones([2, 1, 48, 48], &Device::flex()));
        assert_eq!(features.dims(), [2, 360]);
        assert_eq!(wide.description(), "compact, 3 times as wide");
        // The built-in compact model's file says nothing of a factor.
        let mut text = serde_json::to_value(plain).unwrap();
        text.as_object_mut().unwrap().remove("widen");
        assert_eq!(serde_json::from_value::<NetworkConfig>(text).unwrap(), plain);
        assert_eq!(
            serde_json::from_value::<NetworkConfig>(serde_json::to_value(wide).unwrap()).unwrap(),
            wide
        );
    }
}
