//! *Robustness*: how far accuracy falls when pictures are corrupted.

use serde::Serialize;

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
    /// Their mean.
    pub mean: f64,
}

impl CorruptedAccuracy {
    /// Of accuracies by rising severity.
    ///
    /// # Panics
    /// If there is none, or not one for each strength.
    pub fn new(name: &str, unit: &str, strengths: &[f32], accuracies: Vec<f64>) -> Self {
        assert!(
            !accuracies.is_empty() && accuracies.len() == strengths.len(),
            "an accuracy for each strength"
        );
        let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
        Self { name: name.to_owned(), unit: unit.to_owned(), strengths: strengths.to_vec(), accuracies, mean }
    }
}

/// Accuracy under every kind of corruption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Robustness {
    /// What is averaged over for each picture.
    pub views: String,
    /// Accuracy on the pictures as they are.
    pub clean: f64,
    /// Accuracy by corruption.
    pub corruptions: Vec<CorruptedAccuracy>,
    /// The mean over corruptions and severities.
    pub mean: f64,
    /// By how much of the clean accuracy the mean is lower: `1 - mean / clean`; 0 where nothing was right before.
    pub relative_drop: f64,
}

impl Robustness {
    /// Of accuracies by corruption.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(views: &str, clean: f64, corruptions: Vec<CorruptedAccuracy>) -> Self {
        assert!(!corruptions.is_empty(), "no corruption");
        let mean =
            corruptions.iter().map(|corruption| corruption.mean).sum::<f64>() / corruptions.len() as f64;
        let relative_drop = if clean > 0.0 { 1.0 - mean / clean } else { 0.0 };
        Self { views: views.to_owned(), clean, corruptions, mean, relative_drop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_drop_equal_their_definitions() {
        let noise = CorruptedAccuracy::new("noise", "levels", &[1.0, 2.0], vec![0.6, 0.4]);
        let blur = CorruptedAccuracy::new("blur", "pixels", &[0.5, 1.0], vec![0.8, 0.6]);
        let robustness = Robustness::new("single crop", 0.8, vec![noise, blur]);
        assert!((robustness.corruptions[0].mean - 0.5).abs() < 1e-12);
        assert!((robustness.mean - 0.6).abs() < 1e-12);
        assert!((robustness.relative_drop - 0.25).abs() < 1e-12);
    }
}
