//! *Experiments*: what is made of the floors below: training with calibration, cross-validation, scoring, robustness, generators and
//! their judgement, support vector machines on deep features, the reproduction of the paper.

pub mod classifier;
pub mod cross_validation;
pub mod generators;
pub mod reproduction;
pub mod robustness;
pub mod scoring;
pub mod session;
pub mod svm;
pub mod watch;
