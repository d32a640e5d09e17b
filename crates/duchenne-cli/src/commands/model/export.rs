//! `duchenne model export`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use duchenne::experiments::scoring::predictor_of;
use duchenne::files::atomic::check_writable;
use duchenne::inference::built_in::{DETECTOR, is_detector};
use duchenne::inference::onnx_export::detector_to_onnx;
use duchenne::models::checkpoint::{Checkpoint, Precision};
use duchenne::models::onnx::GraphOptions;
use duchenne::{BuiltInModel, Device, Views};

use crate::Outcome;
use crate::arguments::views;
use crate::terminal::{Terminal, print_line};

/// Arguments of `duchenne model export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne model export runs/vgg16/best.safetensors --out vgg16.safetensors\n  \
    duchenne model export built-in --half --out built-in.onnx\n  \
    duchenne model export runs/a/best.safetensors runs/b/best.safetensors --out both.onnx\n  \
    duchenne model export built-in-detector --out detector.onnx\n\n\
    A .safetensors file holds the weights under torchvision's names, for load_state_dict(strict=True); it is also a duchenne \
    model, for its metadata holds the manifest. A .onnx file is the whole way from a face to probabilities, for ONNX Runtime \
    and others; what to give it stands in its metadata (docs/onnx.md)."
)]
pub(super) struct ExportArgs {
    /// Model file, a built-in model by name, or `built-in-detector`, which finds faces; several become one ONNX file that
    /// averages their probabilities
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// File to write; its ending says in which form: .safetensors or .onnx
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Store 16-bit floats: half the size
    #[arg(long)]
    half: bool,
    /// Of .onnx: keep batch normalisations instead of folding them into the convolutions before them
    #[arg(long)]
    keep_batch_norm: bool,
    /// Of .onnx: the views of each face that the file averages [default: mirrored, as `predict`]
    #[arg(long, value_parser = views())]
    views: Option<Views>,
}

/// The form of the file that is written.
enum Form {
    Safetensors,
    Onnx,
}

impl Form {
    fn of(out: &Path) -> anyhow::Result<Self> {
        match out.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("onnx") => Ok(Self::Onnx),
            _ => bail!("`{}` ends in neither .safetensors nor .onnx, which say what to write", out.display()),
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &ExportArgs) -> anyhow::Result<Outcome> {
    let form = Form::of(&args.out)?;
    check_writable(&args.out)?;
    match form {
        Form::Safetensors => safetensors(args)?,
        Form::Onnx => onnx(args)?,
    }
    print_line(args.out.display())?;
    Ok(Outcome::Done)
}

fn precision(args: &ExportArgs) -> Precision {
    if args.half { Precision::Half } else { Precision::Full }
}

fn safetensors(args: &ExportArgs) -> anyhow::Result<()> {
    let [model] = &args.models[..] else {
        bail!("several models become one file as .onnx only; export them one by one");
    };
    if is_detector(model) {
        bail!("`{DETECTOR}` is written as .onnx only");
    }
    if args.keep_batch_norm || args.views.is_some() {
        bail!(
            "--keep-batch-norm and --views belong to .onnx; a .safetensors file holds the weights as they are"
        );
    }
    let (manifest, network) = BuiltInModel::checkpoint(model)?.into_network(&Device::cpu(), model)?;
    Checkpoint::of(manifest, &network).write(&args.out, precision(args))?;
    Ok(())
}

fn onnx(args: &ExportArgs) -> anyhow::Result<()> {
    let options = GraphOptions { precision: precision(args), keep_batch_norm: args.keep_batch_norm };
    let file = match args.models.iter().find(|model| is_detector(model)) {
        None => {
            let predictor = predictor_of(&args.models, &Device::cpu(), &Terminal)?;
            predictor.to_onnx(args.views.unwrap_or(Views::Mirrored), options)?
        }
        Some(_) if args.models.len() > 1 => bail!("`{DETECTOR}` is a file of its own; export it alone"),
        Some(_) if args.views.is_some() => {
            bail!("--views belongs to classifiers; `{DETECTOR}` sees pictures once")
        }
        Some(_) => detector_to_onnx(options)?,
    };
    file.write(&args.out)?;
    Ok(())
}
