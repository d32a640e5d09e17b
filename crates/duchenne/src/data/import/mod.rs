//! *Import*: data sets in the forms in which people hold them, read into a packed data set.

pub mod archive;
pub mod ckplus;
pub mod fer2013;
mod fer2013_text;
pub mod ferplus;
pub mod folder;
pub mod picture_tree;
mod pixel_numbers;
mod pixel_rows;
