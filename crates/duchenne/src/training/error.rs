//! Why a training run cannot start or resume.

use std::path::PathBuf;

use crate::data::DataError;
use crate::files::atomic::AtomicError;
use crate::files::lock::FolderTaken;
use crate::models::import::ImportError;
use crate::models::stored::StoredError;
use crate::models::weights::WeightsError;

use crate::training::recipe_file::RecipeError;

/// Errors of the training floor.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A model cannot be read or written.
    #[error(transparent)]
    Model(#[from] StoredError),
    /// A file of the run cannot be written.
    #[error(transparent)]
    Write(#[from] AtomicError),
    /// Another process works in the run directory.
    #[error(transparent)]
    Taken(#[from] FolderTaken),
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
    /// Weights of another program cannot be read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A file of the data floor cannot be read.
    #[error(transparent)]
    File(#[from] DataError),
    /// The recipe begins from weights that were not supplied.
    #[error(
        "recipe `{recipe}` begins from pre-trained weights: name torchvision's {architecture} (a file such as \
         {architecture}-*.pth, or .safetensors of the same names) with --init; recipes whose network.init is \
         \"scratch\", such as vgg16-scratch, need none"
    )]
    NoPretrainedWeights {
        /// Name of the recipe.
        recipe: String,
        /// Architecture of the weights.
        architecture: &'static str,
    },
    /// Models that cannot teach, or none where the recipe asks for them.
    #[error("cannot learn from other models: {0}")]
    Teacher(String),
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
        /// `recipe`, `data set`, or the models used.
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
        /// Value of the loss.
        loss: f64,
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Number of the batch, from 1.
        batch: usize,
        /// The recipe's learning rate.
        rate: f64,
    },
}
