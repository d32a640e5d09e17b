//! *Scoring*: a model's outputs on a split of a data set, its figures, and its temperature.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rayon::prelude::*;

use crate::error::{Context as _, refuse};

use crate::Device;
use crate::data::faces::batches::ResizedFaces;
use crate::data::faces::views::Views;
use crate::data::packed::findings::training_duplicates;
use crate::data::packed::votes::Targets;
use crate::data::{
    DataError, Images, PackedDataset, Samples, Split, TestSplit, TrainingSplit, ValidationSplit,
};
use crate::evaluation::comparison::{Comparison, Contestant};
use crate::evaluation::{
    EvaluationReport, ScoredSplit, TEMPERATURE_MAX, TEMPERATURE_MIN, evaluate, fit_temperature,
};
use crate::experiments::watch::{Note, Watch};
use crate::expression::LabelSet;
use crate::inference::predictor::Predictor;
use crate::models::checkpoint::{Checkpoint, Precision};

/// The model of several names or paths: one, or the ensemble of all.
///
/// # Errors
/// When one cannot be loaded, or they cannot be averaged.
pub fn predictor_of(models: &[PathBuf], device: &Device, watch: &dyn Watch) -> crate::Result<Predictor> {
    if let [model] = models {
        return Ok(Predictor::named(model, device)?);
    }
    let named = |model: &PathBuf| -> crate::Result<(String, Predictor)> {
        let predictor = Predictor::named(model, device)?;
        let name = model.display().to_string();
        note_uncalibrated(&name, predictor.manifest().temperature, watch);
        Ok((name, predictor))
    };
    Ok(Predictor::ensemble(models.iter().map(named).collect::<crate::Result<_>>()?)?)
}

/// Notes that a model whose probabilities are mixed with others was never calibrated: one that is too sure of
/// itself outweighs them.
pub fn note_uncalibrated(model: &str, temperature: f64, watch: &dyn Watch) {
    if temperature == 1.0 {
        watch.note(&Note::Uncalibrated { model });
    }
}

/// The logits of `predictor` for all samples of the split that was chosen; `seen` tells of every row of the data set
/// whether its image stands in Training too.
///
/// # Errors
/// When the split is empty or the label sets differ.
pub fn score_split(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    seen: &[bool],
    views: Views,
) -> crate::Result<ScoredSplit> {
    score(predictor, dataset, &EvaluatedSamples::of(dataset, split)?, split.name(), seen, views)
}

/// The logits of `predictor` for all samples of a split.
pub fn score(
    predictor: &Predictor,
    dataset: &PackedDataset,
    samples: &(impl Samples + Sync),
    split: &str,
    seen: &[bool],
    views: Views,
) -> crate::Result<ScoredSplit> {
    let faces = ResizedFaces::new(samples, &predictor.manifest().preprocessing, dataset.shape());
    score_faces(predictor, dataset, samples, &|index| faces.face(samples, index), split, seen, views)
}

/// Faces that are classified before the next are asked for: they may have to be resized.
const FACES_AT_ONCE: usize = 4096;

/// The same with the `face` of each sample, of the size that the model's preprocessing asks for, instead of the samples' own.
pub fn score_faces<'a>(
    predictor: &Predictor,
    dataset: &PackedDataset,
    samples: &(impl Samples + Sync),
    face: &(dyn Fn(usize) -> Cow<'a, [u8]> + Sync),
    split: &str,
    seen: &[bool],
    views: Views,
) -> crate::Result<ScoredSplit> {
    let manifest = predictor.manifest();
    if manifest.label_set != dataset.label_set() {
        refuse!(
            "the model's label set is `{}`, the data set's is `{}`: their labels do not compare",
            manifest.label_set,
            dataset.label_set()
        );
    }
    let mut logits = Vec::with_capacity(samples.len() * manifest.label_set.len());
    for begin in (0..samples.len()).step_by(FACES_AT_ONCE) {
        let end = samples.len().min(begin + FACES_AT_ONCE);
        let faces: Vec<Cow<'_, [u8]>> = (begin..end).into_par_iter().map(face).collect();
        logits.extend(predictor.logits(&faces.iter().map(|face| &**face).collect::<Vec<_>>(), views));
    }
    Ok(ScoredSplit {
        class_names: manifest.label_set.names().iter().map(|name| (*name).to_owned()).collect(),
        logits,
        ..unscored(dataset, samples, split, seen)
    })
}

/// All that is known of a split's samples, before a model has seen them.
pub(crate) fn unscored(
    dataset: &PackedDataset,
    samples: &impl Samples,
    split: &str,
    seen: &[bool],
) -> ScoredSplit {
    let rows: Vec<usize> = (0..samples.len()).map(|index| samples.row(index)).collect();
    ScoredSplit {
        split: split.to_owned(),
        class_names: Vec::new(),
        labels: (0..samples.len()).map(|index| samples.label(index)).collect(),
        logits: Vec::new(),
        rows: rows.iter().map(|row| *row as u32).collect(),
        seen_in_training: rows.iter().map(|row| seen[*row]).collect(),
        ferplus_votes: rows.iter().map(|row| dataset.votes(*row)?.try_into().ok()).collect(),
    }
}

/// The figures of a model on a split, its temperature fitted on the validation split for the same views; the model's own
/// where the data set has none. A model of FER+'s classes
/// is scored by the majority of its raters, where the data set has their votes.
///
/// ```no_run
/// use duchenne::experiments::scoring::EvaluatedSplit;
/// use duchenne::{BuiltInModel, Device, PackedDataset, Predictor, Views, evaluate_split};
///
/// let dataset = PackedDataset::open("fer2013.safetensors")?;
/// let model = Predictor::built_in(BuiltInModel::Raters, &Device::cpu())?;
/// let report = evaluate_split(&model, &dataset, EvaluatedSplit::Validation, Views::Mirrored)?;
/// println!("{:.2} %", 100.0 * report.overall.accuracy.value);
/// # Ok::<(), duchenne::Error>(())
/// ```
///
/// # Errors
/// When the data set lacks a split or has another label set than the model.
pub fn evaluate_split(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    views: Views,
) -> crate::Result<EvaluationReport> {
    let dataset = labelled(dataset, None, predictor.label_set())?;
    figures(predictor, &dataset, split, &training_duplicates(&dataset), views)
}

/// The figures on `split` with the temperature fitted on the validation split, presented the same way; `seen` tells
/// of every row whether its image stands in Training too.
pub fn figures(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    seen: &[bool],
    views: Views,
) -> crate::Result<EvaluationReport> {
    let of = |split| score_split(predictor, dataset, split, seen, views);
    if split == EvaluatedSplit::Validation {
        let scored = of(split)?;
        return Ok(evaluate(&scored, fitted_temperature(&scored)?.unwrap_or(1.0))?);
    }
    let temperature = match dataset.validation() {
        Ok(_) => fitted_temperature(&of(EvaluatedSplit::Validation)?)?.unwrap_or(1.0),
        Err(DataError::NoSamples { .. }) => predictor.manifest().temperature,
        Err(error) => return Err(error.into()),
    };
    Ok(evaluate(&of(split)?, temperature)?)
}

/// The temperature fitted on a split; `None` where no finite one is best, as on a small split of which all is right: what it would
/// say of other pictures is far too sure.
fn fitted_temperature(validation: &ScoredSplit) -> crate::Result<Option<f64>> {
    let temperature = fit_temperature(validation)?;
    Ok((temperature > TEMPERATURE_MIN && temperature < TEMPERATURE_MAX).then_some(temperature))
}

/// The data set with the labels that a model of `known` is scored by: those of FER+'s raters where it knows their classes and the
/// data set has their votes, or where `asked` says so; else its own, by the names of their classes, where pictures of classes that
/// the model lacks are left out.
///
/// # Errors
/// When it has no such labels.
pub fn labelled(
    dataset: &PackedDataset,
    asked: Option<LabelSet>,
    known: LabelSet,
) -> crate::Result<PackedDataset> {
    let own = dataset.with_targets(Targets::Labels)?;
    let set = asked.unwrap_or(known);
    let is_asked = asked == Some(LabelSet::FerPlus) && own.label_set() != LabelSet::FerPlus;
    // The official filter counts also in FER+'s own folders.
    if is_asked || (set == LabelSet::FerPlus && own.votes(0).is_some()) {
        return Ok(own.with_targets(Targets::Majority)?);
    }
    Ok(own.with_label_set(set)?)
}

/// Models of names or paths compared on the same images, by the labels that the first of them is scored by; see [`labelled`].
///
/// # Errors
/// When one cannot be loaded, which is known before the first is scored, or the data set lacks the split or such labels.
pub fn compare_models(
    models: &[PathBuf],
    dataset: &PackedDataset,
    asked: Option<LabelSet>,
    split: EvaluatedSplit,
    views: Views,
    device: &Device,
) -> crate::Result<Comparison> {
    let predictors = models.iter().map(|model| Predictor::named(model, device));
    let predictors = predictors.collect::<Result<Vec<_>, _>>()?;
    let Some(first) = predictors.first() else { refuse!("no model was named") };
    let dataset = labelled(dataset, asked, first.label_set())?;
    let seen = vec![false; dataset.len()];
    let contestant = |(model, predictor): (&PathBuf, &Predictor)| -> crate::Result<Contestant> {
        Ok(Contestant {
            name: model.display().to_string(),
            provenance: predictor.manifest().provenance.clone(),
            scored: score_split(predictor, &dataset, split, &seen, views)?,
        })
    };
    let contestants = models.iter().zip(&predictors).map(contestant).collect::<crate::Result<Vec<_>>>()?;
    Ok(Comparison::new(views.description(), &contestants)?)
}

/// Which split is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluatedSplit {
    /// What the model was trained on: shows over-fitting, never how good a model is.
    Training,
    /// Selects models and settings: FER-2013's PublicTest.
    Validation,
    /// Scored once per finished model: FER-2013's PrivateTest.
    Test,
}

impl EvaluatedSplit {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.split().key()
    }

    /// The split.
    pub fn split(self) -> Split {
        match self {
            Self::Training => Split::Training,
            Self::Validation => Split::Validation,
            Self::Test => Split::Test,
        }
    }
}

impl FromStr for EvaluatedSplit {
    type Err = String;

    /// Any word that names the split, as [`Split::from_word`] understands it.
    fn from_str(word: &str) -> Result<Self, String> {
        match Split::from_word(word) {
            Some(Split::Training) => Ok(Self::Training),
            Some(Split::Validation) => Ok(Self::Validation),
            Some(Split::Test) => Ok(Self::Test),
            Some(Split::Unassigned) | None => {
                Err("expected training, validation (FER-2013's public-test) or test (its private-test)"
                    .to_owned())
            }
        }
    }
}

/// The samples of a split that is evaluated.
#[derive(Debug)]
pub enum EvaluatedSamples<'a> {
    /// Of Training.
    Training(TrainingSplit<'a>),
    /// Of Validation.
    Validation(ValidationSplit<'a>),
    /// Of Test.
    Test(TestSplit<'a>),
}

impl<'a> EvaluatedSamples<'a> {
    /// The samples of a split of a data set.
    ///
    /// # Errors
    /// When it has none.
    pub fn of(dataset: &'a PackedDataset, split: EvaluatedSplit) -> crate::Result<Self> {
        Ok(match split {
            EvaluatedSplit::Training => Self::Training(dataset.training()?),
            EvaluatedSplit::Validation => Self::Validation(dataset.validation()?),
            EvaluatedSplit::Test => Self::Test(dataset.test()?),
        })
    }
}

impl Images for EvaluatedSamples<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Training(split) => split.len(),
            Self::Validation(split) => split.len(),
            Self::Test(split) => split.len(),
        }
    }

    fn image(&self, index: usize) -> &[u8] {
        match self {
            Self::Training(split) => split.image(index),
            Self::Validation(split) => split.image(index),
            Self::Test(split) => split.image(index),
        }
    }
}

impl Samples for EvaluatedSamples<'_> {
    fn label(&self, index: usize) -> u8 {
        match self {
            Self::Training(split) => split.label(index),
            Self::Validation(split) => split.label(index),
            Self::Test(split) => split.label(index),
        }
    }

    fn row(&self, index: usize) -> usize {
        match self {
            Self::Training(split) => split.rows()[index] as usize,
            Self::Validation(split) => split.row(index),
            Self::Test(split) => split.row(index),
        }
    }
}

/// Fits the temperature of a finished model on the validation split, mirror image averaged in as `predict` does,
/// and stores it in the file, unless it has one, or none is best.
pub fn calibrate(
    model: &Path,
    dataset: &PackedDataset,
    validation: &ValidationSplit<'_>,
    device: &Device,
) -> crate::Result<f64> {
    let mut checkpoint = Checkpoint::read(model)?;
    if checkpoint.manifest.temperature != 1.0 {
        return Ok(checkpoint.manifest.temperature);
    }
    let predictor = Predictor::load(model, device)?;
    let seen = vec![false; dataset.len()];
    let scored = score(&predictor, dataset, validation, "validation", &seen, Views::Mirrored)?;
    let Some(temperature) = fitted_temperature(&scored)? else {
        return Ok(checkpoint.manifest.temperature);
    };
    checkpoint.manifest.temperature = temperature;
    checkpoint.manifest.provenance.temperature_protocol =
        Some("fitted on the validation split, mirror image averaged in".to_owned());
    checkpoint.write(model, Precision::Full).context("cannot store the temperature")?;
    Ok(temperature)
}

/// The training log beside a model in its run directory, if there is one.
pub fn log_beside(model: &Path) -> Option<PathBuf> {
    let log = model.parent()?.join("log.jsonl");
    log.is_file().then_some(log)
}

/// The lines of a training log.
pub fn read_log<R: serde::de::DeserializeOwned>(path: &Path) -> crate::Result<Vec<R>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let parse = |line| {
        serde_json::from_str(line).with_context(|| format!("`{}` is not a training log", path.display()))
    };
    text.lines().map(parse).collect()
}
