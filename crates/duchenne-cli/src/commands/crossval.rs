//! `duchenne crossval`: a recipe's accuracy on data that has no test split, by cross-validation.

use std::path::PathBuf;

use anyhow::Context as _;
use duchenne::data::PackedDataset;
use duchenne::data::faces::views::Views;
use duchenne::data::packed::partition::Together;
use duchenne::evaluation::report::{ImageViews, ModelFigures, Provenance, ReportPage};
use duchenne::experiments::cross_validation::CrossValidation;
use duchenne::experiments::session::Session;
use duchenne::files::atomic::check_writable;
use duchenne::training::classifier::GivenModels;
use duchenne::training::classifier::recipe::Recipe;

use crate::Outcome;
use crate::arguments::{DeviceArgs, OverrideArgs, views};
use crate::commands::data::By;
use crate::interrupt::stop_flag;
use crate::report::present;
use crate::terminal::Terminal;

/// Arguments of `duchenne crossval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every fold is tested by a model that the others trained, but for the next one, which selects the epoch and fits the \
    temperature. Run the same command again to resume.\n\nExample:\n  duchenne crossval --recipe compact --data ckplus.safetensors \
    --init built-in-compact --epochs 30 --folds 10 --run runs/ckplus --out report"
)]
pub(crate) struct CrossvalArgs {
    /// Built-in recipe (see `duchenne train --help`) or a TOML file; its seed also draws the folds
    #[arg(long)]
    recipe: String,
    /// Packed data set; its test split, if it has one, takes no part
    #[arg(long)]
    data: PathBuf,
    /// Folder of the run directories, one a fold
    #[arg(long)]
    run: PathBuf,
    /// Number of folds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(3..=30))]
    folds: u8,
    /// What stays together beside identical pictures [default: the pictures of a person, where persons are known]
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Start every fold from these weights (see `duchenne train --help`); they must not have seen the data
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Learn from a trained network too (see `duchenne train --help`); may be repeated
    #[arg(long, value_name = "FILE")]
    teacher: Vec<PathBuf>,
    #[command(flatten)]
    overrides: OverrideArgs,
    /// Views of each face that are averaged in tests
    #[arg(long, default_value = "mirrored", value_parser = views())]
    views: Views,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Write report.html and report.json into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(crate) fn run(args: CrossvalArgs) -> anyhow::Result<Outcome> {
    let recipe = Recipe::read(&args.recipe, &args.overrides.all())?;
    let dataset = recipe.data(&PackedDataset::open(&args.data)?)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        check_writable(&folder.join("report.html"))?;
    }
    let models = GivenModels { initial: args.init.clone(), teachers: args.teacher.clone() };
    let device = &args.device.device;
    let task = recipe.check(&args.recipe, models)?.load(&dataset, device)?;
    let stop = stop_flag()?;
    let together = args.by.map_or_else(|| Together::of(&dataset), Together::from);
    let validation = CrossValidation {
        task: &task,
        dataset: &dataset,
        folds: usize::from(args.folds),
        together,
        views: args.views,
        directory: &args.run,
        session: Session { device, stop: &stop, watch: &Terminal },
    };
    let Some(result) = validation.finish()? else {
        return Ok(Outcome::Incomplete);
    };
    let kind =
        if args.views == Views::Centre { ImageViews::SingleCrop } else { ImageViews::TestTimeAugmentation };
    let begun = args.init.as_ref().map_or("random weights".to_owned(), |path| path.display().to_string());
    let page = ReportPage {
        title: format!("{}-fold cross-validation of {} on {}", args.folds, args.recipe, dataset.name()),
        provenance: vec![
            Provenance::new("recipe", args.recipe.as_str()),
            Provenance::new("epochs", task.recipe().training.epochs.to_string()),
            Provenance::new("seed", task.recipe().training.seed.to_string()),
            Provenance::new("begun from", begun),
            Provenance::new("data", dataset.name()),
            Provenance::new("labels", dataset.label_set().to_string()),
            Provenance::new("data fingerprint", dataset.fingerprint()),
            Provenance::new("test-time augmentation", args.views.description()),
            Provenance::new("device", device.to_string()),
        ],
        results: vec![ModelFigures { views: kind, report: result.pooled }],
        robustness: None,
        folds: Some(result.folds),
        training: Vec::new(),
        kept_epoch: None,
    };
    present(&page, args.out.as_deref(), args.json)?;
    Ok(Outcome::Done)
}
