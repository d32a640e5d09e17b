//! What a run takes, and what it tells those who watch.

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use crate::data::{TrainingSplit, ValidationSplit};
use crate::training::classifier::checked::{CheckedRecipe, ClassifierTask};
use crate::training::records::EpochRecord;
use crate::training::run_directory::RunDirectory;

/// What to train, on what, where to.
#[derive(Debug)]
pub struct Job<'a> {
    /// The recipe with its models.
    pub task: &'a ClassifierTask,
    /// Images to learn from.
    pub training: &'a TrainingSplit<'a>,
    /// Images that select the best epoch.
    pub validation: &'a ValidationSplit<'a>,
    /// Run directory of the results.
    pub run: &'a RunDirectory,
    /// Device to train on, without autodiff.
    pub device: &'a Device,
    /// Set from outside to save and stop at the next batch.
    pub stop: &'a AtomicBool,
}

impl Job<'_> {
    /// Settings of the training.
    pub fn recipe(&self) -> &CheckedRecipe {
        self.task.recipe()
    }
}

/// What happens during a run, for those who watch.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The maps of the frozen layers are computed, or found on disk, for this many pictures.
    Frozen {
        /// Pictures done.
        done: usize,
        /// Pictures in all.
        total: usize,
    },
    /// The run begins, or resumes from (finished epochs, finished batches of the next).
    Started {
        /// Finished epochs and batches.
        done: (usize, usize),
        /// Batches in an epoch.
        batches: usize,
    },
    /// A batch is finished.
    Batch {
        /// Index of the epoch, from 0.
        epoch: usize,
        /// Finished batches of this epoch.
        done: usize,
        /// Images in this batch.
        images: usize,
        /// Mean loss of the epoch so far.
        loss: f64,
    },
    /// An epoch is finished.
    Epoch {
        /// Figures of the epoch.
        record: &'a EpochRecord,
        /// Whether it is the best so far.
        best: bool,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done, or patience ran out.
    Finished,
    /// There was nothing left to do.
    AlreadyFinished,
    /// Stopped from outside; the state is saved.
    Interrupted,
}
