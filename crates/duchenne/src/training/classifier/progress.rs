//! How far a classifier's training has come: what resuming needs, apart from tensors.

use serde::{Deserialize, Serialize};

use crate::training::records::EpochRecord;

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
