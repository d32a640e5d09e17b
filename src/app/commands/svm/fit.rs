//! `duchenne svm fit`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::app::deep_features::DeepFeatures;
use crate::app::devices::device;
use crate::app::margins::fit_scale;
use crate::data::PackedDataset;
use crate::data::atomic::check_writable;
use crate::data::features::FeatureFile;
use crate::models::linear_svm::LinearSvm;
use crate::training::svm::{Fit, SvmSettings, check_labels, constant_features, fit, parse_settings};

/// The machine's file in its run directory.
const MACHINE_FILE: &str = "svm.safetensors";

/// One in so many samples is left out of a first fit, to learn from its margins how to make probabilities.
const HELD_OUT: usize = 5;

/// Arguments of `duchenne svm fit`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Defaults and meaning are those of scikit-learn's LinearSVC: squared hinge, c=1, tolerance=1e-4, \
    intercept.\n\nExamples:\n  duchenne svm fit --features hog.safetensors --run runs/hog\n  \
    duchenne svm fit --network runs/vgg13/best.safetensors --network runs/vgg16/best.safetensors \\\n    \
    --data fer2013.safetensors --run runs/df-svm"
)]
pub struct FitArgs {
    /// Feature file: safetensors with `features` f32 [n, d] and `labels` u8 [n]
    #[arg(long, conflicts_with_all = ["network", "data"], required_unless_present = "network")]
    features: Option<PathBuf>,
    /// A trained classifier whose last activations but one are features; repeat to join several
    #[arg(long, requires = "data", value_name = "MODEL")]
    network: Vec<PathBuf>,
    /// Packed data set: Training is learned from, PublicTest scales the probabilities
    #[arg(long, requires = "network")]
    data: Option<PathBuf>,
    /// Directory for the machine and, of networks, their features
    #[arg(long)]
    run: PathBuf,
    /// Set a value: loss=hinge|squared-hinge, c, tolerance, max_passes, intercept, class_weights=balanced, seed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs the command.
pub fn run(args: FitArgs) -> anyhow::Result<ExitCode> {
    let settings = parse_settings(&args.settings)?;
    let path = args.run.join(MACHINE_FILE);
    if path.exists() {
        bail!("`{}` is there already; use another --run, or delete it to fit again", path.display());
    }
    let svm = match (&args.features, &args.data) {
        (Some(file), _) => on_file(file, &args.run, &settings)?,
        (None, Some(data)) => on_networks(&args, data, &settings)?,
        (None, None) => unreachable!("clap asks for one of them"),
    };
    svm.write(&path)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn make_run(run: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(run).with_context(|| format!("cannot make the run directory `{}`", run.display()))
}

fn on_file(path: &Path, run: &Path, settings: &SvmSettings) -> anyhow::Result<LinearSvm> {
    let file = FeatureFile::open(path)?;
    let Some(labels) = file.labels() else {
        bail!("`{}` has no `labels` to learn from; expected u8 [n]", path.display());
    };
    let (features, length) = (file.features(), file.length());
    let classes = match file.label_set() {
        Some(set) => set.len(),
        None => usize::from(labels.iter().copied().max().unwrap_or(0)) + 1,
    };
    check_labels(labels, classes)?;
    let constant = constant_features(&features, length);
    if let Some(first) = constant.first() {
        let (value, count) = (features[*first], constant.len());
        bail!(
            "`{}`: feature {first} (from 0) is {value} in all samples, and {count} in all are constant; leave \
             them out",
            path.display()
        );
    }
    make_run(run)?;
    check_writable(&run.join(MACHINE_FILE))?;
    // Margins on samples learned from are too good to make probabilities of: a first fit leaves some out.
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(settings.seed));
    let (away, kept) = order.split_at(labels.len() / HELD_OUT);
    let rows = |rows: &[usize]| -> Vec<f32> {
        rows.iter().flat_map(|row| &features[row * length..][..length]).copied().collect()
    };
    let labels_of = |rows: &[usize]| -> Vec<u8> { rows.iter().map(|row| labels[*row]).collect() };
    let whole = fitted(&features, length, labels, classes, settings, "fit")?;
    let on_held_out = || -> anyhow::Result<f64> {
        let first = fitted(&rows(kept), length, &labels_of(kept), classes, settings, "held-out fit")?;
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

fn on_networks(args: &FitArgs, data: &Path, settings: &SvmSettings) -> anyhow::Result<LinearSvm> {
    let dataset = PackedDataset::open(data)?;
    let (training, public) = (dataset.training()?, dataset.public_test()?);
    let labels: Vec<u8> = (0..training.len()).map(|index| training.label(index)).collect();
    let classes = dataset.label_set().len();
    check_labels(&labels, classes)?;
    let networks = DeepFeatures::of_files(&args.network, &device(&args.device)?)?;
    let cache = args.run.join("features");
    make_run(&cache)?;
    check_writable(&args.run.join(MACHINE_FILE))?;
    let features = networks.of_split(&dataset, &training, &labels, "training", Some(&cache))?;
    let length = features.len() / training.len();
    let constant = constant_features(&features, length).len();
    if constant > 0 {
        eprintln!(
            "{constant} of {length} features are constant (units that never fire) and count for nothing"
        );
    }
    let fitted = fitted(&features, length, &labels, classes, settings, "fit")?;
    drop(features);
    let mut svm =
        LinearSvm::new(fitted.weights.clone(), fitted.intercepts.clone(), Some(dataset.label_set()));
    let labels: Vec<u8> = (0..public.len()).map(|index| public.label(index)).collect();
    let features = networks.of_split(&dataset, &public, &labels, "public-test", Some(&cache))?;
    svm.manifest.scale = fit_scale(&svm, &features, &labels)?;
    svm.manifest.networks = networks.networks();
    let data = format!("{} {} ({} samples)", dataset.name(), dataset.fingerprint(), training.len());
    describe(&mut svm, &fitted, settings, &data);
    Ok(svm)
}

fn fitted(
    features: &[f32],
    length: usize,
    labels: &[u8],
    classes: usize,
    settings: &SvmSettings,
    what: &str,
) -> anyhow::Result<Fit> {
    let begun = Instant::now();
    let bar = ProgressBar::new(classes as u64).with_style(
        ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} classes")?.progress_chars("=> "),
    );
    let result = fit(features, length, labels, classes, settings, &|pass, done| {
        bar.set_message(format!("{what}, pass {pass}"));
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let result = result?;
    let objective: f64 = result.objectives.iter().sum();
    let passes = result.passes.iter().max().copied().unwrap_or(0);
    eprintln!(
        "{what}: {} samples of {length} features, {passes} passes, objective {objective:.6}, {:.1} s",
        labels.len(),
        begun.elapsed().as_secs_f64()
    );
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

fn describe(svm: &mut LinearSvm, fit: &Fit, settings: &SvmSettings, data: &str) {
    let settings = serde_json::to_value(settings).expect("settings are plain numbers and words");
    let settings =
        settings.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.to_string()));
    svm.manifest.provenance.extend(settings);
    let own = [
        ("data", data.to_owned()),
        ("objective", fit.objectives.iter().sum::<f64>().to_string()),
        ("converged", fit.converged.iter().all(|converged| *converged).to_string()),
        ("program", format!("duchenne {}", env!("CARGO_PKG_VERSION"))),
    ];
    svm.manifest.provenance.extend(own.map(|(key, value)| (key.to_owned(), value)));
}
