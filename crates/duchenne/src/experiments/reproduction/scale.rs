//! A *scale* says how much work a reproduction is: a TOML file with the recipes of its networks and generators,
//! and the rows of its table.

use std::collections::BTreeMap;

use crate::error::refuse;
use serde::Deserialize;

use crate::evaluation::reproduction::Group;
use crate::training::classifier::recipe::Recipe;
use crate::training::gan::GanRecipe;
use crate::training::recipe_file::{Library, RecipeValues, Setting, recipes};

/// The paper's Table 1: short name, its line, accuracy in percent.
pub const TABLE1: [(&str, &str, f64); 7] = [
    ("df-svm", "VGG13+VGG16+VGG19+SVM", 52.40),
    ("vgg16", "VGG-16", 54.92),
    ("resnet50", "ResNet-50", 64.28),
    ("vgg16+dcgan", "VGG-16+DCGAN", 66.37),
    ("vgg16+wgan", "VGG-16+WGAN", 64.61),
    ("resnet50+dcgan", "ResNet-50+DCGAN", 71.75),
    ("resnet50+wgan", "ResNet-50+WGAN", 69.16),
];

/// Scales that the program carries, by name.
const LIBRARY: Library<Scale> = Library::new(
    "scale",
    &[
        ("quick", include_str!("../../../recipes/reproduce/quick.toml")),
        ("standard", include_str!("../../../recipes/reproduce/standard.toml")),
        ("paper", include_str!("../../../recipes/reproduce/paper.toml")),
    ],
);

recipes!(Scale, LIBRARY);

/// How much work a reproduction is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Why its figures are no result, where they are not.
    pub warning: Option<String>,
    /// Images of each split of FER-2013, spread over it; all where absent.
    pub images: Option<Images>,
    /// Generated faces of each class that join the training split.
    pub faces_per_class: u32,
    /// Whether a classifier is trained on the generated faces alone, to judge them.
    pub judge_by_classifier: bool,
    /// Generators, in the order of Figure 1's rows.
    pub gans: Vec<Gan>,
    /// Classifiers, by name.
    pub classifiers: BTreeMap<String, RecipeChoice>,
    /// The networks of the support vector machine.
    pub svm: Svm,
    /// The lines of the table.
    pub rows: Vec<Row>,
}

/// Images of each split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Learned from.
    pub training: usize,
    /// Chosen by.
    pub public_test: usize,
    /// Scored on.
    pub private_test: usize,
}

/// A recipe by name or file, with settings laid over it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeChoice {
    /// Built-in name or file.
    pub recipe: String,
    /// Of the form `training.epochs=3`.
    #[serde(default)]
    pub settings: Vec<Setting>,
}

/// A generator of CK+'s expressions and, for classifiers, its like for FER-2013's neutral faces.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gan {
    /// Its name: `dcgan`.
    pub name: String,
    /// As the page names it.
    pub title: String,
    /// Built-in name or file.
    pub recipe: String,
    /// Of the form `training.epochs=3`.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Settings of the neutral faces' generator, laid over the others.
    #[serde(default)]
    pub neutral_settings: Vec<Setting>,
}

/// The support vector machine's recipes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Svm {
    /// Without ImageNet's weights.
    pub scratch: String,
    /// With them.
    pub imagenet: String,
    /// Laid over the recipes of the networks.
    #[serde(default)]
    pub network_settings: Vec<Setting>,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its short name.
    pub key: String,
    /// As the table has it; the paper's line where absent.
    pub title: Option<String>,
    /// The part of the table.
    #[serde(default = "table1")]
    pub group: Group,
    /// A classifier's name, or `svm`.
    pub network: String,
    /// The generators whose faces join.
    pub faces: Option<String>,
    /// The row to compare with.
    pub baseline: Option<String>,
    /// What a reader must know.
    pub note: Option<String>,
}

fn table1() -> Group {
    Group::Table1
}

/// The network of a row that is the support vector machine.
pub const SVM: &str = "svm";

impl RecipeValues for Scale {
    fn problem(&self) -> Option<String> {
        if self.faces_per_class == 0 {
            return Some("faces_per_class is 0, expected at least 1".to_owned());
        }
        for (index, row) in self.rows.iter().enumerate() {
            let key = &row.key;
            if row.network != SVM && !self.classifiers.contains_key(&row.network) {
                return Some(format!("row `{key}`: no classifier `{}`", row.network));
            }
            if row.network == SVM && row.faces.is_some() {
                return Some(format!("row `{key}`: no generated faces join the SVM's training split"));
            }
            if let Some(faces) =
                row.faces.as_ref().filter(|faces| !self.gans.iter().any(|gan| gan.name == **faces))
            {
                return Some(format!("row `{key}`: no generators `{faces}`"));
            }
            if row.title.is_none() && row.paper().is_none() {
                return Some(format!("row `{key}` has no title and is none of the paper's"));
            }
            let is_known = |wanted: &String| self.rows.iter().any(|other| other.key == *wanted);
            if let Some(baseline) = row.baseline.as_ref().filter(|wanted| !is_known(wanted)) {
                return Some(format!("row `{key}`: no row `{baseline}` to compare with"));
            }
            if self.rows[..index].iter().any(|other| other.key == *key) {
                return Some(format!("row `{key}` stands twice"));
            }
        }
        None
    }
}

impl Scale {
    /// Only the named rows, and the generators whose faces they take; all where none is named.
    ///
    /// # Errors
    /// When a name is none of the rows'.
    pub fn choose(&mut self, keys: &[String]) -> crate::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        if let Some(unknown) = keys.iter().find(|key| !self.rows.iter().any(|row| row.key == **key)) {
            let known: Vec<&str> = self.rows.iter().map(|row| row.key.as_str()).collect();
            refuse!("no row `{unknown}`; this scale has {}", known.join(", "));
        }
        self.rows.retain(|row| keys.contains(&row.key));
        let used: Vec<String> = self.rows.iter().filter_map(|row| row.faces.clone()).collect();
        self.gans.retain(|gan| used.contains(&gan.name));
        Ok(())
    }
}

impl Row {
    /// Title and accuracy of the paper's line, if it is one.
    pub fn paper(&self) -> Option<(&'static str, f64)> {
        TABLE1.into_iter().find(|(key, ..)| *key == self.key).map(|(_, title, accuracy)| (title, accuracy))
    }
}

impl RecipeChoice {
    /// The classifier's recipe.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub fn classifier(&self, seed: u64) -> crate::Result<Recipe> {
        let settings = [self.settings.clone(), vec![Setting::new("training.seed", seed)]].concat();
        Ok(Recipe::read(&self.recipe, &settings)?)
    }
}

impl Gan {
    /// The recipe for CK+'s expressions, or for FER-2013's neutral faces.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub fn recipe(&self, is_neutral: bool) -> crate::Result<GanRecipe> {
        let over: &[Setting] = if is_neutral { &self.neutral_settings } else { &[] };
        Ok(GanRecipe::read(&self.recipe, &[&self.settings, over].concat())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_scales_hold_the_papers_table_and_usable_recipes() {
        for name in Scale::names() {
            let scale = Scale::built_in(name).unwrap();
            let keys: Vec<&str> = scale.rows.iter().map(|row| row.key.as_str()).collect();
            assert_eq!(keys[..7], TABLE1.map(|(key, ..)| key), "{name}");
            assert_eq!(scale.warning.is_some(), name == "quick");
            for classifier in scale.classifiers.values() {
                classifier.classifier(3).unwrap();
            }
            for gan in &scale.gans {
                assert_eq!((gan.recipe(false).is_ok(), gan.recipe(true).is_ok()), (true, true), "{name}");
            }
        }
    }

    #[test]
    fn the_papers_scale_holds_the_papers_numbers() {
        let scale = Scale::built_in("paper").unwrap();
        for network in ["vgg16", "resnet50"] {
            let training = scale.classifiers[network].classifier(0).unwrap().training;
            assert_eq!((training.batch_size, training.epochs, training.learning_rate), (32, 200, 1e-4));
            assert_eq!(training.momentum, 0.0);
        }
        let gan = |name: &str| {
            let gan = scale.gans.iter().find(|gan| gan.name == name).unwrap();
            gan.recipe(false).unwrap().training
        };
        assert_eq!((gan("dcgan").batch_size, gan("dcgan").epochs), (16, 80));
        assert_eq!((gan("wgan").batch_size, gan("wgan").epochs), (8, 200));
        assert_eq!(gan("cgan").batch_size, 64);
        assert_eq!(scale.faces_per_class, 1000);
    }

    #[test]
    fn rows_are_chosen_with_what_they_need() {
        let mut scale = Scale::built_in("quick").unwrap();
        scale.choose(&["resnet50+wgan".to_owned()]).unwrap();
        assert_eq!((scale.rows.len(), scale.gans.len()), (1, 1));
        let error = scale.choose(&["vgg99".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no row `vgg99`; this scale has resnet50+wgan"), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scale.toml");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", Scale::read(path.to_str().unwrap(), &[]).unwrap_err())
        };
        let base = "faces_per_class = 1\njudge_by_classifier = false\ngans = []\n[classifiers]\n[svm]\n\
            scratch = \"a\"\nimagenet = \"b\"\n";
        assert!(
            error(&format!("{base}[[rows]]\nkey = \"x\"\nnetwork = \"y\"")).contains("no classifier `y`")
        );
        assert!(error(&format!("{base}[[rows]]\nkey = \"x\"\nnetwork = \"svm\"")).contains("no title"));
        assert!(error("faces_per_class = 1").contains("missing field"));
        assert!(
            Scale::built_in("slow")
                .unwrap_err()
                .to_string()
                .contains("neither built in (quick, standard, paper)")
        );
    }
}
