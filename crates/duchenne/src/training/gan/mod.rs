//! *Training generators* of faces: losses, differentiable augmentation, the recipe, the loop.

pub mod augmentation;
pub mod losses;
pub mod recipe;
mod steps;
pub mod trainer;

pub use recipe::GanRecipe;
pub use steps::{Adversaries, DiscriminatorFigures, DiscriminatorInput};
pub use trainer::{Event, FacesJudge, GanJob, check_gan, train_gan};
