//! Scores support vector machines on feature files and on data sets.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use crate::Device;
use crate::data::faces::batches::ResizedFaces;
use crate::data::faces::views::Views;
use crate::data::features::file::FeatureFile;
use crate::data::packed::findings::training_duplicates;
use crate::data::{Images as _, PackedDataset};
use crate::error::refuse;
use crate::evaluation::ScoredSplit;
use crate::experiments::scoring::{EvaluatedSamples, EvaluatedSplit, unscored};
use crate::experiments::svm::margins::{class_names, logits, scored};
use crate::experiments::watch::{Unit, Watch, Work};
use crate::files::atomic::{AtomicError, write_atomically};
use crate::inference::InferenceError;
use crate::inference::deep_features::FeatureExtractor;
use crate::models::linear_svm::LinearSvm;

/// Faces between two reports of progress.
const CHUNK: usize = 256;

/// Decision values and what they are of.
#[derive(Debug)]
pub struct ScoredSvm {
    /// `[samples, classes]`, row-major.
    pub decisions: Vec<f64>,
    /// The same as logits with labels.
    pub split: ScoredSplit,
    /// What was scored, for provenance.
    pub data: String,
}

/// Scores an SVM on a feature file with labels.
///
/// # Errors
/// When the file's features or labels do not go with the SVM, or a feature is not finite.
pub fn score_file(svm: &LinearSvm, path: &Path) -> crate::Result<ScoredSvm> {
    let file = FeatureFile::open(path)?;
    let manifest = &svm.manifest;
    if file.length() != manifest.length {
        let (got, expected) = (file.length(), manifest.length);
        refuse!("`{}` has {got} features per sample, the SVM was fitted on {expected}", path.display());
    }
    if let (Some(a), Some(b)) = (file.label_set(), manifest.label_set)
        && a != b
    {
        refuse!("`{}` has labels of `{a}`, the SVM of `{b}`", path.display());
    }
    let Some(labels) = file.labels() else {
        refuse!("`{}` has no `labels` to score by; expected u8 [n]", path.display());
    };
    let features = file.features();
    if let Some(at) = features.iter().position(|value| !value.is_finite()) {
        let (sample, feature) = (at / file.length(), at % file.length());
        refuse!("`{}`: feature {feature} of sample {sample} (from 0) is {}", path.display(), features[at]);
    }
    let decisions = svm.decisions(&features);
    let split = scored(svm, &decisions, labels, "features");
    // Before anything is written.
    split.check()?;
    Ok(ScoredSvm { split, decisions, data: path.display().to_string() })
}

/// Scores an SVM on a split of a data set; `folder` is the SVM's, from which it names its networks.
///
/// # Errors
/// When the networks cannot be loaded or do not go with the data or the SVM.
pub fn score_data(
    svm: &LinearSvm,
    folder: &Path,
    dataset: &PackedDataset,
    split: EvaluatedSplit,
    device: &Device,
    watch: &dyn Watch,
) -> crate::Result<ScoredSvm> {
    let networks = FeatureExtractor::load(&svm.manifest.networks, folder, device)?;
    let samples = EvaluatedSamples::of(dataset, split)?;
    let set = networks.manifest().label_set;
    if set != dataset.label_set() {
        refuse!("the networks' label set is `{set}`, the data set's `{}`", dataset.label_set());
    }
    let preprocessing = &networks.manifest().preprocessing;
    let faces = ResizedFaces::new(&samples, preprocessing, dataset.shape());
    let faces: Vec<Cow<'_, [u8]>> = (0..samples.len()).map(|index| faces.face(&samples, index)).collect();
    let faces: Vec<&[u8]> = faces.iter().map(|face| &**face).collect();
    let mut features = Vec::new();
    let mut done = 0;
    for chunk in faces.chunks(CHUNK) {
        features.extend(networks.joined(&Views::Centre.of(chunk)));
        done += chunk.len() as u64;
        watch.progress(Work { what: "features", unit: Unit::Faces }, done, faces.len() as u64);
    }
    if features.len() != samples.len() * svm.manifest.length {
        let got = features.len() / samples.len();
        return Err(InferenceError::Length { got, expected: svm.manifest.length }.into());
    }
    let decisions = svm.decisions(&features);
    let known = unscored(dataset, &samples, split.name(), &training_duplicates(dataset));
    Ok(ScoredSvm {
        split: ScoredSplit { class_names: class_names(svm), logits: logits(&decisions), ..known },
        decisions,
        data: format!("{} {}", dataset.name(), dataset.fingerprint()),
    })
}

/// Writes `decisions` f64 [n, classes] as a safetensors file.
///
/// # Errors
/// When it cannot be written.
pub fn write_decisions(path: &Path, decisions: &[f64], classes: usize) -> crate::Result<()> {
    let bytes: Vec<u8> = decisions.iter().flat_map(|value| value.to_le_bytes()).collect();
    let shape = vec![decisions.len() / classes, classes];
    let view = TensorView::new(Dtype::F64, shape, &bytes).expect("decisions are whole rows");
    let file = safetensors::serialize([("decisions", view)], None).expect("one name");
    Ok(write_atomically(path, |out| out.write_all(&file).map_err(|error| AtomicError::system(path, error)))?)
}
