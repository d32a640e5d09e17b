//! *Data*: readers of the data sets in use, and the *packed data set* that they become: one
//! memory-mapped file of small gray pictures, each with a label and a split.
//!
//! Importers ([`fer2013`], [`ckplus`], [`folder`], joined by [`ferplus`]) fill a
//! [`builder::PackedBuilder`], which writes the file whole or not at all; [`packed::PackedDataset`]
//! opens it and hands out the splits as distinct types.

pub mod archive;
pub mod atomic;
pub mod augmentation;
pub mod batches;
pub mod builder;
pub mod checks;
pub mod checksum;
pub mod ckplus;
pub mod corruption;
pub mod error;
pub mod export;
pub mod features;
pub mod fer2013;
pub mod ferplus;
mod fingerprint;
pub mod folder;
pub mod generative;
mod image_stream;
pub mod kept_rows;
pub mod packed;
mod packed_file;
pub mod picture;
pub mod picture_tree;
mod pixel_numbers;
mod pixel_rows;
pub mod preprocessing;
pub mod source_checksum;
pub mod split;
pub mod synthetic;
pub mod views;

pub use builder::PackedBuilder;
pub use error::DataError;
pub use packed::PackedDataset;
pub use split::{Images, Origin, PrivateTestSplit, PublicTestSplit, Samples, Split, TrainingSplit};

/// Is told how far a long piece of work has come: `(done, total)`, in bytes or pictures.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// A [`Progress`] for callers who do not want to know.
pub fn no_progress(_done: u64, _total: u64) {}
