//! `duchenne eval`: the figures of a model on a split, after the evaluation protocol.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::Outcome;
use crate::arguments::ScoringArgs;
use crate::report::present;
use crate::terminal::{Terminal, counted};
use duchenne::data::PackedDataset;
use duchenne::data::faces::views::Views;
use duchenne::data::packed::findings::training_duplicates;
use duchenne::data::packed::near_duplicates::{near_pairs, near_training_duplicates};
use duchenne::data::packed::votes::Targets;
use duchenne::evaluation::report::{EpochRecord, ImageViews, ModelFigures, Provenance, ReportPage};
use duchenne::experiments::robustness::robustness;
use duchenne::experiments::scoring::{EvaluatedSplit, figures, log_beside, predictor_of, read_log};
use duchenne::files::atomic::check_writable;
use duchenne::inference::predictor::Predictor;

/// Arguments of `duchenne eval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne eval built-in --data fer2013.safetensors --split test --views mirrored --robustness\n  \
    duchenne eval runs/compact/best.safetensors --data fer2013.safetensors --out report\n  \
    duchenne eval runs/a/best.safetensors runs/b/best.safetensors --data fer2013.safetensors\n\n\
    Choose models and settings by validation; score test once per finished model."
)]
pub(crate) struct EvalArgs {
    /// Model file, or a built-in one by name (`built-in`, `built-in-compact`, `built-in-fer2013`,
    /// `built-in-fer2013-compact`); several are scored as one ensemble, their probabilities averaged
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    scoring: ScoringArgs,
    /// Also measure accuracy under noise, blur, JPEG compression, changed brightness and contrast, low
    /// resolution, occlusion, rotation and badly placed boxes, and of shot noise, motion blur, pixelation and gamma,
    /// which no recipe trains on, at five severities each: scores the split 65 times more
    #[arg(long)]
    robustness: bool,
    /// Leave pictures that are nearly identical to a training image out of the figures without duplicates too, as
    /// `duchenne data check` finds them
    #[arg(long)]
    near_duplicates: bool,
    /// Write report.html and report.json into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: EvalArgs) -> anyhow::Result<Outcome> {
    let dataset = PackedDataset::open(&args.scoring.data)?;
    // What can fail, before the long work.
    let training = training_curve(&args.models)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        check_writable(&folder.join("report.html"))?;
    }
    let predictor = predictor_of(&args.models, &args.scoring.device.device, &Terminal)?;
    let dataset = args.scoring.labelled(&dataset, predictor.label_set())?;
    let mut seen = training_duplicates(&dataset);
    if args.near_duplicates {
        let near = near_training_duplicates(&dataset, &near_pairs(&dataset));
        seen.iter_mut().zip(near).for_each(|(seen, near)| *seen |= near);
    }
    let result = |kind: ImageViews, views: Views| -> anyhow::Result<ModelFigures> {
        Ok(ModelFigures {
            views: kind,
            report: figures(&predictor, &dataset, args.scoring.split, &seen, views)?,
        })
    };
    let mut results = vec![result(ImageViews::SingleCrop, Views::Centre)?];
    let views = args.scoring.views;
    if views != Views::Centre {
        results.push(result(ImageViews::TestTimeAugmentation, views)?);
    }
    let clean = results.last().map_or(0.0, |result| result.report.overall.accuracy.value);
    let robustness = args
        .robustness
        .then(|| robustness(&predictor, &dataset, args.scoring.split, views, clean, &Terminal))
        .transpose()?;
    let page = ReportPage {
        title: format!("{} on {}", names(&args.models), dataset.name()),
        provenance: provenance(&args, &predictor, &dataset),
        results,
        robustness,
        training,
        folds: None,
        kept_epoch: predictor.manifest().provenance.epoch,
    };
    present(&page, args.out.as_deref(), args.scoring.json)?;
    Ok(Outcome::Done)
}

fn provenance(args: &EvalArgs, predictor: &Predictor, dataset: &PackedDataset) -> Vec<Provenance> {
    let manifest = predictor.manifest();
    let preprocessing = &manifest.preprocessing;
    let mut lines = vec![
        Provenance::new("model", names(&args.models)),
        Provenance::new("architecture", predictor.description()),
        Provenance::new(
            "input",
            format!(
                "{0}x{0} centre of {1}x{1}, {2}",
                preprocessing.crop,
                preprocessing.resize,
                if preprocessing.color { "in colour" } else { "gray" }
            ),
        ),
        Provenance::new("test-time augmentation", args.scoring.views.description()),
        Provenance::new("evaluated data", dataset.name()),
        Provenance::new("evaluated labels", labels(dataset, args.scoring.split)),
        Provenance::new("evaluated data fingerprint", dataset.fingerprint()),
        Provenance::new(
            "duplicates left out",
            if args.near_duplicates { "identical and nearly identical" } else { "identical" },
        ),
        Provenance::new("device", args.scoring.device.device.to_string()),
    ];
    let trained = manifest.provenance.lines();
    lines.extend(trained.map(|(name, value)| Provenance::new(format!("model {name}"), value)));
    lines
}

/// Whose labels are scored by.
fn labels(dataset: &PackedDataset, split: EvaluatedSplit) -> String {
    match dataset.targets() {
        Targets::Labels if dataset.label_set() == dataset.label_set_in_file() => {
            format!("{}, the data set's own", dataset.label_set())
        }
        Targets::Labels => {
            let (own, now) = (dataset.label_set_in_file(), dataset.label_set());
            let left_out = counted(dataset.left_out(split.split()), "picture");
            format!("{now}, by name from {own}; left out for want of a class: {left_out}")
        }
        _ => format!("{}, the majority of ten raters after the official filter", dataset.label_set()),
    }
}

/// The models of an ensemble, or the one.
fn names(models: &[PathBuf]) -> String {
    let names: Vec<String> = models.iter().map(|model| model.display().to_string()).collect();
    names.join(" + ")
}

/// The curve of the run directory that the model lies in, if it is one and lies in one.
fn training_curve(models: &[PathBuf]) -> anyhow::Result<Vec<EpochRecord>> {
    let [model] = models else {
        return Ok(Vec::new());
    };
    Ok(log_beside(model).map_or(Ok(Vec::new()), |log| read_log(&log))?)
}
