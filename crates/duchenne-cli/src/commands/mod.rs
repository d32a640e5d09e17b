//! One file per command: arguments in, results on standard output.

pub mod compare;
pub mod completions;
pub mod data;
pub mod eval;
pub mod gan;
pub mod manual;
pub mod model;
pub mod predict;
pub mod reproduce;
pub mod serve;
pub mod svm;
pub mod train;
