//! Reads whole files of a bounded size: never a device, a pipe or a file without end.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::ReadError;

/// The text of the plain file at `path`, at most `most` bytes.
///
/// # Errors
/// [`ReadError`]: what the system says, or that it is not a plain file, is larger, or is not UTF-8 text.
pub(crate) fn read_text(path: &Path, most: u64) -> Result<String, ReadError> {
    let refused = |source| ReadError::new(path, source);
    let metadata = std::fs::metadata(path).map_err(refused)?;
    if metadata.is_dir() {
        return Err(refused(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    // Opening a pipe would wait for a writer.
    if !metadata.is_file() {
        return Err(refused(io::Error::other("it is not a plain file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > most {
        return Err(refused(io::Error::other(format!("it has more than {most} bytes"))));
    }
    String::from_utf8(bytes).map_err(|_| refused(io::Error::other("it is not UTF-8 text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bounded_plain_text_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let error = |path: &Path| read_text(path, 4).unwrap_err().to_string();
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        std::fs::write(&path, "five!").unwrap();
        assert!(error(&path).ends_with("it has more than 4 bytes"));
        std::fs::write(&path, [0xFF, 0xFE]).unwrap();
        assert!(error(&path).ends_with("it is not UTF-8 text"));
        assert!(error(folder.path()).contains("cannot read"));
        assert!(error(&folder.path().join("none")).contains("none"));
        #[cfg(unix)]
        assert!(error(Path::new("/dev/zero")).ends_with("it is not a plain file"));
    }
}
