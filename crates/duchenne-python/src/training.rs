//! Training from Python: the work runs on a thread of its own, while the calling one hands on what it tells and listens
//! for Ctrl-C.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use duchenne::data::TrainingData;
use duchenne::experiments::classifier::ClassifierRun;
use duchenne::experiments::session::Session;
use duchenne::training::classifier::GivenModels;
use duchenne::{Device, Note, PackedDataset, Recipe, Watch, Work};
use pyo3::prelude::*;
use serde_json::json;

use crate::research::{named, parsed};
use crate::{begin, refused};

/// How often the interpreter's thread looks for Ctrl-C while nothing is told.
const ATTENTION: Duration = Duration::from_millis(100);

/// Hands on as JSON what happens, progress no more often than somebody could read it.
struct Teller {
    told: Sender<serde_json::Value>,
    last: std::sync::Mutex<Option<Instant>>,
}

impl Teller {
    fn tell(&self, value: serde_json::Value) {
        // Nobody listens any more only when the call is ending.
        drop(self.told.send(value));
    }
}

impl Watch for Teller {
    fn note(&self, note: &Note<'_>) {
        self.tell(match note {
            Note::Epoch { record, epochs, best, left } => {
                let mut event = serde_json::to_value(record).unwrap_or_default();
                if let Some(fields) = event.as_object_mut() {
                    fields.insert("event".to_owned(), json!("epoch"));
                    fields.insert("epochs".to_owned(), json!(epochs));
                    fields.insert("best".to_owned(), json!(best));
                    fields.insert("seconds_left".to_owned(), json!(left.as_secs_f64()));
                }
                event
            }
            other => json!({"event": "note", "message": other.to_string()}),
        });
    }

    fn progress(&self, work: Work<'_>, done: u64, total: u64) {
        let Ok(mut last) = self.last.lock() else { return };
        if done < total && last.is_some_and(|last| last.elapsed() < ATTENTION) {
            return;
        }
        *last = Some(Instant::now());
        self.tell(json!({"event": "progress", "work": work.what, "done": done, "total": total}));
    }
}

/// Trains a classifier, or resumes a run; the path of its best model. `told` is called with JSON.
#[pyfunction]
#[pyo3(signature = (recipe, data, run, settings, initial, teachers, synthetic, device, told))]
#[expect(clippy::too_many_arguments, reason = "the package names them")]
pub(crate) fn train(
    py: Python<'_>,
    recipe: &str,
    data: PathBuf,
    run: PathBuf,
    settings: Vec<String>,
    initial: Option<PathBuf>,
    teachers: Vec<PathBuf>,
    synthetic: Vec<PathBuf>,
    device: &str,
    told: Option<Py<PyAny>>,
) -> PyResult<PathBuf> {
    begin()?;
    let device: Device = named("device", device)?;
    let settings = parsed(&settings)?;
    let models = GivenModels { initial, teachers };
    let stop = AtomicBool::new(false);
    let work = |watch: &Teller| -> duchenne::Result<Option<PathBuf>> {
        let recipe = Recipe::read(recipe, &settings)?.check(recipe, models)?;
        let dataset = PackedDataset::open(&data)?;
        let data = TrainingData::new(recipe.data(&dataset)?)?;
        let sets = synthetic.iter().map(PackedDataset::open).collect::<Result<Vec<_>, _>>()?;
        let data = data.with_synthetic(sets, None, Default::default())?;
        let task = recipe.load(data.dataset(), &device)?;
        let training = data.split();
        let session = Session { device: &device, stop: &stop, watch };
        let run = ClassifierRun {
            task: &task,
            dataset: data.dataset(),
            training: &training,
            directory: &run,
            session,
        };
        run.finish()
    };
    match watched(py, &stop, told.as_ref(), work)? {
        Some(best) => Ok(best),
        None => Err(refused("training was stopped; the same call resumes it")),
    }
}

/// Runs `work` on a thread of its own. What it tells goes to `told`, whose exception stops the work, as Ctrl-C does.
fn watched<T: Send>(
    py: Python<'_>,
    stop: &AtomicBool,
    told: Option<&Py<PyAny>>,
    work: impl FnOnce(&Teller) -> duchenne::Result<T> + Send,
) -> PyResult<T> {
    let (sender, receiver) = channel();
    let mut raised = None;
    let raising = &mut raised;
    let result = py.detach(move || {
        std::thread::scope(|scope| {
            let working = scope.spawn(move || work(&Teller { told: sender, last: Default::default() }));
            loop {
                let event = receiver.recv_timeout(ATTENTION);
                if raising.is_none() {
                    let heard = Python::attach(|py| {
                        if let (Ok(event), Some(told)) = (&event, told) {
                            told.call1(py, (event.to_string(),))?;
                        }
                        py.check_signals()
                    });
                    if let Err(error) = heard {
                        *raising = Some(error);
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                if event == Err(RecvTimeoutError::Disconnected) {
                    return working.join();
                }
            }
        })
    });
    match (raised, result) {
        (Some(raised), _) => Err(raised),
        (None, Ok(result)) => result.map_err(refused),
        (None, Err(_)) => Err(refused("a thread of the training failed; please report it")),
    }
}
