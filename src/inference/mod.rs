//! *Inference*: trained models at work on pictures, without gradients.

pub mod annotation;
pub mod built_in;
pub mod contact_sheet;
pub mod deep_features;
pub mod ensemble;
pub mod face_detection;
mod lettering;
pub mod predictor;
pub mod recognition;
pub mod scoring;
pub mod synthesis;
