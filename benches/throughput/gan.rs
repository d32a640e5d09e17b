//! Training steps of generative adversarial networks at Radford et al.'s (2016) widths, 64x64 pixels, Adam.

use burn::tensor::activation::softplus;
use burn::tensor::{Device, Distribution, Gradients, Tensor};
use burn_cpu_fused::{Activation, AdamStep, FeatureMap, adam_step};

use super::Step;

/// Length of the latent vector.
const LATENT: usize = 100;
/// Channels from the latent vector to the image.
const WIDTHS: [usize; 5] = [1024, 512, 256, 128, 1];
const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// A trained tensor with Adam's moments, flat.
struct Weight<const D: usize> {
    value: Tensor<D>,
    moments: Option<[Tensor<1>; 2]>,
}

impl<const D: usize> Weight<D> {
    fn random(shape: [usize; D], device: &Device) -> Self {
        let value = Tensor::random(shape, Distribution::Normal(0.0, 0.02), device).require_grad();
        Self { value, moments: None }
    }

    fn ones(shape: [usize; D], device: &Device) -> Self {
        Self { value: Tensor::ones(shape, device).require_grad(), moments: None }
    }

    fn step(&mut self, gradients: &Gradients, time: u32) {
        let Some(gradient) = self.value.grad(gradients) else { return };
        let shape = self.value.dims();
        let count: usize = shape.iter().product();
        let step = AdamStep { rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, time };
        let placeholder = Tensor::zeros([1; D], &self.value.device());
        let value = std::mem::replace(&mut self.value, placeholder).inner().reshape([count]);
        let (value, moments) = adam_step(value, self.moments.take(), gradient.reshape([count]), step);
        self.value = Tensor::from_inner(value.reshape(shape)).require_grad();
        self.moments = Some(moments);
    }
}

/// A convolution or transposed convolution, with batch normalisation or bias.
struct Layer {
    weight: Weight<4>,
    bias: Option<Weight<1>>,
    norm: Option<[Weight<1>; 2]>,
    stride: usize,
    padding: usize,
}

impl Layer {
    fn new(shape: [usize; 4], outputs: usize, stride: usize, with_norm: bool, device: &Device) -> Self {
        let norm = || [Weight::ones([outputs], device), Weight::random([outputs], device)];
        Self {
            weight: Weight::random(shape, device),
            bias: (!with_norm).then(|| Weight::random([outputs], device)),
            norm: with_norm.then(norm),
            stride,
            padding: if stride == 1 { 0 } else { 1 },
        }
    }

    fn forward(&self, map: FeatureMap, transposed: bool, activation: Activation) -> FeatureMap {
        let bias = self.bias.as_ref().map(|bias| bias.value.clone());
        let (weight, stride, padding) = (self.weight.value.clone(), self.stride, self.padding);
        let inner = if self.norm.is_some() { Activation::Identity } else { activation };
        let map = if transposed {
            map.conv_transpose2d(weight, bias, stride, padding, inner)
        } else {
            map.conv2d(weight, bias, stride, padding, inner)
        };
        match &self.norm {
            Some([gamma, beta]) => {
                map.batch_norm(gamma.value.clone(), beta.value.clone(), None, 1e-5, activation).0
            }
            None => map,
        }
    }

    fn step(&mut self, gradients: &Gradients, time: u32) {
        self.weight.step(gradients, time);
        self.bias.iter_mut().for_each(|bias| bias.step(gradients, time));
        self.norm.iter_mut().flatten().for_each(|weight| weight.step(gradients, time));
    }
}

struct Generator(Vec<Layer>);

impl Generator {
    fn new(device: &Device) -> Self {
        let mut inputs = LATENT;
        let layers = WIDTHS.iter().enumerate().map(|(index, &outputs)| {
            let stride = if index == 0 { 1 } else { 2 };
            let shape = [inputs, outputs, 4, 4];
            inputs = outputs;
            Layer::new(shape, outputs, stride, index < 4, device)
        });
        Self(layers.collect())
    }

    /// Images `[batch, 1, 64, 64]` from noise.
    fn images(&self, batch: usize, device: &Device) -> Tensor<4> {
        let noise = Tensor::random([batch, LATENT, 1, 1], Distribution::Normal(0.0, 1.0), device);
        let mut map = FeatureMap::from_batch(noise);
        for (index, layer) in self.0.iter().enumerate() {
            let activation = if index < 4 { Activation::Relu } else { Activation::Identity };
            map = layer.forward(map, true, activation);
        }
        map.into_batch().tanh()
    }
}

struct Discriminator(Vec<Layer>);

impl Discriminator {
    fn new(with_norm: bool, device: &Device) -> Self {
        let mut inputs = 1;
        let layers = [128, 256, 512, 1024, 1].iter().enumerate().map(|(index, &outputs)| {
            let stride = if index == 4 { 1 } else { 2 };
            let shape = [outputs, inputs, 4, 4];
            inputs = outputs;
            Layer::new(shape, outputs, stride, with_norm && (1..4).contains(&index), device)
        });
        Self(layers.collect())
    }

    fn scores(&self, images: Tensor<4>) -> Tensor<4> {
        let mut map = FeatureMap::from_batch(images);
        for (index, layer) in self.0.iter().enumerate() {
            let activation = if index < 4 { LEAKY } else { Activation::Identity };
            map = layer.forward(map, false, activation);
        }
        map.into_batch()
    }

    /// The gradient of the scores with respect to the images, itself differentiable in the weights: a
    /// forward pass through the transposed layers, gated by the activations' signs.
    fn image_gradient(&self, images: Tensor<4>) -> Tensor<4> {
        let batch = images.dims()[0];
        let device = images.device();
        let mut map = FeatureMap::from_batch(images);
        let mut maps = Vec::new();
        for layer in &self.0[..4] {
            map = layer.forward(map, false, LEAKY);
            maps.push(map.clone());
        }
        let mut gradient = FeatureMap::from_batch(Tensor::ones([batch, 1, 1, 1], &device));
        for (index, layer) in self.0.iter().enumerate().rev() {
            if index < 4 {
                gradient = gradient.gate(&maps[index], LEAKY);
            }
            let weight = layer.weight.value.clone();
            let (stride, padding) = (layer.stride, layer.padding);
            gradient = gradient.conv_transpose2d(weight, None, stride, padding, Activation::Identity);
        }
        gradient.into_batch()
    }

    fn step(&mut self, gradients: &Gradients, time: u32) {
        self.0.iter_mut().for_each(|layer| layer.step(gradients, time));
    }
}

/// One step of discriminator and generator with the non-saturating loss.
pub fn dcgan_step(batch: usize) -> Step {
    let device = Device::flex().autodiff();
    let mut generator = Generator::new(&device);
    let mut discriminator = Discriminator::new(true, &device);
    let real = Tensor::<4>::random([batch, 1, 64, 64], Distribution::Normal(0.0, 1.0), &device);
    let mut time = 0;
    Box::new(move || {
        time += 1;
        let fake = generator.images(batch, &device);
        let loss = softplus(-discriminator.scores(real.clone()), 1.0).mean()
            + softplus(discriminator.scores(fake.clone().detach()), 1.0).mean();
        discriminator.step(&loss.backward(), time);
        let gradients = softplus(-discriminator.scores(fake), 1.0).mean().backward();
        generator.0.iter_mut().for_each(|layer| layer.step(&gradients, time));
    })
}

/// One step of a critic with the Wasserstein loss and the gradient penalty (Gulrajani et al. 2017).
pub fn wgan_gp_critic_step(batch: usize) -> Step {
    let device = Device::flex().autodiff();
    let generator = Generator::new(&device);
    let mut critic = Discriminator::new(false, &device);
    let real = Tensor::<4>::random([batch, 1, 64, 64], Distribution::Normal(0.0, 1.0), &device);
    let mut time = 0;
    Box::new(move || {
        time += 1;
        let fake = generator.images(batch, &device).detach();
        let share = Tensor::<4>::random([batch, 1, 1, 1], Distribution::Uniform(0.0, 1.0), &device);
        let between = real.clone() * share.clone() + fake.clone() * (-share + 1.0);
        let gradient: Tensor<2> = critic.image_gradient(between).reshape([batch, 64 * 64]);
        let norm = gradient.powi_scalar(2).sum_dim(1).sqrt();
        let penalty = (norm - 1.0).powi_scalar(2).mean() * 10.0;
        let loss = critic.scores(fake).mean() - critic.scores(real.clone()).mean() + penalty;
        critic.step(&loss.backward(), time);
    })
}
