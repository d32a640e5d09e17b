//! The *recipe* of a generator: everything that decides its training, but for the data.

use serde::{Deserialize, Serialize};

use super::augmentation::DifferentiableAugmentation;
use super::losses::{AdversarialLoss, GradientPenalty};
use crate::models::gan::{Condition, DiscriminatorConfig, GeneratorConfig};
use crate::training::recipe_file::{Library, RecipeValues, recipes};

/// Settings of a generator's training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanRecipe {
    /// Sizes of both networks, and the condition.
    pub network: GanNetworkRecipe,
    /// Photographs learned from.
    pub data: GanDataRecipe,
    /// Losses of both networks.
    pub loss: GanLossRecipe,
    /// Random changes to everything that the discriminator sees.
    pub augmentation: DifferentiableAugmentation,
    /// Settings of the descent.
    pub training: GanTrainingRecipe,
}

/// Sizes of both networks, and the condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanNetworkRecipe {
    /// Side of the images, a multiple of 16 from 32 to 128: 64 in the paper.
    pub side: usize,
    /// Length of the noise.
    pub latent: usize,
    /// Channels of the maps next to the image; Radford et al. have 128.
    pub width: usize,
    /// `none` (one GAN per class), `concatenated` or `projection` (one for all).
    pub condition: Condition,
}

impl Default for GanNetworkRecipe {
    fn default() -> Self {
        Self { side: 64, latent: 100, width: 128, condition: Condition::None }
    }
}

/// Photographs learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanDataRecipe {
    /// Share of the people never shown, so that copying can be told from generating; 0 for all shown.
    pub held_out: f64,
    /// Mirror half of the photographs, anew in every epoch.
    pub mirror: bool,
}

impl Default for GanDataRecipe {
    fn default() -> Self {
        Self { held_out: 0.15, mirror: false }
    }
}

/// Losses of both networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanLossRecipe {
    /// `non-saturating` or `wasserstein`.
    pub adversarial: AdversarialLoss,
    /// `none`, `between` (WGAN-GP) or `real` (R1). With one, the discriminator has no batch normalisation.
    pub penalty: GradientPenalty,
    /// Weight of the penalty in the discriminator's loss (`0..=1e6`).
    pub penalty_weight: f64,
    /// Every how many discriminator steps the penalty is taken, then counting as many times more
    /// (Karras et al. 2020).
    pub penalty_every: usize,
}

impl Default for GanLossRecipe {
    fn default() -> Self {
        Self {
            adversarial: AdversarialLoss::NonSaturating,
            penalty: GradientPenalty::None,
            penalty_weight: 10.0,
            penalty_every: 1,
        }
    }
}

/// Settings of the descent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanTrainingRecipe {
    /// Number of passes over the photographs.
    pub epochs: usize,
    /// Images per discriminator step.
    pub batch_size: usize,
    /// Discriminator steps per generator step.
    pub critic_steps: usize,
    /// Adam's rate.
    pub learning_rate: f32,
    /// Adam's decay of the mean of gradients.
    pub beta1: f32,
    /// Adam's decay of the mean of squared gradients.
    pub beta2: f32,
    /// Decay per step of the moving average of the generator's weights that is kept, 0 for none.
    pub generator_average: f64,
    /// Share of all epochs after which the class begins to join (Shahbazi et al. 2022).
    pub condition_from: f64,
    /// Share of all epochs after which it has joined whole.
    pub condition_until: f64,
    /// Every how many epochs the faces are judged by their kernel distance to the people held out, and
    /// the best generator kept; 0 for never: the last one is kept.
    pub judge_every: usize,
    /// Stop after this many judgements without a better one, 0 for never.
    pub patience: usize,
    /// Every how many epochs a sheet of faces is written, 0 for only one at the end.
    pub sheet_every: usize,
    /// Decides initial weights, order and noise.
    pub seed: u64,
}

impl Default for GanTrainingRecipe {
    fn default() -> Self {
        Self {
            epochs: 80,
            batch_size: 16,
            critic_steps: 1,
            learning_rate: 1e-4,
            beta1: 0.5,
            beta2: 0.999,
            generator_average: 0.0,
            condition_from: 0.0,
            condition_until: 0.0,
            judge_every: 0,
            patience: 0,
            sheet_every: 10,
            seed: 0,
        }
    }
}

/// Recipes that the program carries, by name.
const LIBRARY: Library<GanRecipe> = Library::new(
    "recipe",
    &[
        ("dcgan", include_str!("../../../recipes/gan/dcgan.toml")),
        ("wgan-gp", include_str!("../../../recipes/gan/wgan-gp.toml")),
        ("cgan", include_str!("../../../recipes/gan/cgan.toml")),
        ("modern", include_str!("../../../recipes/gan/modern.toml")),
    ],
);

recipes!(GanRecipe, LIBRARY);

impl GanRecipe {
    /// The whole recipe, defaults included.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is plain numbers and words")
    }

    /// Whether one network serves all classes.
    pub fn is_conditional(&self) -> bool {
        self.network.condition != Condition::None
    }

    /// The generator for a set of this many classes.
    pub fn generator(&self, classes: usize) -> GeneratorConfig {
        let classes = if self.is_conditional() { classes } else { 0 };
        let GanNetworkRecipe { side, latent, width, .. } = self.network;
        GeneratorConfig { side, latent, width, classes }
    }

    /// The discriminator for a set of this many classes.
    pub fn discriminator(&self, classes: usize) -> DiscriminatorConfig {
        let GanNetworkRecipe { side, width, condition, .. } = self.network;
        let batch_norm = self.loss.penalty == GradientPenalty::None;
        DiscriminatorConfig { side, width, classes, condition, batch_norm }
    }

    /// How much the class counts in an epoch (from zero), 0 to 1.
    pub fn condition_share(&self, epoch: usize) -> f32 {
        let training = &self.training;
        let [from, until] =
            [training.condition_from, training.condition_until].map(|share| share * training.epochs as f64);
        let epoch = epoch as f64;
        if epoch >= until { 1.0 } else { ((epoch - from) / (until - from)).clamp(0.0, 1.0) as f32 }
    }
}

impl RecipeValues for GanRecipe {
    fn problem(&self) -> Option<String> {
        let (loss, training) = (&self.loss, &self.training);
        let in_range = [
            ("data.held_out", self.data.held_out, 0.0, 0.5),
            ("loss.penalty_weight", loss.penalty_weight, 0.0, 1e6),
            ("training.learning_rate", f64::from(training.learning_rate), 0.0, 100.0),
            ("training.beta1", f64::from(training.beta1), 0.0, 0.9999),
            ("training.beta2", f64::from(training.beta2), 0.0, 0.99999),
            ("training.generator_average", training.generator_average, 0.0, 0.99999),
            ("training.condition_from", training.condition_from, 0.0, 1.0),
            ("training.condition_until", training.condition_until, training.condition_from, 1.0),
        ];
        for (name, value, low, high) in in_range {
            if !(low..=high).contains(&value) {
                return Some(format!("{name} is {value}, expected {low} to {high}"));
            }
        }
        let counts = [
            ("training.epochs", training.epochs),
            ("training.batch_size", training.batch_size),
            ("training.critic_steps", training.critic_steps),
            ("loss.penalty_every", loss.penalty_every),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Some(format!("{name} must be at least 1"));
        }
        if training.judge_every > 0 && self.data.held_out == 0.0 {
            return Some("training.judge_every needs data.held_out above 0".to_owned());
        }
        self.generator(0).problem().or_else(|| self.augmentation.problem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_recipes_parse_and_resolve_to_themselves() {
        for name in GanRecipe::names() {
            let recipe = GanRecipe::built_in(name).unwrap();
            assert_eq!(GanRecipe::parse(name, &recipe.to_toml(), &[]).unwrap(), recipe);
        }
    }

    #[test]
    fn the_papers_recipes_hold_the_papers_numbers() {
        for (name, batch_size, epochs) in [("dcgan", 16, 80), ("wgan-gp", 8, 200), ("cgan", 64, 200)] {
            let recipe = GanRecipe::built_in(name).unwrap();
            assert_eq!((recipe.training.batch_size, recipe.training.epochs), (batch_size, epochs));
            assert_eq!(recipe.training.learning_rate, 1e-4);
            assert_eq!(recipe.loss.penalty == GradientPenalty::Between, name != "dcgan");
            assert_eq!(recipe.is_conditional(), name == "cgan");
            assert_eq!((recipe.network.side, recipe.network.width), (64, 128));
        }
    }

    #[test]
    fn the_condition_fades_in() {
        let text = "[training]\nepochs = 100\ncondition_from = 0.2\ncondition_until = 0.6";
        let recipe = GanRecipe::parse("x", text, &[]).unwrap();
        let shares = [0, 20, 40, 60, 99].map(|epoch| recipe.condition_share(epoch));
        assert_eq!(shares, [0.0, 0.0, 0.5, 1.0, 1.0]);
        assert_eq!(GanRecipe::default().condition_share(0), 1.0);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| GanRecipe::parse("x.toml", text, &[]).unwrap_err().to_string();
        assert!(error("[network]\nside = 50").contains("side is 50"));
        assert!(error("[training]\ncritic_steps = 0").contains("critic_steps"));
        assert!(error("[loss]\npenalty = \"twice\"").contains("twice"));
        assert!(error("[data]\nheld_out = 0.9").contains("held_out"));
        assert!(error("[data]\nheld_out = 0\n[training]\njudge_every = 5").contains("judge_every"));
        assert!(error("[training]\ncondition_from = 0.5\ncondition_until = 0.2").contains("condition_until"));
    }
}
