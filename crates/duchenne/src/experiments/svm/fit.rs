//! Fits linear support vector machines: what `svm fit` and `reproduce` share.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::data::TrainingSplit;
use crate::data::features::file::FeatureFile;
use crate::data::{Images, PackedDataset, Samples};
use crate::error::{Context as _, refuse};
use crate::experiments::session::Session;
use crate::experiments::svm::features::features_of_split;
use crate::experiments::svm::margins::fit_scale;
use crate::experiments::svm::networks::FEATURES;
use crate::experiments::watch::{Note, Unit, Watch, Work};
use crate::files::atomic::check_writable;
use crate::inference::deep_features::FeatureExtractor;
use crate::models::linear_svm::LinearSvm;
use crate::models::provenance::PROGRAM;
use crate::training::svm::{Fit, SvmSettings, check_labels, constant_features, fit};

/// One sample in `HELD_OUT` is left out of a first fit, to learn from its margins how to make probabilities.
const HELD_OUT: usize = 5;

/// The SVM's file in its run directory.
pub const SVM_FILE: &str = "svm.safetensors";

/// An SVM on the joined features of `networks`: Training is learned from, Validation scales the probabilities;
/// features are kept in the run directory `run`. `None` when stopped.
///
/// # Errors
/// When the networks do not go together or with the data, or the SVM cannot be fitted.
pub fn fit_on_networks(
    networks: &[PathBuf],
    dataset: &PackedDataset,
    training: &TrainingSplit<'_>,
    run: &Path,
    settings: &SvmSettings,
    session: Session<'_>,
) -> crate::Result<Option<LinearSvm>> {
    let public = dataset.validation()?;
    let labels: Vec<u8> = (0..training.len()).map(|index| training.label(index)).collect();
    let classes = dataset.label_set().len();
    check_labels(&labels, classes)?;
    let extractor = FeatureExtractor::of_files(networks, run, session.device)?;
    let cache = run.join(FEATURES);
    let Some(features) =
        features_of_split(&extractor, dataset, training, &labels, "training", &cache, session)?
    else {
        return Ok(None);
    };
    let length = features.len() / training.len();
    let constant = constant_features(&features, length).len();
    if constant > 0 {
        session.watch.note(&Note::ConstantFeatures { constant, features: length });
    }
    let fitted = fit_watched(&features, length, &labels, classes, settings, "fit", session.watch)?;
    drop(features);
    let mut svm =
        LinearSvm::new(fitted.weights.clone(), fitted.intercepts.clone(), Some(dataset.label_set()));
    let labels: Vec<u8> = (0..public.len()).map(|index| public.label(index)).collect();
    let Some(features) =
        features_of_split(&extractor, dataset, &public, &labels, "validation", &cache, session)?
    else {
        return Ok(None);
    };
    svm.manifest.scale = fit_scale(&svm, &features, &labels)?;
    svm.manifest.networks = extractor.sources().cloned().collect();
    let data = format!("{} {} ({} samples)", dataset.name(), dataset.fingerprint(), training.len());
    describe(&mut svm, &fitted, settings, &data);
    let begun: Vec<String> = extractor
        .manifests()
        .map(|manifest| {
            let name = manifest.network.architecture.name();
            let init = manifest.provenance.init.as_deref().unwrap_or("scratch");
            format!("{name} from {init}")
        })
        .collect();
    svm.manifest.provenance.networks = Some(begun.join(", "));
    Ok(Some(svm))
}

/// An SVM on a feature file with labels, in the run directory `run`.
///
/// # Errors
/// When the file has no labels or constant features, or the SVM cannot be fitted.
pub fn fit_on_file(
    path: &Path,
    run: &Path,
    settings: &SvmSettings,
    watch: &dyn Watch,
) -> crate::Result<LinearSvm> {
    let file = FeatureFile::open(path)?;
    let Some(labels) = file.labels() else {
        refuse!("`{}` has no `labels` to learn from; expected u8 [n]", path.display());
    };
    let (features, length) = (file.features(), file.length());
    let classes = match file.label_set() {
        Some(set) => set.len(),
        None => usize::from(labels.iter().copied().max().unwrap_or(0)) + 1,
    };
    check_labels(labels, classes)?;
    let constant = constant_features(&features, length);
    if let Some(first) = constant.first() {
        // A sum, because minus zero would read oddly.
        let (value, count) = (features[*first] + 0.0, constant.len());
        refuse!(
            "`{}`: feature {first} (from 0) is {value} in all samples, and {count} in all are constant; leave \
             them out",
            path.display()
        );
    }
    std::fs::create_dir_all(run)
        .with_context(|| format!("cannot make the run directory `{}`", run.display()))?;
    check_writable(&run.join(SVM_FILE))?;
    // Margins on samples learned from are too good to make probabilities of: a first fit leaves some out.
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(settings.seed));
    let (away, kept) = order.split_at(labels.len() / HELD_OUT);
    let rows = |rows: &[usize]| -> Vec<f32> {
        rows.iter().flat_map(|row| &features[row * length..][..length]).copied().collect()
    };
    let labels_of = |rows: &[usize]| -> Vec<u8> { rows.iter().map(|row| labels[*row]).collect() };
    let whole = fit_watched(&features, length, labels, classes, settings, "fit", watch)?;
    let on_held_out = || -> crate::Result<f64> {
        let (rows_kept, labels_kept) = (rows(kept), labels_of(kept));
        let first = fit_watched(&rows_kept, length, &labels_kept, classes, settings, "held-out fit", watch)?;
        let first = LinearSvm::new(first.weights, first.intercepts, None);
        fit_scale(&first, &rows(away), &labels_of(away))
    };
    let scale = on_held_out().unwrap_or_else(|error| {
        tracing::warn!("probabilities are not calibrated: too few samples to hold some out ({error})");
        1.0
    });
    let mut svm = LinearSvm::new(whole.weights.clone(), whole.intercepts.clone(), file.label_set());
    svm.manifest.scale = scale;
    describe(&mut svm, &whole, settings, &format!("{} ({} samples)", path.display(), labels.len()));
    Ok(svm)
}

/// A fit whose watch is told of its passes and finished classes; a warning names the classes that have not converged.
///
/// # Errors
/// As [`fit`].
fn fit_watched(
    features: &[f32],
    length: usize,
    labels: &[u8],
    classes: usize,
    settings: &SvmSettings,
    what: &str,
    watch: &dyn Watch,
) -> crate::Result<Fit> {
    let begun = Instant::now();
    let result = fit(features, length, labels, classes, settings, &|pass, done| {
        let what = format!("{what}, pass {pass}");
        watch.progress(Work { what: &what, unit: Unit::Classes }, done as u64, classes as u64);
    })?;
    let objective: f64 = result.objectives.iter().sum();
    let passes = result.passes.iter().max().copied().unwrap_or(0);
    watch.note(&Note::Fitted {
        what,
        samples: labels.len(),
        features: length,
        passes,
        objective,
        seconds: begun.elapsed().as_secs_f64(),
    });
    let late: Vec<String> =
        (0..classes).filter(|class| !result.converged[*class]).map(|class| class.to_string()).collect();
    if !late.is_empty() {
        tracing::warn!(
            "classes {} have not converged in {} passes; raise max_passes or tolerance, or scale the features",
            late.join(", "),
            settings.max_passes
        );
    }
    Ok(result)
}

/// Writes settings, data and figures of the fit into the SVM's provenance.
fn describe(svm: &mut LinearSvm, fit: &Fit, settings: &SvmSettings, data: &str) {
    let settings = serde_json::to_value(settings).expect("settings are plain numbers and words");
    let settings =
        settings.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.to_string()));
    svm.manifest.provenance.other.extend(settings);
    let provenance = &mut svm.manifest.provenance;
    provenance.data = Some(data.to_owned());
    provenance.objective = Some(fit.objectives.iter().sum());
    provenance.converged = Some(fit.converged.iter().all(|converged| *converged));
    provenance.program = Some(PROGRAM.to_owned());
}
