//! A *packed data set* is one safetensors file of pictures with a label and a split each, mapped
//! into memory: opening it costs the same whatever its size, and Python opens it too.
//!
//! | tensor     | type | shape              |                                                     |
//! |------------|------|--------------------|-----------------------------------------------------|
//! | `images`   | u8   | `[n, height, width]` | 0 black to 255 white; in colour `[n, height, width, 3]`: red, green, blue |
//! | `frame`    | u16  | `[n]`              | optional: CK+'s frame of a film                     |
//! | `sequence` | u16  | `[n]`              | optional: CK+'s film of a person                    |
//! | `subject`  | u16  | `[n]`              | optional: the person, numbered from 0, CK+'s own number |
//! | `labels`   | u8   | `[n]`              | index into the label set                            |
//! | `origin`   | u8   | `[n]`              | [`Origin`]                                          |
//! | `split`    | u8   | `[n]`              | [`Split`]                                           |
//! | `votes`    | u8   | `[n, 10]`          | optional: FER+'s eight classes, unknown, no face    |
//!
//! The metadata holds `format`, `format_version`, `name`, `label_set` (the key of a set in use, or a JSON array of class
//! names), `source_checksum`, `fingerprint` and, for a synthetic set, `provenance`: JSON about its generators ([`SyntheticProvenance`]).

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use crate::data::error::DataError;
use crate::data::packed::file::image_shape;
use crate::data::packed::fingerprint::Fingerprint;
use crate::data::packed::provenance::SyntheticProvenance;
use crate::data::packed::split::{Origin, Split, TestSplit, TrainingSplit, ValidationSplit};
use crate::data::packed::votes::{Targets, VOTE_COLUMNS, VoteShares, ferplus_majority, vote_shares};
use crate::expression::LabelSet;
use crate::files::mapped;

/// The `format` of a packed data set's metadata.
pub const FORMAT: &str = "duchenne-dataset";
/// The `format_version` that this program writes and reads.
pub const FORMAT_VERSION: &str = "2";
/// The metadata's key of the provenance.
pub(crate) const PROVENANCE: &str = "provenance";

/// A packed data set, open for reading.
///
/// ```no_run
/// use duchenne::PackedDataset;
/// use duchenne::data::Images as _;
///
/// let dataset = PackedDataset::open("fer2013.safetensors")?;
/// println!("{} images of {}", dataset.len(), dataset.label_set());
/// println!("{} to learn from", dataset.training()?.len());
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PackedDataset {
    map: Arc<Mmap>,
    name: String,
    label_set: LabelSet,
    label_set_in_file: LabelSet,
    source_checksum: String,
    fingerprint: String,
    provenance: Option<SyntheticProvenance>,
    len: usize,
    height: usize,
    width: usize,
    channels: usize,
    images: Range<usize>,
    labels: Range<usize>,
    split: Range<usize>,
    origin: Range<usize>,
    votes: Option<Range<usize>>,
    subject: Option<Range<usize>>,
    sequence: Option<Range<usize>>,
    frame: Option<Range<usize>>,
    /// The split of every row in place of the file's.
    drawn: Option<Arc<[Split]>>,
    targets: Targets,
    /// The label of every row in place of the file's, those of raters or of another set; `None` where the row is left out,
    /// empty where the labels are the file's own.
    other_labels: Vec<Option<u8>>,
}

impl PackedDataset {
    /// Opens the file at `path` and checks everything but the pictures: types, shapes, label, split
    /// and origin values. Whole or not at all.
    ///
    /// # Errors
    /// [`DataError::Map`] when the file cannot be read or is empty, [`DataError::File`] when it is not a packed
    /// data set, or a broken one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let map = mapped::map(path, "a packed data set")?;
        let wrong = |problem: String| DataError::file(path, problem);
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| {
            wrong(format!("is not a packed data set ({error}); make one with `duchenne data import`"))
        })?;
        let texts = metadata.metadata().clone().unwrap_or_default();
        if texts.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(wrong(format!(
                "is a safetensors file but not a packed data set (its metadata lacks format = {FORMAT})"
            )));
        }
        let version = text(path, &texts, "format_version")?;
        if version != FORMAT_VERSION {
            return Err(wrong(format!(
                "is a packed data set of version {version}, expected {FORMAT_VERSION}; import it again"
            )));
        }
        let label_set = text(path, &texts, "label_set")?;
        let label_set = LabelSet::from_text(&label_set).map_err(wrong)?;

        let provenance = match texts.get(PROVENANCE) {
            Some(text) => {
                let unreadable =
                    |error: &dyn Display| wrong(format!("its provenance cannot be used: {error}"));
                let read: SyntheticProvenance =
                    serde_json::from_str(text).map_err(|error| unreadable(&error))?;
                Some(read.checked().map_err(|error| unreadable(&error))?)
            }
            None => None,
        };

        let tensors = Tensors { path, metadata: &metadata, start: 8 + header };
        let shape = tensors.shape("images")?;
        let (&[len, height, width], channels) = (match shape {
            [rest @ .., 3] if shape.len() == 4 => (rest, 3),
            rest => (rest, 1),
        }) else {
            let expected = "[n, height, width] or [n, height, width, 3]";
            return Err(wrong(format!("tensor `images` has shape {shape:?}, expected {expected}")));
        };
        if len == 0 || height == 0 || width == 0 || u32::try_from(len).is_err() {
            return Err(wrong(format!(
                "tensor `images` has shape {shape:?}, expected 1 to 2^32 - 1 pictures"
            )));
        }
        let dataset = Self {
            images: tensors.range("images", Dtype::U8, &image_shape(len, [height, width, channels]))?,
            labels: tensors.range("labels", Dtype::U8, &[len])?,
            split: tensors.range("split", Dtype::U8, &[len])?,
            origin: tensors.range("origin", Dtype::U8, &[len])?,
            votes: tensors.optional_range("votes", Dtype::U8, &[len, VOTE_COLUMNS])?,
            subject: tensors.optional_range("subject", Dtype::U16, &[len])?,
            sequence: tensors.optional_range("sequence", Dtype::U16, &[len])?,
            frame: tensors.optional_range("frame", Dtype::U16, &[len])?,
            name: text(path, &texts, "name")?,
            source_checksum: text(path, &texts, "source_checksum")?,
            fingerprint: text(path, &texts, "fingerprint")?,
            map: Arc::new(map),
            drawn: None,
            targets: Targets::Labels,
            other_labels: Vec::new(),
            provenance,
            label_set,
            label_set_in_file: label_set,
            len,
            height,
            width,
            channels,
        };
        dataset.check_values(path)?;
        Ok(dataset)
    }

    /// Labels, splits and origins within their ranges; nothing synthetic outside Training.
    fn check_values(&self, path: &Path) -> Result<(), DataError> {
        for row in 0..self.len {
            let (label, split, origin) =
                (self.map[self.labels.start + row], self.split_byte(row), self.origin_byte(row));
            let problem = if usize::from(label) >= self.label_set.len() {
                let highest = self.label_set.len() - 1;
                format!("label {label}, expected 0 to {highest} ({})", self.label_set)
            } else if Split::from_byte(split).is_none() {
                format!("split {split}, expected 0, 1, 2 or 4")
            } else if Origin::from_byte(origin).is_none() {
                format!("origin {origin}, expected 0 or 1")
            } else if origin == Origin::Synthetic as u8 && split != Split::Training as u8 {
                "is synthetic but not in the training split".to_owned()
            } else {
                continue;
            };
            return Err(DataError::file(path, format!("row {row} (from 0): {problem}")));
        }
        Ok(())
    }

    /// The number of samples, at least 1.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never true: an empty file is refused.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Height of every picture, in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width of every picture, in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, width and channels of every picture: 1 gray, 3 red, green and blue.
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The data set's name, such as `fer2013`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The classes that the labels number.
    pub fn label_set(&self) -> LabelSet {
        self.label_set
    }

    /// Checksum of the source it was imported from, with the name of its algorithm.
    pub fn source_checksum(&self) -> &str {
        &self.source_checksum
    }

    /// BLAKE3 over the tensors, taken when the file was written: identifies the data set.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// Where a synthetic set comes from; `None` for photographs.
    pub fn provenance(&self) -> Option<&SyntheticProvenance> {
        self.provenance.as_ref()
    }

    /// Whether the tensors still have the [`fingerprint`](Self::fingerprint) they were written with;
    /// reads the whole file.
    pub fn is_intact(&self) -> bool {
        let tensors = [
            ("images", Some(self.images.clone())),
            ("frame", self.frame.clone()),
            ("sequence", self.sequence.clone()),
            ("subject", self.subject.clone()),
            ("labels", Some(self.labels.clone())),
            ("origin", Some(self.origin.clone())),
            ("split", Some(self.split.clone())),
            ("votes", self.votes.clone()),
        ];
        let mut fingerprint = Fingerprint::new(self.shape());
        for (name, range) in tensors {
            if let Some(range) = range {
                fingerprint.tensor(name, &self.map[range]);
            }
        }
        fingerprint.finish() == self.fingerprint
    }

    /// Pixels of the picture in `row`, row by row, `height * width * channels` bytes.
    ///
    /// # Panics
    /// When `row` is not below [`len`](Self::len), like all accessors of a row.
    pub fn image(&self, row: usize) -> &[u8] {
        let size = self.height * self.width * self.channels;
        &self.map[self.images.clone()][row * size..][..size]
    }

    /// The label of `row`, an index into the label set.
    pub fn label(&self, row: usize) -> u8 {
        match self.other_labels.get(row) {
            Some(label) => label.unwrap_or(0),
            None => self.map[self.labels.clone()][row],
        }
    }

    /// The split of `row`; [`Split::Unassigned`] where its raters' votes leave it out.
    pub fn split(&self, row: usize) -> Split {
        match self.other_labels.get(row) {
            Some(None) => Split::Unassigned,
            _ => self.assigned_split(row),
        }
    }

    /// The split of `row`, whatever its raters saw.
    pub(crate) fn assigned_split(&self, row: usize) -> Split {
        match &self.drawn {
            Some(drawn) => drawn[row],
            None => Split::from_byte(self.split_byte(row)).expect("opening checked every split"),
        }
    }

    /// Whether the splits are others than the file's.
    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    /// The same data set with these splits, one for every row, in place of the file's.
    pub(crate) fn with_splits(&self, splits: Vec<Split>) -> Self {
        assert_eq!(splits.len(), self.len, "a split for every row");
        let drawn = Self { drawn: Some(splits.into()), ..self.clone() };
        match self.targets {
            Targets::Labels => drawn,
            // Which label a picture has depends on its split.
            targets => drawn.with_targets(targets).expect("it has the votes that it had"),
        }
    }

    /// Whose labels the pictures have.
    pub fn targets(&self) -> Targets {
        self.targets
    }

    /// What the raters saw in `row`, where that is what is learned ([`Targets::Votes`]).
    pub fn vote_shares(&self, row: usize) -> Option<VoteShares> {
        (self.targets == Targets::Votes).then_some(())?;
        vote_shares(self.votes(row)?.try_into().ok()?)
    }

    /// The same pictures with other labels: the file's own, or those of FER+'s raters, in FER+'s label set.
    ///
    /// ```no_run
    /// use duchenne::PackedDataset;
    /// use duchenne::data::packed::votes::Targets;
    ///
    /// let dataset = PackedDataset::open("fer2013.safetensors")?.with_targets(Targets::Majority)?;
    /// assert_eq!(dataset.label_set(), duchenne::LabelSet::FerPlus);
    /// # Ok::<(), duchenne::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::NoVotes`] when raters' labels are asked for and the file has no votes.
    pub fn with_targets(&self, targets: Targets) -> Result<Self, DataError> {
        let own =
            Self { targets, other_labels: Vec::new(), label_set: self.label_set_in_file, ..self.clone() };
        if targets == Targets::Labels {
            return Ok(own);
        }
        let label = |row: usize| {
            let votes: &[u8; VOTE_COLUMNS] = self.votes(row)?.try_into().ok()?;
            match (targets, self.assigned_split(row)) {
                (Targets::Votes, Split::Training) => vote_shares(votes).map(|target| target.likeliest()),
                _ => ferplus_majority(votes),
            }
        };
        if self.votes.is_none() {
            return Err(DataError::NoVotes { name: self.name.clone() });
        }
        Ok(Self { other_labels: (0..self.len).map(label).collect(), label_set: LabelSet::FerPlus, ..own })
    }

    /// The same pictures with labels of another set, classes going by name; pictures of a class that it lacks are left out
    /// ([`left_out`](Self::left_out) counts them).
    ///
    /// # Errors
    /// [`DataError::NoCommonClass`] when the sets share no class that occurs.
    pub fn with_label_set(&self, label_set: LabelSet) -> Result<Self, DataError> {
        let own = self.with_targets(Targets::Labels)?;
        let source = own.label_set;
        if source == label_set {
            return Ok(own);
        }
        let labels: Vec<Option<u8>> =
            (0..own.len).map(|row| source.translate(own.label(row), label_set)).collect();
        if labels.iter().all(Option::is_none) {
            return Err(DataError::NoCommonClass {
                name: self.name.clone(),
                got: source.to_string(),
                expected: label_set.to_string(),
            });
        }
        Ok(Self { other_labels: labels, label_set, ..own })
    }

    /// The label set of the file, whatever set the labels are of now.
    pub fn label_set_in_file(&self) -> LabelSet {
        self.label_set_in_file
    }

    /// How many pictures of a split have no label of the present set, and are left out.
    pub fn left_out(&self, split: Split) -> usize {
        let is_left_out =
            |(row, label): (usize, &Option<u8>)| label.is_none() && self.assigned_split(row) == split;
        self.other_labels.iter().enumerate().filter(|labelled| is_left_out(*labelled)).count()
    }

    /// The origin of `row`.
    pub fn origin(&self, row: usize) -> Origin {
        Origin::from_byte(self.origin_byte(row)).expect("opening checked every origin")
    }

    /// The number of raters, of ten, who chose each class for `row`: FER+'s eight classes, `unknown`, `NF`.
    /// `None` when the data set was imported without FER+.
    pub fn votes(&self, row: usize) -> Option<&[u8]> {
        let votes = &self.map[self.votes.clone()?];
        Some(&votes[row * VOTE_COLUMNS..][..VOTE_COLUMNS])
    }

    /// The person in `row`, where the data set says who it is.
    pub fn subject(&self, row: usize) -> Option<u16> {
        self.number(&self.subject, row)
    }

    /// The film that `row` was taken from, counted per subject (CK+).
    pub fn sequence(&self, row: usize) -> Option<u16> {
        self.number(&self.sequence, row)
    }

    /// The frame of that film (CK+).
    pub fn frame(&self, row: usize) -> Option<u16> {
        self.number(&self.frame, row)
    }

    /// The Training samples, photographs and synthetic pictures.
    ///
    /// # Errors
    /// [`DataError::NoSamples`] when there are none.
    pub fn training(&self) -> Result<TrainingSplit<'_>, DataError> {
        TrainingSplit::new(self)
    }

    /// The Validation samples, for selection only: FER-2013's PublicTest.
    ///
    /// # Errors
    /// [`DataError::NoSamples`] when there are none.
    pub fn validation(&self) -> Result<ValidationSplit<'_>, DataError> {
        ValidationSplit::new(self)
    }

    /// The Test samples, for the evaluation of a finished model only: FER-2013's PrivateTest.
    ///
    /// # Errors
    /// [`DataError::NoSamples`] when there are none.
    pub fn test(&self) -> Result<TestSplit<'_>, DataError> {
        TestSplit::new(self)
    }

    fn split_byte(&self, row: usize) -> u8 {
        self.map[self.split.clone()][row]
    }

    fn origin_byte(&self, row: usize) -> u8 {
        self.map[self.origin.clone()][row]
    }

    fn number(&self, range: &Option<Range<usize>>, row: usize) -> Option<u16> {
        let bytes = &self.map[range.clone()?][2 * row..];
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }
}

/// A text of the file's metadata.
fn text(path: &Path, texts: &HashMap<String, String>, key: &str) -> Result<String, DataError> {
    texts.get(key).cloned().ok_or_else(|| DataError::file(path, format!("its metadata lacks `{key}`")))
}

/// Finds tensors in the file's header.
struct Tensors<'a> {
    path: &'a Path,
    metadata: &'a Metadata,
    /// The offset in the file at which the tensors' bytes begin.
    start: usize,
}

impl Tensors<'_> {
    fn shape(&self, name: &str) -> Result<&[usize], DataError> {
        let info = self.metadata.info(name);
        info.map(|info| info.shape.as_slice())
            .ok_or_else(|| DataError::file(self.path, format!("tensor `{name}` is missing")))
    }

    fn range(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Range<usize>, DataError> {
        self.shape(name)?;
        let range = self.optional_range(name, dtype, shape)?;
        Ok(range.expect("`shape` returns only when the tensor is there"))
    }

    fn optional_range(
        &self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
    ) -> Result<Option<Range<usize>>, DataError> {
        let Some(info) = self.metadata.info(name) else { return Ok(None) };
        if info.dtype != dtype || info.shape != shape {
            return Err(DataError::file(
                self.path,
                format!("tensor `{name}` is {:?} {:?}, expected {dtype:?} {shape:?}", info.dtype, info.shape),
            ));
        }
        let (begin, end) = info.data_offsets;
        Ok(Some(self.start + begin..self.start + end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images as _;
    use crate::data::packed::builder::tests::{small, small_with_everything};

    #[test]
    fn what_was_built_is_what_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        small_with_everything().write(&path, "abc").unwrap();
        let set = PackedDataset::open(&path).unwrap();
        assert_eq!((set.len(), set.height(), set.width()), (4, 2, 3));
        assert_eq!((set.name(), set.label_set(), set.source_checksum()), ("small", LabelSet::Fer2013, "abc"));
        assert_eq!(set.image(2), [20, 21, 22, 23, 24, 25]);
        assert_eq!((set.label(3), set.split(3), set.origin(3)), (3, Split::Training, Origin::Synthetic));
        assert_eq!(set.votes(1).unwrap(), [1, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!((set.subject(2), set.sequence(2), set.frame(2)), (Some(502), Some(2), Some(1002)));
        assert!(set.is_intact());
        assert_eq!(set.fingerprint().len(), 64);
        assert_eq!(set.training().unwrap().rows(), [0, 3]);
        assert_eq!(set.training().unwrap().limit(1).len(), 1);
        assert_eq!(set.validation().unwrap().rows(), [1]);
        assert_eq!(set.test().unwrap().image(0), set.image(2));
    }

    #[test]
    fn the_fingerprint_never_changes() {
        // Models name the data they were trained on by it. Expected: Python's blake3 over the same bytes.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        small().write(&path, "abc").unwrap();
        let expected = "656e5637c35978a86f20dc4669330207d75e070679094c196e6b63825feef244";
        assert_eq!(PackedDataset::open(&path).unwrap().fingerprint(), expected);
    }

    #[test]
    fn the_same_samples_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("a"), folder.path().join("b")];
        for path in &paths {
            small_with_everything().write(path, "abc").unwrap();
        }
        assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    }

    #[test]
    fn damaged_files_are_refused_or_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        small().write(&path, "abc").unwrap();
        let good = std::fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
        let open = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            PackedDataset::open(&path).map(|set| set.is_intact()).map_err(|error| error.to_string())
        };
        assert_eq!(open(&good), Ok(true));
        // Tensors follow in the order images (24 bytes), labels, origin, split (4 bytes each).
        for (place, value, message) in [
            (header + 24, 7, "row 0 (from 0): label 7, expected 0 to 6 (fer2013)"),
            (header + 28, 9, "row 0 (from 0): origin 9, expected 0 or 1"),
            (header + 33, 9, "row 1 (from 0): split 9, expected 0, 1, 2 or 4"),
            (header + 29, 1, "row 1 (from 0): is synthetic but not in the training split"),
        ] {
            let mut bad = good.clone();
            bad[place] = value;
            let error = open(&bad).unwrap_err();
            assert!(error.contains(message) && error.contains("set.safetensors"), "{error}");
        }
        let mut changed = good.clone();
        changed[header] ^= 1;
        assert_eq!(open(&changed), Ok(false));
        assert!(open(&good[..good.len() - 1]).unwrap_err().contains("is not a packed data set"));
        assert!(open(&[]).unwrap_err().contains("is empty"));
        assert!(open(b"emotion,pixels,Usage\n").unwrap_err().contains("duchenne data import"));
    }
}
