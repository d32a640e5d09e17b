//! *Synthetic faces* on their way into a training split: which of the generated sets' pictures join, and
//! under which labels of the data set that they enlarge.

use std::collections::BTreeMap;

use crate::data::error::DataError;
use crate::data::packed::dataset::PackedDataset;
use crate::data::packed::split::Origin;
use crate::expression::LabelSet;

/// The treatment of FER-2013's class that CK+ lacks, neutral, and of CK+'s that FER-2013 lacks, contempt.
/// The paper does not say what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NeutralPolicy {
    /// Neutral faces join where a set has them (a generator trained on FER-2013's); contempt only where the
    /// data set has that class, which FER-2013 has not.
    #[default]
    Real,
    /// Neither joins.
    Omit,
    /// Contempt joins as neutral; neutral faces join too.
    ContemptAsNeutral,
}

impl NeutralPolicy {
    /// The word used in provenance and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            NeutralPolicy::Real => "real",
            NeutralPolicy::Omit => "omit",
            NeutralPolicy::ContemptAsNeutral => "contempt-as-neutral",
        }
    }

    /// The label in `target` under which `label` of `source` joins, if it does.
    fn translate(self, source: LabelSet, label: u8, target: LabelSet) -> Option<u8> {
        let name = source.names()[usize::from(label)];
        match (self, name) {
            (NeutralPolicy::Omit, "neutral" | "contempt") => None,
            (NeutralPolicy::ContemptAsNeutral, "contempt") => target.label_of("neutral"),
            _ => source.translate(label, target),
        }
    }
}

/// Generated faces that may join the training split of one data set.
#[derive(Debug)]
pub struct SyntheticFaces {
    sets: Vec<PackedDataset>,
    target: LabelSet,
    /// Set, row in it, label in the target's label set.
    faces: Vec<(usize, u32, u8)>,
    description: String,
}

impl SyntheticFaces {
    /// The faces of `sets`, in their order, at most `per_class` for each label of `target`.
    ///
    /// # Errors
    /// [`DataError::NotSynthetic`], [`DataError::PictureSize`] or [`DataError::NoCommonLabel`] of a set that cannot join
    /// `target`.
    pub fn select(
        sets: Vec<PackedDataset>,
        target: &PackedDataset,
        per_class: Option<usize>,
        neutral: NeutralPolicy,
    ) -> Result<Self, DataError> {
        let label_set = target.label_set();
        let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
        let mut faces = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            let name = || set.name().to_owned();
            if let Some(row) = (0..set.len()).find(|row| set.origin(*row) != Origin::Synthetic) {
                return Err(DataError::NotSynthetic { name: name(), row });
            }
            let [got, expected] = [set, target].map(PackedDataset::shape);
            if got != expected {
                return Err(DataError::PictureSize { name: name(), got, expected });
            }
            let translated = |row: &usize| neutral.translate(set.label_set(), set.label(*row), label_set);
            let mut mapped = 0;
            for (row, label) in (0..set.len()).filter_map(|row| Some((row, translated(&row)?))) {
                mapped += 1;
                let count = counts.entry(label).or_default();
                if per_class.is_none_or(|most| *count < most) {
                    *count += 1;
                    faces.push((index, row as u32, label));
                }
            }
            if mapped == 0 {
                return Err(DataError::NoCommonLabel {
                    name: name(),
                    target: label_set.to_string(),
                    neutral: neutral.key(),
                });
            }
        }
        let names = label_set.names();
        let counted = counts.iter().map(|(label, count)| format!("{} {count}", names[usize::from(*label)]));
        let counted = counted.collect::<Vec<_>>().join(", ");
        let prints = sets.iter().map(PackedDataset::fingerprint).collect::<Vec<_>>().join(" ");
        let description = format!("{} ({counted}; neutral = {}) of {prints}", faces.len(), neutral.key());
        Ok(Self { sets, target: label_set, faces, description })
    }

    /// The label set of the data set that the faces join.
    pub fn target(&self) -> LabelSet {
        self.target
    }

    /// The number of faces.
    pub fn len(&self) -> usize {
        self.faces.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }

    /// Pixels of a face, row by row.
    pub fn image(&self, index: usize) -> &[u8] {
        let (set, row, _) = self.faces[index];
        self.sets[set].image(row as usize)
    }

    /// Label of a face in the target's label set.
    pub fn label(&self, index: usize) -> u8 {
        self.faces[index].2
    }

    /// The number of faces of each class, their sets and the policy: identifies what joined.
    pub fn description(&self) -> &str {
        &self.description
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Images as _, PackedBuilder, Split, TrainingData};
    use std::path::Path;

    fn write(path: &Path, label_set: LabelSet, origin: Origin, side: usize) -> PackedDataset {
        let mut builder = PackedBuilder::new("set", label_set, side, side);
        for index in 0..14_u8 {
            builder.push(&vec![index; side * side], index % 7, Split::Training, origin).unwrap();
        }
        builder.write(path, "none").unwrap();
        PackedDataset::open(path).unwrap()
    }

    #[test]
    fn labels_map_by_name_and_contempt_stays_out_unless_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let target = write(&path("fer"), LabelSet::Fer2013, Origin::Photograph, 2);
        write(&path("a"), LabelSet::CkPlus, Origin::Synthetic, 2);
        let sets = || vec![PackedDataset::open(path("a")).unwrap()];
        let select =
            |per_class, neutral| SyntheticFaces::select(sets(), &target, per_class, neutral).unwrap();
        let faces = select(None, NeutralPolicy::Real);
        assert_eq!(faces.len(), 12);
        let happy = LabelSet::Fer2013.label_of("happy").unwrap();
        let source = LabelSet::CkPlus.label_of("happy").unwrap();
        let at = (0..faces.len()).find(|index| faces.label(*index) == happy).unwrap();
        assert_eq!(faces.image(at), [source; 4]);
        assert_eq!(select(Some(1), NeutralPolicy::Omit).len(), 6);
        let neutral = LabelSet::Fer2013.label_of("neutral").unwrap();
        let faces = select(None, NeutralPolicy::ContemptAsNeutral);
        let contempt: Vec<_> = (0..14).filter(|index| faces.label(*index) == neutral).collect();
        assert_eq!(contempt.len(), 2);
        assert!(faces.description().contains("contempt-as-neutral"));

        let expected = (faces.image(0).to_vec(), faces.label(0));
        let data = TrainingData::new(target).unwrap();
        assert_eq!(data.split().len(), 14);
        let data = data.with_synthetic(sets(), None, NeutralPolicy::ContemptAsNeutral).unwrap();
        let split = data.split();
        assert_eq!(split.len(), 28);
        assert_eq!((split.image(14).to_vec(), split.label(14)), expected);
        assert_eq!(split.image(13), [13; 4]);
    }

    #[test]
    fn neutral_faces_of_their_own_set_join_unless_omitted() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let target = write(&path("fer"), LabelSet::Fer2013, Origin::Photograph, 2);
        let set = || write(&path("a"), LabelSet::Fer2013, Origin::Synthetic, 2);
        let count = |neutral| SyntheticFaces::select(vec![set()], &target, None, neutral).unwrap().len();
        assert_eq!((count(NeutralPolicy::Real), count(NeutralPolicy::Omit)), (14, 12));
    }

    #[test]
    fn photographs_and_other_sizes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let target = write(&path("fer"), LabelSet::Fer2013, Origin::Photograph, 2);
        let error = |set: PackedDataset| {
            SyntheticFaces::select(vec![set], &target, None, NeutralPolicy::Real).unwrap_err()
        };
        let photographs = write(&path("a"), LabelSet::CkPlus, Origin::Photograph, 2);
        assert!(matches!(error(photographs), DataError::NotSynthetic { row: 0, .. }));
        let large = write(&path("b"), LabelSet::CkPlus, Origin::Synthetic, 3);
        let sizes = error(large).to_string();
        assert!(sizes.contains("has pictures of 3 x 3 x 1, expected 2 x 2 x 1"), "{sizes}");
        let mut contempt = PackedBuilder::new("set", LabelSet::CkPlus, 2, 2);
        contempt.push(&[0; 4], 1, Split::Training, Origin::Synthetic).unwrap();
        contempt.write(&path("c"), "none").unwrap();
        let contempt = error(PackedDataset::open(path("c")).unwrap());
        assert!(matches!(contempt, DataError::NoCommonLabel { .. }), "{contempt}");
    }
}
