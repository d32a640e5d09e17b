//! *Splits anew*: a packed data set written once more with other splits.

use std::path::Path;

use crate::data::error::DataError;
use crate::data::packed::builder::{PackedBuilder, Take};
use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::partition::{Together, partition};
use crate::data::packed::split::{Origin, Split};
use crate::data::packed::votes::VOTE_COLUMNS;

/// Which shares of a data set become its splits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitShares {
    /// Share of the photographs drawn that becomes the validation split (`0..1`).
    pub validation: f64,
    /// Share of the photographs drawn that becomes the test split (`0..1`).
    pub test: f64,
    /// What is kept together.
    pub together: Together,
    /// Decides which.
    pub seed: u64,
    /// Whether validation and test splits that are there are dissolved first; else one that is there is kept, and none can
    /// be drawn in its place.
    pub anew: bool,
}

/// Draws validation and test splits from the photographs of `dataset` that are in neither, or, anew, from all; those that are
/// drawn into neither are Training. Generated faces stay in Training. What is identical to a picture of a kept split, or shows a
/// person of one, is drawn like the others: [`check`](super::findings::check) finds it.
///
/// # Errors
/// [`DataError::Splits`] where the shares leave nothing to train on, or a split is there already;
/// [`DataError::NoSubjects`].
pub fn draw_splits(dataset: &PackedDataset, shares: &SplitShares) -> Result<PackedDataset, DataError> {
    let refused = |problem: String| DataError::Splits { name: dataset.name().to_owned(), problem };
    let SplitShares { validation, test, together, seed, anew } = *shares;
    let is_share = |share: f64| (0.0..1.0).contains(&share);
    if !is_share(validation) || !is_share(test) || validation + test >= 1.0 || validation + test == 0.0 {
        let got = format!("validation {validation}, test {test}");
        return Err(refused(format!("{got}: expected shares of 0 to 1 that leave something to train on")));
    }
    let mut splits: Vec<Split> = (0..dataset.len()).map(|row| dataset.assigned_split(row)).collect();
    for (split, share) in [(Split::Validation, validation), (Split::Test, test)] {
        let count = splits.iter().filter(|one| **one == split).count();
        if share > 0.0 && count > 0 && !anew {
            let problem = "--anew dissolves its splits and draws all of them";
            return Err(refused(format!("it has a {split} split of {count} already; {problem}")));
        }
    }
    let is_photograph = |row: &u32| dataset.origin(*row as usize) == Origin::Photograph;
    let is_free = |row: &u32| anew || matches!(splits[*row as usize], Split::Training | Split::Unassigned);
    // `open` checked that rows fit.
    let rows: Vec<u32> = (0..dataset.len() as u32).filter(|row| is_photograph(row) && is_free(row)).collect();
    let wanted =
        [(Split::Training, 1.0 - validation - test), (Split::Validation, validation), (Split::Test, test)];
    let wanted: Vec<(Split, f64)> = wanted.into_iter().filter(|(_, share)| *share > 0.0).collect();
    let sizes: Vec<f64> = wanted.iter().map(|(_, share)| *share).collect();
    let parts = partition(dataset, &rows, &sizes, together, seed)?;
    for (row, part) in rows.iter().zip(&parts) {
        splits[*row as usize] = wanted[*part].0;
    }
    for (part, (split, _)) in wanted.iter().enumerate() {
        if !parts.contains(&part) {
            return Err(refused(format!("its {} photographs leave nothing for {split}", rows.len())));
        }
    }
    Ok(dataset.with_splits(splits))
}

/// Writes `dataset` with the splits that it has now to `out`, whole or not at all.
///
/// # Errors
/// [`DataError::Write`] when the file cannot be written.
pub fn write(dataset: &PackedDataset, out: &Path) -> Result<(), DataError> {
    let [height, width, channels] = dataset.shape();
    let mut builder = PackedBuilder::new(dataset.name(), dataset.label_set(), height, width);
    if channels == 3 {
        builder = builder.in_color();
    }
    if let Some(provenance) = dataset.provenance() {
        builder.set_provenance(provenance.clone());
    } else {
        // The pictures go to the file as they come.
        builder.begin_file(out, dataset.source_checksum())?;
    }
    for row in 0..dataset.len() {
        let split = dataset.assigned_split(row);
        builder.push(dataset.image(row), dataset.label(row), split, dataset.origin(row))?;
    }
    let rows = || 0..dataset.len();
    let take = |row| {
        let (sequence, frame) = (dataset.sequence(row)?, dataset.frame(row)?);
        Some(Take { subject: dataset.subject(row)?, sequence, frame })
    };
    if let Some(takes) = rows().map(take).collect() {
        builder.set_takes(takes)?;
    } else if let Some(subjects) = rows().map(|row| dataset.subject(row)).collect() {
        builder.set_subjects(subjects)?;
    }
    let votes = |row| <[u8; VOTE_COLUMNS]>::try_from(dataset.votes(row)?).ok();
    if let Some(votes) = rows().map(votes).collect() {
        builder.set_votes(votes)?;
    }
    builder.write(out, dataset.source_checksum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images as _;
    use crate::data::packed::builder::tests::small_with_everything;
    use crate::expression::LabelSet;

    fn shares(validation: f64, test: f64) -> SplitShares {
        SplitShares { validation, test, together: Together::Picture, seed: 1, anew: false }
    }

    #[test]
    fn a_copy_differs_in_its_splits_alone() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("one"), folder.path().join("other")];
        small_with_everything().write(&paths[0], "abc").unwrap();
        let set = PackedDataset::open(&paths[0]).unwrap();
        write(&set, &paths[1]).unwrap();
        let copy = PackedDataset::open(&paths[1]).unwrap();
        // The fingerprint is that of every tensor.
        assert!(copy.is_intact() && copy.fingerprint() == set.fingerprint());
        assert_eq!((copy.name(), copy.source_checksum()), (set.name(), "abc"));
        assert_eq!((copy.label_set(), copy.frame(3)), (set.label_set(), Some(1003)));
    }

    #[test]
    fn splits_are_drawn_and_those_that_are_there_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set");
        let mut builder = PackedBuilder::new("own", LabelSet::own(&["a", "b"]).unwrap(), 1, 1);
        for row in 0..100 {
            let split = if row < 60 { Split::Training } else { Split::Unassigned };
            builder.push(&[row], row % 2, split, Origin::Photograph).unwrap();
        }
        builder.push(&[200], 0, Split::Training, Origin::Synthetic).unwrap();
        builder.write(&path, "").unwrap();
        let set = PackedDataset::open(&path).unwrap();
        let drawn = draw_splits(&set, &shares(0.1, 0.2)).unwrap();
        let sizes = |set: &PackedDataset| {
            [set.training().unwrap().len(), set.validation().unwrap().len(), set.test().unwrap().len()]
        };
        assert_eq!(sizes(&drawn), [71, 10, 20]);
        assert_eq!(drawn.split(100), Split::Training);
        write(&drawn, &path).unwrap();
        let set = PackedDataset::open(&path).unwrap();
        assert_eq!(sizes(&set), [71, 10, 20]);
        let error = draw_splits(&set, &shares(0.1, 0.0)).unwrap_err().to_string();
        assert!(error.contains("has a validation split of 10 already; --anew"), "{error}");
        let anew = draw_splits(&set, &SplitShares { anew: true, ..shares(0.3, 0.3) }).unwrap();
        assert_eq!(sizes(&anew), [41, 30, 30]);
        for wrong in [shares(0.0, 0.0), shares(0.5, 0.5), shares(-0.1, 0.2), shares(f64::NAN, 0.1)] {
            assert!(matches!(draw_splits(&set, &wrong), Err(DataError::Splits { .. })), "{wrong:?}");
        }
    }
}
