//! The integration tests of the library, one binary: golden numbers, figures, structure.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed unwrap is a failed test; a skipped one says so"
)]

mod evaluation;
mod floors;
mod gan;
mod golden;
mod heic;
mod models;
mod onnx;
