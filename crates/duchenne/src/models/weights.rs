//! A network's *weights* by name: torchvision's names and shapes, in the order of the data flow.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

pub use super::tensors::NamedTensor;

/// What does not fit when weights are assigned.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeightsError {
    /// The network has it, the weights do not.
    #[error("weight `{name}` is missing ({missing} of {expected} are)")]
    Missing {
        /// Name of the first such weight.
        name: String,
        /// Number of missing weights.
        missing: usize,
        /// Number of weights of the network.
        expected: usize,
    },
    /// The weights have it, the network does not.
    #[error("weight `{name}` is unknown to this architecture ({unknown} are)")]
    Unknown {
        /// Name of the first such weight.
        name: String,
        /// Number of unknown weights.
        unknown: usize,
    },
    /// Both have it, in different shapes.
    #[error("weight `{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Name of the weight.
        name: String,
        /// Shape in the file.
        got: Vec<usize>,
        /// Shape in the network.
        expected: Vec<usize>,
    },
    /// A value is NaN or infinite.
    #[error("weight `{0}` holds a value that is not finite")]
    NotFinite(String),
}

/// A path through the modules; enum variants are not part of torchvision's names.
#[derive(Debug, Default)]
pub struct ModulePath(Vec<Option<String>>);

impl ModulePath {
    /// Extends the path by a module that is entered.
    pub fn enter(&mut self, name: &str, container: &str) {
        self.0.push((!container.starts_with("Enum")).then(|| name.to_owned()));
    }

    /// Shortens the path by the module that is left.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The path with dots between its parts.
    pub fn name(&self) -> String {
        self.0.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

/// All weights of a network.
pub fn collect(network: &impl Module) -> Vec<NamedTensor> {
    #[derive(Default)]
    struct Collector {
        path: ModulePath,
        tensors: Vec<NamedTensor>,
    }
    impl ModuleVisitor for Collector {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            let shape = tensor.dims().to_vec();
            let values = tensor.into_data().iter::<f32>().collect();
            self.tensors.push(NamedTensor { name: self.path.name(), shape, values });
        }
    }
    let mut collector = Collector::default();
    network.visit(&mut collector);
    collector.tensors
}

/// The network with these weights: every one of them and no other, or an error.
pub fn assign<M: Module>(network: M, weights: Vec<NamedTensor>) -> Result<M, WeightsError> {
    struct Assigner {
        path: ModulePath,
        weights: BTreeMap<String, NamedTensor>,
        missing: Vec<String>,
        expected: usize,
        wrong: Option<WeightsError>,
    }
    impl ModuleMapper for Assigner {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = self.path.name();
            self.expected += 1;
            let Some(tensor) = self.weights.remove(&name) else {
                self.missing.push(name);
                return param;
            };
            let expected = param.lazy_shape().to_vec();
            if tensor.shape != expected {
                let error = WeightsError::Shape { name, got: tensor.shape, expected };
                self.wrong.get_or_insert(error);
                return param;
            }
            if tensor.values.iter().any(|value| !value.is_finite()) {
                self.wrong.get_or_insert(WeightsError::NotFinite(name));
                return param;
            }
            param.map(|old| {
                let data = TensorData::new(tensor.values, tensor.shape);
                // A trainable weight stays a leaf that gradients reach.
                Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad())
            })
        }
    }
    let weights = weights.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let mut assigner =
        Assigner { path: ModulePath::default(), weights, missing: Vec::new(), expected: 0, wrong: None };
    let network = network.map(&mut assigner);
    if let Some(name) = assigner.missing.first() {
        let (missing, expected) = (assigner.missing.len(), assigner.expected);
        return Err(WeightsError::Missing { name: name.clone(), missing, expected });
    }
    if let Some(name) = assigner.weights.keys().next() {
        return Err(WeightsError::Unknown { name: name.clone(), unknown: assigner.weights.len() });
    }
    assigner.wrong.map_or(Ok(network), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::network::{Architecture, NetworkConfig};
    use burn::tensor::Device;

    #[test]
    fn names_are_torchvisions() {
        let names = |architecture| -> Vec<String> {
            let network = NetworkConfig::new(architecture, 1, 7).init(0, &Device::flex());
            collect(&network).into_iter().map(|tensor| tensor.name).collect()
        };
        let resnet = names(Architecture::ResNet50);
        for name in ["conv1.weight", "layer1.0.downsample.1.running_var", "layer4.2.bn3.bias", "fc.weight"] {
            assert!(resnet.iter().any(|other| other == name), "{name} not in {resnet:?}");
        }
        let vgg = names(Architecture::Vgg16Bn);
        for name in ["features.0.weight", "features.1.running_mean", "classifier.6.bias"] {
            assert!(vgg.iter().any(|other| other == name), "{name} not in {vgg:?}");
        }
    }

    #[test]
    fn assigned_weights_can_be_trained() {
        // A resumed run once stopped here: its weights were no leaves of the graph.
        let device = Device::flex().autodiff();
        let config = NetworkConfig::new(Architecture::Compact, 1, 7);
        let network = config.init(1, &device);
        let network = assign(config.init(2, &device), collect(&network)).unwrap();
        let loss = network.forward(Tensor::ones([2, 1, 48, 48], &device)).sum();
        let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &network);
        // All weights but the running statistics.
        let trained = collect(&network).iter().filter(|tensor| !tensor.name.contains("running")).count();
        assert_eq!(gradients.len(), trained);
    }

    #[test]
    fn weights_are_assigned_whole_or_not_at_all() {
        let config = NetworkConfig::new(Architecture::Compact, 1, 7);
        let source = collect(&config.init(1, &Device::flex()));
        let fresh = || config.init(2, &Device::flex());
        assert_ne!(collect(&fresh()), source);
        assert_eq!(collect(&assign(fresh(), source.clone()).unwrap()), source);

        let missing = source[1..].to_vec();
        assert!(matches!(assign(fresh(), missing), Err(WeightsError::Missing { missing: 1, .. })));
        let mut unknown = source.clone();
        unknown.push(NamedTensor { name: "extra".into(), shape: vec![1], values: vec![0.0] });
        assert!(matches!(assign(fresh(), unknown), Err(WeightsError::Unknown { unknown: 1, .. })));
        let mut turned = source.clone();
        turned[0].shape.reverse();
        assert!(matches!(assign(fresh(), turned), Err(WeightsError::Shape { .. })));
        let mut broken = source;
        broken[0].values[0] = f32::NAN;
        assert!(matches!(assign(fresh(), broken), Err(WeightsError::NotFinite(_))));
    }
}
