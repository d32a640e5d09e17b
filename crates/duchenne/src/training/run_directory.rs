//! A *run directory* holds one training run: the resolved recipe, the log, the last and the best model,
//! and, while the run is unfinished, the state to resume from.
//!
//! - `recipe.toml`: the resolved recipe
//! - `log.jsonl`: one line per finished epoch
//! - `last.safetensors`: the model after the last finished epoch
//! - `best.safetensors`: the model of the best accuracy on the validation split
//! - `state.safetensors`: all that resuming needs
//! - `frozen/`: maps of frozen layers, until the run is finished
//!
//! Each file is written whole or not at all; whatever a killed run left undone is done again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::TrainingError;
use crate::files::atomic::{AtomicError, write_text};
use crate::files::lock::FolderLock;
use crate::models::tensors::{NamedTensor, Precision, TensorFile, read_tensors, write_tensors};

/// What must not change between sittings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Resolved recipe, as TOML.
    pub recipe: String,
    /// Fingerprint of the data set, and the number of images used.
    pub data: String,
    /// Checksums of the models that the run begins from or learns from; empty without any.
    pub models: String,
}

impl Identity {
    /// Sixteen digits that differ for every other run.
    pub fn short_hash(&self) -> String {
        let text = serde_json::to_string(self).expect("three texts");
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }
}

/// Tensors by group (weights, the optimiser's means) for a state file.
pub type TensorGroups = BTreeMap<String, Vec<NamedTensor>>;

/// All that a run needs to resume; `P` says where it stands, apart from tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState<P> {
    /// Recipe, data and models of the run.
    pub identity: Identity,
    /// Progress of the run, apart from tensors.
    pub progress: P,
    /// Weights and whatever else moves; group names hold no slash.
    pub tensors: TensorGroups,
}

/// Keys of its metadata.
const IDENTITY: &str = "identity";
const PROGRESS: &str = "progress";

/// A directory for one run, kept from other processes.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
    _lock: Arc<FolderLock>,
}

impl RunDirectory {
    /// Makes the directory where it is missing. One that holds other things, or that another process is at
    /// work in, is refused.
    pub fn open(path: &Path) -> Result<Self, TrainingError> {
        let read = |source| TrainingError::Read { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(|source| AtomicError::system(path, source))?;
        let run = Self { path: path.to_owned(), _lock: Arc::new(FolderLock::take(path)?) };
        // A run killed while it wrote its first file leaves no more than that file's beginning.
        let mut entries = std::fs::read_dir(path).map_err(read)?.flatten();
        let is_foreign = entries.any(|entry| !crate::files::atomic::is_partial(&entry.file_name()));
        if !run.file("recipe.toml").exists() && is_foreign {
            return Err(TrainingError::NotARun(path.to_owned()));
        }
        crate::files::atomic::check_writable(&run.file("recipe.toml"))?;
        Ok(run)
    }

    /// The path of a file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Marks the directory as this run's, before its first result: a run killed later is known by it.
    pub fn begin(&self, identity: &Identity) -> Result<(), TrainingError> {
        self.write_text("recipe.toml", &identity.recipe)
    }

    /// The state of this run, if any was saved; an error if the directory holds another run.
    pub fn load<P: DeserializeOwned>(
        &self,
        identity: &Identity,
    ) -> Result<Option<RunState<P>>, TrainingError> {
        let path = self.file("state.safetensors");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainingError::Read { path, source }),
        };
        let state: RunState<P> = parse(&bytes).map_err(|reason| TrainingError::State { path, reason })?;
        for (what, same) in [
            ("recipe", state.identity.recipe == identity.recipe),
            ("data set", state.identity.data == identity.data),
            ("model to begin from or to learn from", state.identity.models == identity.models),
        ] {
            if !same {
                return Err(TrainingError::OtherRun { path: self.path.clone(), what });
            }
        }
        Ok(Some(state))
    }

    /// Writes recipe, log (a line for each of `records`) and state.
    pub fn save<P: Serialize, R: Serialize>(
        &self,
        state: &RunState<P>,
        records: &[R],
    ) -> Result<(), TrainingError> {
        self.write_text("recipe.toml", &state.identity.recipe)?;
        let line = |record| serde_json::to_string(record).expect("a record is plain numbers") + "\n";
        let log: String = records.iter().map(line).collect();
        self.write_text("log.jsonl", &log)?;
        let json = |value: serde_json::Result<String>| value.expect("run state is plain numbers and text");
        let metadata = HashMap::from([
            (IDENTITY.to_owned(), json(serde_json::to_string(&state.identity))),
            (PROGRESS.to_owned(), json(serde_json::to_string(&state.progress))),
        ]);
        let grouped = |(group, tensors): (&String, &Vec<NamedTensor>)| -> Vec<NamedTensor> {
            let name = |tensor: &NamedTensor| format!("{group}/{}", tensor.name);
            tensors.iter().map(|tensor| NamedTensor { name: name(tensor), ..tensor.clone() }).collect()
        };
        let tensors: Vec<NamedTensor> = state.tensors.iter().flat_map(grouped).collect();
        write_tensors(&tensors, &[], metadata, Precision::Full, &self.file("state.safetensors"))?;
        Ok(())
    }

    fn write_text(&self, name: &str, text: &str) -> Result<(), TrainingError> {
        let path = self.file(name);
        write_text(&path, text)?;
        Ok(())
    }
}

fn parse<P: DeserializeOwned>(bytes: &[u8]) -> Result<RunState<P>, String> {
    let TensorFile { texts: entries, tensors: named } =
        read_tensors(bytes).map_err(|error| error.to_string())?;
    let entry = |key: &str| entries.get(key).ok_or_else(|| format!("no {key}"));
    let identity = serde_json::from_str(entry(IDENTITY)?).map_err(|error| error.to_string())?;
    let progress = serde_json::from_str(entry(PROGRESS)?).map_err(|error| error.to_string())?;
    let mut tensors = TensorGroups::new();
    for tensor in named {
        let (group, name) =
            tensor.name.split_once('/').ok_or_else(|| format!("unknown tensor `{}`", tensor.name))?;
        let (group, name) = (group.to_owned(), name.to_owned());
        tensors.entry(group).or_default().push(NamedTensor { name, ..tensor });
    }
    Ok(RunState { identity, progress, tensors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> RunState<u64> {
        let tensor = |value: f32| NamedTensor {
            name: "x.weight".to_owned(),
            shape: vec![2],
            values: vec![value, -value],
        };
        RunState {
            identity: Identity { recipe: "a = 1\n".to_owned(), data: "d".to_owned(), models: "m".to_owned() },
            progress: 0.1_f64.to_bits(),
            tensors: ["weight", "mean"].map(|group| (group.to_owned(), vec![tensor(1.0)])).into(),
        }
    }

    #[test]
    fn state_survives_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(&folder.path().join("run")).unwrap();
        assert_eq!(run.load::<u64>(&state().identity).unwrap(), None);
        run.save(&state(), &[1, 2]).unwrap();
        assert_eq!(run.load(&state().identity).unwrap(), Some(state()));
        assert_eq!(std::fs::read_to_string(run.file("log.jsonl")).unwrap(), "1\n2\n");
    }

    #[test]
    fn another_run_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(&folder.path().join("run")).unwrap();
        run.save(&state(), &[1, 2]).unwrap();
        let other = Identity { recipe: "a = 2\n".to_owned(), ..state().identity };
        assert!(matches!(run.load::<u64>(&other), Err(TrainingError::OtherRun { what: "recipe", .. })));
        let other = Identity { data: "e".to_owned(), ..state().identity };
        assert!(matches!(run.load::<u64>(&other), Err(TrainingError::OtherRun { what: "data set", .. })));
        let other = Identity { models: String::new(), ..state().identity };
        let message = run.load::<u64>(&other).unwrap_err().to_string();
        assert!(message.contains("another model to begin from or to learn from"), "{message}");
        assert_ne!(other.short_hash(), state().identity.short_hash());

        let full = folder.path().join("full");
        std::fs::create_dir(&full).unwrap();
        std::fs::write(full.join("thesis.tex"), "mine").unwrap();
        assert!(matches!(RunDirectory::open(&full), Err(TrainingError::NotARun(_))));
        // Killed in its first moment, or after its first result and before its first state, a run once could
        // not be begun again.
        let early = RunDirectory::open(&folder.path().join("early")).unwrap();
        early.begin(&state().identity).unwrap();
        std::fs::write(early.file("best.safetensors"), "a model").unwrap();
        drop(early);
        assert!(RunDirectory::open(&folder.path().join("early")).is_ok());
        let killed = folder.path().join("killed");
        std::fs::create_dir(&killed).unwrap();
        std::fs::write(killed.join(".recipe.toml.x1y2z3.partial"), "see").unwrap();
        assert!(RunDirectory::open(&killed).is_ok());
    }

    #[test]
    fn damaged_state_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(&folder.path().join("run")).unwrap();
        run.save(&state(), &[1, 2]).unwrap();
        let path = run.file("state.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(run.load::<u64>(&state().identity), Err(TrainingError::State { .. })));
    }
}
