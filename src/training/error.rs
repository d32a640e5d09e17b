//! Why a training run cannot begin or go on.

use std::path::PathBuf;

use crate::data::atomic::AtomicError;
use crate::models::checkpoint::CheckpointError;
use crate::models::weights::WeightsError;

use super::recipe::RecipeError;

/// Errors of the training floor.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A model cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file of the run cannot be written.
    #[error(transparent)]
    Write(#[from] AtomicError),
    /// A file of the run cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The saved state is damaged.
    #[error("run state `{}` is damaged: {reason}; delete the run directory to start again", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Saved weights do not fit the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The directory holds another run.
    #[error(
        "`{}` holds a run with another {what}; use another --run, or delete it to start again",
        path.display()
    )]
    OtherRun {
        /// The run directory.
        path: PathBuf,
        /// `recipe` or `data set`.
        what: &'static str,
    },
    /// The directory holds something that is not a run.
    #[error("`{}` is not empty and holds no run; choose an empty or a new directory", .0.display())]
    NotARun(PathBuf),
    /// The data set has no usable training images.
    #[error("{0}")]
    Data(String),
    /// The loss became NaN or infinite.
    #[error(
        "the loss is {loss} at epoch {epoch}, batch {batch}: training has diverged; lower \
         training.learning_rate (now {rate}) or check the data"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// From one.
        epoch: usize,
        /// From one.
        batch: usize,
        /// The recipe's learning rate.
        rate: f64,
    },
}
