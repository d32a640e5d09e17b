//! Collects samples and writes them as a packed data set.
//!
//! Samples are held in memory until they are written: 2,304 bytes each at 48x48, 83 MB for FER-2013.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::json;

use super::atomic::{AtomicError, write_atomically};
use super::error::DataError;
use super::packed::{FORMAT, FORMAT_VERSION, PROVENANCE, VOTE_COLUMNS, fingerprint_of};
use super::split::{Origin, Split};
use crate::expression::LabelSet;

/// Hexadecimal digits of a fingerprint, a SHA-256.
const FINGERPRINT_LENGTH: usize = 64;

/// A packed data set in the making.
#[derive(Debug, Clone)]
pub struct PackedBuilder {
    name: String,
    label_set: LabelSet,
    height: usize,
    width: usize,
    images: Vec<u8>,
    labels: Vec<u8>,
    split: Vec<u8>,
    origin: Vec<u8>,
    votes: Option<Vec<u8>>,
    takes: Option<Vec<Take>>,
    provenance: BTreeMap<String, String>,
}

/// What an importer made of a source.
#[derive(Debug)]
pub struct Imported {
    /// The samples, ready to be written.
    pub builder: PackedBuilder,
    /// BLAKE3 of the source.
    pub source_checksum: String,
    /// What the user should know about the source, one sentence each.
    pub notes: Vec<String>,
}

impl Imported {
    /// Writes the samples to `path`; see [`PackedBuilder::write`].
    ///
    /// # Errors
    /// Those of [`PackedBuilder::write`].
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        self.builder.write(path, &self.source_checksum)
    }
}

/// Which frame of which film of which person a picture is (CK+).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Take {
    /// The person.
    pub subject: u16,
    /// The film, counted per subject.
    pub sequence: u16,
    /// The frame of the film.
    pub frame: u16,
}

impl PackedBuilder {
    /// An empty data set of pictures of `height` x `width` pixels.
    pub fn new(name: impl Into<String>, label_set: LabelSet, height: usize, width: usize) -> Self {
        Self {
            name: name.into(),
            label_set,
            height,
            width,
            images: Vec::new(),
            labels: Vec::new(),
            split: Vec::new(),
            origin: Vec::new(),
            votes: None,
            takes: None,
            provenance: BTreeMap::new(),
        }
    }

    /// Makes room for `samples` more, so that the memory need not grow on the way.
    pub fn reserve(&mut self, samples: usize) {
        self.images.reserve(samples * self.height * self.width);
        self.labels.reserve(samples);
        self.split.reserve(samples);
        self.origin.reserve(samples);
    }

    /// The number of samples so far.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples yet.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The split of sample `row`.
    pub(super) fn split(&self, row: usize) -> Split {
        Split::from_byte(self.split[row]).expect("only splits are pushed")
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// [`DataError::Sample`] when the picture has another size, the label is no class, or the picture
    /// is synthetic and the split not Training: generated faces may only train.
    pub fn push(&mut self, image: &[u8], label: u8, split: Split, origin: Origin) -> Result<(), DataError> {
        let row = self.len();
        let refuse = |problem: String| Err(DataError::Sample { row, problem });
        if image.len() != self.height * self.width {
            return refuse(format!("has {} pixels, expected {} x {}", image.len(), self.height, self.width));
        }
        if usize::from(label) >= self.label_set.len() {
            let highest = self.label_set.len() - 1;
            return refuse(format!("label {label}, expected 0 to {highest} ({})", self.label_set));
        }
        if origin == Origin::Synthetic && split != Split::Training {
            return refuse(format!("is synthetic and in the {split} split; generated faces may only train"));
        }
        self.images.extend_from_slice(image);
        self.labels.push(label);
        self.split.push(split as u8);
        self.origin.push(origin as u8);
        Ok(())
    }

    /// Gives every sample its FER+ votes.
    ///
    /// # Errors
    /// [`DataError::Sample`] when there are not as many votes as samples.
    pub fn set_votes(&mut self, votes: Vec<[u8; VOTE_COLUMNS]>) -> Result<(), DataError> {
        self.same_length(votes.len(), "votes")?;
        self.votes = Some(votes.into_flattened());
        Ok(())
    }

    /// Says for every sample which frame of which film of which person it is.
    ///
    /// # Errors
    /// [`DataError::Sample`] when there are not as many as samples.
    pub fn set_takes(&mut self, takes: Vec<Take>) -> Result<(), DataError> {
        self.same_length(takes.len(), "subjects")?;
        self.takes = Some(takes);
        Ok(())
    }

    /// Says where the samples come from, where that is more than a source's checksum: the generators of a
    /// synthetic set.
    pub fn set_provenance(&mut self, provenance: BTreeMap<String, String>) {
        self.provenance = provenance;
    }

    fn same_length(&self, got: usize, what: &str) -> Result<(), DataError> {
        if got == self.len() {
            return Ok(());
        }
        let problem = format!("{got} rows of {what}, expected {}", self.len());
        Err(DataError::Sample { row: got.min(self.len()), problem })
    }

    /// Writes the data set to `path`, atomically; `source_checksum` is the BLAKE3 of what it was
    /// made from.
    ///
    /// # Errors
    /// [`DataError::Write`] when the file cannot be written, [`DataError::File`] when there are no
    /// samples, or more than a packed file holds.
    pub fn write(&self, path: &Path, source_checksum: &str) -> Result<(), DataError> {
        if self.is_empty() || u32::try_from(self.len()).is_err() {
            return Err(DataError::file(path, format!("{} samples, expected 1 to 2^32 - 1", self.len())));
        }
        write_atomically(path, |writer| {
            // The disk works while the fingerprint is taken.
            let settle = |writer: &mut BufWriter<&mut File>| {
                writer.flush()?;
                writer.get_ref().sync_data()
            };
            let written = self.write_to(writer, settle, source_checksum);
            written.map_err(|error| DataError::Write(AtomicError::system(path, error)))
        })
    }

    /// Writes the bytes of the packed file to `writer`, the header last: it holds the fingerprint,
    /// which is taken while the tensors are written and `settle` brings them to the disk.
    fn write_to<W: Write + Seek + Send>(
        &self,
        writer: &mut W,
        settle: impl FnOnce(&mut W) -> std::io::Result<()> + Send,
        source_checksum: &str,
    ) -> std::io::Result<()> {
        let column = |read: fn(&Take) -> u16| -> Option<Vec<u8>> {
            Some(self.takes.as_ref()?.iter().flat_map(|take| read(take).to_le_bytes()).collect())
        };
        let (frame, sequence, subject) =
            (column(|take| take.frame), column(|take| take.sequence), column(|take| take.subject));
        let rows = self.len();
        // The 16-bit tensors come first: the format asks for the wider types first, which aligns them.
        let numbers = [("frame", &frame), ("sequence", &sequence), ("subject", &subject)];
        let mut tensors: Vec<Tensor<'_>> = numbers
            .into_iter()
            .filter_map(|(name, bytes)| Some((name, "U16", vec![rows], bytes.as_deref()?)))
            .collect();
        tensors.push(("images", "U8", vec![rows, self.height, self.width], &self.images));
        tensors.push(("labels", "U8", vec![rows], &self.labels));
        tensors.push(("origin", "U8", vec![rows], &self.origin));
        tensors.push(("split", "U8", vec![rows], &self.split));
        if let Some(votes) = &self.votes {
            tensors.push(("votes", "U8", vec![rows, VOTE_COLUMNS], votes));
        }
        let room = self.header(&tensors, source_checksum, &"0".repeat(FINGERPRINT_LENGTH));
        let (written, fingerprint) = rayon::join(
            || {
                writer.write_all(&room)?;
                tensors.iter().try_for_each(|(_, _, _, bytes)| writer.write_all(bytes))?;
                settle(writer)
            },
            || {
                let mut by_name: Vec<_> = tensors.iter().map(|(name, _, _, bytes)| (*name, *bytes)).collect();
                by_name.sort_unstable_by_key(|(name, _)| *name);
                fingerprint_of(self.height, self.width, by_name)
            },
        );
        written?;
        let header = self.header(&tensors, source_checksum, &fingerprint);
        assert_eq!(header.len(), room.len(), "every fingerprint has the same length");
        writer.seek(SeekFrom::Start(0))?;
        writer.write_all(&header)
    }

    /// The safetensors header: its length, then JSON. Made by hand, because the crate keeps the
    /// metadata in a hash map, whose order changes from run to run: the same samples would not give
    /// the same file.
    fn header(&self, tensors: &[Tensor<'_>], source_checksum: &str, fingerprint: &str) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut metadata = json!({
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "label_set": self.label_set.key(),
            "source_checksum": source_checksum,
            "fingerprint": fingerprint,
        });
        if !self.provenance.is_empty() {
            // The format allows texts only.
            metadata[PROVENANCE] = json!(json!(self.provenance).to_string());
        }
        header.insert("__metadata__".to_owned(), metadata);
        let mut begin = 0;
        for (name, dtype, shape, bytes) in tensors {
            let end = begin + bytes.len();
            header.insert(
                (*name).to_owned(),
                json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] }),
            );
            begin = end;
        }
        let mut text = serde_json::Value::Object(header).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.append(&mut text);
        bytes
    }
}

/// Name, type, shape and bytes of a tensor to be written.
type Tensor<'a> = (&'static str, &'static str, Vec<usize>, &'a [u8]);

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Cursor;

    /// Four pictures of 2x3: Training, PublicTest, PrivateTest, and a synthetic one in Training.
    pub(crate) fn small() -> PackedBuilder {
        let mut builder = PackedBuilder::new("small", LabelSet::Fer2013, 2, 3);
        for row in 0..4_u8 {
            let image: Vec<u8> = (0..6).map(|pixel| 10 * row + pixel).collect();
            let split =
                [Split::Training, Split::PublicTest, Split::PrivateTest, Split::Training][row as usize];
            let origin = if row == 3 { Origin::Synthetic } else { Origin::Photograph };
            builder.push(&image, row, split, origin).unwrap();
        }
        builder
    }

    /// [`small`] with votes and takes.
    pub(crate) fn small_with_everything() -> PackedBuilder {
        let mut builder = small();
        builder.set_votes((0..4).map(|row| [row, 0, 0, 0, 0, 0, 0, 0, 0, 10 - row]).collect()).unwrap();
        let take = |row| Take { subject: 500 + row, sequence: row, frame: 1000 + row };
        builder.set_takes((0..4).map(take).collect()).unwrap();
        builder
    }

    #[test]
    fn synthetic_samples_may_only_train() {
        let mut builder = small();
        for split in Split::ALL {
            let result = builder.push(&[0; 6], 0, split, Origin::Synthetic);
            assert_eq!(result.is_ok(), split == Split::Training, "{split}");
        }
        assert_eq!(builder.len(), 5);
    }

    #[test]
    fn wrong_samples_are_refused() {
        let mut builder = small();
        let error = builder.push(&[0; 5], 0, Split::Training, Origin::Photograph).unwrap_err().to_string();
        assert_eq!(error, "sample 4 (from 0): has 5 pixels, expected 2 x 3");
        let error = builder.push(&[0; 6], 7, Split::Training, Origin::Photograph).unwrap_err().to_string();
        assert_eq!(error, "sample 4 (from 0): label 7, expected 0 to 6 (fer2013)");
        assert!(builder.set_votes(vec![[0; 10]; 3]).is_err());
        assert_eq!(builder.len(), 4);
    }

    #[test]
    fn a_writer_that_fails_is_an_error() {
        let mut whole = Cursor::new(Vec::new());
        small().write_to(&mut whole, Write::flush, "abc").unwrap();
        let length = whole.into_inner().len();
        // A cursor over a slice fails at the slice's end.
        let write = |room| small().write_to(&mut Cursor::new(&mut vec![0; room][..]), Write::flush, "abc");
        for room in [0, 7, 100, length - 1] {
            assert!(write(room).is_err(), "{room}");
        }
        assert!(write(length).is_ok());
    }

    #[test]
    fn an_empty_data_set_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set");
        assert!(PackedBuilder::new("none", LabelSet::CkPlus, 2, 2).write(&path, "").is_err());
        assert!(!path.exists());
    }
}
