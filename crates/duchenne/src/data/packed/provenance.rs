//! The *provenance* of generated faces: the generators that made them, and how they were used.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::files::facts::facts;

facts! {
    /// Where a generator of faces comes from.
    pub struct GeneratorProvenance {
        /// Name or file of the recipe.
        "recipe" => recipe: Option<String>,
        /// Name of the data set of photographs.
        "data" => data: Option<String>,
        /// Fingerprint of that data set.
        "data-fingerprint" => data_fingerprint: Option<String>,
        /// Number of photographs learned from.
        "photographs" => photographs: Option<usize>,
        /// Share of the people that the generator never saw (`0..=0.5`).
        "held-out-share" => held_out_share: Option<f64>,
        /// Whether the epoch was selected by the kernel distance to the people held out.
        "epoch-chosen-by-people-held-out" => epoch_chosen_by_people_held_out: Option<bool>,
        /// The epoch whose weights these are, from 1.
        "epoch" => epoch: Option<usize>,
        /// Seed of the initial weights, the order and the noise.
        "seed" => seed: Option<u64>,
        /// Name and version of the program.
        "program" => program: Option<String>,
    }
}

/// Where the faces of a synthetic set come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SyntheticProvenance {
    /// The generators, at least one.
    generators: Vec<GeneratorProvenance>,
    /// Seed of the latent noise.
    sample_seed: u64,
    /// Number of faces of each class.
    sample_count_per_class: u32,
}

/// Generators whose faces do not belong in one set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProvenanceError {
    /// Faces of a set without generators come from nowhere.
    #[error("a synthetic set has at least one generator")]
    NoGenerator,
    /// Photographs that are held out of one generator were learned from by another.
    #[error(
        "the generators differ in `{what}` ({values}): the photographs that one never saw were learned from by \
         another, and no figure could tell copying from generating; train them with the same recipe on the same data"
    )]
    Mixed {
        /// Name of the fact.
        what: &'static str,
        /// The different values.
        values: String,
    },
}

impl SyntheticProvenance {
    /// Of faces that `generators` made of one seed, `count_per_class` of each class.
    ///
    /// # Errors
    /// When there is no generator, or they saw different people or photographs.
    pub fn new(
        generators: Vec<GeneratorProvenance>,
        sample_seed: u64,
        sample_count_per_class: u32,
    ) -> Result<Self, ProvenanceError> {
        Self { generators, sample_seed, sample_count_per_class }.checked()
    }

    /// The same, if it can be true.
    pub(crate) fn checked(self) -> Result<Self, ProvenanceError> {
        if self.generators.is_empty() {
            return Err(ProvenanceError::NoGenerator);
        }
        let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
        let generators = self.generators.iter();
        let shares = generators.clone().map(|one| known(one.held_out_share.map(|share| share.to_string())));
        let data = generators.map(|one| known(one.data_fingerprint.clone()));
        let facts: [(_, BTreeSet<String>); 2] =
            [("held-out-share", shares.collect()), ("data-fingerprint", data.collect())];
        for (what, values) in facts {
            if values.len() > 1 {
                let values = values.into_iter().collect::<Vec<_>>().join(", ");
                return Err(ProvenanceError::Mixed { what, values });
            }
        }
        Ok(self)
    }

    /// Share of the people that no generator saw (`0..=0.5`), where that is known.
    pub fn held_out_share(&self) -> Option<f64> {
        self.generators[0].held_out_share
    }

    /// Fingerprint of the photographs that the generators learned from, where that is known.
    pub fn data_fingerprint(&self) -> Option<&str> {
        self.generators[0].data_fingerprint.as_deref()
    }

    /// Whether the epoch of a generator was selected by the people held out, so that they flatter it.
    pub fn epoch_chosen_by_people_held_out(&self) -> bool {
        self.generators.iter().any(|one| one.epoch_chosen_by_people_held_out == Some(true))
    }

    /// Names and values for reports, by name: of a fact in which the generators differ, all values.
    pub fn lines(&self) -> impl Iterator<Item = (String, String)> + use<> {
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in self.generators.iter().flat_map(|generator| generator.lines()) {
            let known = lines.entry(name).or_default();
            if !known.contains(&value) {
                known.push(value);
            }
        }
        lines.insert("sample-seed".to_owned(), vec![self.sample_seed.to_string()]);
        lines.insert("sample-count-per-class".to_owned(), vec![self.sample_count_per_class.to_string()]);
        lines.into_iter().map(|(name, values)| (name, values.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(held_out_share: f64, data: &str, epoch: usize) -> GeneratorProvenance {
        GeneratorProvenance {
            held_out_share: Some(held_out_share),
            data_fingerprint: Some(data.to_owned()),
            epoch: Some(epoch),
            ..GeneratorProvenance::default()
        }
    }

    #[test]
    fn what_generators_may_differ_in_is_listed() {
        let generators = vec![generator(0.15, "d", 3), generator(0.15, "d", 5), generator(0.15, "d", 3)];
        let provenance = SyntheticProvenance::new(generators, 4, 30).unwrap();
        assert_eq!((provenance.held_out_share(), provenance.data_fingerprint()), (Some(0.15), Some("d")));
        let lines: Vec<String> = provenance.lines().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(
            lines,
            [
                "data-fingerprint d",
                "epoch 3, 5",
                "held-out-share 0.15",
                "sample-count-per-class 30",
                "sample-seed 4"
            ]
        );
        let text = serde_json::to_string(&provenance).unwrap();
        assert_eq!(serde_json::from_str::<SyntheticProvenance>(&text).unwrap(), provenance);
    }

    #[test]
    fn generators_that_saw_different_people_are_refused() {
        // Joined as "0.15, 0.2", the shares once could not be parsed, and the faces were judged by people seen.
        let new = |a, b| SyntheticProvenance::new(vec![a, b], 0, 1);
        let error = new(generator(0.15, "d", 1), generator(0.2, "d", 1)).unwrap_err();
        assert!(error.to_string().contains("differ in `held-out-share` (0.15, 0.2)"), "{error}");
        let error = new(generator(0.15, "d", 1), generator(0.15, "e", 1)).unwrap_err();
        assert!(error.to_string().contains("differ in `data-fingerprint` (d, e)"), "{error}");
        assert_eq!(SyntheticProvenance::new(Vec::new(), 0, 1), Err(ProvenanceError::NoGenerator));
    }
}
