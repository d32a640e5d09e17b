//! One classifier's training with progress on standard error: what `train`, `svm fit` and `reproduce` share.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use burn::tensor::Device;
use indicatif::{ProgressBar, ProgressStyle};

use crate::data::{PackedDataset, TrainingSplit};
use crate::experiments::scoring::calibrate;
use crate::training::classifier::initial::{InitialWeights, check_initial};
use crate::training::classifier::recipe::Recipe;
use crate::training::classifier::teacher::{Teacher, check_teacher};
use crate::training::classifier::{Event, Job, Outcome, train};
use crate::training::run_directory::RunDirectory;

/// What to train, on what, where to.
#[derive(Debug)]
pub struct ClassifierRun<'a> {
    /// The settings.
    pub recipe: &'a Recipe,
    /// The recipe's name, for provenance.
    pub recipe_name: &'a str,
    /// Its PublicTest selects and calibrates.
    pub dataset: &'a PackedDataset,
    /// Learned from.
    pub training: &'a TrainingSplit<'a>,
    /// Weights to begin from, in place of fresh ones.
    pub initial: Option<&'a InitialWeights>,
    /// Models to learn from beside the labels.
    pub teacher: Option<&'a Teacher>,
    /// The run directory.
    pub directory: &'a Path,
    /// Without autodiff.
    pub device: &'a Device,
    /// Set from outside to save and stop.
    pub stop: &'a AtomicBool,
}

impl ClassifierRun<'_> {
    /// Trains to the end, or goes on with a run: its best model, calibrated; `None` when stopped.
    ///
    /// # Errors
    /// As [`train`], or when the model cannot be calibrated.
    pub fn finish(&self) -> anyhow::Result<Option<PathBuf>> {
        check_initial(self.recipe, self.recipe_name, self.initial)?;
        check_teacher(self.recipe, self.teacher.is_some())?;
        let directory = RunDirectory::open(self.directory)?;
        let validation = self.dataset.public_test()?;
        let job = Job {
            recipe: self.recipe,
            recipe_name: self.recipe_name,
            training: self.training,
            validation: &validation,
            initial: self.initial,
            teacher: self.teacher,
            run: &directory,
            device: self.device,
            stop: self.stop,
        };
        let mut progress = Progress::new(self.recipe, self.training.len())?;
        let outcome = train(&job, &mut |event| progress.show(event));
        progress.bar.finish_and_clear();
        match outcome? {
            Outcome::Finished | Outcome::AlreadyFinished => {
                let best = directory.file("best.safetensors");
                let temperature = calibrate(&best, self.dataset, &validation, self.device)?;
                let last = directory.file("last.safetensors");
                // Whoever keeps the best alone may go on doing so.
                if last.exists() {
                    calibrate(&last, self.dataset, &validation, self.device)?;
                }
                eprintln!("temperature {temperature:.4}, fitted on PublicTest");
                Ok(Some(best))
            }
            Outcome::Interrupted => {
                eprintln!("saved; give the same command again to go on");
                Ok(None)
            }
        }
    }
}

/// A bar for the epoch, and a line for each finished one.
struct Progress {
    bar: ProgressBar,
    epochs: usize,
    epoch_images: u64,
    seconds: Vec<f64>,
}

impl Progress {
    fn new(recipe: &Recipe, images: usize) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(0).with_style(
            ProgressStyle::with_template(
                "{msg} [{bar:30}] {pos}/{len} images, {per_sec}, {eta} left in epoch",
            )?
            .progress_chars("=> "),
        );
        bar.enable_steady_tick(Duration::from_millis(500));
        let epoch_images = match recipe.training.steps_per_epoch {
            0 => images,
            steps => images.min(steps * recipe.training.batch_size),
        };
        Ok(Self {
            bar,
            epochs: recipe.training.epochs,
            epoch_images: epoch_images as u64,
            seconds: Vec::new(),
        })
    }

    fn show(&mut self, event: Event<'_>) {
        let epochs = self.epochs;
        match event {
            Event::Frozen { done, total } => {
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
                self.bar.set_message("frozen layers, once for all epochs");
            }
            Event::Started { done: (epoch, batch), batches } => {
                self.bar.reset();
                self.bar.set_length(self.epoch_images);
                if (epoch, batch) != (0, 0) {
                    self.bar.suspend(|| {
                        eprintln!(
                            "going on after epoch {epoch} of {epochs} and {batch} of {batches} batches"
                        );
                    });
                }
            }
            Event::Batch { epoch, done, images, loss } => {
                if done == 1 {
                    self.bar.reset();
                    self.bar.set_length(self.epoch_images);
                }
                self.bar.inc(images as u64);
                self.bar.set_message(format!("epoch {}/{epochs} loss {loss:.4}", epoch + 1));
            }
            Event::Epoch { record, best } => {
                self.seconds.push(record.seconds);
                let mean = self.seconds.iter().sum::<f64>() / self.seconds.len() as f64;
                let left = Duration::from_secs_f64(mean * (epochs - record.epoch) as f64);
                self.bar.suspend(|| {
                    eprintln!(
                        "epoch {:>3}/{epochs}  loss {:.4}  training {:5.2} %  PublicTest {:5.2} %{}  {:.0} s, {} left",
                        record.epoch,
                        record.training_loss,
                        record.training_accuracy * 100.0,
                        record.validation_accuracy * 100.0,
                        if best { " (best)" } else { "" },
                        record.seconds,
                        indicatif::HumanDuration(left),
                    );
                });
            }
        }
    }
}
