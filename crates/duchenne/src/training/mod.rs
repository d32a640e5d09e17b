//! *Training*: recipes, losses, descent, the loops, and the run directory that a run resumes from.

pub mod classifier;
mod error;
pub mod gan;
pub mod optimizer;
pub mod recipe_file;
pub mod records;
pub mod run_directory;
pub mod svm;

pub use error::TrainingError;
pub use recipe_file::RecipeError;
