//! `duchenne train`: trains a classifier, or resumes a run.

use std::path::PathBuf;

use crate::Outcome;
use crate::arguments::{DeviceArgs, NeutralChoice, OverrideArgs, label_set};
use crate::interrupt::stop_flag;
use crate::terminal::{Terminal, print_line, say};
use duchenne::LabelSet;
use duchenne::data::packed::votes::Targets;
use duchenne::data::{PackedDataset, TrainingData};
use duchenne::experiments::classifier::ClassifierRun;
use duchenne::experiments::scoring::note_uncalibrated;
use duchenne::experiments::session::Session;
use duchenne::training::classifier::recipe::Recipe;
use duchenne::training::classifier::teacher::Teacher;
use duchenne::training::classifier::{CheckedRecipe, GivenModels};
use duchenne::training::recipe_file::Setting;

/// Arguments of `duchenne train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne train --recipe compact --data fer2013.safetensors --run runs/compact\n  \
    duchenne train --recipe compact --data own.safetensors --validation 0.1 --init built-in-compact --run runs/own\n  \
    duchenne train --recipe compact --data fer2013.safetensors --synthetic faces.safetensors --run runs/more\n\n\
    Run the same command again to resume a run that was stopped or killed."
)]
pub(crate) struct TrainArgs {
    /// Built-in recipe (compact-votes and wide-votes learn what human raters see; compact, compact-finish, wide,
    /// wide-finish, wide-distilled, wide-distilled-finish, vgg16, resnet50, vgg16-strong,
    /// resnet50-strong, vgg13-scratch, vgg16-scratch, vgg19-scratch, vgg13-imagenet, vgg16-imagenet,
    /// vgg19-imagenet) or a TOML file
    #[arg(long)]
    recipe: String,
    /// Packed data set with Training and Validation splits
    #[arg(long)]
    data: PathBuf,
    /// Hold out this share of the training photographs as the validation split, for data without one: 0.1 for a tenth.
    /// Persons, where they are known, and identical pictures stay together
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
    /// Directory of this run: log, models, state
    #[arg(long)]
    run: PathBuf,
    /// Learn the labels of the data set, or the majority of FER+'s raters (ferplus), instead of what the recipe's
    /// training.targets says; the data set has to be imported with their votes
    #[arg(long, value_parser = label_set())]
    labels: Option<LabelSet>,
    /// Start from these weights instead of random ones: a model of the same architecture, by file or built-in name (where it
    /// knows other labels, its last layer gives the classes that both know), or, for a recipe with `init = "pretrained"`,
    /// torchvision's weights (.pth or .safetensors)
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Learn from a trained network of the same labels and [input] too (distillation): a model file, or a built-in one by
    /// name, whose probabilities are training.teacher_share of the targets; may be repeated for
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
    #[command(flatten)]
    overrides: OverrideArgs,
    /// Use only the first N training images (for a quick trial)
    #[arg(long)]
    limit: Option<usize>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(crate) fn run(args: TrainArgs) -> anyhow::Result<Outcome> {
    let dataset = PackedDataset::open(&args.data)?;
    let recipe = recipe(&args, &dataset)?;
    let data = TrainingData::new(recipe.data(&dataset)?)?;
    let sets = args.synthetic.iter().map(PackedDataset::open).collect::<Result<Vec<_>, _>>()?;
    let data = data.with_synthetic(sets, args.synthetic_per_class, args.neutral.into())?;
    if let Some(faces) = data.synthetic() {
        say(format_args!("adding {} generated faces to the training split", faces.description()));
    }
    let training = match args.limit {
        Some(count) => data.split().limit(count),
        None => data.split(),
    };
    let device = &args.device.device;
    let task = recipe.load(data.dataset(), device)?;
    for (name, temperature) in task.teacher().into_iter().flat_map(Teacher::temperatures) {
        note_uncalibrated(name, temperature, &Terminal);
    }
    let stop = stop_flag()?;
    let run = ClassifierRun {
        task: &task,
        dataset: data.dataset(),
        training: &training,
        directory: &args.run,
        session: Session { device, stop: &stop, watch: &Terminal },
    };
    let Some(best) = run.finish()? else {
        return Ok(Outcome::Incomplete);
    };
    print_line(best.display())?;
    let (best, data) = (best.display(), args.data.display());
    let split = match (dataset.validation().is_ok(), dataset.test().is_ok()) {
        (true, _) => Some(""),
        (false, true) => Some(" --split test"),
        (false, false) => None,
    };
    match split {
        Some(split) => {
            say(format_args!("finished; evaluate with: duchenne eval {best} --data {data}{split}"))
        }
        None => say(format_args!(
            "finished; `{data}` has no split to evaluate on: draw some first and train on those, with: duchenne data split {data} \
             --validation 0.1 --test 0.2 --out NEW"
        )),
    }
    Ok(Outcome::Done)
}

fn recipe(args: &TrainArgs, dataset: &PackedDataset) -> anyhow::Result<CheckedRecipe> {
    let own = dataset.label_set();
    let by_raters = own == LabelSet::FerPlus && dataset.votes(0).is_some();
    let mut settings = args.overrides.all();
    settings.extend(args.validation.map(|share| Setting::new("training.validation", share)));
    let mut recipe = Recipe::read(&args.recipe, &settings)?;
    recipe.training.targets = match (args.labels, recipe.training.targets) {
        (Some(labels), _) if labels == own && !by_raters => Targets::Labels,
        (Some(LabelSet::FerPlus), Targets::Labels) => Targets::Majority,
        (None | Some(LabelSet::FerPlus), targets) => targets,
        (Some(labels), _) => anyhow::bail!("the data set has no labels of `{labels}`, its own are `{own}`"),
    };
    let models = GivenModels { initial: args.init.clone(), teachers: args.teacher.clone() };
    Ok(recipe.check(&args.recipe, models)?)
}
