//! *Scoring*: a model's outputs on a split of a data set, its figures, and its temperature.

use std::path::{Path, PathBuf};

use crate::error::{Context as _, refuse};

use crate::Device;
use crate::data::faces::batches::ResizedFaces;
use crate::data::faces::views::Views;
use crate::data::packed::findings::training_duplicates;
use crate::data::packed::votes::Targets;
use crate::data::{Images, PackedDataset, PrivateTestSplit, PublicTestSplit, Samples};
use crate::evaluation::{EvaluationReport, ScoredSplit, evaluate, fit_temperature};
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
    let preprocessing = &predictor.manifest().preprocessing;
    let faces = ResizedFaces::new(samples, preprocessing, [dataset.height(), dataset.width()]);
    let faces: Vec<&[u8]> = (0..samples.len()).map(|index| faces.face(samples, index)).collect();
    score_faces(predictor, dataset, samples, &faces, split, seen, views)
}

/// The same with `faces`, of the size that the model's preprocessing asks for, instead of the samples' own.
pub fn score_faces(
    predictor: &Predictor,
    dataset: &PackedDataset,
    samples: &(impl Samples + Sync),
    faces: &[&[u8]],
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
    Ok(ScoredSplit {
        class_names: manifest.label_set.names().iter().map(|name| (*name).to_owned()).collect(),
        logits: predictor.logits(faces, views),
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

/// The figures of a model on a split, its temperature fitted on PublicTest for the same views. A model of FER+'s classes
/// is scored by the majority of its raters, where the data set has their votes.
///
/// ```no_run
/// use duchenne::experiments::scoring::EvaluatedSplit;
/// use duchenne::{BuiltInModel, Device, PackedDataset, Predictor, Views, evaluate_split};
///
/// let dataset = PackedDataset::open("fer2013.safetensors")?;
/// let model = Predictor::built_in(BuiltInModel::Raters, &Device::cpu())?;
/// let report = evaluate_split(&model, &dataset, EvaluatedSplit::PublicTest, Views::Mirrored)?;
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
    let dataset = labelled(dataset, predictor.label_set())?;
    figures(predictor, &dataset, split, &training_duplicates(&dataset), views)
}

/// The figures on `split` with the temperature fitted on PublicTest, presented the same way; `seen` tells
/// of every row whether its image stands in Training too.
pub fn figures(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    seen: &[bool],
    views: Views,
) -> crate::Result<EvaluationReport> {
    let of = |split| score_split(predictor, dataset, split, seen, views);
    let validation = of(EvaluatedSplit::PublicTest)?;
    let temperature = fit_temperature(&validation)?;
    let scored = match split {
        EvaluatedSplit::PublicTest => validation,
        EvaluatedSplit::PrivateTest => of(split)?,
    };
    Ok(evaluate(&scored, temperature)?)
}

/// The data set with labels of `set`: its own, or those of FER+'s raters where that is what is asked for.
///
/// # Errors
/// When it has no such labels.
pub fn labelled(dataset: &PackedDataset, set: LabelSet) -> crate::Result<PackedDataset> {
    let own = dataset.with_targets(Targets::Labels)?;
    if own.label_set() == set {
        return Ok(own);
    }
    if set == LabelSet::FerPlus {
        return Ok(own.with_targets(Targets::Majority)?);
    }
    refuse!(
        "labels of `{set}` were asked for, the data set's are `{}`: they do not compare",
        own.label_set()
    );
}

/// Which split is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluatedSplit {
    /// FER-2013's PublicTest: selects models and settings.
    PublicTest,
    /// FER-2013's PrivateTest: scored once per finished model.
    PrivateTest,
}

impl EvaluatedSplit {
    /// Both, by name.
    pub const TABLE: [(&'static str, Self); 2] =
        [("public-test", Self::PublicTest), ("private-test", Self::PrivateTest)];

    /// Its name.
    pub fn name(self) -> &'static str {
        let named = Self::TABLE.into_iter().find(|(_, split)| *split == self);
        named.expect("the table holds both").0
    }
}

/// The samples of a split that is evaluated.
#[derive(Debug)]
pub enum EvaluatedSamples<'a> {
    /// Of PublicTest.
    PublicTest(PublicTestSplit<'a>),
    /// Of PrivateTest.
    PrivateTest(PrivateTestSplit<'a>),
}

impl<'a> EvaluatedSamples<'a> {
    /// The samples of a split of a data set.
    ///
    /// # Errors
    /// When it has none.
    pub fn of(dataset: &'a PackedDataset, split: EvaluatedSplit) -> crate::Result<Self> {
        Ok(match split {
            EvaluatedSplit::PublicTest => Self::PublicTest(dataset.public_test()?),
            EvaluatedSplit::PrivateTest => Self::PrivateTest(dataset.private_test()?),
        })
    }

    fn samples(&self) -> &dyn Samples {
        match self {
            Self::PublicTest(split) => split,
            Self::PrivateTest(split) => split,
        }
    }
}

impl Images for EvaluatedSamples<'_> {
    fn len(&self) -> usize {
        self.samples().len()
    }

    fn image(&self, index: usize) -> &[u8] {
        self.samples().image(index)
    }
}

impl Samples for EvaluatedSamples<'_> {
    fn label(&self, index: usize) -> u8 {
        self.samples().label(index)
    }

    fn row(&self, index: usize) -> usize {
        self.samples().row(index)
    }
}

/// Fits the temperature of a finished model on PublicTest, mirror image averaged in as `predict` does,
/// and stores it in the file, unless it has one.
pub fn calibrate(
    model: &Path,
    dataset: &PackedDataset,
    public: &PublicTestSplit<'_>,
    device: &Device,
) -> crate::Result<f64> {
    let mut checkpoint = Checkpoint::read(model)?;
    if checkpoint.manifest.temperature != 1.0 {
        return Ok(checkpoint.manifest.temperature);
    }
    let predictor = Predictor::load(model, device)?;
    let seen = vec![false; dataset.len()];
    let scored = score(&predictor, dataset, public, "public-test", &seen, Views::Mirrored)?;
    let temperature = fit_temperature(&scored)?;
    checkpoint.manifest.temperature = temperature;
    checkpoint.manifest.provenance.temperature_protocol =
        Some("fitted on public-test, mirror image averaged in".to_owned());
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
