//! `duchenne gan eval`: generated faces judged against photographs.

use std::path::PathBuf;

use anyhow::Context;

use crate::Outcome;
use crate::arguments::DeviceArgs;
use crate::terminal::{Terminal, print, say};
use duchenne::Predictor;
use duchenne::data::PackedDataset;
use duchenne::evaluation::generation::report::{render_json, render_table};
use duchenne::experiments::generators::judgement::Judgement;

/// Arguments of `duchenne gan eval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Distances are taken against people whom the generators never saw, where their recipe held some \
    out.\n\nExample:\n  duchenne gan eval dcgan-faces.safetensors --real ckplus.safetensors --out report"
)]
pub(super) struct GanEvalArgs {
    /// Synthetic packed data set (`duchenne gan sample`)
    faces: PathBuf,
    /// The photographs that the generators learned from, packed
    #[arg(long)]
    real: PathBuf,
    /// The network whose features measure: a model file, or a built-in one by name; figures are comparable only with
    /// the same features
    #[arg(long, default_value = "built-in-fer2013-compact")]
    features: PathBuf,
    /// Leave out the classifier that is trained on the faces alone, which takes a minute or two
    #[arg(long)]
    no_classifier: bool,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Write report.html, report.json and the sheet of nearest neighbours into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(super) fn run(args: GanEvalArgs) -> anyhow::Result<Outcome> {
    let generated = PackedDataset::open(&args.faces)?;
    let real = PackedDataset::open(&args.real)?;
    let device = args.device.device;
    let judgement = Judgement::new(&generated, &real)?;
    let predictor = Predictor::named(&args.features, &device)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    let features = args.features.display().to_string();
    let report = judgement.report(&predictor, &features, !args.no_classifier, &device, &Terminal)?;
    if let Some(folder) = &args.out {
        judgement.write(&report, folder)?;
        say(format_args!("wrote {}", folder.join("report.html").display()));
    }
    print(if args.json { render_json(&report)? } else { render_table(&report) })?;
    Ok(Outcome::Done)
}
