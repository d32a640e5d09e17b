//! *Linear support vector machines* on features of any kind: the solver, and probabilities from its margins.

mod calibration;
mod solver;
mod vectors;

pub use calibration::{fit_margin_scale, log_probabilities};
pub use solver::{
    ClassWeighting, Fit, FitError, HingeLoss, SvmSettings, constant_features, fit, parse_settings,
};
