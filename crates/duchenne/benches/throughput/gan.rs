//! Training steps of generative adversarial networks at Radford et al.'s (2016) widths, 64x64 pixels, Adam.

use burn::tensor::{Device, Distribution, Tensor};
use duchenne::training::gan::augmentation::DifferentiableAugmentation;
use duchenne::training::gan::{Adversaries, DiscriminatorInput, GanRecipe};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Step;

fn recipe(name: &str) -> GanRecipe {
    GanRecipe::built_in(name).expect("a built-in recipe")
}

/// Generated images, and the input of a discriminator step with them.
fn input(adversaries: &Adversaries, batch: usize, device: &Device) -> (Tensor<4>, DiscriminatorInput) {
    let latents = Tensor::random([batch, 100], Distribution::Normal(0.0, 1.0), device);
    let generated = adversaries.images(latents, None);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let changes =
        [(); 2].map(|()| DifferentiableAugmentation::default().draw(batch, 64, &mut random, device));
    let input = DiscriminatorInput {
        real: Tensor::random([batch, 1, 64, 64], Distribution::Normal(0.0, 1.0), device),
        generated: generated.clone(),
        condition: None,
        shares: Tensor::random([batch, 1, 1, 1], Distribution::Uniform(0.0, 1.0), device),
        changes,
        with_penalty: true,
    };
    (generated, input)
}

/// One step of discriminator and generator with the non-saturating loss.
pub(crate) fn dcgan_step(batch: usize) -> Step {
    let device = Device::flex().autodiff();
    let mut adversaries = Adversaries::new(&recipe("dcgan"), 7, 0, &device);
    Box::new(move || {
        let (generated, input) = input(&adversaries, batch, &device);
        let unchanged = input.changes[0].clone();
        adversaries.discriminator_step(input);
        adversaries.generator_step(generated, None, &unchanged);
    })
}

/// One step of a critic with the Wasserstein loss and the gradient penalty (Gulrajani et al. 2017).
pub(crate) fn wgan_gp_critic_step(batch: usize) -> Step {
    let device = Device::flex().autodiff();
    let mut adversaries = Adversaries::new(&recipe("wgan-gp"), 7, 0, &device);
    Box::new(move || {
        let (_, input) = input(&adversaries, batch, &device);
        adversaries.discriminator_step(input);
    })
}
