//! What can go wrong in evaluation: the predictions handed in, or the writing of a page.

use crate::files::atomic::AtomicError;

/// Why figures could not be computed or written.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// There is nothing to score.
    #[error(
        "split `{split}` has no images to evaluate: choose a split that the data set has (`duchenne data info`)"
    )]
    Empty {
        /// The split's name.
        split: String,
    },
    /// A list of the scored split does not have one entry per image.
    #[error("split `{split}` has {got} {what}, expected {expected}: one per image")]
    LengthMismatch {
        /// The split's name.
        split: String,
        /// Which list.
        what: &'static str,
        /// Entries that the list should have.
        expected: usize,
        /// Entries that it has.
        got: usize,
    },
    /// Fewer than two classes, or more than a label can number.
    #[error("split `{split}` was scored with {got} classes, expected 2 to 256")]
    ClassCount {
        /// The split's name.
        split: String,
        /// The number of class names.
        got: usize,
    },
    /// A label outside the model's classes.
    #[error("row {row} of split `{split}` has label {label}, expected 0 to {last}: evaluate with the model's own label set",
        last = classes - 1)]
    LabelOutOfRange {
        /// The split's name.
        split: String,
        /// The data set's row.
        row: u32,
        /// The label found.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
    /// The model put out NaN or an infinite value.
    #[error(
        "the model's logit for `{class}` on row {row} of split `{split}` is {value}, expected a finite number: \
         the weights are damaged or training diverged; choose another checkpoint"
    )]
    NotFinite {
        /// The split's name.
        split: String,
        /// The data set's row.
        row: u32,
        /// The class's name.
        class: String,
        /// The value found.
        value: f32,
    },
    /// A temperature that cannot divide logits.
    #[error("temperature {0} is unusable, expected a finite number above 0: fit it on the validation split")]
    Temperature(f64),
    /// Two models were compared on different numbers of images.
    #[error(
        "a paired test needs both models' answers on the same images: got {a} and {b} answers, expected equal \
         numbers above 0"
    )]
    Unpaired {
        /// Answers of the first model.
        a: usize,
        /// Answers of the second model.
        b: usize,
    },
    /// The page's template failed.
    #[error("the report page could not be rendered: {0}")]
    Page(#[from] minijinja::Error),
    /// A report could not be put into JSON.
    #[error("the report could not be written as json: {0}")]
    Json(#[from] serde_json::Error),
    /// A report's file could not be written.
    #[error(transparent)]
    Write(#[from] AtomicError),
}
