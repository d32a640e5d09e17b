//! One file per command: arguments in, results on standard output.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod crossval;
pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod gan;
pub(crate) mod manual;
pub(crate) mod model;
pub(crate) mod predict;
pub(crate) mod reproduce;
pub(crate) mod serve;
pub(crate) mod svm;
pub(crate) mod train;
