//! The *confusion matrix*: how often each class was taken for each other, and the figures that follow from it.

use serde::{Serialize, Serializer};

/// Counts of images by true class (row) and predicted class (column). Serialised as a list of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

/// How well one class is recognised.
///
/// A ratio of nothing (no image of the class, or none predicted as it) counts as 0, as with scikit-learn's
/// `zero_division=0`; `support` and `predicted` tell such zeros apart from failures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class's name.
    pub class: String,
    /// Of the images predicted as this class, the share that are (`0..=1`).
    pub precision: f64,
    /// Of the images of this class, the share predicted so (`0..=1`).
    pub recall: f64,
    /// The harmonic mean of precision and recall (`0..=1`).
    pub f1: f64,
    /// Images of this class.
    pub support: u64,
    /// Images predicted as this class.
    pub predicted: u64,
}

impl ConfusionMatrix {
    /// An empty matrix.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts pairs of true and predicted labels.
    ///
    /// # Panics
    /// If a label is not below `classes`: callers check labels first.
    pub fn from_labels(classes: usize, truth: &[u8], predicted: &[u8]) -> Self {
        let mut matrix = Self::new(classes);
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            matrix.add(usize::from(truth), usize::from(predicted));
        }
        matrix
    }

    /// Counts one image.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(truth < self.classes && predicted < self.classes, "labels are checked before counting");
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images of class `truth` predicted as `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// The rows: one per true class.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks(self.classes.max(1))
    }

    /// All images.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Images predicted as labelled.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// Images of class `class`.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.classes).map(|predicted| self.count(class, predicted)).sum()
    }

    /// Images predicted as `class`.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|truth| self.count(truth, class)).sum()
    }

    /// The share of images predicted as labelled (`0..=1`; 0 without images).
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// F1 of one class: `2 TP / (support + predicted)`.
    fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.count(class, class), self.support(class) + self.predicted(class))
    }

    /// The mean F1 of the classes that occur among the labels or the predictions (`0..=1`): scikit-learn's
    /// `f1_score(average="macro", zero_division=0)`. A class that neither occurs nor is predicted says nothing
    /// about the model and is left out.
    pub fn macro_f1(&self) -> f64 {
        mean_where(
            self.classes,
            |class| self.support(class) + self.predicted(class) > 0,
            |class| self.f1(class),
        )
    }

    /// The mean recall of the classes that have images (`0..=1`): scikit-learn's `balanced_accuracy_score`, which
    /// also averages over the classes present in the labels only.
    pub fn balanced_accuracy(&self) -> f64 {
        mean_where(
            self.classes,
            |class| self.support(class) > 0,
            |class| ratio(self.count(class, class), self.support(class)),
        )
    }

    /// The figures of every class, in label order.
    pub fn per_class(&self, class_names: &[String]) -> Vec<ClassFigures> {
        class_names
            .iter()
            .enumerate()
            .map(|(class, name)| ClassFigures {
                class: name.clone(),
                precision: ratio(self.count(class, class), self.predicted(class)),
                recall: ratio(self.count(class, class), self.support(class)),
                f1: self.f1(class),
                support: self.support(class),
                predicted: self.predicted(class),
            })
            .collect()
    }
}

impl Serialize for ConfusionMatrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

/// `part / whole`, and 0 of nothing.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The mean of `value` over the classes that `counts`, and 0 if none does.
fn mean_where(classes: usize, counts: impl Fn(usize) -> bool, value: impl Fn(usize) -> f64) -> f64 {
    let (sum, number) = (0..classes)
        .filter(|&class| counts(class))
        .fold((0.0, 0_u32), |(sum, number), class| (sum + value(class), number + 1));
    if number == 0 { 0.0 } else { sum / f64::from(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_matrix_worked_out_by_hand() {
        // true 0: 3 right, 1 as 1; true 1: 1 as 0, 1 right; class 2 has no image and is predicted once for a 1.
        let matrix = ConfusionMatrix::from_labels(3, &[0, 0, 0, 0, 1, 1, 1], &[0, 0, 0, 1, 0, 1, 2]);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[3, 1, 0], [1, 1, 1], [0, 0, 0]]);
        assert_eq!(matrix.accuracy(), 4.0 / 7.0);
        assert_eq!(matrix.balanced_accuracy(), (3.0 / 4.0 + 1.0 / 3.0) / 2.0);
        assert_eq!(matrix.macro_f1(), (6.0 / 8.0 + 2.0 / 5.0 + 0.0) / 3.0);
        let names = ["a", "b", "c"].map(String::from);
        let class = &matrix.per_class(&names)[2];
        assert_eq!((class.precision, class.recall, class.support, class.predicted), (0.0, 0.0, 0, 1));
    }

    #[test]
    fn a_class_that_neither_occurs_nor_is_predicted_does_not_lower_the_mean() {
        let matrix = ConfusionMatrix::from_labels(7, &[0, 1], &[0, 1]);
        assert_eq!((matrix.macro_f1(), matrix.balanced_accuracy()), (1.0, 1.0));
    }
}
