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

use crate::experiments::session::Session;
use crate::experiments::watch::{Note, StageStep};

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
    session: Session<'_>,
    scored: &dyn Fn(&BTreeMap<StageId, StageState>) -> crate::Result<()>,
) -> crate::Result<Option<BTreeMap<StageId, StageState>>> {
    let workshop = Workshop { graph, session };
    let mut states: BTreeMap<StageId, StageState> = BTreeMap::new();
    for (id, stage) in graph.stages.iter().enumerate() {
        if session.is_stopped() {
            return Ok(None);
        }
        let place = format!("[{}/{}] {}", id + 1, graph.stages.len(), stage.name);
        let note = |step: StageStep<'_>| session.watch.note(&Note::Stage { stage: &place, step });
        let failed_input = stage.inputs.iter().find(|input| matches!(states[input], StageState::Failed(_)));
        if let Some(input) = failed_input {
            let reason = format!("`{}` failed", graph.stages[*input].name);
            note(StageStep::Skipped(&reason));
            states.insert(id, StageState::Failed(reason));
            continue;
        }
        match stage.folder.done() {
            Ok(Some(done)) => {
                note(StageStep::AlreadyDone);
                // Killed between its list and this, it would keep them for ever.
                discard_states(stage.folder.path())?;
                states.insert(id, StageState::Done(done));
                continue;
            }
            Ok(None) => note(StageStep::Begins),
            Err(damage) => {
                note(StageStep::Rebuilds(&damage.to_string()));
                stage.folder.discard()?;
            }
        }
        let state = match workshop.finish(stage) {
            Ok(Some(done)) => StageState::Done(done),
            Ok(None) => return Ok(None),
            Err(error) => {
                let reason = error.to_string();
                note(StageStep::Failed(&reason));
                StageState::Failed(reason)
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
