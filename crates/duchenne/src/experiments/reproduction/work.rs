//! The *work* of each stage, on what earlier stages have made.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::{Context as _, refuse};

use crate::data::faces::views::Views;
use crate::data::import::ckplus::CkPlusOptions;
use crate::data::import::{ckplus, fer2013};
use crate::data::packed::findings::training_duplicates;
use crate::data::{Images as _, PackedBuilder, PackedDataset, Split, TrainingData, no_progress};
use crate::evaluation::report::{
    EpochRecord, ImageViews, ModelFigures, Provenance, ReportPage, write_report,
};
use crate::evaluation::reproduction::RunFigures;
use crate::evaluation::{evaluate, fit_temperature};
use crate::experiments::classifier::ClassifierRun;
use crate::experiments::generators::judgement::Judgement;
use crate::experiments::generators::samples::{Generators, draw_grid};
use crate::experiments::generators::training::GanRun;
use crate::experiments::reproduction::graph::{Graph, Stage, StageId, Work, is_packed};
use crate::experiments::reproduction::scale::Images;
use crate::experiments::reproduction::store::{Done, StageFolder};
use crate::experiments::scoring::{EvaluatedSplit, log_beside, read_log, score_split};
use crate::experiments::session::Session;
use crate::experiments::svm::fit::{SVM_FILE, fit_on_networks};
use crate::experiments::svm::networks::{DeepSvmRecipe, FEATURES};
use crate::experiments::watch::{Note, Watch};
use crate::expression::LabelSet;
use crate::files::atomic::{AtomicError, write_atomically, write_text};
use crate::inference::built_in::BuiltInModel;
use crate::inference::predictor::Predictor;

/// A packed data set's file in its stage's folder.
pub const DATA_FILE: &str = "data.safetensors";
/// Generated faces.
const FACES_FILE: &str = "faces.safetensors";
/// The folder of a training run.
pub const RUN: &str = "run";
/// The figures of a model.
pub const FIGURES_FILE: &str = "figures.json";
/// The judgement of generators.
pub const JUDGEMENT_FILE: &str = "report.json";
/// Figure 1.
pub const FIGURE_FILE: &str = "figure1.png";

/// Seed of generated faces.
const FACES_SEED: u64 = 0;

/// Where stages are worked on.
pub struct Workshop<'a> {
    /// All stages.
    pub graph: &'a Graph,
    /// Device, stop and watch.
    pub session: Session<'a>,
}

impl std::fmt::Debug for Workshop<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Workshop").finish_non_exhaustive()
    }
}

impl Workshop<'_> {
    /// Does the stage's work, or resumes it, and marks it finished; `None` when stopped.
    ///
    /// # Errors
    /// What the work fails with.
    pub fn finish(&self, stage: &Stage) -> crate::Result<Option<Done>> {
        let begun = Instant::now();
        let folder = &stage.folder;
        folder.begin()?;
        match &stage.work {
            Work::ImportFer2013(source, votes) => {
                import_fer2013(source, votes.as_deref(), folder, self.session.watch)?
            }
            Work::ImportCkplus(source) => import_ckplus(source, folder, self.session.watch)?,
            Work::Subset(images) => subset(&self.data(stage.inputs[0])?, *images, folder)?,
            Work::Gan { name, recipe, class } => {
                let dataset = self.data(stage.inputs[0])?;
                let run = GanRun {
                    recipe,
                    recipe_name: name,
                    dataset: &dataset,
                    class,
                    directory: &folder.file(RUN),
                    session: self.session,
                };
                if run.finish()?.is_none() {
                    return Ok(None);
                }
            }
            Work::Faces(count) => {
                let run = self.folder(stage.inputs[0]).file(RUN);
                Generators::load(&run, self.session.device, self.session.watch)?.sample(
                    *count,
                    FACES_SEED,
                    &folder.file(FACES_FILE),
                    self.session.watch,
                )?;
            }
            Work::Judge(by_classifier) => self.judge(stage, *by_classifier)?,
            Work::Classifier { recipe, per_class, neutral } => {
                let data = TrainingData::new(self.data(stage.inputs[0])?)?;
                let faces = &stage.inputs[1..];
                let open = |id: &StageId| PackedDataset::open(self.folder(*id).file(FACES_FILE));
                let sets = faces.iter().map(open).collect::<Result<Vec<_>, _>>()?;
                let data = data.with_synthetic(sets, Some(*per_class as usize), *neutral)?;
                let task = recipe.as_ref().clone().load(data.dataset(), self.session.device)?;
                let run = ClassifierRun {
                    task: &task,
                    dataset: data.dataset(),
                    training: &data.split(),
                    directory: &folder.file(RUN),
                    session: self.session,
                };
                if run.finish()?.is_none() {
                    return Ok(None);
                }
            }
            Work::Svm(recipe) => {
                if !self.svm(stage, recipe)? {
                    return Ok(None);
                }
            }
            Work::Evaluation(seed) => self.evaluate(stage, *seed)?,
            Work::Figure(titles) => {
                let runs = stage.inputs.iter().map(|input| self.folder(*input).file(RUN));
                let runs: Vec<(String, PathBuf)> = titles.iter().cloned().zip(runs).collect();
                draw_grid(
                    &runs,
                    FACES_SEED,
                    self.session.device,
                    &folder.file(FIGURE_FILE),
                    self.session.watch,
                )?;
            }
        }
        // The logs tell of earlier sittings too, the clock of what no log tells of.
        let seconds = begun.elapsed().as_secs_f64().max(logged_seconds(folder)?);
        let done = folder.finish(seconds, &self.session.device.to_string(), &|path| !is_state(path))?;
        discard_states(folder.path())?;
        Ok(Some(done))
    }

    fn folder(&self, stage: StageId) -> &StageFolder {
        &self.graph.stages[stage].folder
    }

    fn data(&self, stage: StageId) -> crate::Result<PackedDataset> {
        Ok(PackedDataset::open(self.folder(stage).file(DATA_FILE))?)
    }

    fn judge(&self, stage: &Stage, by_classifier: bool) -> crate::Result<()> {
        let generated = PackedDataset::open(self.folder(stage.inputs[0]).file(FACES_FILE))?;
        let real = self.data(stage.inputs[1])?;
        let judgement = Judgement::new(&generated, &real)?;
        let model = BuiltInModel::Fer2013Compact;
        let predictor = Predictor::built_in(model, self.session.device)?;
        let report = judgement.report(
            &predictor,
            model.name(),
            by_classifier,
            self.session.device,
            self.session.watch,
        )?;
        judgement.write(&report, stage.folder.path())
    }

    /// Trains the networks and fits the SVM; false when stopped.
    fn svm(&self, stage: &Stage, recipe: &DeepSvmRecipe) -> crate::Result<bool> {
        let dataset = self.data(stage.inputs[0])?;
        let training = dataset.training()?;
        let run = stage.folder.file(RUN);
        let Some(networks) = recipe.train(&dataset, &training, &run, self.session)? else {
            return Ok(false);
        };
        let settings = &recipe.svm;
        let fitted = fit_on_networks(&networks, &dataset, &training, &run, settings, self.session)?;
        let Some(svm) = fitted else {
            return Ok(false);
        };
        svm.write(&run.join(SVM_FILE))?;
        // Gigabytes, and made again in minutes.
        std::fs::remove_dir_all(run.join(FEATURES)).context("cannot delete the kept features")?;
        Ok(true)
    }

    fn evaluate(&self, stage: &Stage, seed: u64) -> crate::Result<()> {
        let dataset = self.data(stage.inputs[0])?;
        let run = self.folder(stage.inputs[1]).file(RUN);
        let svm = run.join(SVM_FILE);
        let model = if svm.is_file() { svm } else { run.join("best.safetensors") };
        let predictor = Predictor::load(&model, self.session.device)?;
        let seen = training_duplicates(&dataset);
        let of = |split| score_split(&predictor, &dataset, split, &seen, Views::Centre);
        let public = of(EvaluatedSplit::Validation)?;
        let temperature = fit_temperature(&public)?;
        let private = of(EvaluatedSplit::Test)?;
        let report = evaluate(&private, temperature)?;
        let curve = match log_beside(&model) {
            Some(log) => read_log::<EpochRecord>(&log)?,
            None => Vec::new(),
        };
        let provenance = &predictor.manifest().provenance;
        let learned_from = match provenance.training_images {
            Some(count) => count,
            None => dataset.training()?.len(),
        };
        let on_public = evaluate(&public, temperature)?.overall.accuracy.value;
        let figures = RunFigures::of(&report, &private, on_public, (seed, learned_from), curve.clone());
        let page = ReportPage {
            title: format!("{} on private-test", stage.name.trim_start_matches("score ")),
            provenance: std::iter::once(Provenance::new("architecture", predictor.description()))
                .chain(
                    provenance.lines().map(|(name, value)| Provenance::new(format!("model {name}"), value)),
                )
                .collect(),
            results: vec![ModelFigures { views: ImageViews::SingleCrop, report }],
            robustness: None,
            training: curve,
            folds: None,
            kept_epoch: provenance.epoch,
        };
        write_report(&page, stage.folder.path())?;
        let path = stage.folder.file(FIGURES_FILE);
        let text = serde_json::to_string_pretty(&figures)?;
        write_text(&path, &text)?;
        Ok(())
    }
}

/// Packs FER-2013, or takes over a packed set of it.
fn import_fer2013(
    source: &Path,
    votes: Option<&Path>,
    folder: &StageFolder,
    watch: &dyn Watch,
) -> crate::Result<()> {
    if packed(source, LabelSet::Fer2013, folder)? {
        return Ok(());
    }
    let imported = fer2013::import(source, votes, &folder.file(DATA_FILE), &no_progress)?;
    imported.notes.iter().for_each(|note| watch.note(&Note::Import(note)));
    Ok(())
}

/// Packs CK+, or takes over a packed set of it.
fn import_ckplus(source: &Path, folder: &StageFolder, watch: &dyn Watch) -> crate::Result<()> {
    if packed(source, LabelSet::CkPlus, folder)? {
        return Ok(());
    }
    let imported = ckplus::import(source, &CkPlusOptions::new(), &folder.file(DATA_FILE), &no_progress)?;
    imported.notes.iter().for_each(|note| watch.note(&Note::Import(note)));
    Ok(())
}

/// Copies a source that is packed already; false if it is not.
fn packed(source: &Path, expected: LabelSet, folder: &StageFolder) -> crate::Result<bool> {
    if !is_packed(source) {
        return Ok(false);
    }
    let dataset = PackedDataset::open(source)?;
    if dataset.label_set() != expected {
        refuse!("`{}` has labels of `{}`, expected `{expected}`", source.display(), dataset.label_set());
    }
    let path = folder.file(DATA_FILE);
    write_atomically(&path, |out| {
        let mut file = std::fs::File::open(source).map_err(|error| AtomicError::system(source, error))?;
        std::io::copy(&mut file, out).map_err(|error| AtomicError::system(&path, error))?;
        Ok::<(), AtomicError>(())
    })?;
    Ok(true)
}

/// Some images of each split, spread evenly over it.
fn subset(dataset: &PackedDataset, images: Images, folder: &StageFolder) -> crate::Result<()> {
    let wanted = [
        (Split::Training, images.training),
        (Split::Validation, images.public_test),
        (Split::Test, images.private_test),
    ];
    let mut rows = Vec::new();
    for (split, count) in wanted {
        let of_split: Vec<usize> = (0..dataset.len()).filter(|row| dataset.split(*row) == split).collect();
        let count = count.min(of_split.len());
        rows.extend((0..count).map(|index| of_split[index * of_split.len() / count]));
    }
    let name = format!("{}-part", dataset.name());
    let mut builder = PackedBuilder::new(name, dataset.label_set(), dataset.height(), dataset.width());
    let mut votes = Vec::new();
    for row in rows {
        builder.push(dataset.image(row), dataset.label(row), dataset.split(row), dataset.origin(row))?;
        let of_row: Option<[u8; 10]> = dataset.votes(row).and_then(|votes| votes.try_into().ok());
        votes.extend(of_row);
    }
    if votes.len() == builder.len() {
        builder.set_votes(votes)?;
    }
    Ok(builder.write(&folder.file(DATA_FILE), dataset.source_checksum())?)
}

/// The sum of the seconds that the logs below a stage's folder tell of.
fn logged_seconds(folder: &StageFolder) -> crate::Result<f64> {
    let mut sum = 0.0;
    for path in crate::experiments::reproduction::store::files_below(folder.path())? {
        if path.file_name().is_some_and(|name| name == "log.jsonl") {
            let records = read_log::<serde_json::Value>(&path)?;
            sum += records.iter().filter_map(|record| record["seconds"].as_f64()).sum::<f64>();
        }
    }
    Ok(sum)
}

/// Whether a file is needed by an unfinished run alone.
fn is_state(path: &Path) -> bool {
    ["state.safetensors", "last.safetensors"].iter().any(|name| path.ends_with(name))
}

/// Deletes what only an unfinished run needs.
///
/// # Errors
/// When a file cannot be deleted.
pub fn discard_states(folder: &Path) -> crate::Result<()> {
    for path in
        crate::experiments::reproduction::store::files_below(folder)?.iter().filter(|path| is_state(path))
    {
        std::fs::remove_file(path).with_context(|| format!("cannot delete `{}`", path.display()))?;
    }
    Ok(())
}
