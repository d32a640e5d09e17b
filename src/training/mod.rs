//! *Training*: recipes, losses, descent, the loop, and the run directory that a run can go on from.

pub mod classifier;
mod error;
pub mod frozen;
pub mod gan;
pub mod initial;
pub mod loss;
pub mod optimizer;
pub mod progress;
pub mod recipe;
pub mod run_directory;
pub mod schedule;
pub mod svm;
pub mod teacher;

pub use error::TrainingError;
