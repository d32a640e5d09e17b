//! A *mapped file* is read through the memory: opening it costs the same whatever its size, and processes that
//! read the same file share its pages.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::files::ReadError;

/// A file that could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The system refused to read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The path leads to a folder or a device.
    #[error("`{}`: is not a file; expected {expected}", path.display())]
    NotAFile {
        /// The folder or device.
        path: PathBuf,
        /// The kind of file that was expected, with its article.
        expected: &'static str,
    },
    /// The file has no bytes.
    #[error("`{}`: is empty; expected {expected}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The kind of file that was expected, with its article.
        expected: &'static str,
    },
}

/// Maps the file at `path`, which should be `expected`, a noun with its article: the only unsafe call of this
/// package.
///
/// # Errors
/// [`MapError`] when the file cannot be read, is not a plain file or is empty.
#[allow(unsafe_code)]
pub(crate) fn map(path: &Path, expected: &'static str) -> Result<Mmap, MapError> {
    let refused = |error| ReadError::new(path, error);
    let file = File::open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(MapError::NotAFile { path: path.to_owned(), expected });
    }
    if metadata.len() == 0 {
        return Err(MapError::Empty { path: path.to_owned(), expected });
    }
    // SAFETY: the map is read-only, and this program never changes a file that it maps in place: it writes
    // a new one and renames it over the old, whose pages a map keeps. Should another program
    // overwrite or cut the file meanwhile, the values change or reading ends the process; the
    // alternative, reading 80 MB into every process, costs each start more than that risk.
    Ok(unsafe { Mmap::map(&file) }.map_err(refused)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_mapped_is_told_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let error = || map(&path, "a feature file").unwrap_err();
        assert!(matches!(error(), MapError::Read(_)));
        std::fs::write(&path, "").unwrap();
        let message = error().to_string();
        assert!(message.ends_with("file`: is empty; expected a feature file"), "{message}");
        assert!(matches!(map(folder.path(), "a feature file"), Err(MapError::NotAFile { .. })));
        std::fs::write(&path, "all").unwrap();
        assert_eq!(map(&path, "a feature file").unwrap()[..], *b"all");
    }
}
