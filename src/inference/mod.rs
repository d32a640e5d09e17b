//! *Inference*: trained models at work on pictures, without gradients.

pub mod annotation;
pub mod face_detection;
pub mod predictor;
pub mod recognition;
pub mod scoring;
