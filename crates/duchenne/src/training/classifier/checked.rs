//! A *checked recipe* has all that it needs beside the data: models to begin from and to learn from where it asks for
//! them, and no others. Whoever holds one need not ask again.

use std::ops::Deref;
use std::path::PathBuf;

use burn::tensor::Device;

use crate::data::PackedDataset;
use crate::training::classifier::frozen::keeps_maps;
use crate::training::classifier::initial::InitialWeights;
use crate::training::classifier::recipe::{Initialization, Recipe};
use crate::training::classifier::teacher::Teacher;
use crate::training::error::TrainingError;

/// Files of trained models that a run takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenModels {
    /// Weights to begin from.
    pub initial: Option<PathBuf>,
    /// Models to learn from beside the labels: files, or names of built-in ones.
    pub teachers: Vec<PathBuf>,
}

/// A recipe whose values are in range, with the models that it asks for.
#[derive(Debug, Clone)]
pub struct CheckedRecipe {
    recipe: Recipe,
    name: String,
    models: GivenModels,
}

impl Recipe {
    /// Checks the values again, which may have changed since the recipe was read, and that `models` are those that
    /// the recipe asks for; `name` is for errors and provenance.
    ///
    /// # Errors
    /// A value out of range; a recipe that begins from pre-trained weights without them; a recipe that learns from
    /// teachers without them, or cannot; teachers for a recipe that does not use them.
    pub fn check(self, name: &str, models: GivenModels) -> Result<CheckedRecipe, TrainingError> {
        self.check_values(name)?;
        if self.network.init == Initialization::Pretrained && models.initial.is_none() {
            let architecture = self.network.architecture.name();
            return Err(TrainingError::NoPretrainedWeights { recipe: name.to_owned(), architecture });
        }
        let reason = match (self.training.teacher_share > 0.0, !models.teachers.is_empty()) {
            (false, false) => None,
            (true, true) if !keeps_maps(&self) => None,
            (true, true) => Some(
                "teachers see pictures, but this recipe trains on kept maps of its frozen layers: let augmentation \
                 change the pictures, or set network.freeze=0",
            ),
            (true, false) => Some(
                "the recipe learns from trained models, which `train --teacher` names (nothing else does); without \
                 them set training.teacher_share=0",
            ),
            (false, true) => {
                Some("the recipe does not use teachers: set training.teacher_share, for example to 0.7")
            }
        };
        match reason {
            Some(reason) => Err(TrainingError::Teacher(reason.to_owned())),
            None => Ok(CheckedRecipe { recipe: self, name: name.to_owned(), models }),
        }
    }
}

impl Deref for CheckedRecipe {
    type Target = Recipe;

    fn deref(&self) -> &Recipe {
        &self.recipe
    }
}

impl CheckedRecipe {
    /// Name or file of the recipe.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The models that the recipe was checked with.
    pub fn models(&self) -> &GivenModels {
        &self.models
    }

    /// Reads the models for training on `dataset`, the teachers onto a device without autodiff.
    ///
    /// # Errors
    /// A file that is no such model, weights of another architecture, a teacher of other labels or of another
    /// preprocessing than the recipe's.
    pub fn load(self, dataset: &PackedDataset, device: &Device) -> Result<ClassifierTask, TrainingError> {
        let initial = self.models.initial.as_deref();
        let initial = initial.map(|path| InitialWeights::read(path, &self.recipe)).transpose()?;
        let teachers = &self.models.teachers;
        let teacher = (!teachers.is_empty())
            .then(|| Teacher::read(teachers, &self.recipe.manifest_for(dataset), device))
            .transpose()?;
        Ok(ClassifierTask { recipe: self, initial, teacher })
    }
}

/// What a classifier is trained by: a checked recipe with its models in memory.
#[derive(Debug)]
pub struct ClassifierTask {
    recipe: CheckedRecipe,
    initial: Option<InitialWeights>,
    teacher: Option<Teacher>,
}

impl ClassifierTask {
    /// Settings of the training, checked.
    pub fn recipe(&self) -> &CheckedRecipe {
        &self.recipe
    }

    /// Weights to begin from instead of random ones.
    pub fn initial(&self) -> Option<&InitialWeights> {
        self.initial.as_ref()
    }

    /// Models to learn from beside the labels.
    pub fn teacher(&self) -> Option<&Teacher> {
        self.teacher.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::recipe_file::Setting;

    #[test]
    fn models_that_a_recipe_does_not_ask_for_are_refused_and_so_are_missing_ones() {
        let check = |text: &str, teachers: &[&str]| {
            let models =
                GivenModels { initial: None, teachers: teachers.iter().map(PathBuf::from).collect() };
            let crop = Setting::new("input.crop", 44);
            Recipe::parse("r", text, &[crop]).unwrap().check("r", models).map(drop)
        };
        let refused = |text: &str, teachers: &[&str], expected: &str| {
            let message = check(text, teachers).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        let share = "training.teacher_share = 0.5";
        assert!(check("", &[]).is_ok() && check(share, &["built-in"]).is_ok());
        refused(share, &[], "--teacher");
        refused("", &["built-in"], "training.teacher_share");
        let frozen = "network = { architecture = \"vgg16\", freeze = 4 }\naugmentation.mirror = false";
        refused(&format!("{share}\n{frozen}"), &["built-in"], "network.freeze");
        refused("network.init = \"pretrained\"", &[], "begins from pre-trained weights");
    }

    #[test]
    fn values_that_changed_since_reading_are_checked() {
        let mut recipe = Recipe::built_in("compact").unwrap();
        recipe.training.epochs = 0;
        let error = recipe.check("mine", GivenModels::default()).unwrap_err().to_string();
        assert!(error.contains("`mine`") && error.contains("at least 1"), "{error}");
    }
}
