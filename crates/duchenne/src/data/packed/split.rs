//! A *split* is the part of a data set that a sample belongs to, which fixes what it may be used for:
//! Training trains, Validation selects, Test is read once per finished model. FER-2013 calls the latter two PublicTest
//! and PrivateTest.
//!
//! Each of the three is a type of its own, so that a function that trains cannot be handed test
//! samples.

use std::marker::PhantomData;

use crate::data::error::DataError;
use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::synthetic::{NeutralPolicy, SyntheticFaces};
use crate::data::packed::votes::VoteShares;

/// The end, before the extension, of a synthetic picture's file name in an exported data set.
pub(crate) const SYNTHETIC_MARK: &str = "-synthetic";

/// The part of a data set that a sample belongs to; the value is the packed file's byte.
///
/// ```
/// use duchenne::Split;
///
/// let names: Vec<&str> = Split::ALL.iter().map(|split| split.key()).collect();
/// assert_eq!(names, ["training", "validation", "test", "unassigned"]);
/// assert_eq!(Split::from_word("PrivateTest"), Some(Split::Test));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Split {
    /// The samples to train on.
    Training = 0,
    /// The samples that select epochs, hyper-parameters and temperatures: FER-2013's PublicTest.
    Validation = 1,
    /// The samples that score a finished model, once: FER-2013's PrivateTest.
    Test = 2,
    /// Samples without a split: CK+, whose folds are drawn by subject.
    Unassigned = 4,
}

impl Split {
    /// Every split, in the order of its byte.
    pub const ALL: [Split; 4] = [Split::Training, Split::Validation, Split::Test, Split::Unassigned];

    /// The name used in folders, tables and JSON.
    pub fn key(self) -> &'static str {
        match self {
            Split::Training => "training",
            Split::Validation => "validation",
            Split::Test => "test",
            Split::Unassigned => "unassigned",
        }
    }

    /// The split with this byte in a packed file.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|split| *split as u8 == byte)
    }

    /// The split that FER-2013's `Usage` column means by `usage`.
    pub fn from_usage(usage: &[u8]) -> Option<Self> {
        match usage {
            b"Training" => Some(Split::Training),
            b"PublicTest" => Some(Split::Validation),
            b"PrivateTest" => Some(Split::Test),
            _ => None,
        }
    }

    /// The split that a folder, a column or an option means by a word: a [`key`](Self::key) or another name in use
    /// (`train`, `val`, `valid`, `dev`, `train_set`, FER-2013's `PublicTest` and `PrivateTest` in any spelling); case is
    /// ignored.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase().replace(['-', '_', ' '], "");
        match word.strip_suffix("set").unwrap_or(&word) {
            "train" | "training" => Some(Split::Training),
            "val" | "valid" | "validation" | "dev" | "publictest" => Some(Split::Validation),
            "test" | "testing" | "privatetest" => Some(Split::Test),
            "unassigned" => Some(Split::Unassigned),
            _ => None,
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.key())
    }
}

/// The source of a picture; the value is the packed file's byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Origin {
    /// A camera.
    Photograph = 0,
    /// A generator. Synthetic pictures may only train.
    Synthetic = 1,
}

impl Origin {
    /// The origin with this byte in a packed file.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Origin::Photograph),
            1 => Some(Origin::Synthetic),
            _ => None,
        }
    }
}

/// A list of pictures of one size.
pub trait Images {
    /// The number of pictures.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Pixels of picture `index`, row by row, 0 black to 255 white.
    fn image(&self, index: usize) -> &[u8];
}

/// Read-only access to the samples of a split, for code that does not train.
pub trait Samples: Images {
    /// Label of sample `index`, an index into the data set's label set.
    fn label(&self, index: usize) -> u8;
    /// The row of sample `index` in the whole data set.
    fn row(&self, index: usize) -> usize;
}

/// Marks Validation, which selects epochs, hyper-parameters and temperatures.
#[derive(Debug, Clone, Copy)]
pub enum Validation {}

/// Marks Test, which scores a finished model.
#[derive(Debug, Clone, Copy)]
pub enum Test {}

/// A part of a data set that does not train.
pub trait HeldOut {
    /// The part's value in a packed file.
    const SPLIT: Split;
}

impl HeldOut for Validation {
    const SPLIT: Split = Split::Validation;
}

impl HeldOut for Test {
    const SPLIT: Split = Split::Test;
}

/// The samples of [`Validation`] or of [`Test`]: types that differ, so that what selects cannot be handed what
/// scores.
#[derive(Debug, Clone)]
pub struct HeldOutSplit<'a, Kind> {
    dataset: &'a PackedDataset,
    rows: Vec<u32>,
    kind: PhantomData<Kind>,
}

/// The Validation samples: what selection takes.
pub type ValidationSplit<'a> = HeldOutSplit<'a, Validation>;

/// The Test samples: what the evaluation of a finished model takes.
pub type TestSplit<'a> = HeldOutSplit<'a, Test>;

impl<'a, Kind: HeldOut> HeldOutSplit<'a, Kind> {
    /// Refused where there are no such samples.
    pub(crate) fn new(dataset: &'a PackedDataset) -> Result<Self, DataError> {
        Ok(Self { dataset, rows: rows_of(dataset, Kind::SPLIT)?, kind: PhantomData })
    }

    /// The samples' rows in the whole data set, ascending.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }
}

impl<Kind> Images for HeldOutSplit<'_, Kind> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn image(&self, index: usize) -> &[u8] {
        self.dataset.image(self.rows[index] as usize)
    }
}

impl<Kind> Samples for HeldOutSplit<'_, Kind> {
    fn label(&self, index: usize) -> u8 {
        self.dataset.label(self.rows[index] as usize)
    }

    fn row(&self, index: usize) -> usize {
        self.rows[index] as usize
    }
}

/// The Training samples, photographs and synthetic pictures: what training functions take. Those of the data
/// set come first, then any [`SyntheticFaces`] that joined.
#[derive(Debug, Clone)]
pub struct TrainingSplit<'a> {
    dataset: &'a PackedDataset,
    rows: Vec<u32>,
    joined: Option<&'a SyntheticFaces>,
}

impl<'a> TrainingSplit<'a> {
    pub(crate) fn new(dataset: &'a PackedDataset) -> Result<Self, DataError> {
        Ok(Self { dataset, rows: rows_of(dataset, Split::Training)?, joined: None })
    }

    /// The first `count` samples of the data set, or all when there are fewer: for runs that only try the
    /// machinery.
    #[must_use]
    pub fn limit(mut self, count: usize) -> Self {
        self.rows.truncate(count);
        self
    }

    /// Adds generated faces, which must have been selected for this data set.
    ///
    /// # Panics
    /// If they were selected for another label set.
    #[must_use]
    pub fn join(mut self, faces: &'a SyntheticFaces) -> Self {
        assert_eq!(faces.target(), self.dataset.label_set(), "faces selected for another label set");
        self.joined = Some(faces);
        self
    }

    /// The rows, in the whole data set, of the samples that come from it, ascending.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The generated faces that joined.
    pub fn joined(&self) -> Option<&'a SyntheticFaces> {
        self.joined
    }

    /// Label of sample `index`, an index into the data set's label set.
    pub fn label(&self, index: usize) -> u8 {
        match (self.rows.get(index), self.joined) {
            (None, Some(faces)) => faces.label(index - self.rows.len()),
            _ => self.dataset.label(self.rows[index] as usize),
        }
    }

    /// What raters saw in sample `index`, where that is what is learned; generated faces have no raters.
    pub fn vote_shares(&self, index: usize) -> Option<VoteShares> {
        self.dataset.vote_shares(*self.rows.get(index)? as usize)
    }

    /// The whole data set, without what joined.
    pub fn dataset(&self) -> &'a PackedDataset {
        self.dataset
    }
}

impl Images for TrainingSplit<'_> {
    fn len(&self) -> usize {
        self.rows.len() + self.joined.map_or(0, SyntheticFaces::len)
    }

    fn image(&self, index: usize) -> &[u8] {
        match (self.rows.get(index), self.joined) {
            (None, Some(faces)) => faces.image(index - self.rows.len()),
            _ => self.dataset.image(self.rows[index] as usize),
        }
    }
}

/// *Training data*: a data set and the generated faces that enlarge its Training split, open together, so that who
/// trains keeps one value.
#[derive(Debug)]
pub struct TrainingData {
    dataset: PackedDataset,
    synthetic: Option<SyntheticFaces>,
}

impl TrainingData {
    /// The data set alone.
    ///
    /// # Errors
    /// [`DataError::NoSamples`] when it has no Training samples.
    pub fn new(dataset: PackedDataset) -> Result<Self, DataError> {
        dataset.training()?;
        Ok(Self { dataset, synthetic: None })
    }

    /// Adds the faces that [`SyntheticFaces::select`] takes from `sets`; nothing where there are no sets.
    ///
    /// # Errors
    /// As [`SyntheticFaces::select`].
    pub fn with_synthetic(
        mut self,
        sets: Vec<PackedDataset>,
        per_class: Option<usize>,
        neutral: NeutralPolicy,
    ) -> Result<Self, DataError> {
        if !sets.is_empty() {
            self.synthetic = Some(SyntheticFaces::select(sets, &self.dataset, per_class, neutral)?);
        }
        Ok(self)
    }

    /// The data set, without what joins it.
    pub fn dataset(&self) -> &PackedDataset {
        &self.dataset
    }

    /// The generated faces.
    pub fn synthetic(&self) -> Option<&SyntheticFaces> {
        self.synthetic.as_ref()
    }

    /// The samples to train on.
    pub fn split(&self) -> TrainingSplit<'_> {
        let training = self.dataset.training().expect("`new` saw Training samples");
        match &self.synthetic {
            Some(faces) => training.join(faces),
            None => training,
        }
    }
}

/// The rows of a split.
///
/// # Errors
/// [`DataError::NoSamples`] when there are none.
fn rows_of(dataset: &PackedDataset, split: Split) -> Result<Vec<u32>, DataError> {
    // A packed file holds at most u32::MAX rows; opening it checked that.
    let rows: Vec<u32> =
        (0..dataset.len()).filter(|&row| dataset.split(row) == split).map(|row| row as u32).collect();
    if rows.is_empty() {
        return Err(DataError::NoSamples { name: dataset.name().to_owned(), split });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_folder_names_round_trip() {
        for split in Split::ALL {
            assert_eq!(Split::from_byte(split as u8), Some(split));
            assert_eq!(Split::from_word(split.key()), Some(split));
        }
        assert_eq!((Split::from_byte(3), Split::from_byte(5)), (None, None));
        for origin in [Origin::Photograph, Origin::Synthetic] {
            assert_eq!(Origin::from_byte(origin as u8), Some(origin));
        }
        assert_eq!(Origin::from_byte(2), None);
    }

    #[test]
    fn usage_is_spelled_exactly() {
        assert_eq!(Split::from_usage(b"PrivateTest"), Some(Split::Test));
        assert_eq!(Split::from_usage(b"PrivateTes"), None);
        assert_eq!(Split::from_usage(b"training"), None);
    }
}
