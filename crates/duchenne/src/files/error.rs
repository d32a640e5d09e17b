//! The error of a file that the system does not let us read.

use std::io;
use std::path::{Path, PathBuf};

/// The system refused to read: no such file, no permission, a failing disk.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`: {source}", path.display())]
pub struct ReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl ReadError {
    /// A refused read of `path`.
    pub fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}
