//! The training loop of classifiers. A run can be killed at any moment: everything random is drawn
//! from the seed, the epoch and the batch, and the state is saved as a whole, so a resumed run ends
//! with the same weights, bit for bit, as one never interrupted (same device kind).

pub mod checked;
pub mod frozen;
pub mod initial;
mod job;
pub mod loss;
pub mod progress;
pub mod recipe;
pub mod schedule;
pub mod targets;
pub mod teacher;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use burn_cpu_fused::SgdStep;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Beta, Distribution};
use rayon::prelude::*;

use super::error::TrainingError;
use super::optimizer::{Sgd, WeightAverage};
use super::run_directory::{Identity, RunState};
use crate::data::faces::batches::{Batch, EpochBatches, ResizedFaces, mix_seed};
use crate::data::{Images, Samples};
use crate::files::checksum::checksum;
use crate::inference::batched::logits;
use crate::models::checkpoint::{Checkpoint, Manifest, Precision};
use crate::models::network::Network;
use crate::models::provenance::{ClassifierProvenance, PROGRAM};
use crate::models::weights::{assign, collect};
use crate::training::classifier::frozen::Frozen;
use crate::training::classifier::initial::InitialWeights;
use crate::training::classifier::loss::{class_weights, loss, mix};
use crate::training::classifier::progress::Progress;
use crate::training::classifier::recipe::Selection;
use crate::training::classifier::schedule::learning_rate;
use crate::training::classifier::targets::{cross_entropy_to_targets, training_targets};
use crate::training::classifier::teacher::Teacher;
use crate::training::records::EpochRecord;

pub use checked::{CheckedRecipe, ClassifierTask, GivenModels};
pub use job::{Event, Job, Outcome};

/// Within an epoch the state is saved this often.
const SAVE_EVERY: Duration = Duration::from_secs(120);

/// Groups of tensors in the saved state.
const WEIGHTS: &str = "weight";
const VELOCITIES: &str = "velocity";
const AVERAGES: &str = "average";

/// Trains until the recipe's end or until stopped; resumes from where an earlier sitting ended.
///
/// # Errors
/// Before any work: an unwritable or foreign run directory, a data set without images. Later:
/// divergence, or a file that cannot be written.
pub fn train(job: &Job<'_>, watch: &mut (dyn FnMut(Event<'_>) + Send)) -> Result<Outcome, TrainingError> {
    // Inside Rayon's pool, so that the small operations of a step need not wake it each time.
    let outcome = rayon::scope(|_| train_in_pool(job, watch));
    burn_cpu_fused::release_buffers();
    outcome
}

fn train_in_pool(job: &Job<'_>, watch: &mut (dyn FnMut(Event<'_>) + Send)) -> Result<Outcome, TrainingError> {
    let inputs = Inputs::new(job)?;
    let mut trainer = Trainer::start(&inputs)?;
    if trainer.progress.finished {
        // Killed between its last state and this, it would keep them for ever.
        Frozen::discard(job)?;
        return Ok(Outcome::AlreadyFinished);
    }
    if !trainer.freeze(watch)? {
        return Ok(Outcome::Interrupted);
    }
    watch(Event::Started {
        done: (trainer.progress.epochs, trainer.progress.batches),
        batches: inputs.batches(0).len(),
    });
    while !trainer.progress.finished {
        if !trainer.epoch(watch)? {
            trainer.save()?;
            return Ok(Outcome::Interrupted);
        }
    }
    Ok(Outcome::Finished)
}

/// What never changes during a run.
struct Inputs<'a> {
    job: &'a Job<'a>,
    identity: Identity,
    manifest: Manifest,
    faces: ResizedFaces,
    validation_faces: ResizedFaces,
    class_weights: Vec<f32>,
}

impl<'a> Inputs<'a> {
    fn new(job: &'a Job<'a>) -> Result<Self, TrainingError> {
        let dataset = job.training.dataset();
        let label_set = dataset.label_set();
        if job.training.len() < 2 {
            let count = job.training.len();
            return Err(TrainingError::Data(format!("{count} training images, expected at least 2")));
        }
        let mut manifest = job.recipe().manifest_for(dataset);
        manifest.provenance = provenance(job);
        let mut counts = vec![0; label_set.len()];
        for index in 0..job.training.len() {
            counts[usize::from(job.training.label(index))] += 1;
        }
        let begun = job.task.initial().map(|initial| format!("from {}", initial.checksum()));
        let taught = job.task.teacher().map(|teacher| format!("taught by {}", teacher.checksums()));
        let joined =
            job.training.joined().map_or(String::new(), |faces| format!(" with {}", faces.description()));
        // The fingerprint is that of the file; which rows train and select may be drawn otherwise.
        let drawn = if dataset.is_drawn() {
            let rows = job.training.rows().iter().chain([&u32::MAX]).chain(job.validation.rows());
            format!(" drawn as {}", checksum(&rows.flat_map(|row| row.to_le_bytes()).collect::<Vec<_>>()))
        } else {
            String::new()
        };
        let count = job.training.len();
        Ok(Self {
            job,
            identity: Identity {
                recipe: job.recipe().to_toml(),
                data: format!("{} ({count} training images){drawn}{joined}", dataset.fingerprint()),
                models: begun.into_iter().chain(taught).collect::<Vec<_>>().join(", "),
            },
            faces: ResizedFaces::new(job.training, &manifest.preprocessing, dataset.shape()),
            validation_faces: ResizedFaces::new(job.validation, &manifest.preprocessing, dataset.shape()),
            class_weights: class_weights(job.recipe().training.class_weights, &counts),
            manifest,
        })
    }

    fn batches(&self, epoch: usize) -> EpochBatches<'_> {
        let training = &self.job.recipe().training;
        EpochBatches::new(
            self.job.training,
            &self.faces,
            &self.manifest.preprocessing,
            self.job.recipe().augmentation,
            training.batch_size,
            [training.seed, epoch as u64],
        )
        .corrupted(self.job.recipe().corruption.at(epoch, training.epochs))
        .at_most(if training.steps_per_epoch > 0 { training.steps_per_epoch } else { usize::MAX })
    }
}

struct Trainer<'a> {
    inputs: &'a Inputs<'a>,
    job: &'a Job<'a>,
    /// With autodiff; taken out while a step is under way.
    network: Option<Network>,
    frozen: Frozen,
    sgd: Sgd,
    average: WeightAverage,
    progress: Progress,
}

impl<'a> Trainer<'a> {
    fn start(inputs: &'a Inputs<'a>) -> Result<Self, TrainingError> {
        let job = inputs.job;
        let autodiff = job.device.clone().autodiff();
        let fresh = inputs.manifest.network.init(job.recipe().training.seed, &autodiff);
        let (network, sgd, average, progress) = match job.run.load::<Progress>(&inputs.identity)? {
            None => {
                job.run.begin(&inputs.identity)?;
                let network = match job.task.initial() {
                    Some(initial) => {
                        let weights = initial.fitted(&fresh, job.recipe(), inputs.manifest.label_set);
                        assign(fresh, weights)?
                    }
                    None => fresh,
                };
                (network, Sgd::default(), WeightAverage::default(), Progress::default())
            }
            Some(RunState { progress, mut tensors, .. }) => {
                let mut take = |group| tensors.remove(group).unwrap_or_default();
                let network = assign(fresh, take(WEIGHTS))?;
                let sgd = Sgd::restore(take(VELOCITIES), job.device);
                let average = WeightAverage::restore(take(AVERAGES), progress.average_steps, job.device);
                (network, sgd, average, progress)
            }
        };
        Ok(Self { inputs, job, network: Some(network), frozen: Frozen::Nothing, sgd, average, progress })
    }

    /// Takes the frozen layers out of training; false if stopped before their maps are computed.
    fn freeze(&mut self, watch: &mut (dyn FnMut(Event<'_>) + Send)) -> Result<bool, TrainingError> {
        let network = self.network.as_ref().expect("the network is back after every step");
        let faces = [&self.inputs.faces, &self.inputs.validation_faces];
        let about = (&self.inputs.manifest, &self.inputs.identity);
        let mut report = |done, total| watch(Event::Frozen { done, total });
        let frozen = Frozen::new(self.job, about, network, faces, &mut report)?;
        let is_complete = frozen.is_some();
        self.frozen = frozen.unwrap_or(Frozen::Nothing);
        Ok(is_complete)
    }

    /// Trains to the end of the epoch, then evaluates and saves; false if stopped before.
    fn epoch(&mut self, watch: &mut (dyn FnMut(Event<'_>) + Send)) -> Result<bool, TrainingError> {
        let epoch = self.progress.epochs;
        let batches = self.inputs.batches(epoch);
        let count = batches.len();
        let mut saved = Instant::now();
        let mut rate = learning_rate(&self.job.recipe().training, (epoch + 1) * count - 1, self.steps(count));
        for index in self.progress.batches..count {
            if self.job.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let begun = Instant::now();
            let batch = self.frozen.batch(self.job, &batches, index);
            let images = batch.labels.len();
            rate = learning_rate(&self.job.recipe().training, epoch * count + index, self.steps(count));
            let (loss, correct) = self.step(batch, batches.samples(index), [epoch, index], rate)?;
            let progress = &mut self.progress;
            let sum = f64::from_bits(progress.loss_sum_bits) + loss * images as f64;
            progress.loss_sum_bits = sum.to_bits();
            progress.seen += images;
            progress.correct += correct;
            progress.batches = index + 1;
            progress.seconds += begun.elapsed().as_secs_f64();
            let mean = sum / progress.seen as f64;
            watch(Event::Batch { epoch, done: index + 1, images, loss: mean });
            if saved.elapsed() > SAVE_EVERY {
                self.save()?;
                saved = Instant::now();
            }
        }
        self.finish_epoch(rate, watch)?;
        Ok(true)
    }

    fn steps(&self, batches: usize) -> usize {
        batches * self.job.recipe().training.epochs
    }

    /// One step of descent: the batch's loss, and how many of its images were recognised.
    fn step(
        &mut self,
        mut batch: Batch,
        chosen: &[u32],
        [epoch, index]: [usize; 2],
        rate: f64,
    ) -> Result<(f64, usize), TrainingError> {
        let training = &self.job.recipe().training;
        let (samples, classes) = (batch.labels.len(), self.inputs.manifest.network.classes);
        let seed = mix_seed(&[training.seed, epoch as u64, index as u64, u64::from(b's')]);
        let (mut targets, weights) =
            training_targets(self.job.training, chosen, &batch.labels, &self.inputs.class_weights, training);
        if training.mixup > 0.0 {
            let beta = Beta::new(training.mixup, training.mixup).expect("the recipe was checked");
            let share = beta.sample(&mut ChaCha8Rng::seed_from_u64(seed));
            // The larger share stays with the image itself, so its label is still the likelier one.
            let share = share.max(1.0 - share);
            mix(&mut batch.inputs, samples, share);
            if let Some(clean) = &mut batch.clean {
                mix(clean, samples, share);
            }
            mix(&mut targets, samples, share);
        }
        if let Some(teacher) = self.job.task.teacher() {
            let seen = batch.clean.as_ref().unwrap_or(&batch.inputs);
            teacher.teach(seen, &mut targets, training.teacher_share)?;
        }
        // Dropout draws from the device's generator.
        self.job.device.seed(seed);
        let device = self.job.device.clone().autodiff();
        let targets = Tensor::<2>::from_data(TensorData::new(targets, [samples, classes]), &device);
        let weights = Tensor::<1>::from_data(TensorData::new(weights, [samples]), &device);

        let network = self.network.take().expect("the network is back after every step");
        let preprocessing = &self.inputs.manifest.preprocessing;
        let outputs = self.frozen.forward(&network, self.job.device, preprocessing, batch.inputs, samples);
        let scores: Vec<f32> = outputs.clone().into_data().iter::<f32>().collect();
        let value = loss(training.loss, outputs, targets, weights);
        let number = f64::from(value.clone().into_scalar::<f32>());
        if !number.is_finite() {
            return Err(TrainingError::Diverged {
                loss: number,
                epoch: epoch + 1,
                batch: index + 1,
                rate: training.learning_rate,
            });
        }
        let step = SgdStep {
            rate: rate as f32,
            momentum: training.momentum,
            decay: training.weight_decay,
            nesterov: training.nesterov,
        };
        let network = self.sgd.descend(network, step, || value.backward());
        if training.weight_average > 0.0 {
            self.average.update(&network, training.weight_average);
        }
        self.network = Some(network);
        let correct = scores
            .chunks_exact(classes)
            .zip(&batch.labels)
            .filter(|(row, label)| argmax(row) == usize::from(**label))
            .count();
        Ok((number, correct))
    }

    /// The network to evaluate and keep: the averaged weights where there is an average.
    fn result(&self) -> Result<Network, TrainingError> {
        let network = self.network.as_ref().expect("the network is back after every step");
        let weights = collect(network);
        let weights = if self.job.recipe().training.weight_average > 0.0 {
            self.average.apply(weights)
        } else {
            weights
        };
        Ok(assign(self.inputs.manifest.network.blank(self.job.device), weights)?.prepared())
    }

    fn finish_epoch(
        &mut self,
        rate: f64,
        watch: &mut (dyn FnMut(Event<'_>) + Send),
    ) -> Result<(), TrainingError> {
        let begun = Instant::now();
        let result = self.result()?;
        let (validation_loss, validation_accuracy) = self.validate(&result);
        let progress = &mut self.progress;
        if !validation_loss.is_finite() {
            // The last step of an epoch is the first that no training loss tells of.
            let (epoch, batch) = (progress.epochs + 1, progress.batches);
            let rate = self.job.recipe().training.learning_rate;
            return Err(TrainingError::Diverged { loss: validation_loss, epoch, batch, rate });
        }
        let record = EpochRecord {
            epoch: progress.epochs + 1,
            learning_rate: rate,
            training_loss: f64::from_bits(progress.loss_sum_bits) / progress.seen.max(1) as f64,
            training_accuracy: progress.correct as f64 / progress.seen.max(1) as f64,
            validation_loss,
            validation_accuracy,
            seconds: progress.seconds + begun.elapsed().as_secs_f64(),
        };
        let selection = self.job.recipe().training.selection;
        let best_before = best_epoch(&progress.records, selection);
        let best = best_before.is_none_or(|before| selection.prefers(&record, before));
        let best_at = if best { record.epoch } else { best_before.map_or(0, |before| before.epoch) };
        *progress = Progress {
            epochs: record.epoch,
            records: std::mem::take(&mut progress.records),
            ..Progress::default()
        };
        progress.records.push(record);
        let training = &self.job.recipe().training;
        let waited = training.patience > 0 && record.epoch - best_at >= training.patience;
        progress.finished = record.epoch == training.epochs || waited;

        let mut manifest = self.inputs.manifest.clone();
        manifest.provenance.epoch = Some(record.epoch);
        manifest.metrics = BTreeMap::from([
            ("validation.accuracy".to_owned(), validation_accuracy),
            ("validation.cross-entropy".to_owned(), validation_loss),
            ("training.accuracy".to_owned(), record.training_accuracy),
        ]);
        let checkpoint = Checkpoint::of(manifest, &result);
        if best {
            checkpoint.write(&self.job.run.file("best.safetensors"), Precision::Full)?;
        }
        checkpoint.write(&self.job.run.file("last.safetensors"), Precision::Full)?;
        self.save()?;
        if self.progress.finished {
            Frozen::discard(self.job)?;
        }
        watch(Event::Epoch { record: &record, best });
        Ok(())
    }

    /// Cross-entropy and accuracy on the validation split, from the views that the selection asks for.
    fn validate(&self, network: &Network) -> (f64, f64) {
        let split = self.job.validation;
        let classes = self.inputs.manifest.network.classes;
        let scores = self.frozen.validation_logits(network, self.job).unwrap_or_else(|| {
            let face = |index| self.inputs.validation_faces.face(split, index);
            let faces: Vec<Cow<'_, [u8]>> = (0..split.len()).into_par_iter().map(face).collect();
            let faces: Vec<&[u8]> = faces.iter().map(|face| &**face).collect();
            let views = self.job.recipe().training.selection.views();
            logits(network, &self.inputs.manifest.preprocessing, &faces, views)
        });
        let rows = scores.chunks_exact(classes).enumerate();
        let correct = rows.filter(|(index, row)| argmax(row) == usize::from(split.label(*index))).count();
        let loss = cross_entropy_to_targets(&scores, split, self.job.training.dataset());
        (loss, correct as f64 / split.len() as f64)
    }

    fn save(&mut self) -> Result<(), TrainingError> {
        let network = self.network.as_ref().expect("the network is back after every step");
        let (averages, average_steps) = self.average.state();
        self.progress.average_steps = average_steps;
        let groups = [(WEIGHTS, collect(network)), (VELOCITIES, self.sgd.state()), (AVERAGES, averages)];
        let state = RunState {
            identity: self.inputs.identity.clone(),
            progress: self.progress.clone(),
            tensors: groups.map(|(group, tensors)| (group.to_owned(), tensors)).into(),
        };
        self.job.run.save(&state, &self.progress.records)
    }
}

/// The finished epoch that the selection prefers, the first of equals.
pub fn best_epoch(records: &[EpochRecord], selection: Selection) -> Option<&EpochRecord> {
    records.iter().reduce(|best, record| if selection.prefers(record, best) { record } else { best })
}

fn argmax(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, index| if row[index] > row[best] { index } else { best })
}

fn provenance(job: &Job<'_>) -> ClassifierProvenance {
    let dataset = job.training.dataset();
    let recipe = &job.recipe().training;
    ClassifierProvenance {
        recipe: Some(job.recipe().name().to_owned()),
        recipe_fingerprint: Some(job.recipe().fingerprint()),
        data: Some(dataset.name().to_owned()),
        data_fingerprint: Some(dataset.fingerprint()),
        training_images: Some(job.training.len()),
        synthetic: job.training.joined().map(|faces| faces.description().to_owned()),
        init: Some(job.task.initial().map_or("scratch".to_owned(), InitialWeights::source)),
        taught_by: job.task.teacher().map(Teacher::source),
        epochs_planned: Some(recipe.epochs),
        seed: Some(recipe.seed),
        program: Some(PROGRAM.to_owned()),
        // What is known of the model that a run begins from stays known.
        began_from: job.task.initial().and_then(|initial| initial.provenance().cloned()).map(Box::new),
        ..ClassifierProvenance::default()
    }
}
