//! The integration tests of the program, one binary.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod data;
mod evaluation;
mod gan;
mod predict;
mod reproduce;
mod serve;
mod svm;
mod terminal;
mod training;
