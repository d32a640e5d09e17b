//! `duchenne gan eval`: generated faces judged against photographs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::arguments::device::device;
use duchenne::data::PackedDataset;
use duchenne::evaluation::generation::report::{render_json, render_table};
use duchenne::experiments::generators::judgement::Judgement;
use duchenne::experiments::scoring::predictor;

/// Arguments of `duchenne gan eval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Distances are taken against people whom the generators never saw, where their recipe held some \
    out.\n\nExample:\n  duchenne gan eval dcgan-faces.safetensors --real ckplus.safetensors --report report"
)]
pub struct GanEvalArgs {
    /// Synthetic packed data set (`duchenne gan sample`)
    faces: PathBuf,
    /// The photographs that the generators learned from, packed
    #[arg(long)]
    real: PathBuf,
    /// The network whose features measure: a model file, `built-in-compact` or `built-in`; only figures in the
    /// same features compare
    #[arg(long, default_value = "built-in-compact")]
    features: PathBuf,
    /// Leave out the classifier that is trained on the faces alone, which takes a minute or two
    #[arg(long)]
    no_classifier: bool,
    /// JSON on standard output in place of the table
    #[arg(long)]
    json: bool,
    /// Write report.html, report.json and the sheet of nearest neighbours into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs the command.
pub fn run(args: GanEvalArgs) -> anyhow::Result<ExitCode> {
    let generated = PackedDataset::open(&args.faces)?;
    let real = PackedDataset::open(&args.real)?;
    let device = device(&args.device)?;
    let judgement = Judgement::new(&generated, &real)?;
    let predictor = predictor(&args.features, &device)?;
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    let features = args.features.display().to_string();
    let report = judgement.report(&predictor, &features, !args.no_classifier, &device)?;
    if let Some(folder) = &args.report {
        judgement.write(&report, folder)?;
        eprintln!("wrote {}", folder.join("report.html").display());
    }
    if args.json {
        print!("{}", render_json(&report)?);
    } else {
        print!("{}", render_table(&report));
    }
    Ok(ExitCode::SUCCESS)
}
