//! The *reproduction* of the paper in stages, each kept under what it was made from: a second call does only what
//! is missing.

pub mod estimate;
pub mod graph;
mod results;
pub mod scale;
pub mod store;
pub mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

pub use results::{Plan, write_results};

use graph::{Graph, StageId, Work};
use store::Done;
use work::{Workshop, discard_states};

/// How a stage stands after a call.
#[derive(Debug)]
pub enum StageState {
    /// Finished, now or before.
    Done(Done),
    /// It failed, or something that it needs has.
    Failed(String),
}

/// Does what is missing, stage by stage; a failed stage stops only what depends on it. `scored` is told of the states
/// so far whenever a model was scored. `None` when stopped.
///
/// # Errors
/// When a damaged result cannot be deleted, or what `scored` fails with.
pub fn run_stages(
    graph: &Graph,
    (device, device_name): (&Device, &str),
    stop: &AtomicBool,
    scored: &dyn Fn(&BTreeMap<StageId, StageState>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<BTreeMap<StageId, StageState>>> {
    let workshop = Workshop { graph, device, device_name, stop };
    let mut states: BTreeMap<StageId, StageState> = BTreeMap::new();
    for (id, stage) in graph.stages.iter().enumerate() {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(None);
        }
        let place = format!("[{}/{}] {}", id + 1, graph.stages.len(), stage.name);
        let failed_input = stage.inputs.iter().find(|input| matches!(states[input], StageState::Failed(_)));
        if let Some(input) = failed_input {
            let reason = format!("`{}` failed", graph.stages[*input].name);
            eprintln!("{place}: left out, {reason}");
            states.insert(id, StageState::Failed(reason));
            continue;
        }
        match stage.folder.done() {
            Ok(Some(done)) => {
                eprintln!("{place}: done before");
                // Killed between its list and this, it would keep them for ever.
                discard_states(stage.folder.path())?;
                states.insert(id, StageState::Done(done));
                continue;
            }
            Ok(None) => eprintln!("{place}"),
            Err(damage) => {
                eprintln!("{place}: {damage:#}, made again");
                stage.folder.discard()?;
            }
        }
        let state = match workshop.finish(stage) {
            Ok(Some(done)) => StageState::Done(done),
            Ok(None) => return Ok(None),
            Err(error) => {
                eprintln!("error: {place}: {error:#}");
                StageState::Failed(format!("{error:#}"))
            }
        };
        states.insert(id, state);
        if matches!(stage.work, Work::Evaluation(_)) {
            scored(&states)?;
        }
    }
    Ok(Some(states))
}

/// A path as links of a page in `folder` name it.
pub fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
