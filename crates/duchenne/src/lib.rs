//! Duchenne recognises facial expressions, and trains, augments and evaluates the networks that do.
//!
//! The modules are floors: `use crate::` points downwards only, in the order
//! `expression < files < data < models < inference < training < evaluation < experiments`.

pub mod data;
mod device;
mod error;
pub mod evaluation;
pub mod experiments;
pub mod expression;
pub mod files;
pub mod inference;
pub mod models;
pub mod training;

pub use device::{Device, UnknownDevice};
pub use error::{Error, Result};
pub use experiments::watch::{Note, Quiet, StageStep, Unit, Watch, Work};
