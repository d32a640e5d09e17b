//! The *discriminator* of Radford et al. (2016), the generator's mirror: strided convolutions and leaky
//! ReLUs from an image to one score. As the critic of a gradient penalty it goes without batch
//! normalisation, which would tie the images of a batch together (Gulrajani et al. 2017).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_cpu_fused::{Activation, FeatureMap};

use super::{Condition, DEVIATION, DOUBLINGS, SLOPE, seed_side};
use crate::models::layers::{BatchNorm, Convolution, Initializer};

const LEAKY: Activation = Activation::LeakyRelu(SLOPE);

/// Settings of a discriminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscriminatorConfig {
    /// Side of the images, a multiple of 16 from 32 to 128: 64 in the paper.
    pub side: usize,
    /// Channels of the first map; each map after it has twice as many. Radford et al. have 128.
    pub width: usize,
    /// Classes, where there is a condition.
    pub classes: usize,
    /// Way in which the class joins the image.
    pub condition: Condition,
    /// Batch normalisation of all but the first and the last layer.
    pub batch_norm: bool,
}

impl DiscriminatorConfig {
    /// With fresh weights drawn by `seed`, on `device` with autodiff.
    ///
    /// # Panics
    /// If the side is not one that [`seed_side`] accepts.
    pub fn init(&self, seed: u64, device: &Device) -> Discriminator {
        let initializer = &mut Initializer::new(seed, device);
        let kernel = seed_side(self.side).expect("the settings were checked");
        let (extra_inputs, outputs) = match self.condition {
            Condition::None => (0, 1),
            Condition::Concatenated => (self.classes, 1),
            Condition::Projection => (0, 1 + self.classes),
        };
        let mut inputs = 1 + extra_inputs;
        let mut layers = Vec::new();
        let mut norms = Vec::new();
        for doubling in 0..DOUBLINGS {
            let width = self.width << doubling;
            let with_norm = self.batch_norm && doubling > 0;
            let shape = [inputs, width, 4];
            layers.push(Convolution::normal(shape, [2, 1], DEVIATION, !with_norm, initializer));
            norms.extend(with_norm.then(|| BatchNorm::new(width, initializer)));
            inputs = width;
        }
        let shape = [inputs, outputs, kernel];
        layers.push(Convolution::normal(shape, [1, 0], DEVIATION, true, initializer));
        Discriminator { layers, norms, condition: self.condition }
    }
}

/// A discriminator of [`DiscriminatorConfig`].
#[derive(Module, Debug)]
pub struct Discriminator {
    layers: Vec<Convolution>,
    norms: Vec<BatchNorm>,
    #[module(skip)]
    condition: Condition,
}

impl Discriminator {
    /// # Shapes
    /// - images: `[batch, 1, side, side]`, in -1..=1
    /// - condition: `[batch, classes]`, 1 for the class; `None` without classes
    /// - scores: `[batch, 1]`, higher for what looks real
    pub fn forward(&self, images: Tensor<4>, condition: Option<Tensor<2>>) -> Tensor<2> {
        let images = self.joined(images, condition.clone());
        let map = self.hidden(images).pop().expect("a discriminator has layers");
        let scores = self.last().forward(map, Activation::Identity).into_batch();
        let [batch, outputs, ..] = scores.dims();
        let scores = scores.reshape([batch, outputs]);
        match self.condition {
            Condition::Projection => (scores.clone() * shares(&scores, condition)).sum_dim(1),
            Condition::None | Condition::Concatenated => scores,
        }
    }

    /// The gradient of the scores with respect to the images, `[batch, 1, side, side]`, itself
    /// differentiable in the weights: a forward pass through the transposed layers, gated by the signs of
    /// the activations. Exact, because convolutions are linear and leaky ReLUs piecewise so.
    ///
    /// # Panics
    /// If the discriminator has batch normalisation.
    pub fn image_gradient(&self, images: Tensor<4>, condition: Option<Tensor<2>>) -> Tensor<4> {
        assert!(self.norms.is_empty(), "the gradient penalty needs a critic without batch normalisation");
        let [batch, ..] = images.dims();
        let joined = self.joined(images, condition.clone());
        let maps = self.hidden(joined.clone());
        let outputs = self.last().weight.dims()[0];
        let ones = Tensor::<2>::ones([batch, outputs], &joined.device()).cast(joined.dtype());
        let seed = match self.condition {
            Condition::Projection => shares(&ones, condition),
            Condition::None | Condition::Concatenated => ones,
        };
        let seed = FeatureMap::from_batch(seed.reshape([batch, outputs, 1, 1]));
        let mut gradient = self.last().input_gradient(seed);
        for (layer, map) in self.layers.iter().zip(&maps).rev() {
            gradient = layer.input_gradient(gradient.gate(map, LEAKY));
        }
        // The maps of the classes are no part of the image.
        gradient.into_batch().slice_dim(1, 0..1)
    }

    fn last(&self) -> &Convolution {
        self.layers.last().expect("a discriminator has layers")
    }

    /// The images, with the class's maps where it joins there.
    fn joined(&self, images: Tensor<4>, condition: Option<Tensor<2>>) -> Tensor<4> {
        match (self.condition, condition) {
            (Condition::Concatenated, Some(condition)) => {
                let [batch, classes] = condition.dims();
                let [_, _, height, width] = images.dims();
                let maps = condition.reshape([batch, classes, 1, 1]).expand([batch, classes, height, width]);
                Tensor::cat(vec![images, maps], 1)
            }
            _ => images,
        }
    }

    /// All maps between the joined images and the last layer.
    fn hidden(&self, images: Tensor<4>) -> Vec<FeatureMap> {
        let mut map = FeatureMap::from_batch(images);
        let without_norm = self.layers.len() - 1 - self.norms.len();
        let mut maps = Vec::new();
        for (index, layer) in self.layers[..self.layers.len() - 1].iter().enumerate() {
            map = match index.checked_sub(without_norm) {
                None => layer.forward(map, LEAKY),
                Some(norm) => {
                    self.norms[norm].normalized(layer.forward(map, Activation::Identity), None, LEAKY)
                }
            };
            maps.push(map.clone());
        }
        maps
    }
}

/// How much each output of a projection counts, `[batch, 1 + classes]`: the first, which every class
/// shares, once, the others as the condition says.
fn shares(outputs: &Tensor<2>, condition: Option<Tensor<2>>) -> Tensor<2> {
    let [batch, count] = outputs.dims();
    let (device, dtype) = (outputs.device(), outputs.dtype());
    let condition = condition.unwrap_or_else(|| Tensor::<2>::zeros([batch, count - 1], &device).cast(dtype));
    let ones = Tensor::<2>::ones([batch, 1], &device).cast(dtype);
    Tensor::cat(vec![ones, condition], 1)
}
