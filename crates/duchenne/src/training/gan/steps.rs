//! *Adversaries*: generator and discriminator with their optimisers, and one step of each.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use burn_cpu_fused::AdamStep;

use super::augmentation::Changes;
use super::losses::{GradientPenalty, penalty_between, penalty_real};
use super::recipe::GanRecipe;
use crate::data::faces::batches::mix_seed;
use crate::models::gan::{Discriminator, Generator};
use crate::models::weights::{WeightsError, assign, collect};
use crate::training::optimizer::{Adam, WeightAverage};
use crate::training::run_directory::TensorGroups;

/// What a discriminator step sees.
#[derive(Debug, Clone)]
pub struct DiscriminatorInput {
    /// Photographs, `[batch, 1, side, side]`, in -1..=1.
    pub real: Tensor<4>,
    /// Generated images, of the same shape.
    pub generated: Tensor<4>,
    /// `[batch, classes]`, of both.
    pub condition: Option<Tensor<2>>,
    /// Where between the two the penalty is taken, `[batch, 1, 1, 1]` in 0..=1.
    pub shares: Tensor<4>,
    /// Random changes of the photographs and of the generated images.
    pub changes: [Changes; 2],
    /// Whether this step takes the penalty.
    pub with_penalty: bool,
}

/// What a discriminator step gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiscriminatorFigures {
    /// Loss and penalty together.
    pub loss: f64,
    /// The penalty, before its weight; `None` where the step did not take it.
    pub penalty: Option<f64>,
    /// Mean score of the photographs.
    pub real_score: f64,
    /// Mean score of the generated images.
    pub generated_score: f64,
}

/// Generator and discriminator in training.
#[derive(Debug)]
pub struct Adversaries {
    recipe: GanRecipe,
    /// Taken out while a step is under way, like the discriminator.
    generator: Option<Generator>,
    discriminator: Option<Discriminator>,
    generator_adam: Adam,
    discriminator_adam: Adam,
    average: WeightAverage,
    classes: usize,
}

/// Groups of tensors in a saved state.
const GROUPS: [&str; 7] = [
    "generator",
    "discriminator",
    "generator-means",
    "generator-squares",
    "discriminator-means",
    "discriminator-squares",
    "average",
];

/// How many updates a saved state has behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StepCounts {
    /// Of the generator.
    pub generator: u32,
    /// Of the discriminator.
    pub discriminator: u32,
}

const PRESENT: &str = "both networks are back after every step";

impl Adversaries {
    /// With fresh weights for a set of this many classes, on a device with autodiff.
    pub fn new(recipe: &GanRecipe, classes: usize, seed: u64, device: &Device) -> Self {
        let [first, second] = [b'g', b'd'].map(|network| mix_seed(&[seed, u64::from(network)]));
        Self {
            generator: Some(recipe.generator(classes).init(first, device)),
            discriminator: Some(recipe.discriminator(classes).init(second, device)),
            generator_adam: Adam::default(),
            discriminator_adam: Adam::default(),
            average: WeightAverage::default(),
            recipe: recipe.clone(),
            classes,
        }
    }

    /// With the tensors of a saved state.
    ///
    /// # Errors
    /// When they do not fit the recipe's networks.
    pub fn restore(
        recipe: &GanRecipe,
        classes: usize,
        mut tensors: TensorGroups,
        counts: StepCounts,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let fresh = Self::new(recipe, classes, 0, device);
        let [generator, discriminator, means, squares, other_means, other_squares, average] =
            GROUPS.map(|group| tensors.remove(group).unwrap_or_default());
        let averaged = u64::from(counts.generator);
        Ok(Self {
            generator: Some(assign(fresh.generator.expect(PRESENT), generator)?),
            discriminator: Some(assign(fresh.discriminator.expect(PRESENT), discriminator)?),
            generator_adam: Adam::restore([means, squares], counts.generator, device),
            discriminator_adam: Adam::restore([other_means, other_squares], counts.discriminator, device),
            average: WeightAverage::restore(average, averaged, device),
            recipe: fresh.recipe,
            classes,
        })
    }

    /// All that [`restore`](Self::restore) needs.
    pub fn state(&self) -> (TensorGroups, StepCounts) {
        let ([means, squares], generator) = self.generator_adam.state();
        let ([other_means, other_squares], discriminator) = self.discriminator_adam.state();
        let tensors = [
            collect(self.generator.as_ref().expect(PRESENT)),
            collect(self.discriminator.as_ref().expect(PRESENT)),
            means,
            squares,
            other_means,
            other_squares,
            self.average.state().0,
        ];
        let groups = GROUPS.into_iter().map(str::to_owned).zip(tensors).collect();
        (groups, StepCounts { generator, discriminator })
    }

    /// Images of the generator in training: each batch normalised by its own statistics.
    pub fn images(&self, latents: Tensor<2>, condition: Option<Tensor<2>>) -> Tensor<4> {
        self.generator.as_ref().expect(PRESENT).forward(latents, condition)
    }

    /// The generator to judge and keep, without autodiff: the averaged weights where the recipe averages.
    ///
    /// # Errors
    /// When a weight is not finite.
    pub fn result(&self, device: &Device) -> Result<Generator, WeightsError> {
        let mut weights = collect(self.generator.as_ref().expect(PRESENT));
        if self.recipe.training.generator_average > 0.0 {
            weights = self.average.apply(weights);
        }
        assign(self.recipe.generator(self.classes).init(0, device), weights)
    }

    /// One step of the discriminator.
    pub fn discriminator_step(&mut self, input: DiscriminatorInput) -> DiscriminatorFigures {
        let DiscriminatorInput { real, generated, condition, shares, changes, with_penalty } = input;
        let discriminator = self.discriminator.take().expect(PRESENT);
        let real = changes[0].apply(real);
        let generated = changes[1].apply(generated.detach());
        let real_scores = discriminator.forward(real.clone(), condition.clone());
        let generated_scores = discriminator.forward(generated.clone(), condition.clone());
        let scores = [real_scores.clone(), generated_scores.clone()].map(|scores| number(scores.mean()));
        let recipe = &self.recipe.loss;
        let mut loss = recipe.adversarial.of_discriminator(real_scores, generated_scores);
        let penalty = match recipe.penalty {
            _ if !with_penalty => None,
            GradientPenalty::None => None,
            GradientPenalty::Between => {
                Some(penalty_between(&discriminator, real, generated, shares, condition))
            }
            GradientPenalty::Real => Some(penalty_real(&discriminator, real, condition)),
        };
        let penalty = penalty.map(|penalty| {
            let weight = recipe.penalty_weight * recipe.penalty_every as f64;
            loss = loss.clone() + penalty.clone() * weight;
            number(penalty)
        });
        let figures = DiscriminatorFigures {
            loss: number(loss.clone()),
            penalty,
            real_score: scores[0],
            generated_score: scores[1],
        };
        let gradients = GradientsParams::from_grads(loss.backward(), &discriminator);
        self.discriminator = Some(self.discriminator_adam.step(discriminator, gradients, adam(&self.recipe)));
        figures
    }

    /// One step of the generator that made `images`; returns its loss.
    pub fn generator_step(
        &mut self,
        images: Tensor<4>,
        condition: Option<Tensor<2>>,
        changes: &Changes,
    ) -> f64 {
        // Only the generator learns from this.
        let discriminator = self.discriminator.clone().expect(PRESENT).no_grad();
        let scores = discriminator.forward(changes.apply(images), condition);
        let loss = self.recipe.loss.adversarial.of_generator(scores);
        let value = number(loss.clone());
        let generator = self.generator.take().expect(PRESENT);
        let gradients = GradientsParams::from_grads(loss.backward(), &generator);
        let generator = self.generator_adam.step(generator, gradients, adam(&self.recipe));
        if self.recipe.training.generator_average > 0.0 {
            self.average.update(&generator, self.recipe.training.generator_average);
        }
        self.generator = Some(generator);
        value
    }
}

fn adam(recipe: &GanRecipe) -> AdamStep {
    let training = &recipe.training;
    let (beta1, beta2) = (training.beta1, training.beta2);
    AdamStep { rate: training.learning_rate, beta1, beta2, epsilon: 1e-8, time: 0 }
}

fn number(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}
