//! To *watch* long work: it tells a [`Watch`] what happens and how far it has come, and knows nothing of terminals.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::evaluation::reproduction::duration;
use crate::training::records::{EpochRecord, GanRecord};

/// Is told what long work does. Every method may be called from any thread.
///
/// ```
/// use std::sync::Mutex;
/// use duchenne::{Note, Watch, Work};
///
/// /// Keeps what was said, for a window or a log file.
/// #[derive(Default)]
/// struct Lines(Mutex<Vec<String>>);
///
/// impl Watch for Lines {
///     fn note(&self, note: &Note<'_>) {
///         self.0.lock().unwrap().push(note.to_string());
///     }
///     fn progress(&self, _work: Work<'_>, _done: u64, _total: u64) {}
/// }
///
/// let lines = Lines::default();
/// lines.note(&Note::Calibrated { temperature: 1.25 });
/// assert_eq!(lines.0.into_inner().unwrap(), ["temperature 1.2500, fitted on the validation split"]);
/// ```
pub trait Watch: Sync {
    /// Something has happened; its [`Display`](fmt::Display) is one line for people.
    fn note(&self, note: &Note<'_>);

    /// `done` of `total` units of `work` are done. A smaller `done` than before, or another `work`, begins anew.
    fn progress(&self, work: Work<'_>, done: u64, total: u64);
}

/// Watches nothing.
///
/// ```
/// use duchenne::{Quiet, Unit, Watch as _, Work};
///
/// Quiet.progress(Work { what: "reading", unit: Unit::Bytes }, 1, 2);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn note(&self, _note: &Note<'_>) {}

    fn progress(&self, _work: Work<'_>, _done: u64, _total: u64) {}
}

/// What a count of progress is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work<'a> {
    /// What is being done, for people; may change while the count continues.
    pub what: &'a str,
    /// What is counted.
    pub unit: Unit,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Picture files.
    Pictures,
    /// Frames of a clip.
    Frames,
    /// Training images.
    Images,
    /// Face crops.
    Faces,
    /// Passes over a training set.
    Epochs,
    /// Classes of a support vector machine.
    Classes,
    /// Measurements of a series.
    Measurements,
}

/// What happened, typed; its [`Display`](fmt::Display) is one line for people.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Note<'a> {
    /// A run begun earlier is resumed.
    Resumes {
        /// Which one, where there are several.
        run: Option<&'a str>,
        /// Finished epochs.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Finished batches of the next epoch.
        batch: usize,
        /// Batches of an epoch.
        batches: usize,
    },
    /// A classifier's epoch is finished.
    Epoch {
        /// Its figures.
        record: &'a EpochRecord,
        /// Epochs in all.
        epochs: usize,
        /// Whether its accuracy on the validation split is the best so far.
        best: bool,
        /// Estimated time to the last epoch.
        left: Duration,
    },
    /// A generator's epoch is finished.
    GeneratorEpoch {
        /// Which generator.
        run: &'a str,
        /// Its figures.
        record: &'a GanRecord,
        /// Whether it was judged the best so far.
        best: bool,
    },
    /// A generator is finished, now or by an earlier call.
    GeneratorFinished {
        /// Which generator.
        run: &'a str,
        /// Whether an earlier call finished it.
        earlier: bool,
    },
    /// A model's temperature was fitted, or was known.
    Calibrated {
        /// Divides the logits.
        temperature: f64,
    },
    /// A model whose probabilities are mixed with others has no fitted temperature.
    Uncalibrated {
        /// The model's name or path.
        model: &'a str,
    },
    /// The run was stopped from outside; its state is saved.
    Saved,
    /// A folder of a generator's run holds no finished generator and is left out.
    Unfinished(&'a Path),
    /// Generated faces were written.
    FacesWritten {
        /// The packed data set.
        path: &'a Path,
        /// Faces in all.
        faces: usize,
        /// Classes.
        classes: usize,
    },
    /// Distances between generated faces and photographs are being measured.
    Measuring,
    /// A classifier that judges faces is being trained on them.
    TrainsJudge(&'a str),
    /// The network of this recipe comes next.
    Network(&'a str),
    /// Features that are the same in all samples have no effect.
    ConstantFeatures {
        /// How many.
        constant: usize,
        /// Of how many.
        features: usize,
    },
    /// A support vector machine was fitted.
    Fitted {
        /// Which fit.
        what: &'a str,
        /// Samples learned from.
        samples: usize,
        /// Features of each.
        features: usize,
        /// Passes of the slowest class.
        passes: usize,
        /// Sum of the classes' objectives.
        objective: f64,
        /// Wall-clock time.
        seconds: f64,
    },
    /// A fold of a cross-validation comes next.
    Fold {
        /// Its number, from 1.
        fold: usize,
        /// Folds in all.
        folds: usize,
    },
    /// An import left something out or repaired it.
    Import(&'a str),
    /// A stage of a reproduction begins, is skipped or has failed.
    Stage {
        /// Its number and name.
        stage: &'a str,
        /// What becomes of it.
        step: StageStep<'a>,
    },
}

/// What becomes of a stage.
#[derive(Debug, Clone, Copy)]
pub enum StageStep<'a> {
    /// It begins, or resumes.
    Begins,
    /// An earlier call finished it.
    AlreadyDone,
    /// Its result is damaged, as said, and is made again.
    Rebuilds(&'a str),
    /// It cannot be done because something it needs has failed.
    Skipped(&'a str),
    /// It has failed for this reason.
    Failed(&'a str),
}

impl fmt::Display for Note<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Resumes { run, epoch, epochs, batch, batches } => {
                if let Some(run) = run {
                    write!(out, "{run}: ")?;
                }
                write!(out, "resuming after epoch {epoch} of {epochs} and {batch} of {batches} batches")
            }
            Self::Epoch { record, epochs, best, left } => write!(
                out,
                "epoch {:>3}/{epochs}  loss {:.4}  training {:5.2} %  validation {:5.2} %{}  {:.0} s, {} left",
                record.epoch,
                record.training_loss,
                record.training_accuracy * 100.0,
                record.validation_accuracy * 100.0,
                if best { " (best)" } else { "" },
                record.seconds,
                duration(left.as_secs_f64()),
            ),
            Self::GeneratorEpoch { run, record, best } => {
                let mark = if best { " (best)" } else { "" };
                write!(out, "{run}: epoch {:>4}  {}{mark}", record.epoch, figures(record))
            }
            Self::GeneratorFinished { run, earlier: false } => write!(out, "{run}: finished"),
            Self::GeneratorFinished { run, earlier: true } => write!(out, "{run}: already finished"),
            Self::Calibrated { temperature } => {
                write!(out, "temperature {temperature:.4}, fitted on the validation split")
            }
            Self::Uncalibrated { model } => {
                write!(out, "warning: `{model}` is not calibrated; its probabilities are used unchanged")
            }
            Self::Saved => write!(out, "saved; run the same command again to resume"),
            Self::Unfinished(folder) => {
                write!(out, "`{}` holds no finished generator yet and is left out", folder.display())
            }
            Self::FacesWritten { path, faces, classes } => {
                write!(out, "{}: {faces} synthetic faces of {classes} classes", path.display())
            }
            Self::Measuring => write!(out, "measuring distances ..."),
            Self::TrainsJudge(name) => write!(out, "training a classifier on {name} ..."),
            Self::Network(name) => write!(out, "{name}:"),
            Self::ConstantFeatures { constant, features } => {
                write!(out, "{constant} of {features} features are constant (dead units) and have no effect")
            }
            Self::Fitted { what, samples, features, passes, objective, seconds } => write!(
                out,
                "{what}: {samples} samples of {features} features, {passes} passes, objective {objective:.6}, \
                 {seconds:.1} s"
            ),
            Self::Fold { fold, folds } => write!(out, "fold {fold} of {folds}:"),
            Self::Import(text) => write!(out, "note: {text}"),
            Self::Stage { stage, step } => match step {
                StageStep::Begins => write!(out, "{stage}"),
                StageStep::AlreadyDone => write!(out, "{stage}: already done"),
                StageStep::Rebuilds(damage) => write!(out, "{stage}: {damage}; rebuilding"),
                StageStep::Skipped(reason) => write!(out, "{stage}: skipped, {reason}"),
                StageStep::Failed(reason) => write!(out, "error: {stage}: {reason}"),
            },
        }
    }
}

/// A generator's epoch in words.
pub(crate) fn figures(record: &GanRecord) -> String {
    let mut text = format!("discriminator {:.3}", record.discriminator_loss);
    let optional = [
        ("generator", record.generator_loss),
        ("real - generated", Some(record.score_difference)),
        ("penalty", record.penalty),
        ("kernel distance", record.judgement),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            text += &format!("  {name} {value:.3}");
        }
    }
    text
}
