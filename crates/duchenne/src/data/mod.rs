//! *Data*: readers of the data sets in use, and the *packed data set* that they become: one
//! memory-mapped file of small pictures, gray or in colour, each with a label and a split.
//!
//! Importers ([`import::fer2013`], [`import::ckplus`], [`import::folder`], joined by [`import::ferplus`]) fill a
//! [`PackedBuilder`], which writes the file whole or not at all; [`PackedDataset`]
//! opens it and hands out the splits as distinct types.

pub mod error;
pub mod faces;
pub mod features;
pub mod import;
pub mod packed;
pub mod video;

pub use error::DataError;
pub use packed::builder::PackedBuilder;
pub use packed::dataset::PackedDataset;
pub use packed::split::{
    Images, Origin, Samples, Split, TestSplit, TrainingData, TrainingSplit, ValidationSplit,
};

/// Height and width, in pixels, of the faces of FER-2013 and CK+, and of those that are generated to join them.
pub const FACE_SIDE: usize = 48;

/// Progress callback of a long operation: `(done, total)`, in bytes or pictures.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// A [`Progress`] that does nothing.
pub fn no_progress(_done: u64, _total: u64) {}

/// A number with its noun, such as `1 picture` or `2 pictures`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
