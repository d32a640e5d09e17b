//! `duchenne svm fit`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::arguments::device::device;
use crate::interrupt::stop_flag;
use duchenne::data::PackedDataset;
use duchenne::data::features::file::FeatureFile;
use duchenne::experiments::recipes::all_settings;
use duchenne::experiments::svm::fit::{MACHINE_FILE, describe, fit_on_networks, fit_with_progress};
use duchenne::experiments::svm::margins::fit_scale;
use duchenne::experiments::svm::networks::DeepSvmRecipe;
use duchenne::files::atomic::{FolderLock, check_writable};
use duchenne::models::linear_svm::LinearSvm;
use duchenne::training::svm::{SvmSettings, check_labels, constant_features, parse_settings};

/// One in so many samples is left out of a first fit, to learn from its margins how to make probabilities.
const HELD_OUT: usize = 5;

/// Arguments of `duchenne svm fit`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Defaults and meaning are those of scikit-learn's LinearSVC: squared hinge, c=1, tolerance=1e-4, \
    intercept.\n\nExamples:\n  duchenne svm fit --recipe df-svm --imagenet weights --data fer2013.safetensors --run runs/df-svm\n  \
    duchenne svm fit --recipe df-svm-scratch --data fer2013.safetensors --run runs/df-scratch\n  \
    duchenne svm fit --network runs/vgg13/best.safetensors --network runs/vgg16/best.safetensors \\\n    \
    --data fer2013.safetensors --run runs/two\n  \
    duchenne svm fit --features hog.safetensors --run runs/hog\n\n\
    A run that was stopped or killed goes on when the same command is given again.",
    group(clap::ArgGroup::new("source").required(true).args(["features", "network", "recipe"]))
)]
pub struct FitArgs {
    /// Built-in recipe (df-svm, df-svm-scratch) or a TOML file: networks to train first, and the machine's settings
    #[arg(long, requires = "data")]
    recipe: Option<String>,
    /// Folder with ImageNet's weights as torchvision names them (vgg13-*.pth, ... or .safetensors), for recipes that
    /// begin from them
    #[arg(long, value_name = "DIR", requires = "recipe")]
    imagenet: Option<PathBuf>,
    /// Epochs of each network, in place of its recipe's
    #[arg(long, requires = "recipe")]
    epochs: Option<usize>,
    /// Use only the first N training images (for trying things out)
    #[arg(long, requires = "data")]
    limit: Option<usize>,
    /// A trained classifier whose last activations but one are features; repeat to join several
    #[arg(long, requires = "data", value_name = "MODEL")]
    network: Vec<PathBuf>,
    /// Packed data set: Training is learned from, PublicTest scales the probabilities
    #[arg(long, conflicts_with = "features")]
    data: Option<PathBuf>,
    /// Feature file: safetensors with `features` f32 [n, d] and `labels` u8 [n]
    #[arg(long)]
    features: Option<PathBuf>,
    /// Directory for the machine and, of networks, their runs and features
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
    let path = args.run.join(MACHINE_FILE);
    if path.exists() {
        bail!("`{}` is there already; use another --run, or delete it to fit again", path.display());
    }
    let _lock = args.run.is_dir().then(|| FolderLock::take(&args.run)).transpose()?;
    let svm = match (&args.features, &args.data) {
        (Some(file), _) => on_file(file, &args.run, &parse_settings(&args.settings)?)?,
        (None, Some(data)) => {
            let Some(svm) = on_data(&args, data)? else {
                return Ok(ExitCode::from(1));
            };
            svm
        }
        (None, None) => unreachable!("clap asks for one of them"),
    };
    svm.write(&path)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// On networks that are at hand or that the recipe trains first; `None` when stopped.
fn on_data(args: &FitArgs, data: &Path) -> anyhow::Result<Option<LinearSvm>> {
    let over = all_settings(&[], args.epochs, None);
    let read = |name| DeepSvmRecipe::read(name, &args.settings, &over, args.imagenet.as_deref());
    let recipe = args.recipe.as_deref().map(read).transpose()?;
    let dataset = PackedDataset::open(data)?;
    let training = match args.limit {
        Some(count) => dataset.training()?.limit(count),
        None => dataset.training()?,
    };
    let labels: Vec<u8> = (0..training.len()).map(|index| training.label(index)).collect();
    check_labels(&labels, dataset.label_set().len())?;
    let device = device(&args.device)?;
    let stop = stop_flag()?;
    let (networks, settings) = match &recipe {
        None => (args.network.clone(), parse_settings(&args.settings)?),
        Some(recipe) => {
            let Some(networks) = recipe.train(&dataset, &training, &args.run, &device, &stop)? else {
                return Ok(None);
            };
            (networks, recipe.svm.clone())
        }
    };
    make_run(&args.run)?;
    check_writable(&args.run.join(MACHINE_FILE))?;
    let svm = fit_on_networks(&networks, &dataset, &training, &args.run, &settings, &device, &stop)?;
    if svm.is_none() {
        eprintln!("stopped; give the same command again to go on");
    }
    Ok(svm)
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
        // A sum, because minus zero would read oddly.
        let (value, count) = (features[*first] + 0.0, constant.len());
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
    let whole = fit_with_progress(&features, length, labels, classes, settings, "fit")?;
    let on_held_out = || -> anyhow::Result<f64> {
        let first =
            fit_with_progress(&rows(kept), length, &labels_of(kept), classes, settings, "held-out fit")?;
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
