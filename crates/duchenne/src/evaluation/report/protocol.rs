//! The sentences that stand beside the figures: how each was made.

/// A figure's name in the JSON document and the sentence on how it is made.
pub(super) const STATEMENTS: [(&str, &str); 11] = [
    ("selection", SELECTION),
    ("accuracy", ACCURACY),
    ("macro_f1", MACRO_F1),
    ("balanced_accuracy", BALANCED_ACCURACY),
    ("per_class", PER_CLASS),
    ("calibration", CALIBRATION),
    ("deduplicated", DEDUPLICATED),
    ("ferplus", FERPLUS),
    ("votes", VOTES),
    ("robustness", ROBUSTNESS),
    ("folds", FOLDS),
];

/// What was chosen on which split.
pub(super) const SELECTION: &str = "Everything (epoch, hyper-parameters, temperature) is chosen on the validation \
    split; the test split is scored once per finished model. FER-2013 calls them PublicTest and PrivateTest.";
/// Accuracy's interval.
pub(super) const ACCURACY: &str = "Share of images whose most probable class is the data set's label; 95 % Wilson \
    score interval.";
/// Macro-F1's mean and interval.
pub(super) const MACRO_F1: &str = "Unweighted mean F1 of the classes that occur among labels or predictions \
    (scikit-learn's f1_score, average=\"macro\", zero_division=0); 95 % percentile bootstrap over images, 2,000 \
    resamples, seed 2013.";
/// Balanced accuracy's mean and interval.
pub(super) const BALANCED_ACCURACY: &str = "Unweighted mean recall of the classes present in the labels \
    (scikit-learn's balanced_accuracy_score); 95 % percentile bootstrap over images, 2,000 resamples, seed 2013.";
/// Zero divisions.
pub(super) const PER_CLASS: &str =
    "A ratio of nothing (no image of the class, or none predicted as it) counts as 0.";
/// Calibration figures.
pub(super) const CALIBRATION: &str = "NLL in nats; Brier score summed over classes (0 to 2); ECE over 15 equal-width \
    bins of the largest probability. Calibrated figures divide the logits by one temperature fitted on \
    the validation split by likelihood (the model's own, where the data set has none).";
/// The view without duplicates.
pub(super) const DEDUPLICATED: &str =
    "The same figures without the images that are pixel-identical to a Training image.";
/// The FER+ view.
pub(super) const FERPLUS: &str = "8-class accuracy against the majority of FER+'s ten raters after the official filter: \
    single votes removed, winner over half of the remaining votes, unknown and NF dropped. Classes go by name; a \
    majority that the model has no class for (contempt) counts as an error.";
/// The view of all votes.
pub(super) const VOTES: &str = "Calibrated probabilities against the shares of FER+'s raters for eight classes (single \
    votes removed), in nats; cross-entropy cannot be below the shares' own entropy, and the Jensen-Shannon divergence is \
    at most 0.693. Clear pictures are those in which at least 80 % of all votes are for one class.";
/// Accuracy on corrupted pictures.
pub(super) const ROBUSTNESS: &str = "Accuracy on pictures corrupted in nine ways at five severities (kinds after Hendrycks & \
    Dietterich 2019, strengths for gray faces of 48 pixels), the same for every model; the mean over all, and by how \
    much of the clean accuracy it is lower. Kinds that no recipe trains on stand apart. Intervals of means are Wilson's \
    for the number of pictures, as if every severity were decided by the same of them.";

/// Cross-validation.
pub(super) const FOLDS: &str = "Every fold is tested by a model that the others trained, but for the next one, which chose \
    its epoch and temperature. The figures above are of all pictures together, calibrated by each fold's own \
    temperature, of which the mean is shown; below, the mean over folds with the 95 % \
    interval of Student's t distribution.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED, RELIABILITY_BINS};

    #[test]
    fn the_sentences_state_the_constants_in_force() {
        for sentence in [MACRO_F1, BALANCED_ACCURACY] {
            assert!(sentence.contains(&super::super::thousands(BOOTSTRAP_RESAMPLES as u64)));
            assert!(sentence.contains(&format!("seed {BOOTSTRAP_SEED}")));
        }
        assert!(CALIBRATION.contains(&format!("{RELIABILITY_BINS} equal-width")));
    }
}
