//! The checksum that a packed data set keeps of its source: XXH3 of 128 bits, as `xxh128:` and what `xxh128sum` prints.
//!
//! It tells one download from another and takes a fifth of BLAKE3's time, which counts where 300 MB are read in a tenth
//! of a second. It is no proof against a forger; the data set's fingerprint, over what was read, is BLAKE3.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use twox_hash::XxHash3_128;

use crate::data::error::DataError;

/// Bytes that are read at once, within the cache.
const BLOCK: usize = 1 << 18;

/// The checksum of the bytes so far.
pub struct SourceChecksum(XxHash3_128);

impl Default for SourceChecksum {
    fn default() -> Self {
        Self(XxHash3_128::with_seed(0))
    }
}

impl SourceChecksum {
    /// Of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The checksum, with the name of its algorithm.
    pub fn text(&self) -> String {
        format!("xxh128:{:032x}", self.0.finish_128())
    }

    /// Of the file at `path`.
    ///
    /// # Errors
    /// [`DataError::Read`] when the file cannot be read.
    pub fn of_file(path: &Path) -> Result<String, DataError> {
        let read = || -> io::Result<String> {
            let (mut file, mut checksum) = (File::open(path)?, Self::new());
            let mut reader = Observed { reader: &mut file, checksum: &mut checksum };
            let mut buffer = vec![0; BLOCK];
            while reader.read(&mut buffer)? != 0 {}
            Ok(checksum.text())
        };
        read().map_err(|error| DataError::read(path, error))
    }
}

/// A reader, and the checksum of what was read through it.
pub(crate) struct Observed<'a> {
    pub reader: &'a mut dyn Read,
    pub checksum: &'a mut SourceChecksum,
}

impl Read for Observed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.checksum.update(&buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: `xxh3_128_hexdigest` of Python's xxhash 4.1, which wraps the reference library.
    #[test]
    fn the_checksum_is_what_xxh128sum_prints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        // Longer than is read at once, and not by whole blocks.
        let long: Vec<u8> = (0..2 * BLOCK as u32 + 77).map(|at| (at.wrapping_mul(at) >> 5) as u8).collect();
        let expected = [
            (&b""[..], "xxh128:99aa06d3014798d86001c324468d497f"),
            (b"abc", "xxh128:06b05ab6733a618578af5f94892f3950"),
            (&long, "xxh128:e05a46ce064880e0cdca9e4126301d89"),
        ];
        for (bytes, expected) in expected {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(SourceChecksum::of_file(&path).unwrap(), expected);
        }
        let missing = SourceChecksum::of_file(&folder.path().join("missing")).unwrap_err().to_string();
        assert!(missing.contains("missing"), "{missing}");
    }
}
