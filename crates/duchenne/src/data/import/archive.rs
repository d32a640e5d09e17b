//! Opens a text file that may be compressed or lie in an archive, as one bounded stream of bytes.
//!
//! The form is detected from the content, never from the name. Nothing is unpacked to the disk; archives whose
//! entries climb out of their folder are refused all the same, for they are not honest data sets.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use zip::ZipArchive;

use crate::data::Progress;
use crate::data::error::DataError;

/// The most text that is read from one source: a guard against archives that expand without end.
/// FER-2013's csv has 301 MB.
pub const MAX_TEXT_BYTES: u64 = 1 << 30;
/// The most memory an xz decoder may ask for; `xz -9` needs 65 MiB.
pub const MAX_XZ_MEMORY: u64 = 128 << 20;
/// The most entries of an archive.
pub const MAX_ENTRIES: usize = 1_000_000;

/// The packing of a source, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Gzip,
    Xz,
    Zip,
    Tar,
    Plain,
}

impl Form {
    /// Bytes needed to tell: a tar header's magic ends here.
    const PREFIX: usize = 262;

    fn of(prefix: &[u8]) -> Self {
        if prefix.starts_with(&[0x1f, 0x8b]) {
            Form::Gzip
        } else if prefix.starts_with(b"\xfd7zXZ\0") {
            Form::Xz
        } else if prefix.starts_with(b"PK\x03\x04") || prefix.starts_with(b"PK\x05\x06") {
            Form::Zip
        } else if prefix.get(257..262) == Some(b"ustar") {
            Form::Tar
        } else {
            Form::Plain
        }
    }
}

/// The form of the file at `path`.
pub(crate) fn form_of_file(path: &Path) -> Result<Form, DataError> {
    let mut file = File::open(path).map_err(|error| DataError::read(path, error))?;
    Ok(Form::of(&read_prefix(&mut file).map_err(|error| DataError::read(path, error))?))
}

/// Opens the one csv text that `path` is or holds and hands it to `consume` as a stream of at most
/// `limit` bytes.
///
/// # Errors
/// [`DataError::Read`], [`DataError::File`] for a broken archive or one without exactly one csv file,
/// [`DataError::EntryOutside`] for an entry that climbs out; what `consume` returns. A stream that breaks or
/// exceeds the limit fails while it is read: turn its error into ours with [`stream_error`].
pub(crate) fn with_csv<T>(
    path: &Path,
    limit: u64,
    progress: Progress<'_>,
    consume: impl FnOnce(&mut dyn Read) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let read = |error| DataError::read(path, error);
    let mut file = File::open(path).map_err(read)?;
    let total = file.metadata().map_err(read)?.len();
    let form = Form::of(&read_prefix(&mut file).map_err(read)?);
    file.rewind().map_err(read)?;
    let counted = Counted { inner: file, done: 0, told: 0, total, progress };
    match form {
        Form::Plain => consume(&mut Bounded::new(counted, limit)),
        Form::Tar => with_tar(path, Bounded::new(counted, limit), consume),
        Form::Gzip => with_unpacked(
            path,
            MultiGzDecoder::new(BufReader::with_capacity(1 << 17, counted)),
            limit,
            consume,
        ),
        Form::Xz => {
            let stream = Stream::new_stream_decoder(MAX_XZ_MEMORY, CONCATENATED)
                .map_err(|error| DataError::file(path, format!("cannot decode xz: {error}")))?;
            let buffered = BufReader::with_capacity(1 << 17, counted);
            with_unpacked(path, XzDecoder::new_stream(buffered, stream), limit, consume)
        }
        Form::Zip => {
            drop(counted);
            let mut archive = open_zip(path)?;
            let mut found = Vec::new();
            for index in 0..archive.len() {
                let name = zip_entry_name(path, &archive, index)?;
                if is_csv(&name) {
                    found.push((index, name));
                }
            }
            let (index, name) = only_csv(path, found)?;
            let entry = archive.by_index(index).map_err(|error| zip_error(path, &error))?;
            if entry.size() > limit {
                return Err(too_large(path, limit));
            }
            let counted = Counted { total: entry.size(), inner: entry, done: 0, told: 0, progress };
            consume(&mut Bounded::new(counted, limit)).map_err(|error| match error {
                DataError::File { problem, .. } => DataError::entry(path, name, problem),
                other => other,
            })
        }
    }
}

/// Continues with what a decoder gives: a tar archive or plain text.
fn with_unpacked<T>(
    path: &Path,
    decoder: impl Read,
    limit: u64,
    consume: impl FnOnce(&mut dyn Read) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let mut bounded = Bounded::new(decoder, limit);
    let prefix = read_prefix(&mut bounded).map_err(|error| stream_error(path, error))?;
    let form = Form::of(&prefix);
    let mut whole = io::Cursor::new(prefix).chain(bounded);
    match form {
        Form::Plain => consume(&mut whole),
        Form::Tar => with_tar(path, whole, consume),
        _ => Err(DataError::file(path, "is compressed twice; unpack it once by hand")),
    }
}

fn with_tar<T>(
    path: &Path,
    reader: impl Read,
    consume: impl FnOnce(&mut dyn Read) -> Result<T, DataError>,
) -> Result<T, DataError> {
    // A tar archive is read once from front to back, so what follows the csv file is checked after it
    // was consumed; the caller writes its output later than that.
    let mut archive = tar::Archive::new(reader);
    let mut consume = Some(consume);
    let mut result = None;
    let entries = archive.entries().map_err(|error| stream_error(path, error))?;
    for (count, entry) in entries.enumerate() {
        if count >= MAX_ENTRIES {
            return Err(too_many_entries(path));
        }
        let mut entry = entry.map_err(|error| stream_error(path, error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        safe_components(path, &name)?;
        if !entry.header().entry_type().is_file() || !is_csv(&name) {
            continue;
        }
        let Some(consume) = consume.take() else {
            return Err(DataError::file(path, "holds more than one csv file; expected fer2013.csv alone"));
        };
        // A cut archive ends an entry early without an error of tar's own, so the bytes are counted.
        let expected = entry.size();
        let seen = Rc::new(Cell::new(0));
        let mut whole = Whole { inner: &mut entry, expected, seen: Rc::clone(&seen) };
        result = Some(consume(&mut whole)?);
    }
    // Reading to the end lets a decoder check its own sums.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| stream_error(path, error))?;
    result.ok_or_else(|| no_csv(path))
}

/// Opens the zip archive at `path` and checks the number of its entries.
pub(crate) fn open_zip(path: &Path) -> Result<ZipArchive<BufReader<File>>, DataError> {
    let file = File::open(path).map_err(|error| DataError::read(path, error))?;
    let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| zip_error(path, &error))?;
    if archive.len() > MAX_ENTRIES {
        return Err(too_many_entries(path));
    }
    Ok(archive)
}

/// The name of a zip entry, once it is known to stay inside the archive's folder.
pub(crate) fn zip_entry_name(
    path: &Path,
    archive: &ZipArchive<BufReader<File>>,
    index: usize,
) -> Result<String, DataError> {
    let name = archive.name_for_index(index).unwrap_or(Err(zip::result::ZipError::FileNotFound));
    let name = name.map_err(|error| zip_error(path, &error))?.into_owned();
    safe_components(path, &name)?;
    Ok(name)
}

/// The parts of an archive entry's name between slashes.
///
/// # Errors
/// [`DataError::EntryOutside`] for a name that leads out of the folder that holds the archive.
pub(crate) fn safe_components(path: &Path, name: &str) -> Result<Vec<String>, DataError> {
    let climbs = name.starts_with('/')
        || name.contains(['\\', '\0'])
        || name.as_bytes().get(1) == Some(&b':')
        || name.split('/').any(|part| part == "..");
    if climbs {
        let entry = name.escape_debug().to_string();
        return Err(DataError::EntryOutside { path: path.to_owned(), entry });
    }
    Ok(name.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect())
}

/// A zip archive's failure as an error of the file at `path`.
pub(crate) fn zip_error(path: &Path, error: &zip::result::ZipError) -> DataError {
    DataError::file(path, format!("is a broken zip archive: {error}; get it again"))
}

/// The failure of a stream from [`with_csv`] as an error of the file at `path`.
pub(crate) fn stream_error(path: &Path, error: io::Error) -> DataError {
    if let Some(OverLimit(limit)) = error.get_ref().and_then(|inner| inner.downcast_ref::<OverLimit>()) {
        return too_large(path, *limit);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Other => {
            DataError::file(path, format!("is broken or cut off ({error}); get it again"))
        }
        _ => DataError::read(path, error),
    }
}

pub(crate) fn too_large(path: &Path, limit: u64) -> DataError {
    DataError::TooManyBytes { path: path.to_owned(), limit }
}

pub(crate) fn too_many_entries(path: &Path) -> DataError {
    DataError::TooManyEntries { path: path.to_owned(), limit: MAX_ENTRIES }
}

fn only_csv(path: &Path, mut found: Vec<(usize, String)>) -> Result<(usize, String), DataError> {
    match found.len() {
        0 => Err(no_csv(path)),
        1 => Ok(found.remove(0)),
        count => Err(DataError::file(
            path,
            format!("holds {count} csv files (`{}`, `{}`, ...), expected one", found[0].1, found[1].1),
        )),
    }
}

fn no_csv(path: &Path) -> DataError {
    DataError::file(
        path,
        "is an archive without a csv file, expected fer2013.csv or icml_face_data.csv in it",
    )
}

fn is_csv(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.to_ascii_lowercase().ends_with(".csv") && !file.starts_with('.') && !name.starts_with("__MACOSX/")
}

fn read_prefix(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut prefix = Vec::with_capacity(Form::PREFIX);
    reader.take(Form::PREFIX as u64).read_to_end(&mut prefix)?;
    Ok(prefix)
}

/// A reader that tells how much of the source was read.
struct Counted<'a, R> {
    inner: R,
    done: u64,
    told: u64,
    total: u64,
    progress: Progress<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const STEP: u64 = 1 << 20;
        let length = self.inner.read(buffer)?;
        self.done += length as u64;
        if self.done >= self.told + STEP {
            self.told = self.done;
            (self.progress)(self.done, self.total);
        }
        Ok(length)
    }
}

/// The error of a stream that continues after its limit.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
struct OverLimit(u64);

/// A stream that fails after `limit` bytes.
struct Bounded<R> {
    inner: R,
    limit: u64,
    left: u64,
}

impl<R> Bounded<R> {
    fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit, left: limit }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        match self.left.checked_sub(length as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(OverLimit(self.limit))),
        }
        Ok(length)
    }
}

/// A tar entry that must have all its bytes.
struct Whole<R> {
    inner: R,
    expected: u64,
    seen: Rc<Cell<u64>>,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.seen.set(self.seen.get() + length as u64);
        if length == 0 && !buffer.is_empty() && self.seen.get() < self.expected {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends inside its csv file"));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::no_progress;
    use std::io::Write as _;

    fn read_all(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
        with_csv(path, limit, &no_progress, |reader| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(|error| stream_error(path, error))?;
            Ok(bytes)
        })
        .map_err(|error| error.to_string())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            // `append_data` refuses names that climb out, which is what some tests need.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn the_limit_counts_unpacked_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zeros.csv");
        std::fs::write(&path, gzip(&vec![b'0'; 1 << 20])).unwrap();
        assert_eq!(read_all(&path, 1 << 20).unwrap().len(), 1 << 20);
        let error = read_all(&path, (1 << 20) - 1).unwrap_err();
        assert!(error.contains("zeros.csv") && error.contains("more than 1048575 bytes"), "{error}");
    }

    #[test]
    fn a_tar_must_hold_one_whole_csv() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let check = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_all(&path, 1 << 20)
        };
        let good = tar(&[("fer2013/README", b"hello"), ("fer2013/fer2013.csv", b"text")]);
        assert_eq!(check(&good).unwrap(), b"text");
        assert_eq!(check(&gzip(&good)).unwrap(), b"text");
        assert!(check(&tar(&[("README", b"hello")])).unwrap_err().contains("without a csv file"));
        assert!(check(&tar(&[("a.csv", b"1"), ("b.csv", b"2")])).unwrap_err().contains("more than one"));
        assert!(check(&tar(&[("../a.csv", b"1")])).unwrap_err().contains("leads out"));
        assert!(check(&tar(&[("a.csv", b"1"), ("/etc/x", b"2")])).unwrap_err().contains("leads out"));
        let long = tar(&[("a.csv", &[b'1'; 5000])]);
        assert!(check(&long[..2000]).unwrap_err().contains("cut off"));
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let path = Path::new("x.zip");
        for name in ["../a", "a/../../b", "/a", "C:/a", "a\\..\\b", "a/.."] {
            assert!(safe_components(path, name).is_err(), "{name}");
        }
        assert_eq!(safe_components(path, "a/./b..c//d.png").unwrap(), ["a", "b..c", "d.png"]);
    }
}
