//! A *recipe* for deep features and the linear SVM on top of them.

use serde::{Deserialize, Serialize};

use super::solver::SvmSettings;
use crate::training::recipe_file::{Library, RecipeValues, recipes};

/// Networks to train, whose features are concatenated, and the settings of the SVM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvmRecipe {
    /// Recipes of the networks: built-in names, or files beside this recipe.
    pub networks: Vec<String>,
    /// Settings of the SVM's fit.
    #[serde(default)]
    pub svm: SvmSettings,
}

/// Recipes that the program carries, by name.
const LIBRARY: Library<SvmRecipe> = Library::new(
    "recipe",
    &[
        ("df-svm", include_str!("../../../recipes/svm/df-svm.toml")),
        ("df-svm-scratch", include_str!("../../../recipes/svm/df-svm-scratch.toml")),
    ],
);

recipes!(SvmRecipe, LIBRARY);

impl RecipeValues for SvmRecipe {
    fn problem(&self) -> Option<String> {
        let networks = &self.networks;
        if networks.is_empty() {
            return Some("`networks` is empty, expected at least one recipe".to_owned());
        }
        let twice = (1..networks.len()).find(|at| networks[..*at].contains(&networks[*at]));
        twice.map(|at| format!("`networks` names `{}` twice", networks[at])).or_else(|| self.svm.problem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::classifier::recipe::Recipe;
    use crate::training::recipe_file::Setting;

    #[test]
    fn built_in_recipes_name_built_in_networks() {
        for name in SvmRecipe::names() {
            let recipe = SvmRecipe::built_in(name).unwrap();
            assert_eq!(recipe.svm, SvmSettings::default());
            assert!(recipe.networks.iter().all(|network| Recipe::is_built_in(network)), "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error =
            |text: &str, settings: &[Setting]| SvmRecipe::parse("x", text, settings).unwrap_err().to_string();
        assert!(error("networks = []", &[]).contains("`networks` is empty"));
        assert!(error("networks = [\"a\", \"a\"]", &[]).contains("`a` twice"));
        assert!(error("networks = [\"a\"]", &[Setting::new("svm.c", -1)]).contains("positive"));
        assert!(error("networks = [\"a\"]\nc = 1", &[]).contains("unknown field"));
    }
}
