//! The integration tests of the program, one binary.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed unwrap is a failed test; a skipped one says so"
)]

mod data;
mod evaluation;
mod gan;
mod onnx;
mod own_data;
mod predict;
mod reproduce;
mod serve;
mod svm;
mod terminal;
mod training;
mod video;
