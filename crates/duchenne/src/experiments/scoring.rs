//! Scores a model on a split of a data set: the join of data, inference and evaluation that the
//! commands share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::Device;

use crate::data::faces::batches::ResizedFaces;
use crate::data::faces::views::Views;
use crate::data::{PackedDataset, PublicTestSplit, Samples};
use crate::evaluation::report::{ReportPage, render_json, render_table, write_report};
use crate::evaluation::{EvaluationReport, ScoredSplit, evaluate, fit_temperature};
use crate::inference::built_in::BuiltInModel;
use crate::inference::predictor::Predictor;
use crate::models::checkpoint::{Checkpoint, Precision};

/// The model that an argument names, a file or one inside the program, on a device.
pub fn predictor(model: &Path, device: &Device) -> anyhow::Result<Predictor> {
    Ok(match BuiltInModel::named(model) {
        Some(built_in) => Predictor::built_in(built_in, device)?,
        None => Predictor::on_device(model, device)?,
    })
}

/// The model of several arguments: one, or the ensemble of all.
pub fn predictor_of(models: &[PathBuf], device: &Device) -> anyhow::Result<Predictor> {
    if let [model] = models {
        return predictor(model, device);
    }
    let named = |model: &PathBuf| -> anyhow::Result<(String, Predictor)> {
        let predictor = predictor(model, device)?;
        let name = model.display().to_string();
        warn_uncalibrated(&name, predictor.manifest().temperature);
        Ok((name, predictor))
    };
    Ok(Predictor::ensemble(models.iter().map(named).collect::<anyhow::Result<_>>()?)?)
}

/// Says aloud that a model whose probabilities are mixed with others was never calibrated: one that is too sure of
/// itself outweighs them.
pub fn warn_uncalibrated(model: &str, temperature: f64) {
    if temperature == 1.0 {
        eprintln!("warning: `{model}` is not calibrated; its probabilities count as they are");
    }
}

/// The logits of `predictor` for all samples of the split that was chosen.
pub fn score_split(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    seen: &[bool],
    views: Views,
) -> anyhow::Result<ScoredSplit> {
    match split {
        EvaluatedSplit::PublicTest => {
            score(predictor, dataset, &dataset.public_test()?, "public-test", seen, views)
        }
        EvaluatedSplit::PrivateTest => {
            score(predictor, dataset, &dataset.private_test()?, "private-test", seen, views)
        }
    }
}

/// The logits of `predictor` for all samples of a split.
pub fn score(
    predictor: &Predictor,
    dataset: &PackedDataset,
    samples: &(impl Samples + Sync),
    split: &str,
    seen: &[bool],
    views: Views,
) -> anyhow::Result<ScoredSplit> {
    let preprocessing = &predictor.manifest().preprocessing;
    let faces = ResizedFaces::new(samples, preprocessing, [dataset.height(), dataset.width()]);
    let faces: Vec<&[u8]> = (0..samples.len()).map(|index| faces.face(samples, index)).collect();
    score_faces(predictor, dataset, samples, &faces, split, seen, views)
}

/// The same with `faces`, of the size that the model's preprocessing asks for, in place of the samples' own.
pub fn score_faces(
    predictor: &Predictor,
    dataset: &PackedDataset,
    samples: &(impl Samples + Sync),
    faces: &[&[u8]],
    split: &str,
    seen: &[bool],
    views: Views,
) -> anyhow::Result<ScoredSplit> {
    let manifest = predictor.manifest();
    if manifest.label_set != dataset.label_set() {
        bail!(
            "the model's label set is `{}`, the data set's is `{}`: their labels do not compare",
            manifest.label_set,
            dataset.label_set()
        );
    }
    let rows: Vec<usize> = (0..samples.len()).map(|index| samples.row(index)).collect();
    let votes = rows.iter().map(|row| dataset.votes(*row)?.try_into().ok()).collect();
    Ok(ScoredSplit {
        split: split.to_owned(),
        class_names: manifest.label_set.names().iter().map(|name| (*name).to_owned()).collect(),
        labels: (0..samples.len()).map(|index| samples.label(index)).collect(),
        logits: predictor.logits(faces, views),
        rows: rows.iter().map(|row| *row as u32).collect(),
        seen_in_training: rows.iter().map(|row| seen[*row]).collect(),
        ferplus_votes: votes,
    })
}

/// The figures on `split` with the temperature fitted on PublicTest, presented the same way; `seen` tells
/// of every row whether its image stands in Training too.
pub fn figures(
    predictor: &Predictor,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    seen: &[bool],
    views: Views,
) -> anyhow::Result<EvaluationReport> {
    let of = |split| score_split(predictor, dataset, split, seen, views);
    let validation = of(EvaluatedSplit::PublicTest)?;
    let temperature = fit_temperature(&validation)?;
    let scored = match split {
        EvaluatedSplit::PublicTest => validation,
        EvaluatedSplit::PrivateTest => of(split)?,
    };
    Ok(evaluate(&scored, temperature)?)
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
}

/// Fits the temperature of a finished model on PublicTest, mirror image averaged in as `predict` does,
/// and stores it in the file, unless it has one.
pub fn calibrate(
    model: &Path,
    dataset: &PackedDataset,
    public: &PublicTestSplit<'_>,
    device: &Device,
) -> anyhow::Result<f64> {
    let mut checkpoint = Checkpoint::read(model)?;
    if checkpoint.manifest.temperature != 1.0 {
        return Ok(checkpoint.manifest.temperature);
    }
    let predictor = Predictor::on_device(model, device)?;
    let seen = vec![false; dataset.len()];
    let scored = score(&predictor, dataset, public, "public-test", &seen, Views::Mirrored)?;
    let temperature = fit_temperature(&scored)?;
    checkpoint.manifest.temperature = temperature;
    checkpoint.manifest.provenance.extend(BTreeMap::from([(
        "temperature".to_owned(),
        "fitted on public-test, mirror image averaged in".to_owned(),
    )]));
    checkpoint.write(model, Precision::Full).context("cannot store the temperature")?;
    Ok(temperature)
}

/// Shows a report: the page and its JSON in a folder where one is named, JSON or a table on standard output.
pub fn present(page: &ReportPage, folder: Option<&Path>, json: bool) -> anyhow::Result<()> {
    // First what needs no disk: figures may have taken hours.
    let text = if json { render_json(page)? } else { render_table(page) };
    print!("{text}");
    if let Some(folder) = folder {
        let files = write_report(page, folder)?;
        eprintln!("wrote {} and {}", files.html.display(), files.json.display());
    }
    Ok(())
}

/// The training log beside a model in its run directory, if there is one.
pub fn log_beside(model: &Path) -> Option<PathBuf> {
    let log = model.parent()?.join("log.jsonl");
    log.is_file().then_some(log)
}

/// The lines of a training log.
pub fn read_log<R: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<R>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let parse = |line| {
        serde_json::from_str(line).with_context(|| format!("`{}` is not a training log", path.display()))
    };
    text.lines().map(parse).collect()
}
