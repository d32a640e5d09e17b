//! A *scored split*: the logits that one model gave to the images of one split, beside their labels.

use super::EvaluationError;

/// Predictions of one model on one split of a data set.
///
/// ```
/// use duchenne::{ScoredSplit, evaluate, fit_temperature};
///
/// // Two classes, four images; the third is wrong.
/// let scored = ScoredSplit {
///     split: "validation".to_owned(),
///     class_names: vec!["calm".to_owned(), "cheerful".to_owned()],
///     labels: vec![0, 1, 1, 0],
///     logits: vec![2.0, 0.0, 0.0, 1.0, 0.5, 0.0, 3.0, 0.0],
///     rows: vec![0, 1, 2, 3],
///     seen_in_training: vec![false; 4],
///     ferplus_votes: None,
/// };
/// let report = evaluate(&scored, fit_temperature(&scored)?)?;
/// assert_eq!(report.overall.accuracy.value, 0.75);
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredSplit {
    /// The split's name, as it is to stand in reports: `validation`, `test`.
    pub split: String,
    /// The model's classes; a label is an index into this list.
    pub class_names: Vec<String>,
    /// The data set's label of every image, `0..class_names.len()`.
    pub labels: Vec<u8>,
    /// The model's outputs before softmax, `[images, classes]`, row-major.
    pub logits: Vec<f32>,
    /// The data set's row of every image: what errors name.
    pub rows: Vec<u32>,
    /// Whether the image is pixel-identical to an image of the Training split.
    pub seen_in_training: Vec<bool>,
    /// The ten FER+ vote counts of every image, where the data set has them.
    pub ferplus_votes: Option<Vec<[u8; 10]>>,
}

impl ScoredSplit {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images (such a split is refused by [`check`](Self::check)).
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Finds what would make figures meaningless: no images, lists of different lengths, labels outside the
    /// classes, logits that are not finite.
    ///
    /// # Errors
    /// The first of these found, with the data set's row where there is one.
    pub fn check(&self) -> Result<(), EvaluationError> {
        let (images, classes) = (self.len(), self.classes());
        if images == 0 {
            return Err(EvaluationError::Empty { split: self.split.clone() });
        }
        if !(2..=256).contains(&classes) {
            return Err(EvaluationError::ClassCount { split: self.split.clone(), got: classes });
        }
        let votes = self.ferplus_votes.as_ref().map_or(images, Vec::len);
        for (what, expected, got) in [
            ("logits", images * classes, self.logits.len()),
            ("row numbers", images, self.rows.len()),
            ("marks of images seen in training", images, self.seen_in_training.len()),
            ("FER+ vote records", images, votes),
        ] {
            if expected != got {
                return Err(EvaluationError::LengthMismatch {
                    split: self.split.clone(),
                    what,
                    expected,
                    got,
                });
            }
        }
        for ((&label, &row), logits) in self.labels.iter().zip(&self.rows).zip(self.logits.chunks(classes)) {
            if usize::from(label) >= classes {
                return Err(EvaluationError::LabelOutOfRange {
                    split: self.split.clone(),
                    row,
                    label,
                    classes,
                });
            }
            if let Some((class, &value)) = logits.iter().enumerate().find(|(_, logit)| !logit.is_finite()) {
                let class = self.class_names[class].clone();
                return Err(EvaluationError::NotFinite { split: self.split.clone(), row, class, value });
            }
        }
        Ok(())
    }

    /// The most probable class of every image; of equal logits the first class wins, as in `numpy.argmax`.
    pub fn predictions(&self) -> Vec<u8> {
        self.logits.chunks(self.classes().max(1)).map(first_largest).collect()
    }

    /// The share of images classified as labelled.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn accuracy(&self) -> Result<f64, EvaluationError> {
        self.check()?;
        let correct = self.correct().into_iter().filter(|correct| *correct).count();
        Ok(correct as f64 / self.len() as f64)
    }

    /// Whether each image was classified as labelled: what [`mcnemar`](super::mcnemar) compares.
    pub fn correct(&self) -> Vec<bool> {
        self.predictions().iter().zip(&self.labels).map(|(predicted, label)| predicted == label).collect()
    }
}

/// The index of the first largest value.
pub(super) fn first_largest(logits: &[f32]) -> u8 {
    let mut best = 0;
    for (index, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = index;
        }
    }
    best as u8
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A checked split of FER-2013's first `classes` classes; row numbers start at 100.
    pub(in crate::evaluation) fn scored(classes: usize, labels: &[u8], logits: &[f32]) -> ScoredSplit {
        let names = crate::expression::LabelSet::Fer2013.names();
        ScoredSplit {
            split: "test".into(),
            class_names: names[..classes].iter().map(|name| name.to_string()).collect(),
            labels: labels.to_vec(),
            logits: logits.to_vec(),
            rows: (100..100 + labels.len() as u32).collect(),
            seen_in_training: vec![false; labels.len()],
            ferplus_votes: None,
        }
    }

    #[test]
    fn an_empty_split_is_refused_by_name() {
        let message = scored(3, &[], &[]).check().unwrap_err().to_string();
        assert!(message.contains("`test` has no images"), "{message}");
    }

    #[test]
    fn a_logit_that_is_not_a_number_is_refused_with_its_row() {
        let mut split = scored(2, &[0, 1], &[0.0, 1.0, 2.0, f32::NAN]);
        let message = split.check().unwrap_err().to_string();
        assert!(message.contains("`disgust` on row 101"), "{message}");
        split.logits[3] = f32::INFINITY;
        assert!(matches!(split.check(), Err(EvaluationError::NotFinite { row: 101, .. })));
    }

    #[test]
    fn lists_of_other_lengths_and_foreign_labels_are_refused() {
        let good = scored(2, &[0, 1], &[0.0; 4]);
        good.check().unwrap();
        let bad = ScoredSplit { logits: vec![0.0; 3], ..good.clone() };
        assert!(matches!(bad.check(), Err(EvaluationError::LengthMismatch { expected: 4, got: 3, .. })));
        let bad = ScoredSplit { seen_in_training: vec![], ..good.clone() };
        assert!(matches!(bad.check(), Err(EvaluationError::LengthMismatch { .. })));
        let bad = ScoredSplit { ferplus_votes: Some(vec![[0; 10]]), ..good.clone() };
        assert!(matches!(bad.check(), Err(EvaluationError::LengthMismatch { .. })));
        let bad = ScoredSplit { labels: vec![0, 2], ..good.clone() };
        assert_eq!(
            bad.check().unwrap_err().to_string(),
            "row 101 of split `test` has label 2, expected 0 to 1: evaluate with the model's own label set"
        );
        let bad = ScoredSplit { class_names: vec!["angry".into()], ..good };
        assert!(matches!(bad.check(), Err(EvaluationError::ClassCount { got: 1, .. })));
    }

    #[test]
    fn of_equal_logits_the_first_class_wins() {
        assert_eq!(scored(3, &[0, 1], &[1.0, 1.0, 0.0, -2.0, -1.0, -1.0]).predictions(), [0, 1]);
        assert_eq!(scored(3, &[0, 2], &[1.0, 1.0, 0.0, -2.0, -1.0, -1.0]).accuracy().unwrap(), 0.5);
    }
}
