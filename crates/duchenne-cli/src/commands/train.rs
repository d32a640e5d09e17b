//! `duchenne train`: trains a classifier, or goes on with one.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::arguments::device::device;
use crate::interrupt::stop_flag;
use duchenne::data::PackedDataset;
use duchenne::data::packed::synthetic::{NeutralPolicy, SyntheticFaces};
use duchenne::experiments::classifier::ClassifierRun;
use duchenne::experiments::recipes::{all_settings, recipe_text};
use duchenne::experiments::scoring::warn_uncalibrated;
use duchenne::training::classifier::initial::InitialWeights;
use duchenne::training::classifier::recipe::Recipe;
use duchenne::training::classifier::teacher::Teacher;

/// Arguments of `duchenne train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne train --recipe compact --data fer2013.safetensors --run runs/compact\n  \
    duchenne train --recipe compact --data fer2013.safetensors --synthetic faces.safetensors --run runs/more\n\n\
    A run that was stopped or killed goes on when the same command is given again."
)]
pub struct TrainArgs {
    /// Built-in recipe (compact, compact-finish, wide, wide-finish, wide-distilled,
    /// wide-distilled-finish, vgg16, resnet50, vgg16-strong,
    /// resnet50-strong, vgg13-scratch, vgg16-scratch, vgg19-scratch, vgg13-imagenet, vgg16-imagenet,
    /// vgg19-imagenet) or a TOML file
    #[arg(long)]
    recipe: String,
    /// Packed data set with Training and PublicTest splits
    #[arg(long)]
    data: PathBuf,
    /// Directory of this run: log, models, state
    #[arg(long)]
    run: PathBuf,
    /// Begin from these weights in place of fresh ones: a model of the same architecture and labels or, for a
    /// recipe with `init = "pretrained"`, torchvision's weights (.pth or .safetensors)
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Learn from a trained network of the same labels and [input] too (distillation): a model file, `built-in`
    /// or `built-in-compact`, whose probabilities are training.teacher_share of the targets; may be repeated for
    /// their mean
    #[arg(long, value_name = "FILE")]
    teacher: Vec<PathBuf>,
    /// Generated faces (`duchenne gan sample`) that join the training split, and nothing else; may be repeated
    #[arg(long, value_name = "FILE")]
    synthetic: Vec<PathBuf>,
    /// At most this many generated faces per class
    #[arg(long, value_name = "N", requires = "synthetic")]
    synthetic_per_class: Option<usize>,
    /// Generated neutral and contempt faces: neutral ones join (real), neither joins, or contempt joins as neutral
    #[arg(long, value_enum, default_value = "real", requires = "synthetic")]
    neutral: NeutralChoice,
    /// Epochs, in place of the recipe's
    #[arg(long)]
    epochs: Option<usize>,
    /// Seed, in place of the recipe's
    #[arg(long)]
    seed: Option<u64>,
    /// Use only the first N training images (for trying things out)
    #[arg(long)]
    limit: Option<usize>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Lay a value over the recipe, such as training.learning_rate=0.05; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// The words of `--neutral`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum NeutralChoice {
    Real,
    Omit,
    ContemptAsNeutral,
}

impl From<NeutralChoice> for NeutralPolicy {
    fn from(choice: NeutralChoice) -> Self {
        match choice {
            NeutralChoice::Real => NeutralPolicy::Real,
            NeutralChoice::Omit => NeutralPolicy::Omit,
            NeutralChoice::ContemptAsNeutral => NeutralPolicy::ContemptAsNeutral,
        }
    }
}

/// Runs the command.
pub fn run(args: TrainArgs) -> anyhow::Result<ExitCode> {
    let recipe = recipe(&args)?;
    let dataset = PackedDataset::open(&args.data)?;
    let training = dataset.training()?;
    let training = match args.limit {
        Some(count) => training.limit(count),
        None => training,
    };
    let sets = args.synthetic.iter().map(|path| PackedDataset::open(path)).collect::<Result<Vec<_>, _>>()?;
    let joining = (!sets.is_empty())
        .then(|| SyntheticFaces::select(&sets, &dataset, args.synthetic_per_class, args.neutral.into()))
        .transpose()?;
    let training = match &joining {
        Some(faces) => {
            eprintln!("{} generated faces join the training split", faces.description());
            training.join(faces)
        }
        None => training,
    };
    let device = device(&args.device)?;
    let initial = args.init.as_deref().map(|path| InitialWeights::read(path, &recipe)).transpose()?;
    let teacher = Teacher::read(&args.teacher, &recipe, dataset.label_set(), &device)?;
    for (name, temperature) in teacher.iter().flat_map(Teacher::temperatures) {
        warn_uncalibrated(name, temperature);
    }
    let stop = stop_flag()?;
    let run = ClassifierRun {
        recipe: &recipe,
        recipe_name: &args.recipe,
        dataset: &dataset,
        training: &training,
        initial: initial.as_ref(),
        teacher: teacher.as_ref(),
        directory: &args.run,
        device: &device,
        stop: &stop,
    };
    let Some(best) = run.finish()? else {
        return Ok(ExitCode::from(1));
    };
    println!("{}", best.display());
    eprintln!("finished; evaluate with: duchenne eval {} --data {}", best.display(), args.data.display());
    Ok(ExitCode::SUCCESS)
}

fn recipe(args: &TrainArgs) -> anyhow::Result<Recipe> {
    let text = recipe_text(&args.recipe, Recipe::built_in(&args.recipe), &Recipe::built_in_names())?;
    let settings = all_settings(&args.settings, args.epochs, args.seed);
    Ok(Recipe::parse(&args.recipe, &text, &settings)?)
}
