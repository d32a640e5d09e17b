//! *Faces*: from a picture's bytes to the numbers that a network sees.

pub mod augmentation;
pub mod batches;
pub mod corruption;
pub mod format;
mod heic;
pub mod picture;
pub mod pixels;
pub mod preprocessing;
pub mod random_corruption;
pub mod reshaping;
pub mod stretching;
pub mod views;
pub mod warnings;
