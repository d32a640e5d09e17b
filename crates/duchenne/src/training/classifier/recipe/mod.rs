//! A *recipe* is everything that decides a training run, but for the data: one TOML file that holds
//! only what differs from the defaults.

mod input;
mod network;

use serde::{Deserialize, Serialize};

use crate::data::faces::augmentation::Augmentation;
use crate::data::faces::random_corruption::RandomCorruption;
use crate::data::faces::views::Views;
use crate::data::packed::votes::Targets;
use crate::data::{DataError, PackedDataset};
use crate::expression::LabelSet;
use crate::files::checksum::checksum;
use crate::models::checkpoint::Manifest;
use crate::models::network::NetworkConfig;
use crate::models::stored::StoredManifest;
use crate::training::recipe_file::{Library, RecipeError, RecipeValues, recipes};
use crate::training::records::EpochRecord;

pub use input::{InputRecipe, PerChannel};
pub use network::{Initialization, NetworkRecipe};

/// A training run's settings.
///
/// ```
/// use duchenne::Recipe;
///
/// assert!(Recipe::names().any(|name| name == "compact"));
/// let recipe = Recipe::read("compact", &["training.epochs=3".parse().unwrap()])?;
/// assert_eq!(recipe.training.epochs, 3);
/// assert!(Recipe::read("compact", &["training.epoch=3".parse().unwrap()]).is_err());
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Architecture, options and initial weights of the network.
    pub network: NetworkRecipe,
    /// Scaling and cropping that make a face the network's input.
    pub input: InputRecipe,
    /// Random changes to training images.
    pub augmentation: Augmentation,
    /// Random corruption of training images, after the augmentation.
    #[serde(skip_serializing_if = "is_default")]
    pub corruption: RandomCorruption,
    /// Settings of the descent.
    pub training: TrainingRecipe,
}

/// How the learning rate moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same rate in all steps.
    Constant,
    /// Linear warm-up, then half a cosine down to nothing (Loshchilov & Hutter 2017).
    Cosine,
}

/// Loss that is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Softmax cross-entropy.
    CrossEntropy,
    /// L2-SVM: squared hinge, one against the rest (Tang 2013).
    SquaredHinge,
}

/// Which epoch's weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Those of the highest accuracy on the validation split, single crop.
    #[default]
    Accuracy,
    /// Those of the lowest cross-entropy to the targets on the validation split, the mirror image averaged in as `predict` does:
    /// steadier than accuracy where few pictures decide, and it rewards probabilities that can be believed.
    CrossEntropy,
}

impl Selection {
    /// Whether an epoch is better than an earlier one.
    pub fn prefers(self, later: &EpochRecord, earlier: &EpochRecord) -> bool {
        match self {
            Selection::Accuracy => later.validation_accuracy > earlier.validation_accuracy,
            Selection::CrossEntropy => later.validation_loss < earlier.validation_loss,
        }
    }

    /// What is averaged over for each picture of the validation split; a network whose first layers are frozen, and their maps
    /// kept, sees the single crop in either case.
    pub fn views(self) -> Views {
        match self {
            Selection::Accuracy => Views::Centre,
            Selection::CrossEntropy => Views::Mirrored,
        }
    }
}

/// How much each class counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// Every image alike.
    None,
    /// Inversely to the class's frequency, mean one over the images.
    Balanced,
}

/// Settings of the descent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingRecipe {
    /// Number of passes over the training split.
    pub epochs: usize,
    /// Number of images per step.
    pub batch_size: usize,
    /// Steps per epoch where they should be fewer than a pass takes, drawn anew in each; 0 for whole passes.
    /// So training sets of different sizes can be compared at equal steps.
    pub steps_per_epoch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Constant or cosine.
    pub schedule: Schedule,
    /// Fraction of all steps over which the rate rises linearly (cosine schedule only).
    pub warmup: f64,
    /// Momentum, 0 for plain descent.
    pub momentum: f32,
    /// Nesterov's form of it.
    pub nesterov: bool,
    /// L2 penalty.
    pub weight_decay: f32,
    /// Whose labels are learned: the data set's own, or those of FER+'s raters.
    #[serde(skip_serializing_if = "is_default")]
    pub targets: Targets,
    /// Share of the training photographs that is held out as the validation split, in place of the data set's own; persons
    /// and identical pictures are kept together, and the same are held out whatever the seed. 0 for the data set's own.
    #[serde(skip_serializing_if = "is_default")]
    pub validation: f64,
    /// Which epoch's weights are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub selection: Selection,
    /// Loss that is minimised.
    pub loss: LossKind,
    /// How much each class counts.
    pub class_weights: ClassWeights,
    /// Probability mass shared among all classes (Szegedy et al. 2016).
    pub label_smoothing: f32,
    /// Alpha of mixup's Beta distribution (Zhang et al. 2018), 0 for none.
    pub mixup: f32,
    /// How much of the targets the mean probabilities of other models are, which `train --teacher` names
    /// (distillation, Hinton et al. 2015); the labels are the rest. 0 for none.
    pub teacher_share: f32,
    /// Decay per step of the moving average of the weights that is evaluated and kept, 0 for none.
    pub weight_average: f64,
    /// Stop after this many epochs of which none is better by the selection, 0 for never.
    pub patience: usize,
    /// Decides initial weights, order and augmentation.
    pub seed: u64,
}

impl Default for TrainingRecipe {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 128,
            steps_per_epoch: 0,
            learning_rate: 0.1,
            schedule: Schedule::Cosine,
            warmup: 0.1,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            targets: Targets::Labels,
            validation: 0.0,
            selection: Selection::Accuracy,
            loss: LossKind::CrossEntropy,
            class_weights: ClassWeights::None,
            label_smoothing: 0.1,
            mixup: 0.0,
            teacher_share: 0.0,
            weight_average: 0.0,
            patience: 0,
            seed: 0,
        }
    }
}

/// Draws what is held out for validation: never the seed of a run, so that runs that differ in it can be compared.
const HELD_OUT_SEED: u64 = 2013;

/// Whether a setting need not be written: recipes of before it existed keep their fingerprints.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Recipes that the program carries, by name.
const LIBRARY: Library<Recipe> = Library::new(
    "recipe",
    &[
        ("compact", include_str!("../../../../recipes/compact.toml")),
        ("compact-finish", include_str!("../../../../recipes/compact-finish.toml")),
        ("compact-votes", include_str!("../../../../recipes/compact-votes.toml")),
        ("resnet50", include_str!("../../../../recipes/resnet50.toml")),
        ("resnet50-strong", include_str!("../../../../recipes/resnet50-strong.toml")),
        ("vgg13-imagenet", include_str!("../../../../recipes/vgg13-imagenet.toml")),
        ("vgg13-scratch", include_str!("../../../../recipes/vgg13-scratch.toml")),
        ("vgg16", include_str!("../../../../recipes/vgg16.toml")),
        ("vgg16-imagenet", include_str!("../../../../recipes/vgg16-imagenet.toml")),
        ("vgg16-scratch", include_str!("../../../../recipes/vgg16-scratch.toml")),
        ("vgg16-strong", include_str!("../../../../recipes/vgg16-strong.toml")),
        ("vgg19-imagenet", include_str!("../../../../recipes/vgg19-imagenet.toml")),
        ("vgg19-scratch", include_str!("../../../../recipes/vgg19-scratch.toml")),
        ("wide", include_str!("../../../../recipes/wide.toml")),
        ("wide-distilled", include_str!("../../../../recipes/wide-distilled.toml")),
        ("wide-distilled-finish", include_str!("../../../../recipes/wide-distilled-finish.toml")),
        ("wide-finish", include_str!("../../../../recipes/wide-finish.toml")),
        ("wide-votes", include_str!("../../../../recipes/wide-votes.toml")),
    ],
);

recipes!(Recipe, LIBRARY);

impl Recipe {
    /// The whole recipe, defaults included.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is plain numbers and words")
    }

    /// What tells recipes apart that differ in more than the seed.
    pub fn fingerprint(&self) -> String {
        let mut recipe = self.clone();
        recipe.training.seed = 0;
        checksum(recipe.to_toml().as_bytes())
    }

    /// The manifest of a model trained on a data set: three channels see colour where there is colour.
    pub fn manifest_for(&self, dataset: &PackedDataset) -> Manifest {
        let mut manifest = self.manifest(dataset.label_set());
        manifest.preprocessing.color = dataset.shape()[2] == 3 && self.input.channels == 3;
        manifest
    }

    /// A data set as the recipe learns from it: with the labels that it asks for, and its share held out for validation.
    ///
    /// # Errors
    /// [`DataError`] where it has no raters' votes, or nothing can be held out.
    pub fn data(&self, dataset: &PackedDataset) -> Result<PackedDataset, DataError> {
        let labelled = dataset.with_targets(self.training.targets)?;
        match self.training.validation {
            0.0 => Ok(labelled),
            share => labelled.with_validation(share, HELD_OUT_SEED),
        }
    }

    /// Checks all values; `name` is for errors.
    pub(super) fn check_values(&self, name: &str) -> Result<(), RecipeError> {
        LIBRARY.check(name, self)
    }

    /// The manifest of a model trained by this recipe.
    pub fn manifest(&self, label_set: LabelSet) -> Manifest {
        let mut network = NetworkConfig::new(self.network.architecture, self.input.channels, label_set.len());
        network.stem = self.network.stem;
        network.head = self.network.head;
        network.widen = self.network.widen;
        network.dropout = self.network.dropout.unwrap_or(network.dropout);
        Manifest::new(network, label_set, self.input.preprocessing())
    }
}

impl RecipeValues for Recipe {
    fn problem(&self) -> Option<String> {
        let training = &self.training;
        let in_range = [
            ("training.learning_rate", training.learning_rate, 0.0, 100.0),
            ("training.validation", training.validation, 0.0, 0.9),
            ("training.warmup", training.warmup, 0.0, 1.0),
            ("training.momentum", f64::from(training.momentum), 0.0, 0.9999),
            ("training.weight_decay", f64::from(training.weight_decay), 0.0, 1.0),
            ("training.label_smoothing", f64::from(training.label_smoothing), 0.0, 0.99),
            ("training.mixup", f64::from(training.mixup), 0.0, 10.0),
            ("training.teacher_share", f64::from(training.teacher_share), 0.0, 1.0),
            ("training.weight_average", training.weight_average, 0.0, 0.99999),
            ("network.new_layers", f64::from(self.network.new_layers), 0.0, 10.0),
        ];
        for (name, value, low, high) in in_range {
            if !(low..=high).contains(&value) {
                return Some(format!("{name} is {value}, expected {low} to {high}"));
            }
        }
        if training.epochs == 0 || training.batch_size == 0 {
            return Some("training.epochs and training.batch_size must be at least 1".to_owned());
        }
        // Any label set will do: the number of classes follows from it.
        let manifest = self.manifest(LabelSet::Fer2013).check().err();
        self.augmentation.problem().or(self.corruption.problem()).or(manifest.map(|error| error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::recipe_file::Setting;

    #[test]
    fn built_in_recipes_parse_and_resolve_to_themselves() {
        for name in Recipe::names() {
            let recipe = Recipe::built_in(name).unwrap();
            assert_eq!(Recipe::parse(name, &recipe.to_toml(), &[]).unwrap(), recipe);
        }
    }

    #[test]
    fn the_papers_recipes_hold_the_papers_numbers() {
        for name in ["vgg16", "resnet50"] {
            let training = Recipe::built_in(name).unwrap().training;
            assert_eq!((training.batch_size, training.epochs, training.learning_rate), (32, 200, 1e-4));
            assert_eq!((training.momentum, training.schedule), (0.0, Schedule::Constant));
        }
    }

    #[test]
    fn settings_are_laid_over() {
        let settings = [Setting::new("training.epochs", 3), "training.loss=squared-hinge".parse().unwrap()];
        let recipe = Recipe::parse("x", "[training]\nepochs = 9\nseed = 4", &settings).unwrap();
        assert_eq!((recipe.training.epochs, recipe.training.seed), (3, 4));
        assert_eq!(recipe.training.loss, LossKind::SquaredHinge);
    }

    #[test]
    fn the_fingerprint_knows_all_but_the_seed() {
        let recipe = |text: &str| Recipe::parse("x", text, &[]).unwrap().fingerprint();
        assert_eq!(recipe("training.seed = 3"), recipe(""));
        assert_ne!(recipe("training.mixup = 0.2"), recipe(""));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| Recipe::parse("x.toml", text, &[]).unwrap_err().to_string();
        assert!(error("[training]\nepoch = 3").contains("epoch"));
        assert!(error("[training]\nlearning_rate = -1").contains("training.learning_rate is -1"));
        assert!(error("[training]\nbatch_size = 0").contains("batch_size"));
        assert!(error("[network]\narchitecture = \"vgg99\"").contains("vgg99"));
        assert!(error("[input]\ncrop = 50").contains("crop"));
    }
}
