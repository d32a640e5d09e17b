//! *Import*: data sets in the forms in which people hold them, read into a packed data set.

pub mod affectnet;
pub mod archive;
pub mod ckplus;
pub mod classes;
pub mod expw;
pub mod fer2013;
mod fer2013_text;
pub mod ferplus;
pub mod folder;
pub mod jaffe;
pub(crate) mod listing;
mod lookup;
pub mod picture_tree;
mod pixel_numbers;
mod pixel_rows;
pub mod rafdb;
pub mod sample;
pub mod subjects;
pub mod table;
