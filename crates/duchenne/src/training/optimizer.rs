//! *Descent* on all weights of a network, and their moving average; both keep their state by the
//! weights' names, so that it can be saved and restored exactly.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use burn_cpu_fused::{AdamStep, SgdStep, adam_step, sgd_step, with_descent};

use crate::models::weights::{ModulePath, NamedTensor};

/// Tensors by weight name, flattened.
type State = BTreeMap<String, Tensor<1>>;

/// Stochastic gradient descent with momentum.
#[derive(Debug, Default)]
pub struct Sgd {
    velocities: State,
}

impl Sgd {
    /// One step; weights without a gradient stay as they are.
    pub fn step<M: Module>(&mut self, network: M, gradients: GradientsParams, step: SgdStep) -> M {
        descend(network, gradients, |name, weight, gradient| {
            let (weight, velocity) = sgd_step(weight, self.velocities.remove(name), gradient, step);
            if let Some(velocity) = velocity {
                self.velocities.insert(name.to_owned(), velocity);
            }
            weight
        })
    }

    /// The backward pass and a step, which together take less time. Every weight has been used once since the last.
    pub fn descend<M: Module>(
        &mut self,
        network: M,
        step: SgdStep,
        backward: impl FnOnce() -> Gradients,
    ) -> M {
        let mut weights = ConvolutionWeights(Vec::new());
        network.visit(&mut weights);
        with_descent(step, weights.0, || {
            let gradients = GradientsParams::from_grads(backward(), &network);
            self.step(network, gradients, step)
        })
    }

    /// The velocities, for a checkpoint.
    pub fn state(&self) -> Vec<NamedTensor> {
        to_named(&self.velocities)
    }

    /// With the velocities of a checkpoint.
    pub fn restore(state: Vec<NamedTensor>, device: &Device) -> Self {
        Self { velocities: from_named(state, device) }
    }
}

/// The weights of four axes.
struct ConvolutionWeights(Vec<Tensor<4>>);

impl ModuleVisitor for ConvolutionWeights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 4 {
            let weight = param.val().without_autodiff();
            let shape: [usize; 4] = weight.shape().dims();
            self.0.push(weight.reshape(shape));
        }
    }
}

/// Adam (Kingma & Ba 2015).
#[derive(Debug, Default)]
pub struct Adam {
    means: State,
    squares: State,
    steps: u32,
}

impl Adam {
    /// One step; weights without a gradient stay as they are. The count in `step` is Adam's own.
    pub fn step<M: Module>(&mut self, network: M, gradients: GradientsParams, step: AdamStep) -> M {
        self.steps += 1;
        let step = AdamStep { time: self.steps, ..step };
        descend(network, gradients, |name, weight, gradient| {
            let moments = self.means.remove(name).zip(self.squares.remove(name));
            let (weight, [mean, square]) = adam_step(weight, moments.map(Into::into), gradient, step);
            self.means.insert(name.to_owned(), mean);
            self.squares.insert(name.to_owned(), square);
            weight
        })
    }

    /// The means of gradients and of squared gradients, and the count of steps, for a checkpoint.
    pub fn state(&self) -> ([Vec<NamedTensor>; 2], u32) {
        ([to_named(&self.means), to_named(&self.squares)], self.steps)
    }

    /// With the means and the count of a checkpoint.
    pub fn restore([means, squares]: [Vec<NamedTensor>; 2], steps: u32, device: &Device) -> Self {
        Self { means: from_named(means, device), squares: from_named(squares, device), steps }
    }
}

/// Every weight that has a gradient replaced by what `rule` makes of its name, itself and the gradient,
/// all flat and without autodiff.
fn descend<M: Module>(
    network: M,
    gradients: GradientsParams,
    rule: impl FnMut(&str, Tensor<1>, Tensor<1>) -> Tensor<1>,
) -> M {
    network.map(&mut Descent { path: ModulePath::default(), gradients, rule })
}

struct Descent<R> {
    path: ModulePath,
    gradients: GradientsParams,
    rule: R,
}

impl<R: FnMut(&str, Tensor<1>, Tensor<1>) -> Tensor<1>> ModuleMapper for Descent<R> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let (id, tensor, mapper): (ParamId, Tensor<D>, _) = param.consume();
        let shape = tensor.dims();
        let count: usize = shape.iter().product();
        let weight = tensor.inner().reshape([count]);
        let weight = (self.rule)(&self.path.name(), weight, gradient.reshape([count]));
        let weight = Tensor::from_inner(weight.reshape(shape)).require_grad();
        Param::from_mapped_value(id, weight, mapper)
    }
}

/// An exponential moving average of all weights and running statistics (Polyak & Juditsky 1992).
#[derive(Debug, Default)]
pub struct WeightAverage {
    averages: State,
    steps: u64,
}

impl WeightAverage {
    /// Takes in the weights after a step. Early on the decay is smaller, so that the first weights
    /// are soon forgotten.
    pub fn update(&mut self, network: &impl Module, decay: f64) {
        self.steps += 1;
        let steps = self.steps as f64;
        let decay = decay.min(steps / (10.0 + steps));
        network.visit(&mut Averaging { path: ModulePath::default(), averages: &mut self.averages, decay });
    }

    /// The averages, for a checkpoint, in no particular order of the network; shapes are flat.
    pub fn state(&self) -> (Vec<NamedTensor>, u64) {
        (to_named(&self.averages), self.steps)
    }

    /// With the averages of a checkpoint.
    pub fn restore(state: Vec<NamedTensor>, steps: u64, device: &Device) -> Self {
        Self { averages: from_named(state, device), steps }
    }

    /// `weights` with their averages in place of their values.
    pub fn apply(&self, weights: Vec<NamedTensor>) -> Vec<NamedTensor> {
        weights
            .into_iter()
            .map(|mut weight| {
                if let Some(average) = self.averages.get(&weight.name) {
                    weight.values = average.to_data().iter::<f32>().collect();
                }
                weight
            })
            .collect()
    }
}

struct Averaging<'a> {
    path: ModulePath,
    averages: &'a mut State,
    decay: f64,
}

impl ModuleVisitor for Averaging<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val().without_autodiff();
        let count = tensor.dims().iter().product::<usize>();
        let value = tensor.reshape([count]);
        let name = self.path.name();
        let average = match self.averages.remove(&name) {
            Some(average) => average.clone() + (value - average) * (1.0 - self.decay),
            None => value,
        };
        self.averages.insert(name, average);
    }
}

fn to_named(state: &State) -> Vec<NamedTensor> {
    state
        .iter()
        .map(|(name, tensor)| {
            let values: Vec<f32> = tensor.to_data().iter::<f32>().collect();
            NamedTensor { name: name.clone(), shape: vec![values.len()], values }
        })
        .collect()
}

fn from_named(state: Vec<NamedTensor>, device: &Device) -> State {
    let device = device.clone().inner();
    state
        .into_iter()
        .map(|tensor| {
            let data = TensorData::new(tensor.values, tensor.shape);
            (tensor.name, Tensor::from_data(data, &device))
        })
        .collect()
}
