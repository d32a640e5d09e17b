//! Duchenne recognises facial expressions, and trains, augments and evaluates the networks that do.
//!
//! The modules are floors: `use crate::` points downwards only, in the order
//! `expression < data < models < inference < training < evaluation < app`.

pub mod app;
pub mod data;
pub mod evaluation;
pub mod expression;
pub mod inference;
pub mod models;
pub mod training;
