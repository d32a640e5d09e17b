//! The training of the generators of a run: what `gan train` and `reproduce` share.

use crate::error::{Context as _, refuse};
use image::GrayImage;
use std::path::{Path, PathBuf};

use crate::data::PackedDataset;
use crate::data::packed::generative::GenerativeSplit;
use crate::evaluation::generation::curves::render_curves;
use crate::experiments::generators::comparison::KernelJudge;
use crate::experiments::session::Session;
use crate::experiments::watch::{Note, Unit, Watch, Work, figures};
use crate::files::atomic::write_text;
use crate::inference::built_in::BuiltInModel;
use crate::inference::predictor::Predictor;
use crate::training::classifier::Outcome;
use crate::training::gan::trainer::GENERATOR_FILE;
use crate::training::gan::{Event, FacesJudge, GanJob, GanRecipe, check_gan, train_gan};
use crate::training::records::GanRecord;
use crate::training::run_directory::RunDirectory;

/// What to train, on what, where to: one generator per class, or one for all.
#[derive(Debug)]
pub struct GanRun<'a> {
    /// The settings.
    pub recipe: &'a GanRecipe,
    /// The recipe's name, for provenance.
    pub recipe_name: &'a str,
    /// The photographs learned from.
    pub dataset: &'a PackedDataset,
    /// A class by name, or `all`.
    pub class: &'a str,
    /// The run directory, with a folder for each class.
    pub directory: &'a Path,
    /// Device, stop and watch.
    pub session: Session<'a>,
}

impl GanRun<'_> {
    /// Trains to the end, or resumes a run: the generators' files; `None` when stopped.
    ///
    /// # Errors
    /// Before any work: an unknown class, or one with too few photographs. Later as [`train_gan`].
    pub fn finish(&self) -> crate::Result<Option<Vec<PathBuf>>> {
        let Self { recipe, dataset, .. } = *self;
        let Session { device, stop, watch } = self.session;
        let photographs = GenerativeSplit::new(dataset, recipe.data.held_out)?;
        let labels = self.labels(&photographs)?;
        check_counts(recipe, &photographs, &labels)?;
        let predictor = (recipe.training.judge_every > 0)
            .then(|| Predictor::built_in(BuiltInModel::Fer2013Compact, device))
            .transpose()?;
        let judge = |label: &Option<u8>| {
            predictor.as_ref().map(|predictor| KernelJudge::new(&photographs, *label, predictor)).transpose()
        };
        let judges = labels.iter().map(judge).collect::<crate::Result<Vec<_>>>()?;
        let judges: Vec<_> = judges
            .iter()
            .map(|judge| judge.as_ref().map(|judge| |faces: &[GrayImage]| judge.distance(faces)))
            .collect();
        std::fs::create_dir_all(self.directory)
            .with_context(|| format!("cannot make the run directory `{}`", self.directory.display()))?;
        let names = dataset.label_set().names();
        let class = |label: &Option<u8>| label.map_or("all", |label| names[usize::from(label)]);
        let open = |label| RunDirectory::open(&self.directory.join(class(label)));
        let directories = labels.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let jobs: Vec<GanJob<'_>> = labels
            .iter()
            .zip(&directories)
            .zip(&judges)
            .map(|((label, run), judge)| GanJob {
                recipe,
                recipe_name: self.recipe_name,
                photographs: &photographs,
                label: *label,
                run,
                device,
                stop,
                judge: judge.as_ref().map(|judge| judge as FacesJudge<'_>),
            })
            .collect();
        // What is wrong with the last class is told before hours go into the first.
        jobs.iter().try_for_each(check_gan)?;
        let mut finished = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            let place = format!("{} ({}/{})", class(&job.label), index + 1, labels.len());
            let outcome = train_gan(job, &mut |event| tell(watch, &place, recipe, event))?;
            self.write_curves(names)?;
            match outcome {
                Outcome::Interrupted => {
                    watch.note(&Note::Saved);
                    return Ok(None);
                }
                Outcome::AlreadyFinished | Outcome::Finished => {
                    let earlier = outcome == Outcome::AlreadyFinished;
                    watch.note(&Note::GeneratorFinished { run: &place, earlier });
                }
            }
            finished.push(job.run.file(GENERATOR_FILE));
        }
        Ok(Some(finished))
    }

    /// The generators to train: one label each, or one generator without a label.
    fn labels(&self, photographs: &GenerativeSplit<'_>) -> crate::Result<Vec<Option<u8>>> {
        let label_set = self.dataset.label_set();
        let present = photographs.labels();
        if self.class == "all" {
            return Ok(if self.recipe.is_conditional() {
                vec![None]
            } else {
                present.into_iter().map(Some).collect()
            });
        }
        let Some(label) = label_set.label_of(self.class).filter(|label| present.contains(label)) else {
            let names =
                present.iter().map(|label| label_set.names()[usize::from(*label)]).collect::<Vec<_>>();
            let (name, names) = (self.dataset.name(), names.join(", "));
            refuse!("data set `{name}` has no photographs of class `{}`; it has {names}", self.class);
        };
        if self.recipe.is_conditional() {
            refuse!("recipe `{}` trains one generator for all classes; leave out --class", self.recipe_name);
        }
        Ok(vec![Some(label)])
    }

    /// Writes the curves of all the run's generators so far.
    fn write_curves(&self, classes: &[&str]) -> crate::Result<()> {
        let mut logs = Vec::new();
        for name in classes.iter().chain(&["all"]) {
            let folder = self.directory.join(name);
            let Ok(text) = std::fs::read_to_string(folder.join("log.jsonl")) else { continue };
            let records = text.lines().map(serde_json::from_str).collect::<Result<Vec<GanRecord>, _>>();
            let records = records.with_context(|| format!("the log of `{}` is damaged", folder.display()))?;
            logs.push(((*name).to_owned(), records));
        }
        let page = render_curves(&format!("{}: {}", self.recipe_name, self.directory.display()), &logs)?;
        let path = self.directory.join("curves.html");
        write_text(&path, &page)?;
        Ok(())
    }
}

/// Tells how a run comes along: a line for the best epochs and those with a sheet of samples.
fn tell(watch: &dyn Watch, place: &str, recipe: &GanRecipe, event: Event<'_>) {
    let epochs = recipe.training.epochs;
    match event {
        Event::Started { done: (epoch, batch), batches } => {
            if (epoch, batch) != (0, 0) {
                watch.note(&Note::Resumes { run: Some(place), epoch, epochs, batch, batches });
            }
            let work = Work { what: place, unit: Unit::Epochs };
            watch.progress(work, epoch as u64, epochs as u64);
        }
        Event::Batch { .. } => {}
        Event::Epoch { record, best } => {
            let what = format!("{place} {}", figures(record));
            let work = Work { what: &what, unit: Unit::Epochs };
            watch.progress(work, record.epoch as u64, epochs as u64);
            let last = record.epoch == epochs;
            if last || best || record.epoch.is_multiple_of(recipe.training.sheet_every.max(1)) {
                watch.note(&Note::GeneratorEpoch { run: place, record, best });
            }
        }
    }
}

/// Refuses classes too small for a batch, all of them at once and before any work.
fn check_counts(
    recipe: &GanRecipe,
    photographs: &GenerativeSplit<'_>,
    labels: &[Option<u8>],
) -> crate::Result<()> {
    let names = photographs.dataset().label_set().names();
    let small: Vec<String> = labels
        .iter()
        .map(|label| (label, photographs.seen(*label).len()))
        .filter(|(_, count)| *count < recipe.training.batch_size)
        .map(|(label, count)| {
            let class = label.map_or("all classes", |label| names[usize::from(label)]);
            format!("{class} has {count} photographs")
        })
        .collect();
    if !small.is_empty() {
        let batch = recipe.training.batch_size;
        refuse!("{}: fewer than a batch of {batch}; lower training.batch_size", small.join(", "));
    }
    Ok(())
}
