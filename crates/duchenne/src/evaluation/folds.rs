//! The *folds* of a cross-validation: figures of each, their mean, its spread and its interval.

use serde::Serialize;

use super::{Estimate, summarize_seeds};

/// 97.5 % points of Student's t distribution by degrees of freedom from 1 (scipy's `t.ppf(0.975, df)`).
const STUDENT: [f64; 29] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157,
    2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905, 2.109_816, 2.100_922,
    2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899, 2.059_539, 2.055_529, 2.051_831,
    2.048_407, 2.045_230,
];

/// The most folds.
pub const MOST_FOLDS: usize = STUDENT.len() + 1;

/// One fold, tested by a model that was trained without it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fold {
    /// Its name, also that of its run directory: `fold-01`.
    pub name: String,
    /// Pictures that the model was trained on.
    pub training: usize,
    /// Pictures that selected its epoch and its temperature.
    pub validation: usize,
    /// Pictures of the fold.
    pub images: usize,
    /// Accuracy on them (`0..=1`).
    pub accuracy: f64,
    /// The epoch that was kept.
    pub epoch: Option<usize>,
}

/// All folds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Folds {
    /// What was kept together: `subject` or `picture`.
    pub by: String,
    /// Each fold.
    pub folds: Vec<Fold>,
    /// Mean accuracy over folds, with the 95 % interval of Student's t distribution: as if the folds were independent
    /// samples, which they are not quite (Bengio and Grandvalet 2004).
    pub accuracy: Estimate,
    /// Standard deviation over folds.
    pub deviation: f64,
    /// Why the figures claim too much, where they do.
    pub warning: Option<String>,
}

impl Folds {
    /// Of the figures of 2 to 30 folds.
    ///
    /// # Panics
    /// With fewer or more.
    pub fn new(by: &str, folds: Vec<Fold>, warning: Option<String>) -> Self {
        assert!((2..=MOST_FOLDS).contains(&folds.len()), "2 to {MOST_FOLDS} folds");
        let accuracies: Vec<f64> = folds.iter().map(|fold| fold.accuracy).collect();
        let summary = summarize_seeds(&accuracies).expect("there are folds");
        let deviation = summary.deviation.expect("there are several folds");
        let half = STUDENT[folds.len() - 2] * deviation / (folds.len() as f64).sqrt();
        let (low, high) = ((summary.mean - half).max(0.0), (summary.mean + half).min(1.0));
        let accuracy = Estimate { value: summary.mean, low, high };
        Self { by: by.to_owned(), folds, accuracy, deviation, warning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        let fold = |accuracy| Fold {
            name: "fold-01".to_owned(),
            training: 8,
            validation: 1,
            images: 1,
            accuracy,
            epoch: None,
        };
        // scipy.stats.t.interval(0.95, 4, loc=mean, scale=sem) of these five.
        let folds = Folds::new("subject", [0.9, 0.95, 0.92, 0.97, 0.91].map(fold).to_vec(), None);
        assert!((folds.accuracy.value - 0.93).abs() < 1e-12);
        assert!((folds.deviation - 0.029_154_759_474_226_5).abs() < 1e-12);
        assert!((folds.accuracy.low - 0.893_799_5).abs() < 1e-6, "{}", folds.accuracy.low);
        assert!((folds.accuracy.high - 0.966_200_5).abs() < 1e-6);
        let sure = Folds::new("subject", [1.0, 1.0].map(fold).to_vec(), None);
        assert_eq!((sure.accuracy.low, sure.accuracy.high), (1.0, 1.0));
    }
}
