//! Values that override a recipe's.

use duchenne::experiments::recipes::all_settings;

/// Arguments about a recipe's values.
#[derive(Debug, clap::Args)]
pub struct OverrideArgs {
    /// Number of epochs [default: the recipe's]
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Seed of everything random [default: the recipe's]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Override a value of the recipe, e.g. training.learning_rate=0.05 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

impl OverrideArgs {
    /// All of them as settings.
    pub fn all(&self) -> Vec<String> {
        all_settings(&self.settings, self.epochs, self.seed)
    }
}
