//! The *evaluation report*: every figure of the protocol for one model on one split, as plain numbers.

use serde::Serialize;

use super::calibration::calibration;
use super::ferplus_view::ferplus_view;
use super::intervals::bootstrap;
use super::votes_view::votes_view;
use super::{
    Calibration, ClassFigures, ConfusionMatrix, Estimate, EvaluationError, FerPlusView, ScoredSplit,
    VotesView, wilson,
};

/// Every figure of one model on one split, as [`evaluate`] makes them; [`ScoredSplit`] has an example.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// The split's name.
    pub split: String,
    /// The classes, in label order: the rows and columns of the confusion matrices.
    pub classes: Vec<String>,
    /// The temperature fitted on the validation split.
    pub temperature: f64,
    /// The figures over all images of the split.
    pub overall: Figures,
    /// The same without the images that are pixel-identical to a Training image.
    pub deduplicated: DeduplicatedView,
    /// Agreement with the majority of FER+'s raters, where the data set has their votes.
    pub ferplus: Option<FerPlusView>,
    /// Nearness to all votes of FER+'s raters, for models of their eight classes.
    pub votes: Option<VotesView>,
}

/// The view without images that the model may have been trained on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeduplicatedView {
    /// Images left out: pixel-identical to a Training image.
    pub removed: u64,
    /// The figures over the rest; `None` if nothing is left.
    pub figures: Option<Figures>,
}

/// The figures of one set of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Images.
    pub n: u64,
    /// The share classified as labelled, with Wilson's 95 % interval.
    pub accuracy: Estimate,
    /// Mean F1 of the classes that occur among labels or predictions, with a percentile bootstrap's 95 %
    /// interval.
    pub macro_f1: Estimate,
    /// Mean recall of the classes that have images, with a percentile bootstrap's 95 % interval.
    pub balanced_accuracy: Estimate,
    /// Precision, recall and F1 of every class.
    pub per_class: Vec<ClassFigures>,
    /// True classes in rows, predicted classes in columns.
    pub confusion: ConfusionMatrix,
    /// The quality of the probabilities as the model gives them (temperature 1).
    pub uncalibrated: Calibration,
    /// The same after the logits are divided by the fitted temperature.
    pub calibrated: Calibration,
}

/// Computes every figure of a scored split.
///
/// `temperature` comes from [`fit_temperature`](super::fit_temperature) on the validation split, never from the
/// split scored here, unless that is the validation split itself.
///
/// # Errors
/// Those of [`ScoredSplit::check`], and [`EvaluationError::Temperature`] unless the temperature is finite and
/// above 0.
pub fn evaluate(scored: &ScoredSplit, temperature: f64) -> Result<EvaluationReport, EvaluationError> {
    scored.check()?;
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(EvaluationError::Temperature(temperature));
    }
    let predictions = scored.predictions();
    let unseen: Vec<usize> = (0..scored.len()).filter(|&image| !scored.seen_in_training[image]).collect();
    Ok(EvaluationReport {
        split: scored.split.clone(),
        classes: scored.class_names.clone(),
        temperature,
        overall: figures(&scored.class_names, &scored.labels, &scored.logits, &predictions, temperature),
        deduplicated: DeduplicatedView {
            removed: (scored.len() - unseen.len()) as u64,
            figures: (!unseen.is_empty()).then(|| figures_of(scored, &predictions, &unseen, temperature)),
        },
        ferplus: ferplus_view(scored, &predictions),
        votes: votes_view(scored, &predictions, temperature),
    })
}

/// The figures of the images with these positions in the split.
fn figures_of(scored: &ScoredSplit, predictions: &[u8], images: &[usize], temperature: f64) -> Figures {
    let classes = scored.classes();
    let labels: Vec<u8> = images.iter().map(|&image| scored.labels[image]).collect();
    let predictions: Vec<u8> = images.iter().map(|&image| predictions[image]).collect();
    let logits: Vec<f32> =
        images.iter().flat_map(|&image| &scored.logits[image * classes..][..classes]).copied().collect();
    figures(&scored.class_names, &labels, &logits, &predictions, temperature)
}

/// The figures of a set of images.
fn figures(
    class_names: &[String],
    labels: &[u8],
    logits: &[f32],
    predictions: &[u8],
    temperature: f64,
) -> Figures {
    let classes = class_names.len();
    let confusion = ConfusionMatrix::from_labels(classes, labels, predictions);
    let [macro_f1, balanced_accuracy] =
        bootstrap(&confusion, [ConfusionMatrix::macro_f1, ConfusionMatrix::balanced_accuracy]);
    Figures {
        n: confusion.total(),
        accuracy: wilson(confusion.correct(), confusion.total()),
        macro_f1,
        balanced_accuracy,
        per_class: confusion.per_class(class_names),
        uncalibrated: calibration(labels, logits, classes, 1.0),
        calibrated: calibration(labels, logits, classes, temperature),
        confusion,
    }
}

#[cfg(test)]
mod tests {
    use super::super::scored::tests::scored;
    use super::*;

    #[test]
    fn images_seen_in_training_are_left_out_of_the_second_view() {
        // Right, wrong, right; the first right one was in Training.
        let mut split = scored(2, &[0, 0, 1], &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        split.seen_in_training[0] = true;
        let report = evaluate(&split, 1.5).unwrap();
        assert_eq!((report.overall.n, report.overall.accuracy.value), (3, 2.0 / 3.0));
        let rest = report.deduplicated.figures.unwrap();
        assert_eq!((report.deduplicated.removed, rest.n, rest.accuracy.value), (1, 2, 0.5));
        split.seen_in_training = vec![true; 3];
        assert_eq!(evaluate(&split, 1.5).unwrap().deduplicated.figures, None);
    }

    #[test]
    fn a_temperature_that_cannot_divide_is_refused() {
        let split = scored(2, &[0], &[1.0, 0.0]);
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(evaluate(&split, temperature), Err(EvaluationError::Temperature(_))));
        }
    }
}
