//! The training loop of generators. As exact to resume as the classifier's: everything random is drawn from
//! the seed, the classes, the epoch and the batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use image::GrayImage;
use image::imageops::{FilterType, resize};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use super::recipe::GanRecipe;
use super::steps::{Adversaries, DiscriminatorInput, StepCounts};
use crate::data::FACE_SIDE;
use crate::data::faces::batches::{epoch_batches, mix_seed};
use crate::data::packed::generative::GenerativeSplit;
use crate::inference::drawing::contact_sheet::{ContactSheet, write_sheet};
use crate::inference::synthesis::{Synthesizer, latents, one_hot, to_network};
use crate::models::checkpoint::Precision;
use crate::models::gan::{GeneratorCheckpoint, GeneratorManifest};
use crate::models::provenance::{GeneratorProvenance, PROGRAM};
use crate::training::error::TrainingError;
use crate::training::records::GanRecord;
use crate::training::run_directory::{Identity, RunDirectory, RunState};

/// The state is saved this often.
const SAVE_EVERY: Duration = Duration::from_secs(120);

/// Faces per class on a sheet of samples.
const SHEET_FACES: usize = 10;

/// The finished generator's file in a run directory.
pub const GENERATOR_FILE: &str = "generator.safetensors";

/// The best generator so far of an unfinished run that is judged.
const BEST_FILE: &str = "best.safetensors";

/// Judges generated faces, [`FACE_SIDE`] pixels wide: smaller is better.
pub type FacesJudge<'a> = &'a (dyn Fn(&[GrayImage]) -> f64 + Sync);

/// The seed of judged faces: not one that somebody samples with, so that no face is judged twice.
const JUDGING_SEED: u64 = 0x6A75_6467_6500;

/// What to train, on what, where to: one generator.
#[derive(Clone, Copy)]
pub struct GanJob<'a> {
    /// Settings of the training.
    pub recipe: &'a GanRecipe,
    /// The recipe's name, for provenance.
    pub recipe_name: &'a str,
    /// Photographs to learn from.
    pub photographs: &'a GenerativeSplit<'a>,
    /// The class to learn, or `None` for one generator of all of them.
    pub label: Option<u8>,
    /// Run directory of the results.
    pub run: &'a RunDirectory,
    /// Device to train on, without autodiff.
    pub device: &'a Device,
    /// Set from outside to save and stop at the next batch.
    pub stop: &'a AtomicBool,
    /// Judges faces where the recipe asks for it.
    pub judge: Option<FacesJudge<'a>>,
}

impl std::fmt::Debug for GanJob<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GanJob").field("label", &self.label).finish_non_exhaustive()
    }
}

/// What happens during a run, for those who watch.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The run begins, or resumes after so many epochs and batches of the next.
    Started {
        /// Finished epochs and batches.
        done: (usize, usize),
        /// Batches in an epoch.
        batches: usize,
    },
    /// A batch is finished.
    Batch {
        /// Index of the epoch, from 0.
        epoch: usize,
        /// Finished batches of this epoch.
        done: usize,
    },
    /// An epoch is finished.
    Epoch {
        /// Figures of the epoch.
        record: &'a GanRecord,
        /// Whether this generator was kept as the best so far.
        best: bool,
    },
}

/// How a run ended.
pub use crate::training::classifier::Outcome;

/// Where a run stands, apart from tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    epochs: usize,
    batches: usize,
    counts: StepCounts,
    sums: Sums,
    records: Vec<GanRecord>,
    finished: bool,
}

/// Sums over the unfinished epoch; the floats as bits, so that they survive text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    discriminator_loss: u64,
    score_difference: u64,
    discriminator_steps: u32,
    generator_loss: u64,
    generator_steps: u32,
    penalty: u64,
    penalties: u32,
    seconds: f64,
}

fn add(sum: &mut u64, value: f64) {
    *sum = (f64::from_bits(*sum) + value).to_bits();
}

/// The mean of a sum, if there was anything.
fn mean(sum: u64, count: u32) -> Option<f64> {
    (count > 0).then(|| f64::from_bits(sum) / f64::from(count))
}

/// Trains until the recipe's end, until patience runs out, or until stopped; resumes from where an earlier
/// sitting ended.
///
/// # Errors
/// Before any work: too few photographs of the class, a foreign or damaged run directory. Later: divergence,
/// or a file that cannot be written.
pub fn train_gan(
    job: &GanJob<'_>,
    watch: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Outcome, TrainingError> {
    // Inside Rayon's pool, so that the small operations of a step need not wake it each time.
    let outcome = rayon::scope(|_| train_in_pool(job, watch));
    burn_cpu_fused::release_buffers();
    outcome
}

fn train_in_pool(
    job: &GanJob<'_>,
    watch: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Outcome, TrainingError> {
    let mut trainer = Trainer::start(job)?;
    if trainer.progress.finished {
        return Ok(Outcome::AlreadyFinished);
    }
    watch(Event::Started {
        done: (trainer.progress.epochs, trainer.progress.batches),
        batches: trainer.order(0).len(),
    });
    while !trainer.progress.finished {
        if !trainer.epoch(watch)? {
            trainer.save()?;
            return Ok(Outcome::Interrupted);
        }
    }
    Ok(Outcome::Finished)
}

/// Checks, before any work, that a run can start or resume: enough photographs, no other or damaged run.
///
/// # Errors
/// What [`train_gan`] would say.
pub fn check_gan(job: &GanJob<'_>) -> Result<(), TrainingError> {
    let rows = learned_from(job)?;
    job.run.load::<Progress>(&identity(job, rows.len())).map(drop)
}

/// The rows of the photographs to learn from.
fn learned_from(job: &GanJob<'_>) -> Result<Vec<u32>, TrainingError> {
    let rows = job.photographs.seen(job.label);
    if rows.len() < job.recipe.training.batch_size {
        let (count, batch, class) = (rows.len(), job.recipe.training.batch_size, class(job));
        return Err(TrainingError::Data(format!(
            "{class} has {count} photographs to learn from, fewer than a batch of {batch}; lower \
             training.batch_size or leave the class out"
        )));
    }
    Ok(rows)
}

fn class(job: &GanJob<'_>) -> &'static str {
    let names = job.photographs.dataset().label_set().names();
    job.label.map_or("all classes", |label| names[usize::from(label)])
}

fn identity(job: &GanJob<'_>, photographs: usize) -> Identity {
    let fingerprint = job.photographs.dataset().fingerprint();
    Identity {
        recipe: job.recipe.to_toml(),
        data: format!("{fingerprint} ({}, {photographs} photographs)", class(job)),
        models: String::new(),
    }
}

struct Trainer<'a> {
    job: &'a GanJob<'a>,
    identity: Identity,
    manifest: GeneratorManifest,
    /// The photographs at the network's size, in -1..=1, with their labels.
    photographs: Vec<(Vec<f32>, u8)>,
    adversaries: Adversaries,
    progress: Progress,
    saved: Instant,
}

impl<'a> Trainer<'a> {
    fn start(job: &'a GanJob<'a>) -> Result<Self, TrainingError> {
        let recipe = job.recipe;
        let dataset = job.photographs.dataset();
        let label_set = dataset.label_set();
        let rows = learned_from(job)?;
        let side = recipe.network.side;
        let photograph = |row: &u32| {
            let face = job.photographs.face(*row);
            let face = resize(&face, side as u32, side as u32, FilterType::CatmullRom);
            (to_network(&face), dataset.label(*row as usize))
        };
        let classes = label_set.len();
        let generator = recipe.generator(classes);
        let mut labels: Vec<u8> = rows.iter().map(|row| dataset.label(*row as usize)).collect();
        labels.sort_unstable();
        labels.dedup();
        let mut manifest = GeneratorManifest::new(generator, label_set, labels);
        manifest.provenance = GeneratorProvenance {
            recipe: Some(job.recipe_name.to_owned()),
            data: Some(dataset.name().to_owned()),
            data_fingerprint: Some(dataset.fingerprint()),
            photographs: Some(rows.len()),
            held_out_share: Some(recipe.data.held_out),
            epoch_chosen_by_people_held_out: Some(job.judge.is_some()),
            seed: Some(recipe.training.seed),
            program: Some(PROGRAM.to_owned()),
            ..GeneratorProvenance::default()
        };
        let identity = identity(job, rows.len());
        let device = job.device.clone().autodiff();
        let (adversaries, progress) = match job.run.load::<Progress>(&identity)? {
            None => {
                job.run.begin(&identity)?;
                let seed = mix_seed(&[recipe.training.seed, label_number(job.label)]);
                (Adversaries::new(recipe, classes, seed, &device), Progress::default())
            }
            // A finished run keeps no tensors but its generator's.
            Some(RunState { progress, .. }) if progress.finished => {
                (Adversaries::new(recipe, classes, 0, &device), progress)
            }
            Some(RunState { progress, tensors, .. }) => {
                (Adversaries::restore(recipe, classes, tensors, progress.counts, &device)?, progress)
            }
        };
        Ok(Self {
            job,
            identity,
            manifest,
            photographs: rows.iter().map(photograph).collect(),
            adversaries,
            progress,
            saved: Instant::now(),
        })
    }

    fn seed(&self, epoch: usize) -> u64 {
        mix_seed(&[self.job.recipe.training.seed, label_number(self.job.label), epoch as u64])
    }

    fn order(&self, epoch: usize) -> Vec<Vec<u32>> {
        let batch_size = self.job.recipe.training.batch_size;
        epoch_batches(self.photographs.len(), batch_size, self.seed(epoch))
    }

    /// Trains to the end of the epoch; false if stopped before.
    fn epoch(&mut self, watch: &mut (dyn FnMut(Event<'_>) + Send)) -> Result<bool, TrainingError> {
        let epoch = self.progress.epochs;
        for (index, batch) in self.order(epoch).iter().enumerate().skip(self.progress.batches) {
            if self.job.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let begun = Instant::now();
            self.step(batch, epoch, index)?;
            self.progress.batches = index + 1;
            self.progress.sums.seconds += begun.elapsed().as_secs_f64();
            watch(Event::Batch { epoch, done: index + 1 });
            if self.saved.elapsed() > SAVE_EVERY {
                self.save()?;
            }
        }
        self.finish_epoch(watch)?;
        Ok(true)
    }

    /// One step of the discriminator and, when it is its turn, of the generator.
    fn step(&mut self, batch: &[u32], epoch: usize, index: usize) -> Result<(), TrainingError> {
        let recipe = self.job.recipe;
        let device = self.job.device.clone().autodiff();
        let mut random = ChaCha8Rng::seed_from_u64(mix_seed(&[self.seed(epoch), index as u64]));
        let (count, side) = (batch.len(), recipe.network.side);
        let mut pixels: Vec<f32> = Vec::with_capacity(count * side * side);
        for photograph in batch {
            let (face, _) = &self.photographs[*photograph as usize];
            if recipe.data.mirror && random.random::<bool>() {
                face.chunks_exact(side).for_each(|row| pixels.extend(row.iter().rev()));
            } else {
                pixels.extend(face);
            }
        }
        let labels: Vec<u8> =
            batch.iter().map(|photograph| self.photographs[*photograph as usize].1).collect();
        let condition = recipe
            .is_conditional()
            .then(|| one_hot(&labels, self.manifest.network.classes, recipe.condition_share(epoch), &device));
        let noise = latents(count, recipe.network.latent, &mut random, &device);
        let shares: Vec<f32> = (0..count).map(|_| random.random()).collect();
        let changes = [(); 3].map(|()| recipe.augmentation.draw(count, side, &mut random, &device));
        let [of_real, of_generated, of_generator] = changes;

        let generated = self.adversaries.images(noise, condition.clone());
        let steps = self.progress.counts.discriminator;
        let figures = self.adversaries.discriminator_step(DiscriminatorInput {
            real: Tensor::from_data(TensorData::new(pixels, [count, 1, side, side]), &device),
            generated: generated.clone(),
            condition: condition.clone(),
            shares: Tensor::from_data(TensorData::new(shares, [count, 1, 1, 1]), &device),
            changes: [of_real, of_generated],
            with_penalty: (steps as usize).is_multiple_of(recipe.loss.penalty_every),
        });
        let mut loss = figures.loss;
        let progress = &mut self.progress;
        progress.counts.discriminator += 1;
        let sums = &mut progress.sums;
        add(&mut sums.discriminator_loss, figures.loss);
        add(&mut sums.score_difference, figures.real_score - figures.generated_score);
        sums.discriminator_steps += 1;
        if let Some(penalty) = figures.penalty {
            add(&mut sums.penalty, penalty);
            sums.penalties += 1;
        }
        if (progress.counts.discriminator as usize).is_multiple_of(recipe.training.critic_steps) {
            let generator_loss = self.adversaries.generator_step(generated, condition, &of_generator);
            loss += generator_loss;
            add(&mut progress.sums.generator_loss, generator_loss);
            progress.sums.generator_steps += 1;
            progress.counts.generator += 1;
        }
        if loss.is_finite() {
            return Ok(());
        }
        let rate = f64::from(recipe.training.learning_rate);
        Err(TrainingError::Diverged { loss, epoch: epoch + 1, batch: index + 1, rate })
    }

    fn finish_epoch(&mut self, watch: &mut (dyn FnMut(Event<'_>) + Send)) -> Result<(), TrainingError> {
        let begun = Instant::now();
        let training = &self.job.recipe.training;
        let epoch = self.progress.epochs + 1;
        let is_last = epoch == training.epochs;
        let due = |every: usize| every > 0 && (is_last || epoch.is_multiple_of(every));
        // Before the class has joined whole, a generator may be good and know no class.
        let knows_classes = self.job.recipe.condition_share(epoch - 1) == 1.0;
        let judge = self.job.judge.filter(|_| due(training.judge_every) && knows_classes);
        let with_sheet = is_last || due(training.sheet_every);
        let mut judgement = None;
        if judge.is_some() || with_sheet {
            let synthesizer = self.synthesizer()?;
            judgement = judge.map(|judge| self.judged(&synthesizer, judge));
            if with_sheet {
                self.write_sheet(&synthesizer, epoch)?;
            }
        }
        let before = self.progress.records.iter().filter_map(|record| record.judgement);
        let before = before.fold(f64::INFINITY, f64::min);
        let best = judgement.is_some_and(|judgement| judgement < before);
        let sums = std::mem::take(&mut self.progress.sums);
        let record = GanRecord {
            epoch,
            steps: self.progress.counts.discriminator,
            discriminator_loss: mean(sums.discriminator_loss, sums.discriminator_steps).unwrap_or(f64::NAN),
            generator_loss: mean(sums.generator_loss, sums.generator_steps),
            score_difference: mean(sums.score_difference, sums.discriminator_steps).unwrap_or(f64::NAN),
            penalty: mean(sums.penalty, sums.penalties),
            judgement,
            seconds: sums.seconds + begun.elapsed().as_secs_f64(),
        };
        self.progress.records.push(record.clone());
        self.progress.epochs = epoch;
        self.progress.batches = 0;
        let judged: Vec<f64> = self.progress.records.iter().filter_map(|record| record.judgement).collect();
        self.progress.finished = is_last || out_of_patience(&judged, training.patience);
        if best {
            self.write_generator(epoch, BEST_FILE)?;
        }
        if self.progress.finished {
            self.keep_generator(epoch, !judged.is_empty())?;
        } else if self.saved.elapsed() > SAVE_EVERY {
            self.save()?;
        }
        watch(Event::Epoch { record: &record, best });
        Ok(())
    }

    fn synthesizer(&self) -> Result<Synthesizer, TrainingError> {
        let generator = self.adversaries.result(self.job.device)?;
        Ok(Synthesizer::new(self.manifest.clone(), generator))
    }

    /// As many generated faces of each class as there are photographs of it held out, judged.
    fn judged(&self, synthesizer: &Synthesizer, judge: FacesJudge<'_>) -> f64 {
        let of_label = |label: &u8| {
            let count = self.job.photographs.held_out(Some(*label)).len();
            synthesizer.faces(*label, 0..count, JUDGING_SEED, FACE_SIDE)
        };
        let faces: Vec<GrayImage> = self.manifest.labels.iter().flat_map(of_label).collect();
        judge(&faces)
    }

    /// A row of faces for every class, always from the same noise.
    fn write_sheet(&self, synthesizer: &Synthesizer, epoch: usize) -> Result<(), TrainingError> {
        let names = self.manifest.label_set.names();
        let rows = self.manifest.labels.iter().map(|label| {
            let faces = synthesizer.faces(*label, 0..SHEET_FACES, 0, self.job.recipe.network.side);
            (names[usize::from(*label)].to_owned(), faces)
        });
        let sheet = ContactSheet { columns: Vec::new(), rows: rows.collect() };
        write_sheet(&sheet.draw(), &self.job.run.file(&format!("sheet-{epoch:04}.png")))?;
        Ok(())
    }

    /// Ends the run: the best generator where they were judged, else this one.
    fn keep_generator(&mut self, epoch: usize, was_judged: bool) -> Result<(), TrainingError> {
        let best = self.job.run.file(BEST_FILE);
        if was_judged {
            GeneratorCheckpoint::read(&best)?.write(&self.job.run.file(GENERATOR_FILE), Precision::Full)?;
        } else {
            self.write_generator(epoch, GENERATOR_FILE)?;
        }
        self.save()?;
        // Should it stay, it only takes room.
        let _ = std::fs::remove_file(best);
        Ok(())
    }

    fn write_generator(&self, epoch: usize, file: &str) -> Result<(), TrainingError> {
        let mut manifest = self.manifest.clone();
        manifest.provenance.epoch = Some(epoch);
        let checkpoint = GeneratorCheckpoint::of(manifest, &self.adversaries.result(self.job.device)?);
        checkpoint.write(&self.job.run.file(file), Precision::Full)?;
        Ok(())
    }

    fn save(&mut self) -> Result<(), TrainingError> {
        let (tensors, counts) =
            if self.progress.finished { Default::default() } else { self.adversaries.state() };
        debug_assert!(self.progress.finished || counts == self.progress.counts, "steps are counted twice");
        let state = RunState { identity: self.identity.clone(), progress: self.progress.clone(), tensors };
        self.job.run.save(&state, &self.progress.records)?;
        self.saved = Instant::now();
        Ok(())
    }
}

/// Whether the last `patience` judgements brought nothing better than what was before.
fn out_of_patience(judgements: &[f64], patience: usize) -> bool {
    let Some(before) = judgements.len().checked_sub(patience).filter(|_| patience > 0) else { return false };
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    before > 0 && least(&judgements[before..]) >= least(&judgements[..before])
}

/// A number that tells generators of one seed apart.
fn label_number(label: Option<u8>) -> u64 {
    label.map_or(u64::MAX, u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_judgements_since_the_best() {
        assert!(!out_of_patience(&[3.0, 2.0, 2.5], 2));
        assert!(out_of_patience(&[3.0, 2.0, 2.5, 2.0], 2));
        assert!(!out_of_patience(&[3.0, 2.0, 2.5, 1.0], 2));
        assert!(!out_of_patience(&[3.0, 4.0], 2));
        assert!(!out_of_patience(&[1.0, 2.0, 3.0], 0));
    }
}
