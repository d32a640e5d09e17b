//! *Features*: numbers that stand for a face instead of its pixels, in files.

pub mod file;
pub mod kept_rows;
