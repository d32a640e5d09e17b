//! `duchenne svm fit`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use duchenne::PackedDataset;
use duchenne::data::Images as _;
use duchenne::experiments::session::Session;
use duchenne::experiments::svm::fit::{SVM_FILE, fit_on_file, fit_on_networks};
use duchenne::experiments::svm::networks::DeepSvmRecipe;
use duchenne::files::atomic::check_writable;
use duchenne::files::lock::FolderLock;
use duchenne::models::linear_svm::LinearSvm;
use duchenne::training::recipe_file::Setting;
use duchenne::training::svm::{SvmSettings, check_labels};

use crate::Outcome;
use crate::arguments::DeviceArgs;
use crate::interrupt::stop_flag;
use crate::terminal::{Terminal, print_line, say};

/// Arguments of `duchenne svm fit`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Defaults and meaning are those of scikit-learn's LinearSVC: squared hinge, c=1, tolerance=1e-4, \
    intercept.\n\nExamples:\n  duchenne svm fit --recipe df-svm --imagenet weights --data fer2013.safetensors --run runs/df-svm\n  \
    duchenne svm fit --recipe df-svm-scratch --data fer2013.safetensors --run runs/df-scratch\n  \
    duchenne svm fit --network runs/vgg13/best.safetensors --network runs/vgg16/best.safetensors \\\n    \
    --data fer2013.safetensors --run runs/two\n  \
    duchenne svm fit --features hog.safetensors --run runs/hog\n\n\
    Run the same command again to resume a run that was stopped or killed.",
    group(clap::ArgGroup::new("source").required(true).args(["features", "network", "recipe"]))
)]
pub(super) struct FitArgs {
    /// Built-in recipe (df-svm, df-svm-scratch) or a TOML file: networks to train first, and the SVM's settings
    #[arg(long, requires = "data")]
    recipe: Option<String>,
    /// Folder with ImageNet's weights as torchvision names them (vgg13-*.pth, ... or .safetensors), for recipes that
    /// begin from them
    #[arg(long, value_name = "DIR", requires = "recipe")]
    imagenet: Option<PathBuf>,
    /// Number of epochs of each network [default: its recipe's]
    #[arg(long, requires = "recipe")]
    epochs: Option<usize>,
    /// Use only the first N training images (for a quick trial)
    #[arg(long, requires = "data")]
    limit: Option<usize>,
    /// A trained classifier, by file or built-in name, whose penultimate activations are the features (repeat to
    /// concatenate several)
    #[arg(long, requires = "data", value_name = "MODEL")]
    network: Vec<PathBuf>,
    /// Packed data set: Training is learned from, Validation scales the probabilities
    #[arg(long, conflicts_with = "features")]
    data: Option<PathBuf>,
    /// Feature file: safetensors with `features` f32 [n, d] and `labels` u8 [n]
    #[arg(long)]
    features: Option<PathBuf>,
    /// Directory for the SVM and, of networks, their runs and features
    #[arg(long)]
    run: PathBuf,
    /// Override a setting: loss=hinge|squared-hinge, c, tolerance, max_passes, intercept, class_weights=balanced, seed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<Setting>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(super) fn run(args: FitArgs) -> anyhow::Result<Outcome> {
    let path = args.run.join(SVM_FILE);
    if path.exists() {
        bail!("`{}` is there already; use another --run, or delete it to fit again", path.display());
    }
    let _lock = args.run.is_dir().then(|| FolderLock::take(&args.run)).transpose()?;
    let svm = match (&args.features, &args.data) {
        (Some(file), _) => fit_on_file(file, &args.run, &SvmSettings::with(&args.settings)?, &Terminal)?,
        (None, Some(data)) => {
            let Some(svm) = on_data(&args, data)? else {
                return Ok(Outcome::Incomplete);
            };
            svm
        }
        (None, None) => unreachable!("clap asks for one of them"),
    };
    svm.write(&path)?;
    print_line(path.display())?;
    Ok(Outcome::Done)
}

/// On networks that were trained before or that the recipe trains first; `None` when stopped.
fn on_data(args: &FitArgs, data: &Path) -> anyhow::Result<Option<LinearSvm>> {
    let over: Vec<Setting> =
        args.epochs.map(|epochs| Setting::new("training.epochs", epochs)).into_iter().collect();
    let read = |name| DeepSvmRecipe::read(name, &args.settings, &over, args.imagenet.as_deref());
    let recipe = args.recipe.as_deref().map(read).transpose()?;
    let dataset = PackedDataset::open(data)?;
    let training = match args.limit {
        Some(count) => dataset.training()?.limit(count),
        None => dataset.training()?,
    };
    let labels: Vec<u8> = (0..training.len()).map(|index| training.label(index)).collect();
    check_labels(&labels, dataset.label_set().len())?;
    let stop = stop_flag()?;
    let session = Session { device: &args.device.device, stop: &stop, watch: &Terminal };
    let (networks, settings) = match &recipe {
        None => (args.network.clone(), SvmSettings::with(&args.settings)?),
        Some(recipe) => {
            let Some(networks) = recipe.train(&dataset, &training, &args.run, session)? else {
                return Ok(None);
            };
            (networks, recipe.svm.clone())
        }
    };
    std::fs::create_dir_all(&args.run)
        .with_context(|| format!("cannot make the run directory `{}`", args.run.display()))?;
    check_writable(&args.run.join(SVM_FILE))?;
    let svm = fit_on_networks(&networks, &dataset, &training, &args.run, &settings, session)?;
    if svm.is_none() {
        say("stopped; run the same command again to resume");
    }
    Ok(svm)
}
