//! The *generator* of Radford et al. (2016): transposed convolutions from noise to an image, batch
//! normalisation and ReLU between them, tanh at the end.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_cpu_fused::{Activation, FeatureMap};
use serde::{Deserialize, Serialize};

use super::{DEVIATION, DOUBLINGS, seed_side};
use crate::models::layers::{BatchNorm, Initializer, TransposedConvolution};

/// Settings of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorConfig {
    /// Side of the images, a multiple of 16 from 32 to 128: 64 in the paper.
    pub side: usize,
    /// Length of the noise.
    pub latent: usize,
    /// Channels of the last hidden map; each map before it has twice as many. Radford et al. have 128.
    pub width: usize,
    /// Classes that join the noise, 0 for none.
    pub classes: usize,
}

impl GeneratorConfig {
    /// What is wrong with these settings, if anything.
    pub fn problem(&self) -> Option<String> {
        if let Err(problem) = seed_side(self.side) {
            return Some(problem);
        }
        let sound = (1..=1024).contains(&self.latent) && (4..=256).contains(&self.width);
        (!sound).then(|| {
            format!("latent is {} and width {}, expected 1 to 1024 and 4 to 256", self.latent, self.width)
        })
    }

    /// With fresh weights drawn by `seed`, on `device` (with autodiff for training).
    ///
    /// # Panics
    /// If the settings have a [`problem`](Self::problem).
    pub fn init(&self, seed: u64, device: &Device) -> Generator {
        let initializer = &mut Initializer::new(seed, device);
        let kernel = seed_side(self.side).expect("the settings were checked");
        let mut inputs = self.latent + self.classes;
        let mut layers = Vec::new();
        let mut norms = Vec::new();
        for doubling in (0..DOUBLINGS).rev() {
            let outputs = self.width << doubling;
            let (kernel, geometry) = if layers.is_empty() { (kernel, [1, 0]) } else { (4, [2, 1]) };
            layers.push(TransposedConvolution::normal(
                [inputs, outputs, kernel],
                geometry,
                DEVIATION,
                false,
                initializer,
            ));
            norms.push(BatchNorm::new(outputs, initializer));
            inputs = outputs;
        }
        layers.push(TransposedConvolution::normal([inputs, 1, 4], [2, 1], DEVIATION, true, initializer));
        Generator { layers, norms }
    }
}

/// A generator of [`GeneratorConfig`].
#[derive(Module, Debug)]
pub struct Generator {
    layers: Vec<TransposedConvolution>,
    norms: Vec<BatchNorm>,
}

impl Generator {
    /// Images in -1..=1. With autodiff (training) each batch is normalised by its own statistics, without
    /// it by the running ones.
    ///
    /// # Shapes
    /// - latents: `[batch, latent]`, standard normal
    /// - condition: `[batch, classes]`, 1 for the class; `None` for a generator without classes
    /// - images: `[batch, 1, side, side]`
    pub fn forward(&self, latents: Tensor<2>, condition: Option<Tensor<2>>) -> Tensor<4> {
        let joined = match condition {
            Some(condition) => Tensor::cat(vec![latents, condition], 1),
            None => latents,
        };
        let [batch, length] = joined.dims();
        let mut map = FeatureMap::from_batch(joined.reshape([batch, length, 1, 1]));
        for (layer, norm) in self.layers.iter().zip(&self.norms) {
            map = layer.normalized(map, norm, Activation::Relu);
        }
        let last = self.layers.last().expect("a generator has layers");
        last.forward(map).into_batch().tanh()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radfords_generator_has_his_widths_and_sizes() {
        let config = GeneratorConfig { side: 64, latent: 100, width: 128, classes: 0 };
        let generator = config.init(0, &Device::flex());
        let widths: Vec<_> = generator.layers.iter().map(|layer| layer.weight.dims()).collect();
        assert_eq!(widths[0], [100, 1024, 4, 4]);
        assert_eq!(widths[4], [128, 1, 4, 4]);
        let images = generator.forward(Tensor::ones([2, 100], &Device::flex()), None);
        assert_eq!(images.dims(), [2, 1, 64, 64]);
        let small = GeneratorConfig { side: 48, latent: 8, width: 4, classes: 3 };
        let condition = Tensor::ones([5, 3], &Device::flex());
        let images =
            small.init(0, &Device::flex()).forward(Tensor::ones([5, 8], &Device::flex()), Some(condition));
        assert_eq!(images.dims(), [5, 1, 48, 48]);
        assert!(GeneratorConfig { side: 50, ..small }.problem().unwrap().contains("50"));
    }

    #[test]
    fn without_autodiff_the_running_statistics_normalise() {
        // After many batches of the same noise the running statistics are that batch's own.
        let config = GeneratorConfig { side: 48, latent: 8, width: 4, classes: 0 };
        let device = Device::flex().autodiff();
        let generator = config.init(3, &device);
        let noise = Tensor::<2>::random([64, 8], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
        let mut trained = generator.forward(noise.clone(), None);
        for _ in 0..150 {
            trained = generator.forward(noise.clone(), None);
        }
        let evaluated = generator.valid().forward(noise.inner(), None);
        let difference = (trained.inner() - evaluated).abs().max().into_scalar::<f32>();
        // The unbiased variance that is remembered differs by 1/576 in the first map.
        assert!(difference < 2e-2, "{difference}");
    }
}
