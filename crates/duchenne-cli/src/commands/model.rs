//! `duchenne model`: weights from and to torchvision's names, to ONNX, and what a model file says.

mod export;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::Outcome;
use crate::arguments::{label_set, one_of};
use crate::terminal::{print_json, print_line, say};
use duchenne::data::faces::preprocessing::Preprocessing;
use duchenne::files::atomic::check_writable;
use duchenne::models::checkpoint::{Checkpoint, Manifest, Precision};
use duchenne::models::import::{fold_channels, read_weights};
use duchenne::models::network::{Architecture, NetworkConfig};
use duchenne::models::onnx::{OnnxFile, is_named_onnx};
use duchenne::models::stored::StoredManifest;
use duchenne::{Device, LabelSet, Predictor};

/// Arguments of `duchenne model`.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Make a model from torchvision weights (.pth or .safetensors)
    Import(ImportArgs),
    /// Write a model for other programs: weights under torchvision's names (.safetensors), or ONNX (.onnx)
    Export(export::ExportArgs),
    /// Print the manifest, parameters and multiply-adds; of .onnx its metadata
    Info(InfoArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  duchenne model import vgg16.pth --arch vgg16 --labels fer2013 --input 48 \
    --channels 1 --mean 0.5 --std 0.25 --out vgg16.safetensors"
)]
struct ImportArgs {
    /// PyTorch or safetensors file
    weights: PathBuf,
    /// Architecture
    #[arg(long, value_parser = one_of(Architecture::TABLE))]
    arch: Architecture,
    /// Label set of the outputs
    #[arg(long, value_parser = label_set(), required_unless_present = "classes", conflicts_with = "classes")]
    labels: Option<LabelSet>,
    /// Classes of the outputs, in their order, where they are no label set's
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    classes: Vec<String>,
    /// Side of the square input in pixels
    #[arg(long)]
    input: usize,
    /// Input channels: 1 or 3. With 1, three-channel weights are summed to one channel
    #[arg(long)]
    channels: usize,
    /// The network sees colour; else faces are made gray, and repeated over three channels
    #[arg(long)]
    color: bool,
    /// Mean pixel in 0..1, one value or one per channel (comma-separated)
    #[arg(long, value_delimiter = ',', num_args = 1, required = true)]
    mean: Vec<f32>,
    /// Deviation of pixels in 0..1, one value or one per channel (comma-separated)
    #[arg(long, value_delimiter = ',', num_args = 1, required = true)]
    std: Vec<f32>,
    /// Model file to write
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct InfoArgs {
    /// Model file, or a built-in one by name; or a .onnx file
    model: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: ModelArgs) -> anyhow::Result<Outcome> {
    match args.command {
        ModelCommand::Import(args) => import(args),
        ModelCommand::Export(args) => export::run(&args),
        ModelCommand::Info(args) => info(&args),
    }
}

fn import(args: ImportArgs) -> anyhow::Result<Outcome> {
    let label_set = match args.labels {
        Some(labels) => labels,
        None => LabelSet::own(&args.classes)?,
    };
    let architecture = args.arch;
    if ![1, 3].contains(&args.channels) {
        bail!("--channels is {}, expected 1 or 3", args.channels);
    }
    let per_channel = |values: &[f32], name: &str| match values.len() {
        1 => Ok(vec![values[0]; args.channels]),
        count if count == args.channels => Ok(values.to_vec()),
        count => bail!("--{name} has {count} values, expected 1 or {}", args.channels),
    };
    let (mean, deviation) = (per_channel(&args.mean, "mean")?, per_channel(&args.std, "std")?);
    check_writable(&args.out)?;
    let preprocessing =
        Preprocessing { resize: args.input, crop: args.input, mean, deviation, color: args.color };
    let mut weights = read_weights(&args.weights)?;
    let mut network = NetworkConfig::new(architecture, args.channels, label_set.len());
    network.detect_options(&weights);
    let first = weights.iter().find(|tensor| ["conv1.weight", "features.0.weight"].contains(&&*tensor.name));
    if args.channels == 1 && first.is_some_and(|tensor| tensor.shape.get(1) == Some(&3)) {
        fold_channels(&mut weights)?;
        say("summed the first layer's three input channels to one");
    }
    let mut manifest = Manifest::new(network, label_set, preprocessing);
    manifest.check()?;
    manifest.provenance.imported_from = Some(file_name(&args.weights));
    let checkpoint = Checkpoint { manifest, weights };
    // Loading proves that the weights are complete and fit.
    let (manifest, network) = checkpoint.into_network(&Device::cpu(), &args.weights)?;
    Checkpoint::of(manifest, &network).write(&args.out, Precision::Full)?;
    print_line(args.out.display())?;
    Ok(Outcome::Done)
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn info(args: &InfoArgs) -> anyhow::Result<Outcome> {
    if is_named_onnx(&args.model) {
        return onnx_info(args);
    }
    let predictor = Predictor::named(&args.model, &Device::cpu())?;
    let manifest = predictor.manifest();
    let side = manifest.preprocessing.crop;
    let (parameters, multiply_adds) = predictor.size();
    if args.json {
        let json = serde_json::json!({
            "manifest": manifest, "parameters": parameters, "multiply_adds": multiply_adds,
        });
        print_json(&json)?;
        return Ok(Outcome::Done);
    }
    let preprocessing = &manifest.preprocessing;
    let mut lines = vec![
        format!("architecture    {}", predictor.description()),
        format!("label set       {}: {}", manifest.label_set, manifest.label_set.names().join(", ")),
        format!(
            "input           {} x {side} x {side}, centre of {}",
            preprocessing.channels(),
            preprocessing.resize
        ),
        format!("scaling         mean {:?}, deviation {:?}", preprocessing.mean, preprocessing.deviation),
        format!("parameters      {parameters} (running statistics included)"),
        format!("multiply-adds   {:.1} M per face", multiply_adds as f64 / 1e6),
        format!("temperature     {:.4}", manifest.temperature),
    ];
    lines.extend(manifest.provenance.lines().map(|(name, value)| format!("{name:<28}{value}")));
    lines.extend(manifest.metrics.iter().map(|(name, value)| format!("{name:<28}{value:.4}")));
    print_line(lines.join("\n"))?;
    Ok(Outcome::Done)
}

/// What an ONNX file says of itself: texts that are JSON as such.
fn onnx_info(args: &InfoArgs) -> anyhow::Result<Outcome> {
    let file = OnnxFile::open(&args.model)?;
    let [inputs, outputs] = file.ends();
    if args.json {
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text));
        let texts: serde_json::Map<String, serde_json::Value> =
            file.texts().map(|(key, text)| (key.to_owned(), value(text))).collect();
        print_json(&serde_json::json!({ "inputs": inputs, "outputs": outputs, "metadata": texts }))?;
        return Ok(Outcome::Done);
    }
    let inputs = inputs.into_iter().map(|input| ("input".to_owned(), input));
    let outputs = outputs.into_iter().map(|output| ("output".to_owned(), output));
    let texts = file.texts().map(|(key, text)| (key.to_owned(), text.to_owned()));
    let lines = inputs.chain(outputs).chain(texts).map(|(name, text)| format!("{name:<28}{text}"));
    print_line(lines.collect::<Vec<_>>().join("\n"))?;
    Ok(Outcome::Done)
}
