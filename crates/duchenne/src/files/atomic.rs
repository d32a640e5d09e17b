//! *Atomic* writing: a file appears under its name complete and on the disk, or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// An output that could not be written; nothing was left under its name.
#[derive(Debug, thiserror::Error)]
pub enum AtomicError {
    /// The place for the output is unsuitable.
    #[error("cannot write `{}`: {problem}", path.display())]
    Place {
        /// The output.
        path: PathBuf,
        /// Why nothing can be written there, and the remedy.
        problem: String,
    },
    /// The system refused: no permission, a full disk.
    #[error("cannot write `{}`: {source}", path.display())]
    System {
        /// The output.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl AtomicError {
    /// A refusal of the system while writing `path`.
    pub fn system(path: &Path, source: io::Error) -> Self {
        Self::System { path: path.to_owned(), source }
    }

    fn place(path: &Path, problem: impl Into<String>) -> Self {
        Self::Place { path: path.to_owned(), problem: problem.into() }
    }
}

/// A file in the making, under a temporary name in the folder of its path. If dropped before [`Self::commit`],
/// nothing is left on disk.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Begins the file that will be `path`.
    ///
    /// # Errors
    /// [`AtomicError`] when the folder is missing or refuses new files, or `path` is not a plain file.
    pub(crate) fn create(path: &Path) -> Result<Self, AtomicError> {
        Ok(Self { temporary: temporary_beside(path)?, path: path.to_owned() })
    }

    /// The path that the file will have.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path that it has until then.
    pub(crate) fn temporary_path(&self) -> &Path {
        self.temporary.path()
    }

    /// The file, for writing and reading.
    pub(crate) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Brings the file to the disk and under its name, instead of whatever was there.
    ///
    /// # Errors
    /// [`AtomicError::System`] when the system refuses; the file is gone then.
    pub(crate) fn commit(self) -> Result<(), AtomicError> {
        let Self { temporary, path } = self;
        let refused = |error| AtomicError::system(&path, error);
        temporary.as_file().sync_all().map_err(refused)?;
        temporary.persist(&path).map_err(|error| refused(error.error))?;
        sync_folder(folder_of(&path)).map_err(refused)
    }
}

/// Writes `path` atomically: `write` fills a temporary file in the same folder, which is flushed to
/// the disk and renamed over `path`. On any error the temporary file is removed and whatever was
/// under `path` before is untouched.
///
/// # Errors
/// Those of `write`, or an [`AtomicError`] when the system refuses.
pub fn write_atomically<E>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<AtomicError>,
{
    let mut file = AtomicFile::create(path)?;
    {
        let mut writer = BufWriter::with_capacity(1 << 20, file.file());
        write(&mut writer)?;
        writer.flush().map_err(|error| AtomicError::system(path, error))?;
    }
    Ok(file.commit()?)
}

/// Writes `text` to `path` as [`write_atomically`] does.
///
/// # Errors
/// An [`AtomicError`] when the system refuses.
pub fn write_text(path: &Path, text: &str) -> Result<(), AtomicError> {
    write_atomically(path, |out| {
        out.write_all(text.as_bytes()).map_err(|error| AtomicError::system(path, error))
    })
}

/// Checks that `path` can be written, by making and removing a temporary file in its folder: call it
/// before long work whose result goes there.
///
/// # Errors
/// [`AtomicError`] when the folder is missing or refuses new files, or `path` is not a plain file.
pub fn check_writable(path: &Path) -> Result<(), AtomicError> {
    temporary_beside(path).map(drop)
}

/// The folder that holds `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The end of every temporary file's name.
const PARTIAL: &str = ".partial";

/// Whether a file of this name was left behind by a write that was killed.
pub(crate) fn is_partial(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(PARTIAL)
}

/// A new temporary file in the folder of `path`, once that is known to be a fit place.
fn temporary_beside(path: &Path) -> Result<NamedTempFile, AtomicError> {
    let Some(name) = path.file_name() else {
        return Err(AtomicError::place(path, "the path has no file name"));
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(AtomicError::place(path, "it is a folder, expected the name of a file"));
        }
        // Renaming over a device such as /dev/full would replace the device.
        Ok(metadata) if !metadata.is_file() => {
            return Err(AtomicError::place(path, "it exists and is not a plain file"));
        }
        _ => {}
    }
    let folder = folder_of(path);
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            return Err(AtomicError::place(path, format!("`{}` is not a folder", folder.display())));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let problem = format!("folder `{}` does not exist; create it first", folder.display());
            return Err(AtomicError::place(path, problem));
        }
        Err(error) => return Err(AtomicError::system(path, error)),
    }
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(PARTIAL);
    // tempfile's default keeps the file to its owner; results get the permissions of ordinary files.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The error is rebuilt from its kind: tempfile adds its own random path to the message.
    builder.tempfile_in(folder).map_err(|error| AtomicError::system(path, plain(error)))
}

/// The system's own error without the temporary path that tempfile wraps around it.
pub(crate) fn plain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::from(error.kind()),
    }
}

/// Makes a rename in `folder` survive a power cut.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Other systems offer no way to flush a folder.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_file_appears_complete_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        write_atomically::<AtomicError>(&path, |writer| {
            writer.write_all(b"all").map_err(|error| AtomicError::system(&path, error))
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all");
        assert_eq!(names_in(folder.path()), ["out.bin"]);
    }

    #[test]
    fn a_failing_writer_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        fs::write(&path, b"old").unwrap();
        let result = write_atomically::<AtomicError>(&path, |writer| {
            writer.write_all(&[1; 4096]).unwrap();
            Err(AtomicError::system(&path, io::Error::from(io::ErrorKind::StorageFull)))
        });
        assert!(result.unwrap_err().to_string().contains("out.bin"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(folder.path()), ["out.bin"]);
    }

    #[test]
    fn unfit_places_are_told_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let missing = check_writable(&folder.path().join("no/out.bin")).unwrap_err().to_string();
        assert!(missing.contains("does not exist; create it first"), "{missing}");
        let taken = check_writable(folder.path()).unwrap_err().to_string();
        assert!(taken.contains("it is a folder"), "{taken}");
        assert!(check_writable(&folder.path().join("out.bin")).is_ok());
        assert!(names_in(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn results_are_readable_by_others_as_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomically::<AtomicError>(&ours, |_| Ok(())).unwrap();
        fs::write(&plain, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
