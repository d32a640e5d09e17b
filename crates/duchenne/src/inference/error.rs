//! What can go wrong in inference.

use std::path::PathBuf;

use crate::data::DataError;
use crate::data::video::VideoError;
use crate::models::onnx::OnnxError;
use crate::models::stored::StoredError;

/// Errors of the inference floor.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] StoredError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] DataError),
    /// A clip cannot be read.
    #[error(transparent)]
    Video(#[from] VideoError),
    /// A network of an SVM is another than the SVM was fitted on.
    #[error("model `{}` is not the one that the SVM was fitted on; fit it again", .0.display())]
    Changed(PathBuf),
    /// Features of networks that see different things cannot be joined.
    #[error(
        "models `{}` and `{}` differ in preprocessing or labels: their features cannot be joined",
        first.display(),
        second.display()
    )]
    Mismatch {
        /// One of the models.
        first: PathBuf,
        /// A model that differs from it.
        second: PathBuf,
    },
    /// Models whose probabilities cannot be averaged.
    #[error(
        "models `{first}` and `{second}` differ in their labels, in the size of faces or in seeing colour: they cannot be averaged"
    )]
    Ensemble {
        /// One of the models.
        first: String,
        /// A model that differs from it.
        second: String,
    },
    /// An SVM without networks knows features only, not faces.
    #[error("this SVM was fitted on a feature file, not on networks: score it with `svm eval --features`")]
    NoNetworks,
    /// The networks give other features than the SVM takes.
    #[error("the networks give {got} features, the SVM was fitted on {expected}")]
    Length {
        /// Number of features that the networks give.
        got: usize,
        /// Number of features that the SVM takes.
        expected: usize,
    },
    /// The face detector in the place of a classifier.
    #[error(
        "`built-in-detector` finds faces and knows no expressions; `duchenne model export` alone takes it"
    )]
    Detector,
    /// A network that cannot be written as ONNX.
    #[error("cannot write ONNX: {0}")]
    Onnx(#[from] OnnxError),
    /// A model that has no ONNX form.
    #[error("a linear SVM on deep features has no ONNX form here: export its networks, one by one")]
    NoGraph,
    /// A model's outputs overflow, though its weights are finite.
    #[error("the model's outputs for face {face} (from 0) are not numbers: its weights are damaged")]
    NotFinite {
        /// Index of the first such face.
        face: usize,
    },
}
