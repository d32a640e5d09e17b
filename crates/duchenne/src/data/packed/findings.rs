//! Looks for what spoils a data set: pictures that occur twice, above all across splits, the same
//! picture with several labels, pictures without content.
//!
//! Two pictures are *identical* when all their pixels are.

use std::collections::HashMap;

use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::split::Split;

/// The findings of a [`check`]. Rows count from 0 and ascend.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Rows whose picture is one constant value.
    pub constant: Vec<u32>,
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
    let also_in_training = Split::ALL
        .into_iter()
        .filter(|&split| split != Split::Training)
        .map(|split| (split, rows_where(&|row| trained[row] && dataset.split(row) == split)))
        .filter(|(split, _)| (0..dataset.len()).any(|row| dataset.split(row) == *split))
        .collect();
    let constant = rows_where(&|row| {
        let image = dataset.image(row);
        image.iter().all(|&pixel| pixel == image[0])
    });
    Findings {
        rows: dataset.len(),
        distinct_images,
        duplicate_groups,
        conflicting_groups,
        also_in_training,
        constant,
    }
}

/// For every row, whether its picture is identical to that of a Training row other than itself:
/// evaluation leaves such test rows out of its de-duplicated view.
pub fn training_duplicates(dataset: &PackedDataset) -> Vec<bool> {
    duplicated_in_training(dataset, &identical_rows(dataset))
}

fn duplicated_in_training(dataset: &PackedDataset, groups: &[Vec<u32>]) -> Vec<bool> {
    let is_training = |row: u32| dataset.split_in_file(row as usize) == Split::Training;
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
        use Split::{PrivateTest, PublicTest, Training};
        for (image, label, split) in [
            ([1, 2], 0, Training),
            ([3, 4], 1, Training),
            ([5, 6], 2, PublicTest),
            ([1, 2], 0, PublicTest),
            ([3, 4], 2, PrivateTest),
            ([7, 7], 3, PrivateTest),
            ([5, 6], 2, PrivateTest),
            ([3, 4], 1, Training),
        ] {
            builder.push(&image, label, split, Origin::Photograph).unwrap();
        }
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
                also_in_training: vec![(PublicTest, vec![3]), (PrivateTest, vec![4])],
                constant: vec![5],
            }
        );
        // Row 0 is the only Training row with its picture; rows 1 and 7 have each other.
        assert_eq!(training_duplicates(&dataset), [false, true, false, true, true, false, false, true]);
    }
}
