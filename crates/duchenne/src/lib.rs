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

pub use data::faces::picture::Picture;
pub use data::faces::views::Views;
pub use data::{PackedDataset, Split};
pub use device::{Device, UnknownDevice};
pub use error::{Error, Result};
pub use evaluation::{EvaluationReport, ScoredSplit};
pub use experiments::watch::{Note, Quiet, StageStep, Unit, Watch, Work};
pub use expression::LabelSet;
pub use inference::built_in::BuiltInModel;
pub use inference::face_detection::FaceBox;
pub use inference::predictor::Predictor;
pub use inference::recognition::Face;
pub use inference::recognizer::Recognizer;
pub use training::classifier::recipe::Recipe;
