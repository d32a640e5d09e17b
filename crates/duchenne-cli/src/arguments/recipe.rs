//! Values that override a recipe's.

use duchenne::training::recipe_file::Setting;

/// Arguments about a recipe's values.
#[derive(Debug, clap::Args)]
pub(crate) struct OverrideArgs {
    /// Number of epochs [default: the recipe's]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Seed of everything random [default: the recipe's]
    #[arg(long)]
    seed: Option<u64>,
    /// Override a value of the recipe, e.g. training.learning_rate=0.05 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<Setting>,
}

impl OverrideArgs {
    /// All of them as settings.
    pub(crate) fn all(&self) -> Vec<Setting> {
        let mut all = self.settings.clone();
        all.extend(self.epochs.map(|epochs| Setting::new("training.epochs", epochs)));
        all.extend(self.seed.map(|seed| Setting::new("training.seed", seed)));
        all
    }
}
