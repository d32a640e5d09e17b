//! Looks for what spoils a data set: pictures that occur twice or nearly, above all across splits, the same
//! picture with several labels, persons on both sides of a split, pictures without content.
//!
//! Two pictures are *identical* when all their pixels are; [`near_duplicates`](super::near_duplicates) says when nearly.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::near_duplicates::{NearPair, near_pairs, near_training_duplicates};
use crate::data::packed::split::Split;

/// The findings of a [`check`]. Rows count from 0 and ascend.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The number of samples.
    pub rows: usize,
    /// The number of different pictures among them.
    pub distinct_images: usize,
    /// Rows that hold the same picture: groups of at least two, by their first row.
    pub duplicate_groups: Vec<Vec<u32>>,
    /// Those of the groups whose rows have more than one label.
    pub conflicting_groups: Vec<Vec<u32>>,
    /// Rows of other splits whose picture is identical to a Training picture, by split.
    pub also_in_training: Vec<(Split, Vec<u32>)>,
    /// Pairs of rows that are nearly identical, and not identical.
    pub near_pairs: Vec<NearPair>,
    /// Rows of other splits whose picture is nearly identical to a Training picture, by split; those that are identical to
    /// one are not among them.
    pub nearly_in_training: Vec<(Split, Vec<u32>)>,
    /// Persons in more than one split, by number.
    pub subjects_across_splits: Vec<u16>,
    /// Rows whose picture is one constant value.
    pub constant: Vec<u32>,
    /// Rows whose picture has hardly any contrast: gray levels within 8 of each other.
    pub flat: Vec<u32>,
}

/// Checks all pictures of `dataset`.
pub fn check(dataset: &PackedDataset) -> Findings {
    let groups = identical_rows(dataset);
    let distinct_images = groups.len();
    let duplicate_groups: Vec<Vec<u32>> = groups.into_iter().filter(|rows| rows.len() > 1).collect();
    let label = |row: &u32| dataset.label(*row as usize);
    let conflicts = |rows: &&Vec<u32>| rows.iter().any(|row| label(row) != label(&rows[0]));
    let conflicting_groups = duplicate_groups.iter().filter(conflicts).cloned().collect();
    let trained = duplicated_in_training(dataset, &duplicate_groups);
    let rows_where = |wanted: &dyn Fn(usize) -> bool| -> Vec<u32> {
        (0..dataset.len()).filter(|&row| wanted(row)).map(|row| row as u32).collect()
    };
    let others = || {
        let others = Split::ALL.into_iter().filter(|&split| split != Split::Training);
        others.filter(|split| (0..dataset.len()).any(|row| dataset.split(row) == *split))
    };
    let of_others = |found: &[bool]| -> Vec<(Split, Vec<u32>)> {
        others().map(|split| (split, rows_where(&|row| found[row] && dataset.split(row) == split))).collect()
    };
    let near_pairs = near_pairs(dataset);
    let mut near = near_training_duplicates(dataset, &near_pairs);
    near.iter_mut().zip(&trained).for_each(|(near, identical)| *near &= !identical);
    let range = |row: usize| {
        let (low, high) = dataset
            .image(row)
            .iter()
            .fold((255, 0), |(low, high), pixel| (low.min(*pixel), high.max(*pixel)));
        high - low
    };
    Findings {
        rows: dataset.len(),
        distinct_images,
        duplicate_groups,
        conflicting_groups,
        also_in_training: of_others(&trained),
        near_pairs,
        nearly_in_training: of_others(&near),
        subjects_across_splits: subjects_across_splits(dataset),
        constant: rows_where(&|row| range(row) == 0),
        flat: rows_where(&|row| (1..=8).contains(&range(row))),
    }
}

/// Persons whose pictures stand in more than one split; pictures without a split count for none.
pub fn subjects_across_splits(dataset: &PackedDataset) -> Vec<u16> {
    let mut splits: BTreeMap<u16, BTreeSet<Split>> = BTreeMap::new();
    for row in 0..dataset.len() {
        if let (Some(subject), split) = (dataset.subject(row), dataset.split(row))
            && split != Split::Unassigned
        {
            splits.entry(subject).or_default().insert(split);
        }
    }
    splits.into_iter().filter(|(_, splits)| splits.len() > 1).map(|(subject, _)| subject).collect()
}

/// For every row, whether its picture is identical to that of a Training row other than itself:
/// evaluation leaves such test rows out of its de-duplicated view.
pub fn training_duplicates(dataset: &PackedDataset) -> Vec<bool> {
    duplicated_in_training(dataset, &identical_rows(dataset))
}

fn duplicated_in_training(dataset: &PackedDataset, groups: &[Vec<u32>]) -> Vec<bool> {
    let is_training = |row: u32| dataset.assigned_split(row as usize) == Split::Training;
    let mut duplicated = vec![false; dataset.len()];
    for rows in groups {
        let training = rows.iter().filter(|&&row| is_training(row)).count();
        for &row in rows {
            duplicated[row as usize] = training > usize::from(is_training(row));
        }
    }
    duplicated
}

/// All rows grouped by their pictures, the groups by their first row.
fn identical_rows(dataset: &PackedDataset) -> Vec<Vec<u32>> {
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut group_of: HashMap<&[u8], usize> = HashMap::with_capacity(dataset.len());
    for row in 0..dataset.len() {
        let group = *group_of.entry(dataset.image(row)).or_insert(groups.len());
        // A packed file holds at most u32::MAX rows; opening it checked that.
        match groups.get_mut(group) {
            Some(rows) => rows.push(row as u32),
            None => groups.push(vec![row as u32]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::packed::builder::PackedBuilder;
    use crate::data::packed::split::Origin;
    use crate::expression::LabelSet;

    #[test]
    fn everything_that_was_planted_is_found() {
        let mut builder = PackedBuilder::new("planted", LabelSet::Fer2013, 1, 2);
        use Split::{Test, Training, Validation};
        for (image, label, split) in [
            ([1, 2], 0, Training),
            ([3, 4], 1, Training),
            ([5, 6], 2, Validation),
            ([1, 2], 0, Validation),
            ([3, 4], 2, Test),
            ([7, 7], 3, Test),
            ([5, 6], 2, Test),
            ([3, 4], 1, Training),
        ] {
            builder.push(&image, label, split, Origin::Photograph).unwrap();
        }
        builder.set_subjects(vec![1, 2, 3, 4, 2, 5, 3, 2]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set");
        builder.write(&path, "").unwrap();
        let dataset = PackedDataset::open(&path).unwrap();
        assert_eq!(
            check(&dataset),
            Findings {
                rows: 8,
                distinct_images: 4,
                duplicate_groups: vec![vec![0, 3], vec![1, 4, 7], vec![2, 6]],
                conflicting_groups: vec![vec![1, 4, 7]],
                also_in_training: vec![(Validation, vec![3]), (Test, vec![4])],
                near_pairs: Vec::new(),
                nearly_in_training: vec![(Validation, Vec::new()), (Test, Vec::new())],
                subjects_across_splits: vec![2, 3],
                constant: vec![5],
                flat: vec![0, 1, 2, 3, 4, 6, 7],
            }
        );
        // Row 0 is the only Training row with its picture; rows 1 and 7 have each other.
        assert_eq!(training_duplicates(&dataset), [false, true, false, true, true, false, false, true]);
    }
}
