//! One classifier's training from a recipe to a calibrated model: what `train`, `svm fit` and `reproduce` share.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::Device;
use crate::data::{Images, PackedDataset, TrainingSplit};
use crate::error::refuse;
use crate::experiments::scoring::calibrate;
use crate::experiments::session::Session;
use crate::experiments::watch::{Note, Unit, Watch, Work};
use crate::training::classifier::recipe::Recipe;
use crate::training::classifier::{ClassifierTask, Event, GivenModels, Job, Outcome, train};
use crate::training::run_directory::RunDirectory;

/// Trains a classifier by a recipe on the Training split of a data set, on the CPU: the path of its best model by
/// accuracy on the validation split, calibrated there. A run that was stopped is resumed by the same call; a finished one is
/// left as it is. [`ClassifierRun`] has every choice: device, generated faces, teachers, a way to stop.
///
/// ```no_run
/// use duchenne::{PackedDataset, Quiet, Recipe, train_classifier};
///
/// let dataset = PackedDataset::open("fer2013.safetensors")?;
/// let best = train_classifier(&Recipe::built_in("compact")?, &dataset, "runs/compact".as_ref(), &Quiet)?;
/// println!("{}", best.display());
/// # Ok::<(), duchenne::Error>(())
/// ```
///
/// # Errors
/// When the recipe needs weights or teachers, the data set has no Training or Validation split, the directory holds
/// another run, or training diverges.
pub fn train_classifier(
    recipe: &Recipe,
    dataset: &PackedDataset,
    run: &Path,
    watch: &dyn Watch,
) -> crate::Result<PathBuf> {
    let device = Device::cpu();
    let dataset = &recipe.data(dataset)?;
    let checked = recipe.clone().check("custom", GivenModels::default())?;
    let run = ClassifierRun {
        task: &checked.load(dataset, &device)?,
        dataset,
        training: &dataset.training()?,
        directory: run,
        session: Session { device: &device, stop: &AtomicBool::new(false), watch },
    };
    Ok(run.finish()?.expect("nothing stops the run"))
}

/// What to train, on what, where to.
#[derive(Debug)]
pub struct ClassifierRun<'a> {
    /// The recipe with its models.
    pub task: &'a ClassifierTask,
    /// The data set whose validation split selects the best epoch and fits the temperature.
    pub dataset: &'a PackedDataset,
    /// The images learned from.
    pub training: &'a TrainingSplit<'a>,
    /// The run directory.
    pub directory: &'a Path,
    /// Device, stop and watch.
    pub session: Session<'a>,
}

impl ClassifierRun<'_> {
    /// Trains to the end, or resumes a run: the path of its best model, calibrated; `None` when stopped.
    ///
    /// # Errors
    /// As [`train`], or when the model cannot be calibrated.
    pub fn finish(&self) -> crate::Result<Option<PathBuf>> {
        let Session { device, stop, watch } = self.session;
        let (asked, given) = (self.task.recipe().training.targets, self.dataset.targets());
        if asked != given {
            refuse!(
                "the recipe learns from {asked:?}, the data set was opened with {given:?}: see `Recipe::data`"
            );
        }
        if self.task.recipe().training.validation != 0.0 && !self.dataset.is_drawn() {
            refuse!(
                "the recipe holds out training.validation, which the data set does not: see `Recipe::data`"
            );
        }
        let directory = RunDirectory::open(self.directory)?;
        let validation = self.dataset.validation()?;
        let job = Job {
            task: self.task,
            training: self.training,
            validation: &validation,
            run: &directory,
            device,
            stop,
        };
        let mut told = Told::new(self.task.recipe(), self.training.len(), watch);
        match train(&job, &mut |event| told.tell(event))? {
            Outcome::Finished | Outcome::AlreadyFinished => {
                let best = directory.file("best.safetensors");
                let temperature = calibrate(&best, self.dataset, &validation, device)?;
                let last = directory.file("last.safetensors");
                // A user who keeps only the best model may delete the last one.
                if last.exists() {
                    calibrate(&last, self.dataset, &validation, device)?;
                }
                watch.note(&Note::Calibrated { temperature });
                Ok(Some(best))
            }
            Outcome::Interrupted => {
                watch.note(&Note::Saved);
                Ok(None)
            }
        }
    }
}

/// Turns the loop's events into what a watch is told.
struct Told<'a> {
    watch: &'a dyn Watch,
    epochs: usize,
    epoch_images: u64,
    /// Images of this epoch that are done.
    images: u64,
    /// Of every finished epoch of this call.
    seconds: Vec<f64>,
}

impl<'a> Told<'a> {
    fn new(recipe: &Recipe, images: usize, watch: &'a dyn Watch) -> Self {
        let epoch_images = match recipe.training.steps_per_epoch {
            0 => images,
            steps => images.min(steps * recipe.training.batch_size),
        };
        Self {
            watch,
            epochs: recipe.training.epochs,
            epoch_images: epoch_images as u64,
            images: 0,
            seconds: Vec::new(),
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        let epochs = self.epochs;
        match event {
            Event::Frozen { done, total } => {
                let what = "frozen layers, once for all epochs";
                self.watch.progress(Work { what, unit: Unit::Images }, done as u64, total as u64);
            }
            Event::Started { done: (epoch, batch), batches } => {
                if (epoch, batch) != (0, 0) {
                    self.watch.note(&Note::Resumes { run: None, epoch, epochs, batch, batches });
                }
            }
            Event::Batch { epoch, done, images, loss } => {
                self.images = if done == 1 { 0 } else { self.images } + images as u64;
                let what = format!("epoch {}/{epochs} loss {loss:.4}", epoch + 1);
                let work = Work { what: &what, unit: Unit::Images };
                self.watch.progress(work, self.images, self.epoch_images);
            }
            Event::Epoch { record, best } => {
                self.seconds.push(record.seconds);
                let mean = self.seconds.iter().sum::<f64>() / self.seconds.len() as f64;
                let left = Duration::from_secs_f64(mean * (epochs - record.epoch) as f64);
                self.watch.note(&Note::Epoch { record, epochs, best, left });
            }
        }
    }
}
