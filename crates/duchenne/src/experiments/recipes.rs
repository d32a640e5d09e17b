//! Recipes by name or file, with the command line's settings laid over them.

use crate::error::Context as _;

/// The text of a recipe: the built-in one of that name, or a file's.
pub fn recipe_text(name: &str, built_in: Option<&'static str>, names: &[&str]) -> crate::Result<String> {
    match built_in {
        Some(text) => Ok(text.to_owned()),
        None => std::fs::read_to_string(name).with_context(|| {
            let names = names.join(", ");
            format!("recipe `{name}` is neither built in ({names}) nor a file that can be read")
        }),
    }
}

/// `--set` and the options that stand for settings.
pub fn all_settings(settings: &[String], epochs: Option<usize>, seed: Option<u64>) -> Vec<String> {
    let mut all = settings.to_vec();
    all.extend(epochs.map(|epochs| format!("training.epochs={epochs}")));
    all.extend(seed.map(|seed| format!("training.seed={seed}")));
    all
}
