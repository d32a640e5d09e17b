//! A *recipe* for deep features and the machine on top of them.

use serde::{Deserialize, Serialize};

use super::solver::SvmSettings;
use crate::training::classifier::recipe::{RecipeError, parse_with_settings};

/// Networks to train, whose features are joined, and the settings of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvmRecipe {
    /// Recipes of the networks: built-in names, or files beside this recipe.
    pub networks: Vec<String>,
    /// Of the machine.
    #[serde(default)]
    pub svm: SvmSettings,
}

/// Recipes that the program carries, by name.
const BUILT_IN: [(&str, &str); 2] = [
    ("df-svm", include_str!("../../../recipes/svm/df-svm.toml")),
    ("df-svm-scratch", include_str!("../../../recipes/svm/df-svm-scratch.toml")),
];

impl SvmRecipe {
    /// The text of a built-in recipe.
    pub fn built_in(name: &str) -> Option<&'static str> {
        BUILT_IN.into_iter().find(|(candidate, _)| *candidate == name).map(|(_, text)| text)
    }

    /// Names of the built-in recipes.
    pub fn built_in_names() -> [&'static str; 2] {
        BUILT_IN.map(|(name, _)| name)
    }

    /// From TOML, with settings of the machine, of the form `c=10`, laid over it; `name` is for errors.
    ///
    /// # Errors
    /// Not TOML, an unknown key, a value out of range, no network or one named twice.
    pub fn parse(name: &str, text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let settings: Vec<String> = settings.iter().map(|setting| format!("svm.{setting}")).collect();
        let recipe: Self = parse_with_settings(name, text, &settings)?;
        let twice =
            (1..recipe.networks.len()).find(|at| recipe.networks[..*at].contains(&recipe.networks[*at]));
        let problem = if recipe.networks.is_empty() {
            Some("`networks` is empty, expected at least one recipe".to_owned())
        } else {
            let twice = twice.map(|at| format!("`networks` names `{}` twice", recipe.networks[at]));
            twice.or_else(|| recipe.svm.problem())
        };
        match problem {
            Some(reason) => Err(RecipeError::Value { name: name.to_owned(), reason }),
            None => Ok(recipe),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::classifier::recipe::Recipe;

    #[test]
    fn built_in_recipes_name_built_in_networks() {
        for name in SvmRecipe::built_in_names() {
            let recipe = SvmRecipe::parse(name, SvmRecipe::built_in(name).unwrap(), &[]).unwrap();
            assert_eq!(recipe.svm, SvmSettings::default());
            assert!(recipe.networks.iter().all(|network| Recipe::built_in(network).is_some()), "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error =
            |text: &str, settings: &[String]| SvmRecipe::parse("x", text, settings).unwrap_err().to_string();
        assert!(error("networks = []", &[]).contains("`networks` is empty"));
        assert!(error("networks = [\"a\", \"a\"]", &[]).contains("`a` twice"));
        assert!(error("networks = [\"a\"]", &["c=-1".to_owned()]).contains("positive"));
        assert!(error("networks = [\"a\"]\nc = 1", &[]).contains("unknown field"));
    }
}
