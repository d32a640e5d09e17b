//! One file per command: arguments in, results on standard output.

pub mod data;
pub mod predict;
pub mod train;
