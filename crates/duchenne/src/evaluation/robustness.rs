//! *Robustness*: how far accuracy falls when pictures are corrupted.

use serde::Serialize;

use super::{Estimate, wilson};

/// Accuracy under one kind of corruption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorruptedAccuracy {
    /// The corruption.
    pub name: String,
    /// What its strengths count.
    pub unit: String,
    /// How strong it was, by rising severity.
    pub strengths: Vec<f32>,
    /// Accuracy at each of them (`0..=1`).
    pub accuracies: Vec<f64>,
    /// Their mean, with Wilson's 95 % interval for the number of pictures: wide enough if the same pictures decide at
    /// every severity.
    pub mean: Estimate,
}

impl CorruptedAccuracy {
    /// Of accuracies by rising severity, each on so many images.
    ///
    /// # Panics
    /// If there is none, or not one for each strength.
    pub fn new(name: &str, unit: &str, strengths: &[f32], accuracies: Vec<f64>, images: u64) -> Self {
        assert!(
            !accuracies.is_empty() && accuracies.len() == strengths.len(),
            "an accuracy for each strength"
        );
        let mean = estimate(accuracies.iter().sum::<f64>() / accuracies.len() as f64, images);
        Self { name: name.to_owned(), unit: unit.to_owned(), strengths: strengths.to_vec(), accuracies, mean }
    }
}

/// A mean accuracy on so many images, with the interval of a single accuracy of that size.
fn estimate(mean: f64, images: u64) -> Estimate {
    Estimate { value: mean, ..wilson((mean * images as f64).round() as u64, images) }
}

/// Accuracy under every kind of corruption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Robustness {
    /// What is averaged over for each picture.
    pub views: String,
    /// Accuracy on the pictures as they are.
    pub clean: f64,
    /// Images, each of them under every corruption at every severity.
    pub images: u64,
    /// Accuracy by corruption, of the kinds that recipes may train on.
    pub corruptions: Vec<CorruptedAccuracy>,
    /// The mean over these and their severities, with an interval as theirs.
    pub mean: Estimate,
    /// Accuracy by corruption, of kinds that no recipe trains on.
    pub never_trained: Vec<CorruptedAccuracy>,
    /// The mean over these and their severities; `None` where there is none.
    pub never_trained_mean: Option<Estimate>,
    /// By how much of the clean accuracy the mean is lower: `1 - mean / clean`; 0 where nothing was right before.
    pub relative_drop: f64,
}

impl Robustness {
    /// Of accuracies by corruption, of the kinds that recipes may train on and of others, on so many images.
    ///
    /// # Panics
    /// If there is none of the former.
    pub fn new(
        views: &str,
        clean: f64,
        corruptions: Vec<CorruptedAccuracy>,
        never_trained: Vec<CorruptedAccuracy>,
        images: u64,
    ) -> Self {
        let mean_of = |kinds: &[CorruptedAccuracy]| {
            let sum: f64 = kinds.iter().map(|kind| kind.mean.value).sum();
            (!kinds.is_empty()).then(|| estimate(sum / kinds.len() as f64, images))
        };
        let mean = mean_of(&corruptions).expect("at least one corruption");
        let relative_drop = if clean > 0.0 { 1.0 - mean.value / clean } else { 0.0 };
        let never_trained_mean = mean_of(&never_trained);
        let views = views.to_owned();
        Self { views, clean, images, corruptions, mean, never_trained, never_trained_mean, relative_drop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_drop_equal_their_definitions() {
        let noise = CorruptedAccuracy::new("noise", "levels", &[1.0, 2.0], vec![0.6, 0.4], 100);
        let blur = CorruptedAccuracy::new("blur", "pixels", &[0.5, 1.0], vec![0.8, 0.6], 100);
        let gamma = CorruptedAccuracy::new("gamma", "exponent", &[1.3], vec![0.7], 100);
        let robustness = Robustness::new("single crop", 0.8, vec![noise, blur], vec![gamma], 100);
        // Wilson's interval of 50 in 100, by statsmodels.
        let noise = robustness.corruptions[0].mean;
        assert!((noise.low - 0.403_832).abs() < 1e-6 && (noise.high - 0.596_168).abs() < 1e-6, "{noise:?}");
        assert_eq!(robustness.never_trained_mean.unwrap().value, 0.7);
        assert!((noise.value - 0.5).abs() < 1e-12);
        assert!((robustness.mean.value - 0.6).abs() < 1e-12);
        assert!((robustness.relative_drop - 0.25).abs() < 1e-12);
    }
}
