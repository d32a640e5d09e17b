//! How far a classifier's training has come: what resuming needs, apart from tensors.

use serde::{Deserialize, Serialize};

use crate::training::records::EpochRecord;

/// Where a run stands, apart from tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of finished epochs.
    pub epochs: usize,
    /// Number of finished batches of the next epoch.
    pub batches: usize,
    /// Sum of the losses of those batches times their sizes, as bits, so that it survives text.
    pub loss_sum_bits: u64,
    /// Number of images in those batches.
    pub seen: usize,
    /// Number of those images that were recognised.
    pub correct: usize,
    /// Seconds spent on those batches.
    pub seconds: f64,
    /// Number of updates of the weight average.
    pub average_steps: u64,
    /// Whether nothing is left to do.
    pub finished: bool,
    /// Figures of all finished epochs.
    pub records: Vec<EpochRecord>,
}
