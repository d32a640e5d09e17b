//! How far a classifier's training has come: what is logged and what resuming needs, apart from tensors.

use serde::{Deserialize, Serialize};

/// One finished epoch; a line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From one.
    pub epoch: usize,
    /// At the epoch's last step.
    pub learning_rate: f64,
    /// Mean over the epoch's augmented images.
    pub training_loss: f64,
    /// On the same images, while the weights moved; 0..=1.
    pub training_accuracy: f64,
    /// Cross-entropy on PublicTest, centre crop.
    pub validation_loss: f64,
    /// On PublicTest, centre crop; 0..=1.
    pub validation_accuracy: f64,
    /// Of computation, over all sittings; not part of what resuming reproduces.
    pub seconds: f64,
}

/// Where a run stands, apart from tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Finished epochs.
    pub epochs: usize,
    /// Finished batches of the next epoch.
    pub batches: usize,
    /// Sum of the losses of those batches times their sizes, as bits, so that it survives text.
    pub loss_sum_bits: u64,
    /// Images seen in those batches.
    pub seen: usize,
    /// Of them recognised.
    pub correct: usize,
    /// Seconds spent on those batches.
    pub seconds: f64,
    /// Updates of the weight average.
    pub average_steps: u64,
    /// Whether nothing is left to do.
    pub finished: bool,
    /// All finished epochs.
    pub records: Vec<EpochRecord>,
}
