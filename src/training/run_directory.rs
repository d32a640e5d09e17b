//! A *run directory* holds one training run: the resolved recipe, the log, the last and the best model,
//! and, while the run is unfinished, the state to go on from.
//!
//! - `recipe.toml`: the resolved recipe
//! - `log.jsonl`: one line per finished epoch
//! - `last.safetensors`: the model after the last finished epoch
//! - `best.safetensors`: the model of the best PublicTest accuracy
//! - `state.safetensors`: all that resuming needs
//!
//! Each file is written whole or not at all; whatever a killed run left undone is done again.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};

use super::error::TrainingError;
use crate::data::atomic::{AtomicError, write_atomically};
use crate::models::checkpoint::{Precision, floats, write_tensors};
use crate::models::weights::NamedTensor;

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

/// What must not change between sittings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The resolved recipe.
    pub recipe: String,
    /// Of the data set, and of the limit set on it.
    pub data: String,
}

/// All that a run needs to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// Of this run.
    pub identity: Identity,
    /// Where it stands.
    pub progress: Progress,
    /// The weights.
    pub weights: Vec<NamedTensor>,
    /// The optimiser's velocities.
    pub velocities: Vec<NamedTensor>,
    /// The moving average.
    pub averages: Vec<NamedTensor>,
}

/// Prefixes of tensor names in the state.
const WEIGHT: &str = "weight/";
const VELOCITY: &str = "velocity/";
const AVERAGE: &str = "average/";
/// Keys of its metadata.
const IDENTITY: &str = "identity";
const PROGRESS: &str = "progress";

/// A directory for one run.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory where it is missing. One that holds other things is refused.
    pub fn open(path: &Path) -> Result<Self, TrainingError> {
        let run = Self { path: path.to_owned() };
        let read = |source| TrainingError::Read { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(|source| AtomicError::system(path, source))?;
        // A run killed while it wrote its first file leaves no more than that file's beginning.
        let mut entries = std::fs::read_dir(path).map_err(read)?.flatten();
        let is_foreign = entries.any(|entry| !crate::data::atomic::is_partial(&entry.file_name()));
        if !run.file("recipe.toml").exists() && is_foreign {
            return Err(TrainingError::NotARun(path.to_owned()));
        }
        crate::data::atomic::check_writable(&run.file("recipe.toml"))?;
        Ok(run)
    }

    /// The path of a file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The state of this run, if it was begun; an error if the directory holds another run.
    pub fn load(&self, identity: &Identity) -> Result<Option<RunState>, TrainingError> {
        let path = self.file("state.safetensors");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainingError::Read { path, source }),
        };
        let state = parse(&bytes).map_err(|reason| TrainingError::State { path, reason })?;
        for (what, same) in [
            ("recipe", state.identity.recipe == identity.recipe),
            ("data set", state.identity.data == identity.data),
        ] {
            if !same {
                return Err(TrainingError::OtherRun { path: self.path.clone(), what });
            }
        }
        Ok(Some(state))
    }

    /// Writes recipe, log and state.
    pub fn save(&self, state: &RunState) -> Result<(), TrainingError> {
        self.write_text("recipe.toml", &state.identity.recipe)?;
        let line = |record| serde_json::to_string(record).expect("a record is plain numbers") + "\n";
        let log: String = state.progress.records.iter().map(line).collect();
        self.write_text("log.jsonl", &log)?;
        let json = |value: serde_json::Result<String>| value.expect("run state is plain numbers and text");
        let metadata = HashMap::from([
            (IDENTITY.to_owned(), json(serde_json::to_string(&state.identity))),
            (PROGRESS.to_owned(), json(serde_json::to_string(&state.progress))),
        ]);
        let groups = [(WEIGHT, &state.weights), (VELOCITY, &state.velocities), (AVERAGE, &state.averages)];
        let tensors: Vec<NamedTensor> = groups
            .into_iter()
            .flat_map(|(prefix, tensors)| {
                tensors.iter().map(move |tensor| NamedTensor {
                    name: format!("{prefix}{}", tensor.name),
                    ..tensor.clone()
                })
            })
            .collect();
        write_tensors(&tensors, Vec::new(), metadata, Precision::Full, &self.file("state.safetensors"))?;
        Ok(())
    }

    fn write_text(&self, name: &str, text: &str) -> Result<(), TrainingError> {
        let path = self.file(name);
        write_atomically(&path, |out| {
            out.write_all(text.as_bytes()).map_err(|error| AtomicError::system(&path, error))
        })?;
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Result<RunState, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let entries = metadata.metadata().clone().unwrap_or_default();
    let entry = |key: &str| entries.get(key).ok_or_else(|| format!("no {key}"));
    let identity = serde_json::from_str(entry(IDENTITY)?).map_err(|error| error.to_string())?;
    let progress = serde_json::from_str(entry(PROGRESS)?).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut groups: BTreeMap<&str, Vec<NamedTensor>> = BTreeMap::new();
    for (name, view) in tensors.tensors() {
        let prefix = [WEIGHT, VELOCITY, AVERAGE]
            .into_iter()
            .find(|prefix| name.starts_with(prefix))
            .ok_or_else(|| format!("unknown tensor `{name}`"))?;
        let values = floats(&view).ok_or_else(|| format!("`{name}` is {:?}", view.dtype()))?;
        let name = name[prefix.len()..].to_owned();
        groups.entry(prefix).or_default().push(NamedTensor { name, shape: view.shape().to_vec(), values });
    }
    let mut take = |prefix| groups.remove(prefix).unwrap_or_default();
    Ok(RunState {
        identity,
        progress,
        weights: take(WEIGHT),
        velocities: take(VELOCITY),
        averages: take(AVERAGE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> RunState {
        let tensor = |name: &str, value: f32| NamedTensor {
            name: name.to_owned(),
            shape: vec![2],
            values: vec![value, -value],
        };
        RunState {
            identity: Identity { recipe: "a = 1\n".to_owned(), data: "d".to_owned() },
            progress: Progress { batches: 3, loss_sum_bits: 0.1_f64.to_bits(), ..Progress::default() },
            weights: vec![tensor("x", 1.0)],
            velocities: vec![tensor("x", 2.0)],
            averages: vec![tensor("x", 3.0)],
        }
    }

    #[test]
    fn state_survives_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(&folder.path().join("run")).unwrap();
        assert_eq!(run.load(&state().identity).unwrap(), None);
        run.save(&state()).unwrap();
        assert_eq!(run.load(&state().identity).unwrap(), Some(state()));
    }

    #[test]
    fn another_run_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(&folder.path().join("run")).unwrap();
        run.save(&state()).unwrap();
        let other = Identity { recipe: "a = 2\n".to_owned(), ..state().identity };
        assert!(matches!(run.load(&other), Err(TrainingError::OtherRun { what: "recipe", .. })));
        let other = Identity { data: "e".to_owned(), ..state().identity };
        assert!(matches!(run.load(&other), Err(TrainingError::OtherRun { what: "data set", .. })));

        let full = folder.path().join("full");
        std::fs::create_dir(&full).unwrap();
        std::fs::write(full.join("thesis.tex"), "mine").unwrap();
        assert!(matches!(RunDirectory::open(&full), Err(TrainingError::NotARun(_))));
        // Killed in its first moment, a run once could not be begun again.
        let killed = folder.path().join("killed");
        std::fs::create_dir(&killed).unwrap();
        std::fs::write(killed.join(".recipe.toml.x1y2z3.partial"), "see").unwrap();
        assert!(RunDirectory::open(&killed).is_ok());
    }

    #[test]
    fn damaged_state_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(&folder.path().join("run")).unwrap();
        run.save(&state()).unwrap();
        let path = run.file("state.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(run.load(&state().identity), Err(TrainingError::State { .. })));
    }
}
