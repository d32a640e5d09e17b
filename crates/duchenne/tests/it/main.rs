//! The integration tests of the library, one binary: golden numbers, figures, structure.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod evaluation;
mod floors;
mod gan;
mod golden;
mod models;
