//! The *error* of the library's root: every floor's own error, by who can repair it.

use std::fmt::Display;

use crate::data::DataError;
use crate::data::faces::picture::PictureError;
use crate::data::packed::provenance::ProvenanceError;
use crate::data::video::VideoError;
use crate::evaluation::EvaluationError;
use crate::files::ReadError;
use crate::files::atomic::AtomicError;
use crate::inference::InferenceError;
use crate::models::stored::StoredError;
use crate::training::svm::FitError;
use crate::training::{RecipeError, TrainingError};

/// What the library's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that can go wrong. Every message names the file, setting or value at fault and, where there is one, the
/// remedy.
///
/// ```
/// use duchenne::{Error, Recognizer};
///
/// let Err(error) = Recognizer::load("no-such-model.safetensors") else { unreachable!() };
/// let error = Error::from(error);
/// assert!(matches!(error, Error::Inference(_)));
/// assert!(error.to_string().contains("no-such-model.safetensors"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture cannot be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A clip cannot be read or written.
    #[error(transparent)]
    Video(#[from] VideoError),
    /// A data set cannot be read, made or used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A stored file cannot be read.
    #[error(transparent)]
    Input(#[from] ReadError),
    /// Generators that do not belong together.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// A model file cannot be read or written.
    #[error(transparent)]
    Model(#[from] StoredError),
    /// A model cannot be used, or not together with another.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// A recipe is not one, or has a value out of range.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Training cannot begin or resume.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// A support vector machine cannot be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Figures cannot be computed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] AtomicError),
    /// The system refused a file or folder; the text around it names which.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// Stored JSON is not what this program writes.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// What was asked for cannot be done; the text says why, and what can.
    #[error("{0}")]
    Refused(String),
    /// An error, and what was being done.
    #[error("{what}: {source}")]
    While {
        /// What was being done.
        what: String,
        /// The error.
        source: Box<Error>,
    },
}

/// Says what was being done when an error came.
pub(crate) trait Context<T> {
    /// With a text made beforehand.
    fn context(self, what: impl Display) -> Result<T>;
    /// With a text that is made when it is needed.
    fn with_context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> Result<T> {
        self.with_context(|| what)
    }

    fn with_context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Error::While { what: what().to_string(), source: Box::new(error.into()) })
    }
}

/// Returns [`Error::Refused`] with a formatted text.
macro_rules! refuse {
    ($($text:tt)*) => {
        return Err($crate::error::Error::Refused(format!($($text)*)))
    };
}
pub(crate) use refuse;
