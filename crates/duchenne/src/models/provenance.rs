//! *Provenance*: where a model comes from, so that its figures can be trusted and its training repeated.

use crate::files::facts::{Fact, FactError, Texts, facts};

// Generated faces carry it with them, so it is defined on the floor of data sets.
pub use crate::data::packed::provenance::GeneratorProvenance;

/// Name and version of this program.
pub const PROGRAM: &str = concat!("duchenne ", env!("CARGO_PKG_VERSION"));

facts! {
    /// Where a classifier comes from. All fields but those of a run are unknown in imported models.
    pub struct ClassifierProvenance {
        /// Name or file of the recipe.
        "recipe" => recipe: Option<String>,
        /// BLAKE3 of the resolved recipe without its seed.
        "recipe-fingerprint" => recipe_fingerprint: Option<String>,
        /// Name of the data set.
        "data" => data: Option<String>,
        /// Fingerprint of the data set.
        "data-fingerprint" => data_fingerprint: Option<String>,
        /// Number of training images, generated faces included.
        "training-images" => training_images: Option<usize>,
        /// Number of generated faces among them, by class.
        "synthetic" => synthetic: Option<String>,
        /// `scratch`, or file and checksum of the initial weights.
        "init" => init: Option<String>,
        /// Files and checksums of the teachers.
        "taught-by" => taught_by: Option<String>,
        /// Number of epochs that the recipe asks for.
        "epochs-planned" => epochs_planned: Option<usize>,
        /// The epoch whose weights these are, from 1.
        "epoch" => epoch: Option<usize>,
        /// Seed of the initial weights, the order and the augmentation.
        "seed" => seed: Option<u64>,
        /// Name and version of the program.
        "program" => program: Option<String>,
        /// Protocol by which the temperature was fitted.
        "temperature" => temperature_protocol: Option<String>,
        /// File of another program that the weights were imported from.
        "imported-from" => imported_from: Option<String>,
        /// Provenance of the model that the run began from.
        "began-from" => began_from: Option<Box<ClassifierProvenance>>,
    }
}

impl ClassifierProvenance {
    /// Whether two models come from the same training but for its seed. What follows from the seed may differ: the
    /// selected epoch, and the initial weights, which of a later stage are the earlier one's with the same seed. The
    /// program's version and the temperature do not belong to the training.
    pub fn same_but_for_the_seed(&self, other: &Self) -> bool {
        let common = |provenance: &Self| Self {
            seed: None,
            epoch: None,
            init: None,
            began_from: None,
            program: None,
            temperature_protocol: None,
            ..provenance.clone()
        };
        common(self) == common(other)
    }
}

/// Stored flat, every name with the prefix `key.`.
impl Fact for Option<Box<ClassifierProvenance>> {
    fn take(texts: &mut Texts, key: &str) -> Result<Self, FactError> {
        let prefix = format!("{key}.");
        let (nested, own): (Texts, Texts) =
            std::mem::take(texts).into_iter().partition(|(name, _)| name.starts_with(&prefix));
        *texts = own;
        if nested.is_empty() {
            return Ok(None);
        }
        let nested: Texts =
            nested.into_iter().map(|(name, text)| (name[prefix.len()..].to_owned(), text)).collect();
        let nested = ClassifierProvenance::try_from(nested)
            .map_err(|error| FactError { key: format!("{prefix}{}", error.key), ..error })?;
        Ok(Some(Box::new(nested)))
    }

    fn put(self, key: &str, texts: &mut Texts) {
        let lines = self.iter().flat_map(|nested| nested.lines());
        texts.extend(lines.map(|(name, text)| (format!("{key}.{name}"), text)));
    }
}

facts! {
    /// Where a linear SVM comes from; the settings of its fit are among the other facts.
    pub struct SvmProvenance {
        /// Data set or feature file, with its size.
        "data" => data: Option<String>,
        /// Architectures of the networks that make its features, and what each began from.
        "networks" => networks: Option<String>,
        /// Sum over the classes of the primal objective.
        "objective" => objective: Option<f64>,
        /// Whether the fit of every class reached the tolerance.
        "converged" => converged: Option<bool>,
        /// Name and version of the program.
        "program" => program: Option<String>,
    }
}

/// Of an SVM that stands in a network's place.
impl From<&SvmProvenance> for ClassifierProvenance {
    fn from(svm: &SvmProvenance) -> Self {
        Self { other: svm.lines().collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance(text: &str) -> ClassifierProvenance {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn stored_text_survives_with_its_lineage_and_unknown_names() {
        let text = r#"{"began-from.began-from.recipe":"a","began-from.epoch":"31","epoch":"5","mood":"good","seed":"7"}"#;
        let read = provenance(text);
        assert_eq!((read.seed, read.epoch, read.recipe.as_ref()), (Some(7), Some(5), None));
        assert_eq!(read.other["mood"], "good");
        let before = read.began_from.as_ref().unwrap();
        assert_eq!(before.epoch, Some(31));
        assert_eq!(before.began_from.as_ref().unwrap().recipe.as_deref(), Some("a"));
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        let names: Vec<String> = read.lines().map(|(name, _)| name).collect();
        assert_eq!(names, ["began-from.began-from.recipe", "began-from.epoch", "epoch", "mood", "seed"]);
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        let error =
            serde_json::from_str::<ClassifierProvenance>(r#"{"began-from.seed":"seven"}"#).unwrap_err();
        assert_eq!(error.to_string(), "`began-from.seed` is `seven`, expected a whole number");
    }

    #[test]
    fn seeds_of_one_training_are_told_from_other_trainings() {
        let base = r#""recipe":"a","training-images":"9""#;
        let of = |more: &str| provenance(&format!("{{{base},{more}}}"));
        let first = of(r#""seed":"0","epoch":"3","program":"x","init":"p","began-from.seed":"0""#);
        assert!(first.same_but_for_the_seed(&of(r#""seed":"1","epoch":"4""#)));
        assert!(!first.same_but_for_the_seed(&of(r#""seed":"1","taught-by":"t""#)));
        // A fact that nobody thought of tells trainings apart.
        assert!(!first.same_but_for_the_seed(&of(r#""seed":"1","mood":"good""#)));
    }
}
