//! *Inference*: trained models at work on pictures, without gradients.

pub mod alignment;
pub mod batched;
pub mod built_in;
pub mod deep_feature_svm;
pub mod deep_features;
pub mod drawing;
pub mod ensemble;
mod error;
pub mod face_box;
pub mod face_detection;
pub mod onnx_export;
pub mod predictor;
pub mod recognition;
pub mod recognizer;
pub mod smoothing;
mod suppression;
pub mod synthesis;
pub mod tracking;
pub mod video;

pub use error::InferenceError;
