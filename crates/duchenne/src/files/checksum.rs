//! *Checksums* of stored files. Three hashes name three things:
//!
//! | what | written as | hash | identifies |
//! |---|---|---|---|
//! | file checksum, [`checksum_of_file`] | `blake3:` and what `b3sum` prints | BLAKE3 | a model, a recipe or a stage's output, byte for byte |
//! | source checksum, [`SourceChecksum`] | `xxh128:` and what `xxh128sum` prints | XXH3, 128 bits | the download that a packed data set was imported from |
//! | data fingerprint, `data::packed::fingerprint` | 64 hexadecimal digits | BLAKE3 | the samples of a packed data set, whatever else its file says |
//!
//! BLAKE3 is several times faster than SHA-256 on files of hundreds of megabytes. A source is read at 3 GB/s, where even
//! BLAKE3 would be felt: XXH3 takes a fifth of its time and tells one download from another, but is not a proof against a
//! forger. What was read from the source has the fingerprint.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use twox_hash::XxHash3_128;

use crate::files::ReadError;

/// Bytes that are read at once, within the cache.
const BLOCK: usize = 1 << 18;

/// The BLAKE3 checksum of these bytes.
pub fn checksum(bytes: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(bytes).to_hex())
}

/// The BLAKE3 checksum of the file at `path`.
///
/// # Errors
/// [`ReadError`] when the file cannot be read.
pub fn checksum_of_file(path: &Path) -> Result<String, ReadError> {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; BLOCK];
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok(format!("blake3:{}", hasher.finalize().to_hex()));
            }
            hasher.update(&buffer[..length]);
        }
    };
    read().map_err(|error| ReadError::new(path, error))
}

/// A source checksum in the making: XXH3 of 128 bits, as `xxh128:` and what `xxh128sum` prints.
pub struct SourceChecksum(XxHash3_128);

impl std::fmt::Debug for SourceChecksum {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SourceChecksum")
    }
}

impl Default for SourceChecksum {
    fn default() -> Self {
        Self(XxHash3_128::with_seed(0))
    }
}

impl SourceChecksum {
    /// The checksum of no bytes.
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

    /// The source checksum of the file at `path`.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read.
    pub fn of_file(path: &Path) -> Result<String, ReadError> {
        let read = || -> io::Result<String> {
            let (mut file, mut checksum) = (File::open(path)?, Self::new());
            let mut reader = Observed { reader: &mut file, checksum: &mut checksum };
            let mut buffer = vec![0; BLOCK];
            while reader.read(&mut buffer)? != 0 {}
            Ok(checksum.text())
        };
        read().map_err(|error| ReadError::new(path, error))
    }
}

/// A reader that takes the source checksum of all that is read through it.
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

    #[test]
    fn the_checksum_is_blake3s() {
        // The test vector of the empty input, and `abc` as published with the algorithm.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, b"").unwrap();
        let empty = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(checksum_of_file(&path).unwrap(), empty);
        std::fs::write(&path, b"abc").unwrap();
        let abc = "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(checksum_of_file(&path).unwrap(), abc);
        assert_eq!(checksum(b"abc"), abc);
        let missing = checksum_of_file(&folder.path().join("missing")).unwrap_err().to_string();
        assert!(missing.contains("missing"), "{missing}");
    }

    /// Expected: `xxh3_128_hexdigest` of Python's xxhash 4.1, which wraps the reference library.
    #[test]
    fn the_source_checksum_is_what_xxh128sum_prints() {
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
