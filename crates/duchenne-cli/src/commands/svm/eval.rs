//! `duchenne svm eval`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use burn::tensor::Device;
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::device::device;
use crate::arguments::one_of;
use duchenne::data::faces::batches::ResizedFaces;
use duchenne::data::faces::views::Views;
use duchenne::data::features::file::FeatureFile;
use duchenne::data::packed::findings::training_duplicates;
use duchenne::data::{PackedDataset, Samples};
use duchenne::evaluation::report::{ImageViews, ModelFigures, Provenance, ReportPage};
use duchenne::evaluation::{ScoredSplit, evaluate};
use duchenne::experiments::scoring::{EvaluatedSplit, present};
use duchenne::experiments::svm::margins::scored;
use duchenne::files::atomic::{AtomicError, check_writable, write_atomically};
use duchenne::inference::deep_features::FeatureExtractor;
use duchenne::inference::predictor::InferenceError;
use duchenne::models::linear_svm::LinearSvm;

/// Faces between two movements of the progress bar.
const CHUNK: usize = 256;

/// Arguments of `duchenne svm eval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne svm eval runs/hog/svm.safetensors --features hog-test.safetensors --json\n  \
    duchenne svm eval runs/df-svm/svm.safetensors --data fer2013.safetensors --split private-test"
)]
pub struct SvmEvalArgs {
    /// A machine made by `duchenne svm fit`
    model: PathBuf,
    /// Feature file with labels
    #[arg(long, conflicts_with = "data", required_unless_present = "data")]
    features: Option<PathBuf>,
    /// Packed data set, for a machine on the features of networks
    #[arg(long)]
    data: Option<PathBuf>,
    /// The split to score
    #[arg(long, default_value = "public-test", value_parser = one_of(EvaluatedSplit::TABLE), conflicts_with = "features")]
    split: EvaluatedSplit,
    /// Write `decisions` f64 [n, classes] to this safetensors file
    #[arg(long, value_name = "OUT")]
    decisions: Option<PathBuf>,
    /// JSON on standard output in place of the table
    #[arg(long)]
    json: bool,
    /// Write report.html and report.json into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Decision values and what they are of.
struct Scored {
    decisions: Vec<f64>,
    split: ScoredSplit,
    data: String,
}

/// Runs the command.
pub fn run(args: SvmEvalArgs) -> anyhow::Result<ExitCode> {
    if let Some(out) = &args.decisions {
        check_writable(out)?;
    }
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    let svm = LinearSvm::read(&args.model)?;
    let scored = match (&args.features, &args.data) {
        (Some(file), _) => score_file(&svm, file)?,
        (None, Some(data)) => {
            let folder = args.model.parent().unwrap_or(Path::new(""));
            score_data(&svm, folder, data, args.split, &device(&args.device)?)?
        }
        (None, None) => unreachable!("clap asks for one of them"),
    };
    if let Some(out) = &args.decisions {
        write_decisions(out, &scored.decisions, svm.manifest.classes)?;
    }
    let report = evaluate(&scored.split, 1.0 / svm.manifest.scale)?;
    let mut provenance = vec![
        Provenance::new("model", args.model.display().to_string()),
        Provenance::new("evaluated data", scored.data),
    ];
    let fitted = svm.manifest.provenance.iter();
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
    };
    present(&page, args.report.as_deref(), args.json)?;
    Ok(ExitCode::SUCCESS)
}

fn score_file(svm: &LinearSvm, path: &Path) -> anyhow::Result<Scored> {
    let file = FeatureFile::open(path)?;
    let manifest = &svm.manifest;
    if file.length() != manifest.length {
        let (got, expected) = (file.length(), manifest.length);
        bail!("`{}` has {got} features per sample, the machine was fitted on {expected}", path.display());
    }
    if let (Some(a), Some(b)) = (file.label_set(), manifest.label_set)
        && a != b
    {
        bail!("`{}` has labels of `{a}`, the machine of `{b}`", path.display());
    }
    let Some(labels) = file.labels() else {
        bail!("`{}` has no `labels` to score by; expected u8 [n]", path.display());
    };
    let features = file.features();
    if let Some(at) = features.iter().position(|value| !value.is_finite()) {
        let (sample, feature) = (at / file.length(), at % file.length());
        bail!("`{}`: feature {feature} of sample {sample} (from 0) is {}", path.display(), features[at]);
    }
    let decisions = svm.decisions(&features);
    let split = scored(svm, &decisions, labels, "features");
    // Before anything is written.
    split.check()?;
    Ok(Scored { split, decisions, data: path.display().to_string() })
}

fn score_data(
    svm: &LinearSvm,
    folder: &Path,
    data: &Path,
    split: EvaluatedSplit,
    device: &Device,
) -> anyhow::Result<Scored> {
    let dataset = PackedDataset::open(data)?;
    let networks = FeatureExtractor::load(&svm.manifest.networks, folder, device)?;
    match split {
        EvaluatedSplit::PublicTest => {
            score_split(svm, &networks, &dataset, &dataset.public_test()?, "public-test")
        }
        EvaluatedSplit::PrivateTest => {
            score_split(svm, &networks, &dataset, &dataset.private_test()?, "private-test")
        }
    }
}

fn score_split(
    svm: &LinearSvm,
    networks: &FeatureExtractor,
    dataset: &PackedDataset,
    samples: &(impl Samples + Sync),
    name: &str,
) -> anyhow::Result<Scored> {
    let labels: Vec<u8> = (0..samples.len()).map(|index| samples.label(index)).collect();
    let set = networks.manifest().label_set;
    if set != dataset.label_set() {
        bail!("the networks' label set is `{set}`, the data set's `{}`", dataset.label_set());
    }
    let preprocessing = &networks.manifest().preprocessing;
    let faces = ResizedFaces::new(samples, preprocessing, [dataset.height(), dataset.width()]);
    let faces: Vec<&[u8]> = (0..samples.len()).map(|index| faces.face(samples, index)).collect();
    let bar = ProgressBar::new(faces.len() as u64).with_style(
        ProgressStyle::with_template("features [{bar:30}] {pos}/{len} faces, {per_sec}, {eta} left")?
            .progress_chars("=> "),
    );
    let mut features = Vec::new();
    for faces in faces.chunks(CHUNK) {
        features.extend(networks.joined(&Views::Centre.of(faces)));
        bar.inc(faces.len() as u64);
    }
    bar.finish_and_clear();
    if features.len() != samples.len() * svm.manifest.length {
        let got = features.len() / samples.len();
        return Err(InferenceError::Length { got, expected: svm.manifest.length }.into());
    }
    let decisions = svm.decisions(&features);
    let rows: Vec<usize> = (0..samples.len()).map(|index| samples.row(index)).collect();
    let seen = training_duplicates(dataset);
    Ok(Scored {
        split: ScoredSplit {
            rows: rows.iter().map(|row| *row as u32).collect(),
            seen_in_training: rows.iter().map(|row| seen[*row]).collect(),
            ferplus_votes: rows.iter().map(|row| dataset.votes(*row)?.try_into().ok()).collect(),
            ..scored(svm, &decisions, &labels, name)
        },
        decisions,
        data: format!("{} {}", dataset.name(), dataset.fingerprint()),
    })
}

fn write_decisions(path: &Path, decisions: &[f64], classes: usize) -> anyhow::Result<()> {
    use safetensors::tensor::{Dtype, TensorView};
    let bytes: Vec<u8> = decisions.iter().flat_map(|value| value.to_le_bytes()).collect();
    let shape = vec![decisions.len() / classes, classes];
    let view = TensorView::new(Dtype::F64, shape, &bytes).expect("decisions are whole rows");
    let file = safetensors::serialize([("decisions", view)], None).expect("one name");
    write_atomically(path, |out| {
        std::io::Write::write_all(out, &file).map_err(|error| AtomicError::system(path, error))
    })?;
    Ok(())
}
