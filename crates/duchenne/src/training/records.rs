//! *Records*: what a finished epoch leaves in the log of a run, and what reports show of it.

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

/// A finished epoch of a classifier; a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch's number, from 1.
    pub epoch: usize,
    /// Learning rate at the epoch's last step.
    pub learning_rate: f64,
    /// Mean loss over the training images, augmented and regularised as the recipe says, while the weights moved.
    pub training_loss: f64,
    /// Accuracy on the same images (`0..=1`).
    pub training_accuracy: f64,
    /// Cross-entropy on the validation split, from the views that the recipe's selection asks for.
    pub validation_loss: f64,
    /// Accuracy on the validation split, from the same views (`0..=1`).
    pub validation_accuracy: f64,
    /// Seconds of computation over all sittings; not part of what resuming reproduces, nor of a report.
    #[serde(default)]
    pub seconds: f64,
}

/// Epochs as reports have them: how long one took says nothing of the model, and equal runs would give different
/// reports.
pub(crate) fn without_seconds<S: Serializer>(
    epochs: &[EpochRecord],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let value = |epoch: &EpochRecord| -> Result<serde_json::Value, S::Error> {
        let mut value = serde_json::to_value(epoch).map_err(S::Error::custom)?;
        value.as_object_mut().map(|fields| fields.remove("seconds"));
        Ok(value)
    };
    epochs.iter().map(value).collect::<Result<Vec<_>, _>>()?.serialize(serializer)
}

/// A finished epoch of a generator; a line of the log. Means over the epoch's steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GanRecord {
    /// The epoch's number, from 1.
    pub epoch: usize,
    /// Number of discriminator steps so far.
    pub steps: u32,
    /// Loss of the discriminator, weighted penalty included.
    pub discriminator_loss: f64,
    /// Loss of the generator; `None` in an epoch without a generator step.
    pub generator_loss: Option<f64>,
    /// Mean score of photographs less that of generated images: with the Wasserstein loss the critic's
    /// estimate of the distance, which falls as the faces get better.
    pub score_difference: f64,
    /// Gradient penalty before its weight; `None` without a penalty.
    pub penalty: Option<f64>,
    /// Kernel distance of the faces to the people held out, in epochs that are judged.
    pub judgement: Option<f64>,
    /// Seconds of computation over all sittings; not part of what resuming reproduces.
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Report {
        #[serde(serialize_with = "without_seconds")]
        epochs: Vec<EpochRecord>,
    }

    #[test]
    fn equal_runs_give_equal_reports_however_long_they_took() {
        let record = |seconds| EpochRecord {
            epoch: 1,
            learning_rate: 0.1,
            training_loss: 1.0,
            training_accuracy: 0.5,
            validation_loss: 1.0,
            validation_accuracy: 0.4,
            seconds,
        };
        let text = |seconds| serde_json::to_string(&Report { epochs: vec![record(seconds)] }).unwrap();
        assert_eq!(text(1.0), text(2.0));
        let read: Report = serde_json::from_str(&text(1.0)).unwrap();
        assert_eq!(read.epochs, [record(0.0)]);
        // The log keeps the time.
        assert!(serde_json::to_string(&record(2.5)).unwrap().contains("\"seconds\":2.5"));
    }
}
