//! *Linear support vector machines* on features of any kind: the solver.

mod recipe;
mod solver;
mod vectors;

pub use recipe::SvmRecipe;
pub use solver::{
    ClassWeighting, Fit, FitError, HingeLoss, SvmSettings, check_labels, constant_features, fit, fit_weighted,
};
