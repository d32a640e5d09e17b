//! The photographs that a generator learns from: those of the Training split, or of a set without splits (CK+),
//! less a share of the people, whom it never sees, so that it can be told whether it copies.

use std::collections::{BTreeMap, BTreeSet};

use image::GrayImage;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::data::error::DataError;
use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::split::{Origin, Split};

/// The photographs of a data set that generators may know, divided by person.
///
/// Validation and Test have no part in it.
#[derive(Debug, Clone)]
pub struct GenerativeSplit<'a> {
    dataset: &'a PackedDataset,
    seen: Vec<u32>,
    held_out: Vec<u32>,
}

impl<'a> GenerativeSplit<'a> {
    /// Holds out about `share` (`0.0..=0.5`) of the people, or of the photographs where the set does not
    /// tell people apart; of every class at least two people where it has more. The choice depends on the
    /// set alone, so that all generators of one set hold out the same.
    ///
    /// # Errors
    /// [`DataError::NoPhotographs`] when the set has no photograph to learn from, [`DataError::Colored`] when its pictures
    /// are not gray.
    pub fn new(dataset: &'a PackedDataset, share: f64) -> Result<Self, DataError> {
        if dataset.shape()[2] != 1 {
            return Err(DataError::Colored { name: dataset.name().to_owned() });
        }
        let usable = |row: &usize| {
            matches!(dataset.split(*row), Split::Training | Split::Unassigned)
                && dataset.origin(*row) == Origin::Photograph
        };
        let rows: Vec<usize> = (0..dataset.len()).filter(usable).collect();
        if rows.is_empty() {
            return Err(DataError::NoPhotographs { name: dataset.name().to_owned() });
        }
        // Without subjects every photograph counts as a person of its own.
        let person = |row: usize| dataset.subject(row).map_or(row as u64, u64::from);
        let people: BTreeSet<u64> = rows.iter().map(|row| person(*row)).collect();
        let mut people: Vec<u64> = people.into_iter().collect();
        people.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        let count = (people.len() as f64 * share).round() as usize;
        let away = with_all_classes(people, count, &|person_wanted| {
            let of_person = rows.iter().filter(|row| person(**row) == person_wanted);
            of_person.map(|row| (dataset.label(*row), dataset.sequence(*row))).collect()
        });
        let (held_out, seen) = rows.into_iter().partition(|row| away.contains(&person(*row)));
        let narrow = |rows: Vec<usize>| rows.into_iter().map(|row| row as u32).collect();
        Ok(Self { dataset, seen: narrow(seen), held_out: narrow(held_out) })
    }

    /// The whole data set.
    pub fn dataset(&self) -> &'a PackedDataset {
        self.dataset
    }

    /// Rows to learn from, ascending; with a label only those of that class.
    pub fn seen(&self, label: Option<u8>) -> Vec<u32> {
        self.of_class(&self.seen, label)
    }

    /// Rows of the people held out, ascending; with a label only those of that class.
    pub fn held_out(&self, label: Option<u8>) -> Vec<u32> {
        self.of_class(&self.held_out, label)
    }

    fn of_class(&self, rows: &[u32], label: Option<u8>) -> Vec<u32> {
        let wanted = |row: &u32| label.is_none_or(|label| self.dataset.label(*row as usize) == label);
        rows.iter().copied().filter(wanted).collect()
    }

    /// The labels that occur among the rows to learn from, ascending.
    pub fn labels(&self) -> Vec<u8> {
        let labels: BTreeSet<u8> = self.seen.iter().map(|row| self.dataset.label(*row as usize)).collect();
        labels.into_iter().collect()
    }

    /// The photograph of a row.
    pub fn face(&self, row: u32) -> GrayImage {
        face(self.dataset, row as usize)
    }
}

/// The fewest people of a class to hold out, where the class has more.
const LEAST_PER_CLASS: usize = 2;

/// The films of a person, by label and number.
type Films = BTreeSet<(u8, Option<u16>)>;

/// The first `count` people, and where they leave a class with fewer than [`LEAST_PER_CLASS`] of them those who
/// take the fewest films along.
fn with_all_classes(people: Vec<u64>, count: usize, films: &dyn Fn(u64) -> Films) -> BTreeSet<u64> {
    let mut away: BTreeSet<u64> = people[..count].iter().copied().collect();
    // Without people told apart, or with very many, every class has enough of them.
    if count == 0 || people.len() > 1000 {
        return away;
    }
    let films: BTreeMap<u64, Films> = people.iter().map(|person| (*person, films(*person))).collect();
    let has = |person: &u64, label: u8| films[person].iter().any(|(own, _)| *own == label);
    let labels: BTreeSet<u8> = films.values().flatten().map(|(label, _)| *label).collect();
    for label in labels {
        let all = people.iter().filter(|person| has(person, label)).count();
        while away.iter().filter(|person| has(person, label)).count() < LEAST_PER_CLASS.min(all - 1) {
            let left = people.iter().filter(|person| has(person, label) && !away.contains(person));
            let Some(fewest) = left.min_by_key(|person| films[person].len()) else { break };
            away.insert(*fewest);
        }
    }
    // A person who alone shows a class is learned from.
    for person in &people {
        let alone = |label: &u8| people.iter().all(|other| away.contains(other) || !has(other, *label));
        if away.contains(person) && films[person].iter().any(|(label, _)| alone(label)) {
            away.remove(person);
        }
    }
    away
}

/// The picture in `row` of a packed data set.
pub fn face(dataset: &PackedDataset, row: usize) -> GrayImage {
    let (width, height) = (dataset.width() as u32, dataset.height() as u32);
    GrayImage::from_raw(width, height, dataset.image(row).to_vec())
        .expect("packed images have the packed size")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PackedBuilder;
    use crate::data::packed::builder::Take;
    use crate::expression::LabelSet;

    #[test]
    fn people_are_held_out_whole_and_test_pictures_never_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        let mut builder = PackedBuilder::new("test", LabelSet::CkPlus, 2, 2);
        let mut takes = Vec::new();
        for index in 0..60_u8 {
            let split = if index < 50 { Split::Unassigned } else { Split::Test };
            // Two classes each, and a rare one that only persons 2, 5 and 8 show.
            let person = index / 5;
            let label = if person % 3 == 2 && index % 5 == 4 { 6 } else { index % 2 };
            builder.push(&[index; 4], label, split, Origin::Photograph).unwrap();
            takes.push(Take { subject: person.into(), sequence: label.into(), frame: index.into() });
        }
        // Somebody alone shows a class of their own.
        for subject in 100..103 {
            let label = subject as u8 - 98;
            builder.push(&[label; 4], label, Split::Unassigned, Origin::Photograph).unwrap();
            takes.push(Take { subject, sequence: 0, frame: 0 });
        }
        builder.set_takes(takes).unwrap();
        builder.write(&path, "none").unwrap();
        let dataset = PackedDataset::open(&path).unwrap();
        let split = GenerativeSplit::new(&dataset, 0.2).unwrap();
        let (seen, away) = (split.seen(None), split.held_out(None));
        assert_eq!(seen.len() + away.len(), 53);
        assert_eq!(GenerativeSplit::new(&dataset, 0.5).unwrap().labels(), [0, 1, 2, 3, 4, 6]);
        assert!((10..=20).contains(&away.len()), "{away:?}");
        let people = |rows: &[u32]| rows.iter().map(|row| row / 5).collect::<BTreeSet<_>>();
        assert!(people(&seen).is_disjoint(&people(&away)));
        assert!(seen.iter().chain(&away).all(|row| !(50..60).contains(row)));
        assert!(split.seen(Some(1)).iter().all(|row| dataset.label(*row as usize) == 1));
        assert_eq!((split.held_out(Some(6)).len(), split.seen(Some(6)).len()), (2, 1));
        assert_eq!(GenerativeSplit::new(&dataset, 0.2).unwrap().held_out(None), away);
        assert_eq!(GenerativeSplit::new(&dataset, 0.0).unwrap().seen(None).len(), 53);
    }
}
