//! A *folder lock* keeps a folder for one process.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// The folder is in use by another process.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: another run of the program is at work in this folder", path.display())]
pub struct FolderTaken {
    /// The folder.
    pub path: PathBuf,
}

/// A folder kept from other processes until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    // Held, never read.
    _folder: Option<File>,
}

impl FolderLock {
    /// Takes the folder at `path`. A folder that cannot be opened, or whose file system has no such locks, is
    /// not kept from anybody.
    ///
    /// # Errors
    /// [`FolderTaken`] when another lock of it is held.
    pub fn take(path: &Path) -> Result<Self, FolderTaken> {
        // Only Unix opens a folder like a file.
        let Some(folder) = File::open(path).ok().filter(|_| cfg!(unix)) else {
            return Ok(Self { _folder: None });
        };
        match folder.try_lock() {
            Ok(()) => Ok(Self { _folder: Some(folder) }),
            Err(TryLockError::WouldBlock) => Err(FolderTaken { path: path.to_owned() }),
            Err(TryLockError::Error(_)) => Ok(Self { _folder: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_folder_is_one_owners_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let FolderTaken { path } = FolderLock::take(folder.path()).unwrap_err();
        assert_eq!(path, folder.path());
        drop(lock);
        assert!(FolderLock::take(folder.path()).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
