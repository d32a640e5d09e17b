//! `duchenne train`: trains a classifier, or goes on with one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::devices::device;
use crate::app::interrupt::stop_flag;
use crate::app::recipes::{all_settings, recipe_text};
use crate::app::scoring::calibrate;
use crate::data::PackedDataset;
use crate::data::checksum::checksum_of_file;
use crate::data::synthetic::{NeutralPolicy, SyntheticFaces};
use crate::models::checkpoint::Checkpoint;
use crate::training::classifier::{Event, InitialWeights, Job, Outcome, train};
use crate::training::recipe::Recipe;
use crate::training::run_directory::RunDirectory;

/// Arguments of `duchenne train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne train --recipe compact --data fer2013.safetensors --run runs/compact\n  \
    duchenne train --recipe compact --data fer2013.safetensors --synthetic faces.safetensors --run runs/more\n\n\
    A run that was stopped or killed goes on when the same command is given again."
)]
pub struct TrainArgs {
    /// Built-in recipe (compact, compact-finish, vgg16, vgg16-strong, resnet50, resnet50-strong) or a TOML file
    #[arg(long)]
    recipe: String,
    /// Packed data set with Training and PublicTest splits
    #[arg(long)]
    data: PathBuf,
    /// Directory of this run: log, models, state
    #[arg(long)]
    run: PathBuf,
    /// Begin from this model's weights in place of fresh ones (fine-tuning); same architecture and labels
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
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
enum NeutralChoice {
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
    let validation = dataset.public_test()?;
    let device = device(&args.device)?;
    let initial = args.init.as_deref().map(initial_weights).transpose()?;
    let directory = RunDirectory::open(&args.run)?;
    let stop = stop_flag()?;
    let epochs = recipe.training.epochs;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} images, {per_sec}, {eta} left in epoch")?
            .progress_chars("=> "),
    );
    bar.enable_steady_tick(Duration::from_millis(500));
    let epoch_images = match recipe.training.steps_per_epoch {
        0 => training.len(),
        steps => training.len().min(steps * recipe.training.batch_size),
    } as u64;
    let job = Job {
        recipe: &recipe,
        recipe_name: &args.recipe,
        training: &training,
        validation: &validation,
        initial: initial.as_ref(),
        run: &directory,
        device: &device,
        stop: &stop,
    };
    let mut seconds = Vec::new();
    let outcome = train(&job, &mut |event| match event {
        Event::Started { done: (epoch, batch), batches } => {
            bar.set_length(epoch_images);
            if (epoch, batch) != (0, 0) {
                bar.suspend(|| {
                    eprintln!("going on after epoch {epoch} of {epochs} and {batch} of {batches} batches");
                });
            }
        }
        Event::Batch { epoch, done, images, loss } => {
            if done == 1 {
                bar.reset();
                bar.set_length(epoch_images);
            }
            bar.inc(images as u64);
            bar.set_message(format!("epoch {}/{epochs} loss {loss:.4}", epoch + 1));
        }
        Event::Epoch { record, best } => {
            seconds.push(record.seconds);
            let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
            let left = Duration::from_secs_f64(mean * (epochs - record.epoch) as f64);
            bar.suspend(|| {
                eprintln!(
                    "epoch {:>3}/{epochs}  loss {:.4}  training {:5.2} %  PublicTest {:5.2} %{}  {:.0} s, {} left",
                    record.epoch,
                    record.training_loss,
                    record.training_accuracy * 100.0,
                    record.validation_accuracy * 100.0,
                    if best { " (best)" } else { "" },
                    record.seconds,
                    indicatif::HumanDuration(left),
                );
            });
        }
    });
    bar.finish_and_clear();
    match outcome? {
        Outcome::Finished | Outcome::AlreadyFinished => {
            let best = directory.file("best.safetensors");
            let temperature = calibrate(&best, &dataset, &validation, &device)?;
            eprintln!("temperature {temperature:.4}, fitted on PublicTest");
            println!("{}", best.display());
            eprintln!(
                "finished; evaluate with: duchenne eval {} --data {}",
                best.display(),
                args.data.display()
            );
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted => {
            eprintln!("saved; give the same command again to go on");
            Ok(ExitCode::from(1))
        }
    }
}

fn initial_weights(path: &Path) -> anyhow::Result<InitialWeights> {
    Ok(InitialWeights { checkpoint: Checkpoint::read(path)?, checksum: checksum_of_file(path)? })
}

fn recipe(args: &TrainArgs) -> anyhow::Result<Recipe> {
    let text = recipe_text(&args.recipe, Recipe::built_in(&args.recipe), &Recipe::built_in_names())?;
    let settings = all_settings(&args.settings, args.epochs, args.seed);
    Ok(Recipe::parse(&args.recipe, &text, &settings)?)
}
