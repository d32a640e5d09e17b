//! `duchenne svm eval`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use duchenne::PackedDataset;
use duchenne::evaluation::evaluate;
use duchenne::evaluation::report::{ImageViews, ModelFigures, Provenance, ReportPage};
use duchenne::experiments::scoring::EvaluatedSplit;
use duchenne::experiments::svm::scoring::{score_data, score_file, write_decisions};
use duchenne::files::atomic::check_writable;
use duchenne::models::linear_svm::LinearSvm;

use crate::Outcome;
use crate::arguments::DeviceArgs;
use crate::report::present;
use crate::terminal::Terminal;

/// The decision values in the folder of a report.
const DECISIONS_FILE: &str = "decisions.safetensors";

/// Arguments of `duchenne svm eval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne svm eval runs/hog/svm.safetensors --features hog-test.safetensors --json\n  \
    duchenne svm eval runs/df-svm/svm.safetensors --data fer2013.safetensors --split test --out report"
)]
pub(super) struct SvmEvalArgs {
    /// An SVM fitted by `duchenne svm fit`
    model: PathBuf,
    /// Feature file with labels
    #[arg(long, conflicts_with = "data", required_unless_present = "data")]
    features: Option<PathBuf>,
    /// Packed data set, for an SVM on the features of networks
    #[arg(long)]
    data: Option<PathBuf>,
    /// Split to score
    #[arg(long, default_value = "validation", conflicts_with = "features")]
    split: EvaluatedSplit,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Write report.html, report.json and decisions.safetensors (`decisions` f64 [n, classes]) into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(super) fn run(args: SvmEvalArgs) -> anyhow::Result<Outcome> {
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        check_writable(&folder.join(DECISIONS_FILE))?;
    }
    let svm = LinearSvm::read(&args.model)?;
    let scored = match (&args.features, &args.data) {
        (Some(file), _) => score_file(&svm, file)?,
        (None, Some(data)) => {
            let folder = args.model.parent().unwrap_or(Path::new(""));
            score_data(&svm, folder, &PackedDataset::open(data)?, args.split, &args.device.device, &Terminal)?
        }
        (None, None) => unreachable!("clap asks for one of them"),
    };
    let report = evaluate(&scored.split, 1.0 / svm.manifest.scale)?;
    let mut provenance = vec![
        Provenance::new("model", args.model.display().to_string()),
        Provenance::new("evaluated data", scored.data),
    ];
    let fitted = svm.manifest.provenance.lines();
    provenance.extend(fitted.map(|(name, value)| Provenance::new(format!("model {name}"), value)));
    let networks = svm.manifest.networks.iter().enumerate();
    provenance.extend(networks.map(|(index, network)| {
        Provenance::new(format!("network {}", index + 1), network.path.display().to_string())
    }));
    let page = ReportPage {
        title: format!("{} on {}", args.model.display(), scored.split.split),
        provenance,
        results: vec![ModelFigures { views: ImageViews::SingleCrop, report }],
        robustness: None,
        training: Vec::new(),
        folds: None,
        kept_epoch: None,
    };
    present(&page, args.out.as_deref(), args.json)?;
    if let Some(folder) = &args.out {
        write_decisions(&folder.join(DECISIONS_FILE), &scored.decisions, svm.manifest.classes)?;
    }
    Ok(Outcome::Done)
}
