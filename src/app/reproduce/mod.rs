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

use graph::{Graph, StageId};
use store::Done;
use work::Workshop;

/// How a stage stands after a call.
#[derive(Debug)]
pub enum StageState {
    /// Finished, now or before.
    Done(Done),
    /// It failed, or something that it needs has.
    Failed(String),
}

/// Does what is missing, stage by stage; a failed stage stops only what depends on it. `None` when stopped.
///
/// # Errors
/// When a damaged result cannot be deleted.
pub fn run_stages(
    graph: &Graph,
    device: &Device,
    stop: &AtomicBool,
) -> anyhow::Result<Option<BTreeMap<StageId, StageState>>> {
    let workshop = Workshop { graph, device, stop };
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
    }
    Ok(Some(states))
}

/// A path as links of a page in `folder` name it.
fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
