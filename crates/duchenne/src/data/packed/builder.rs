//! Collects samples and writes them as a packed data set.
//!
//! Pictures are held in memory until they are written, 2,304 bytes each at 48x48, or go to the file as they come.

use std::borrow::Cow;
use std::path::Path;

use serde_json::{Value, json};

use crate::data::counted;
use crate::data::error::DataError;
use crate::data::packed::dataset::{FORMAT, FORMAT_VERSION, PROVENANCE};
use crate::data::packed::file::{Column, PackedFile, room_for};
use crate::data::packed::fingerprint::Fingerprint;
use crate::data::packed::provenance::SyntheticProvenance;
use crate::data::packed::split::{Origin, Split};
use crate::data::packed::votes::VOTE_COLUMNS;
use crate::expression::LabelSet;

/// As long as every fingerprint.
fn no_fingerprint() -> String {
    "0".repeat(Fingerprint::LENGTH)
}

/// A packed data set in the making.
#[derive(Debug)]
pub struct PackedBuilder {
    name: String,
    label_set: LabelSet,
    height: usize,
    width: usize,
    channels: usize,
    images: Images,
    labels: Vec<u8>,
    split: Vec<u8>,
    origin: Vec<u8>,
    votes: Option<Vec<u8>>,
    takes: Option<Vec<Take>>,
    subjects: Option<Vec<u16>>,
    provenance: Option<SyntheticProvenance>,
}

/// The place of the pictures until the data set is whole.
#[derive(Debug)]
enum Images {
    Held(Vec<u8>),
    Streamed(Box<PackedFile>),
}

/// The outcome of an import.
#[derive(Debug)]
pub struct Imported {
    /// Samples in the packed file.
    pub samples: usize,
    /// Remarks on the source for the user, one sentence each.
    pub notes: Vec<String>,
}

/// The frame, film and person of a picture (CK+); where only the person is known, see [`PackedBuilder::set_subjects`].
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
    /// An empty data set of gray pictures of `height` x `width` pixels; [`in_color`](Self::in_color) makes them others.
    pub fn new(name: impl Into<String>, label_set: LabelSet, height: usize, width: usize) -> Self {
        Self {
            name: name.into(),
            label_set,
            height,
            width,
            channels: 1,
            images: Images::Held(Vec::new()),
            labels: Vec::new(),
            split: Vec::new(),
            origin: Vec::new(),
            votes: None,
            takes: None,
            subjects: None,
            provenance: None,
        }
    }

    /// The pictures are in colour: three bytes a pixel.
    #[must_use]
    pub fn in_color(self) -> Self {
        Self { channels: 3, ..self }
    }

    fn size(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Begins the file at `path` now: pictures go to it as they come. A provenance cannot follow, nor a longer checksum of the
    /// source; that of an importer is as long as [`SourceChecksum`](crate::files::checksum::SourceChecksum)'s.
    ///
    /// # Errors
    /// [`DataError::Write`] when the file cannot be begun.
    pub(crate) fn begin_file(&mut self, path: &Path, source_checksum: &str) -> Result<(), DataError> {
        assert!(self.is_empty(), "the file begins with the first picture");
        let columns = Self {
            votes: Some(Vec::new()),
            takes: Some(Vec::new()),
            ..Self::new(&self.name, self.label_set, self.height, self.width)
        };
        // Room for any number of rows.
        let metadata = self.metadata(source_checksum, &no_fingerprint());
        let size = self.size();
        let room = room_for(metadata, size, u32::MAX as usize, &columns.columns());
        self.images = Images::Streamed(Box::new(PackedFile::begin(path, room, size)?));
        Ok(())
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
    pub(crate) fn split(&self, row: usize) -> Split {
        Split::from_byte(self.split[row]).expect("only splits are pushed")
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// [`DataError::Sample`] when the picture has another size, the label is not a class, or the picture
    /// is synthetic and the split not Training: generated faces may only train.
    pub fn push(&mut self, image: &[u8], label: u8, split: Split, origin: Origin) -> Result<(), DataError> {
        let row = self.len();
        let refuse = |problem: String| Err(DataError::Sample { row, problem });
        if image.len() != self.size().iter().product::<usize>() {
            let Self { height, width, .. } = self;
            let each = if self.channels == 1 { "" } else { " x 3" };
            let got = counted(image.len(), if self.channels == 1 { "pixel" } else { "byte" });
            return refuse(format!("has {got}, expected {height} x {width}{each}"));
        }
        if usize::from(label) >= self.label_set.len() {
            let highest = self.label_set.len() - 1;
            return refuse(format!("label {label}, expected 0 to {highest} ({})", self.label_set));
        }
        if origin == Origin::Synthetic && split != Split::Training {
            return refuse(format!("is synthetic and in the {split} split; generated faces may only train"));
        }
        match &mut self.images {
            Images::Held(bytes) => bytes.extend_from_slice(image),
            Images::Streamed(file) => file.push(image),
        }
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

    /// Says for every sample which person it shows; [`set_takes`](Self::set_takes) says more.
    ///
    /// # Errors
    /// [`DataError::Sample`] when there are not as many as samples.
    pub fn set_subjects(&mut self, subjects: Vec<u16>) -> Result<(), DataError> {
        self.same_length(subjects.len(), "subjects")?;
        self.subjects = Some(subjects);
        Ok(())
    }

    /// Says where the faces of a synthetic set come from.
    pub fn set_provenance(&mut self, provenance: SyntheticProvenance) {
        self.provenance = Some(provenance);
    }

    fn same_length(&self, got: usize, what: &str) -> Result<(), DataError> {
        if got == self.len() {
            return Ok(());
        }
        let problem = format!("{} of {what}, expected {}", counted(got, "row"), self.len());
        Err(DataError::Sample { row: got.min(self.len()), problem })
    }

    /// Writes the data set to `path`, atomically; `source_checksum` is that of what it was
    /// made from.
    ///
    /// # Errors
    /// [`DataError::Write`] when the file cannot be written, [`DataError::File`] when there are no
    /// samples, or more than a packed file holds.
    ///
    /// # Panics
    /// When an importer began the file under another path.
    pub fn write(mut self, path: &Path, source_checksum: &str) -> Result<(), DataError> {
        if self.is_empty() || u32::try_from(self.len()).is_err() {
            return Err(DataError::file(path, format!("{} samples, expected 1 to 2^32 - 1", self.len())));
        }
        let images = std::mem::replace(&mut self.images, Images::Held(Vec::new()));
        let columns = self.columns();
        let file = match images {
            Images::Streamed(file) => {
                assert_eq!(file.path(), path, "the file was begun elsewhere");
                file
            }
            Images::Held(bytes) => {
                let size = self.size();
                let metadata = self.metadata(source_checksum, &no_fingerprint());
                let mut file = PackedFile::begin(path, room_for(metadata, size, self.len(), &columns), size)?;
                file.push(&bytes);
                Box::new(file)
            }
        };
        file.finish(self.len(), &columns, |fingerprint| self.metadata(source_checksum, fingerprint))
    }

    fn metadata(&self, source_checksum: &str, fingerprint: &str) -> Value {
        let mut metadata = json!({
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "label_set": self.label_set.to_text(),
            "source_checksum": source_checksum,
            "fingerprint": fingerprint,
        });
        if let Some(provenance) = &self.provenance {
            // The format allows texts only.
            metadata[PROVENANCE] = json!(json!(provenance).to_string());
        }
        metadata
    }

    /// The tensors behind the pictures, in the order of the file: the 16-bit ones first, which aligns them behind
    /// an even number of pixels.
    fn columns(&self) -> Vec<Column<'_>> {
        let number = |name, values: Vec<u16>| {
            let bytes = values.into_iter().flat_map(u16::to_le_bytes).collect();
            Column { name, dtype: "U16", row_shape: &[], row_bytes: 2, bytes: Cow::Owned(bytes) }
        };
        let byte = |name, bytes| Column {
            name,
            dtype: "U8",
            row_shape: &[],
            row_bytes: 1,
            bytes: Cow::Borrowed(bytes),
        };
        let mut columns = Vec::new();
        if let Some(takes) = &self.takes {
            columns.extend([
                number("frame", takes.iter().map(|take| take.frame).collect()),
                number("sequence", takes.iter().map(|take| take.sequence).collect()),
                number("subject", takes.iter().map(|take| take.subject).collect()),
            ]);
        } else if let Some(subjects) = &self.subjects {
            columns.push(number("subject", subjects.clone()));
        }
        columns.extend([
            byte("labels", self.labels.as_slice()),
            byte("origin", &self.origin),
            byte("split", &self.split),
        ]);
        if let Some(votes) = &self.votes {
            let (row_shape, row_bytes) = (&[VOTE_COLUMNS], VOTE_COLUMNS);
            columns.push(Column { row_shape, row_bytes, ..byte("votes", votes) });
        }
        columns
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::files::checksum::SourceChecksum;

    /// Four pictures of 2x3: Training, Validation, Test, and a synthetic one in Training.
    pub(crate) fn small() -> PackedBuilder {
        let mut builder = PackedBuilder::new("small", LabelSet::Fer2013, 2, 3);
        for row in 0..4_u8 {
            let image: Vec<u8> = (0..6).map(|pixel| 10 * row + pixel).collect();
            let split = [Split::Training, Split::Validation, Split::Test, Split::Training][row as usize];
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
    fn a_file_begun_early_holds_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("late"), folder.path().join("early")];
        let fill = |builder: &mut PackedBuilder| {
            let noise: Vec<u8> =
                (0..700 * 700_u32).map(|pixel| (pixel.wrapping_mul(pixel) >> 7) as u8).collect();
            for row in 0..7 {
                builder.push(&noise, row, Split::Training, Origin::Photograph).unwrap();
            }
            builder.set_votes(vec![[1; 10]; 7]).unwrap();
        };
        let checksum = SourceChecksum::new().text();
        for (path, early) in paths.iter().zip([false, true]) {
            let mut builder = PackedBuilder::new("noise", LabelSet::Fer2013, 700, 700);
            if early {
                builder.begin_file(path, &checksum).unwrap();
            }
            fill(&mut builder);
            builder.write(path, &checksum).unwrap();
        }
        let [late, early] = paths.map(|path| crate::data::PackedDataset::open(&path).unwrap());
        assert!(late.is_intact() && early.is_intact());
        assert_eq!(late.fingerprint(), early.fingerprint());
        assert!((0..7).all(|row| late.image(row) == early.image(row) && late.votes(row) == early.votes(row)));
    }

    #[test]
    fn a_file_begun_and_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = PackedBuilder::new("none", LabelSet::Fer2013, 2, 2);
        builder.begin_file(&folder.path().join("set"), "none").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        builder.push(&[1; 4], 0, Split::Training, Origin::Photograph).unwrap();
        drop(builder);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_empty_data_set_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set");
        assert!(PackedBuilder::new("none", LabelSet::CkPlus, 2, 2).write(&path, "").is_err());
        assert!(!path.exists());
    }
}
