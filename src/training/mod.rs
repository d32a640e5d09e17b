//! *Training*: recipes, losses, descent, the loop, and the run directory that a run can go on from.

pub mod classifier;
mod error;
pub mod loss;
pub mod optimizer;
pub mod recipe;
pub mod run_directory;
pub mod schedule;

pub use error::TrainingError;
