//! *Data*: readers of the data sets in use, the packed data set they become, and pictures.

pub mod atomic;
pub mod picture;
