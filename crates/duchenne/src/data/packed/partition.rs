//! *Partitions*: rows of a data set drawn into parts of chosen sizes, for a validation split, a test split, or the folds
//! of a cross-validation.
//!
//! Each part holds about the same share of every class. Pictures of one person, where the data set says who it is, and
//! identical pictures are never in different parts: what a model has seen must not score it.

use std::collections::HashMap;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};

use crate::data::error::DataError;
use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::split::{Origin, Split};

/// What is kept together, beside identical pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Together {
    /// The pictures of a person.
    Subject,
    /// Nothing: every picture by itself.
    Picture,
}

impl Together {
    /// Persons where the data set knows them, else pictures.
    pub fn of(dataset: &PackedDataset) -> Self {
        if dataset.subject(0).is_some() { Self::Subject } else { Self::Picture }
    }
}

/// Draws every row of `rows` into one of the parts whose sizes are as `shares`, which need not add to one: the part of
/// each row, in the order of `rows`.
///
/// Groups of rows that belong together are shuffled by `seed`, taken in descending size, and each joins the part that
/// then comes nearest to its share of every class (as scikit-learn's `StratifiedGroupKFold` does).
///
/// # Errors
/// [`DataError::NoSubjects`] when persons are to be kept together and the data set does not know them.
///
/// # Panics
/// Without shares, or with one that is not above 0.
pub fn partition(
    dataset: &PackedDataset,
    rows: &[u32],
    shares: &[f64],
    together: Together,
    seed: u64,
) -> Result<Vec<usize>, DataError> {
    assert!(!shares.is_empty() && shares.iter().all(|share| *share > 0.0), "parts need shares");
    if together == Together::Subject && dataset.subject(0).is_none() {
        return Err(DataError::NoSubjects { name: dataset.name().to_owned() });
    }
    let mut groups = groups(dataset, rows, together);
    groups.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));

    let label = |index: &usize| usize::from(dataset.label(rows[*index] as usize));
    let classes = dataset.label_set().len();
    let mut total = vec![0_f64; classes];
    (0..rows.len()).for_each(|index| total[label(&index)] += 1.0);
    let sum: f64 = shares.iter().sum();
    let mut filled = vec![vec![0_f64; classes]; shares.len()];
    let mut parts = vec![0; rows.len()];
    for group in groups {
        let mut joins = vec![0_f64; classes];
        group.iter().for_each(|index| joins[label(index)] += 1.0);
        // How far the part comes from its share of the group's classes, less how far it was.
        let cost = |part: usize| -> f64 {
            let of_class = |class: usize| {
                let wanted = total[class] * shares[part] / sum;
                let before = filled[part][class] - wanted;
                ((before + joins[class]).powi(2) - before.powi(2)) / wanted.max(1e-9)
            };
            (0..classes).filter(|class| joins[*class] > 0.0).map(of_class).sum()
        };
        let costs: Vec<f64> = (0..shares.len()).map(cost).collect();
        let best = (0..shares.len()).min_by(|one, other| costs[*one].total_cmp(&costs[*other]));
        let best = best.expect("there are shares");
        filled[best].iter_mut().zip(&joins).for_each(|(count, joining)| *count += joining);
        group.iter().for_each(|index| parts[*index] = best);
    }
    Ok(parts)
}

/// Indices into `rows` that belong together.
fn groups(dataset: &PackedDataset, rows: &[u32], together: Together) -> Vec<Vec<usize>> {
    // A forest: every index points at an earlier one of its group, or at itself.
    let mut earlier: Vec<usize> = (0..rows.len()).collect();
    fn first(earlier: &mut [usize], mut index: usize) -> usize {
        while earlier[index] != index {
            earlier[index] = earlier[earlier[index]];
            index = earlier[index];
        }
        index
    }
    let mut join = |one: usize, other: usize| {
        let (one, other) = (first(&mut earlier, one), first(&mut earlier, other));
        earlier[one.max(other)] = one.min(other);
    };
    let mut of_picture: HashMap<&[u8], usize> = HashMap::with_capacity(rows.len());
    let mut of_subject: HashMap<u16, usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let row = *row as usize;
        join(*of_picture.entry(dataset.image(row)).or_insert(index), index);
        if together == Together::Subject
            && let Some(subject) = dataset.subject(row)
        {
            join(*of_subject.entry(subject).or_insert(index), index);
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    for index in 0..rows.len() {
        groups[first(&mut earlier, index)].push(index);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

impl PackedDataset {
    /// The same data set with `share` of its Training photographs held out as the validation split, in place of any
    /// other: persons, where they are known, and identical pictures kept together. What is held out depends on `seed`
    /// alone. A validation split of the file's own selects nothing then: its samples are
    /// [`Unassigned`](Split::Unassigned).
    ///
    /// # Errors
    /// [`DataError::NoSamples`] without Training samples; [`DataError::Share`] when nothing would be left on either side.
    pub fn with_validation(&self, share: f64, seed: u64) -> Result<Self, DataError> {
        let is_photograph = |row: &u32| self.origin(*row as usize) == Origin::Photograph;
        let rows: Vec<u32> = self.training()?.rows().iter().copied().filter(is_photograph).collect();
        let refused = || DataError::Share { name: self.name().to_owned(), share, rows: rows.len() };
        if !(share > 0.0 && share < 1.0) {
            return Err(refused());
        }
        let parts = partition(self, &rows, &[1.0 - share, share], Together::of(self), seed)?;
        let held_out = parts.iter().filter(|part| **part == 1).count();
        if held_out == 0 || held_out == rows.len() {
            return Err(refused());
        }
        let mut splits: Vec<Split> = (0..self.len()).map(|row| self.assigned_split(row)).collect();
        for split in &mut splits {
            if *split == Split::Validation {
                *split = Split::Unassigned;
            }
        }
        for (row, part) in rows.iter().zip(parts) {
            if part == 1 {
                splits[*row as usize] = Split::Validation;
            }
        }
        Ok(self.with_splits(splits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Images as _, PackedBuilder};
    use crate::expression::LabelSet;

    /// `subjects` persons of different numbers of pictures, three classes, every seventh picture twice.
    fn dataset(subjects: u16, told: bool) -> (tempfile::TempDir, PackedDataset) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        let labels = LabelSet::own(&["a", "b", "c"]).unwrap();
        let mut builder = PackedBuilder::new("own", labels, 2, 2);
        let mut persons = Vec::new();
        for subject in 0..subjects {
            for picture in 0..4 + subject % 5 {
                let number = subject * 16 + picture;
                let number = if number % 7 == 1 { number - 1 } else { number };
                let [low, high] = number.to_le_bytes();
                let label = (subject + picture) % 3;
                builder.push(&[low, high, 0, 0], label as u8, Split::Training, Origin::Photograph).unwrap();
                persons.push(subject);
            }
        }
        if told {
            builder.set_subjects(persons).unwrap();
        }
        builder.write(&path, "none").unwrap();
        let dataset = PackedDataset::open(&path).unwrap();
        (folder, dataset)
    }

    #[test]
    fn parts_have_their_shares_of_every_class_and_break_no_group() {
        let (_folder, dataset) = dataset(60, true);
        let rows: Vec<u32> = (0..dataset.len() as u32).collect();
        for (together, tolerance) in [(Together::Subject, 0.06), (Together::Picture, 0.02)] {
            let shares = [0.5, 0.3, 0.2];
            let parts = partition(&dataset, &rows, &shares, together, 1).unwrap();
            let mut persons: HashMap<u16, usize> = HashMap::new();
            let mut pictures: HashMap<&[u8], usize> = HashMap::new();
            for (row, part) in rows.iter().zip(&parts) {
                let row = *row as usize;
                assert_eq!(*pictures.entry(dataset.image(row)).or_insert(*part), *part);
                if together == Together::Subject {
                    assert_eq!(*persons.entry(dataset.subject(row).unwrap()).or_insert(*part), *part);
                }
            }
            for class in 0..3 {
                let of_class = |row: &&u32| dataset.label(**row as usize) == class;
                let all = rows.iter().filter(of_class).count() as f64;
                for (part, share) in shares.iter().enumerate() {
                    let here = rows.iter().zip(&parts).filter(|(row, got)| **got == part && of_class(row));
                    let got = here.count() as f64 / all;
                    assert!((got - share).abs() < tolerance, "{together:?} {class} {part}: {got}");
                }
            }
            assert_eq!(partition(&dataset, &rows, &shares, together, 1).unwrap(), parts);
            assert_ne!(partition(&dataset, &rows, &shares, together, 2).unwrap(), parts);
        }
    }

    #[test]
    fn a_share_is_held_out_in_place_of_the_validation_split() {
        let (_folder, dataset) = dataset(20, true);
        assert!(dataset.validation().is_err());
        let drawn = dataset.with_validation(0.25, 3).unwrap();
        let (training, validation) = (drawn.training().unwrap(), drawn.validation().unwrap());
        assert_eq!(training.len() + validation.len(), dataset.len());
        assert!((validation.len() as f64 / dataset.len() as f64 - 0.25).abs() < 0.05);
        let again = drawn.with_validation(0.25, 3).unwrap();
        assert_eq!(again.training().unwrap().len() + again.validation().unwrap().len(), training.len());
        for share in [0.0, 1.0, -0.1, f64::NAN, 1e-9] {
            assert!(matches!(dataset.with_validation(share, 3), Err(DataError::Share { .. })), "{share}");
        }
    }

    #[test]
    fn persons_must_be_known_to_be_kept_together() {
        let (_folder, dataset) = dataset(5, false);
        assert_eq!(Together::of(&dataset), Together::Picture);
        let error = partition(&dataset, &[0, 1], &[1.0, 1.0], Together::Subject, 0).unwrap_err();
        assert!(error.to_string().contains("does not say who is shown"), "{error}");
    }
}
