//! `duchenne gan train`: one generator per class, or one for all.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use image::GrayImage;
use indicatif::{ProgressBar, ProgressStyle};

use crate::app::devices::device;
use crate::app::generation::KernelJudge;
use crate::app::interrupt::stop_flag;
use crate::app::recipes::{all_settings, recipe_text};
use crate::data::PackedDataset;
use crate::data::atomic::{AtomicError, write_atomically};
use crate::data::generative::GenerativeSplit;
use crate::evaluation::generation::curves::render_curves;
use crate::inference::predictor::Predictor;
use crate::training::classifier::Outcome;
use crate::training::gan::trainer::GENERATOR_FILE;
use crate::training::gan::{Event, FacesJudge, GanJob, GanRecipe, GanRecord, check_gan, train_gan};
use crate::training::run_directory::RunDirectory;

/// Arguments of `duchenne gan train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  duchenne gan train --recipe dcgan --data ckplus.safetensors --run runs/dcgan\n  \
    duchenne gan train --recipe dcgan --data fer2013.safetensors --class neutral --run runs/neutral\n\n\
    A run that was stopped or killed goes on when the same command is given again."
)]
pub struct GanTrainArgs {
    /// Built-in recipe (dcgan, wgan-gp, cgan, modern) or a TOML file
    #[arg(long)]
    recipe: String,
    /// Packed data set; its Training photographs, or those without a split (CK+), are learned from
    #[arg(long)]
    data: PathBuf,
    /// Directory of this run, with a folder for each class
    #[arg(long)]
    run: PathBuf,
    /// Class by name, or all; a conditional recipe has one generator for all
    #[arg(long, default_value = "all")]
    class: String,
    /// Epochs, in place of the recipe's
    #[arg(long)]
    epochs: Option<usize>,
    /// Seed, in place of the recipe's
    #[arg(long)]
    seed: Option<u64>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Lay a value over the recipe, such as training.batch_size=8; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Runs the command.
pub fn run(args: GanTrainArgs) -> anyhow::Result<ExitCode> {
    let recipe = recipe(&args)?;
    let dataset = PackedDataset::open(&args.data)?;
    let photographs = GenerativeSplit::new(&dataset, recipe.data.held_out)?;
    let labels = labels(&args, &recipe, &photographs)?;
    let device = device(&args.device)?;
    check_counts(&recipe, &photographs, &labels)?;
    let predictor = (recipe.training.judge_every > 0).then(|| Predictor::built_in_on(&device)).transpose()?;
    let judge = |label: &Option<u8>| {
        predictor.as_ref().map(|predictor| KernelJudge::new(&photographs, *label, predictor)).transpose()
    };
    let judges = labels.iter().map(judge).collect::<anyhow::Result<Vec<_>>>()?;
    let judges: Vec<_> = judges
        .iter()
        .map(|judge| judge.as_ref().map(|judge| |faces: &[GrayImage]| judge.distance(faces)))
        .collect();
    std::fs::create_dir_all(&args.run)
        .with_context(|| format!("cannot make the run directory `{}`", args.run.display()))?;
    let names = dataset.label_set().names();
    let class = |label: &Option<u8>| label.map_or("all", |label| names[usize::from(label)]);
    let open = |label| RunDirectory::open(&args.run.join(class(label)));
    let directories = labels.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let stop = stop_flag()?;
    let jobs: Vec<GanJob<'_>> = labels
        .iter()
        .zip(&directories)
        .zip(&judges)
        .map(|((label, run), judge)| GanJob {
            recipe: &recipe,
            recipe_name: &args.recipe,
            photographs: &photographs,
            label: *label,
            run,
            device: &device,
            stop: &stop,
            judge: judge.as_ref().map(|judge| judge as FacesJudge<'_>),
        })
        .collect();
    // What is wrong with the last class is told before hours go into the first.
    jobs.iter().try_for_each(check_gan)?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} epochs, {eta} left")?
            .progress_chars("=> "),
    );
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut finished = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let place = format!("{} ({}/{})", class(&job.label), index + 1, labels.len());
        let outcome = train_gan(job, &mut |event| show(&bar, &place, &recipe, event))?;
        write_curves(&args, names)?;
        match outcome {
            Outcome::Interrupted => {
                bar.finish_and_clear();
                eprintln!("saved; give the same command again to go on");
                return Ok(ExitCode::from(1));
            }
            Outcome::AlreadyFinished => bar.suspend(|| eprintln!("{place}: already finished")),
            Outcome::Finished => bar.suspend(|| eprintln!("{place}: finished")),
        }
        finished.push(job.run.file(GENERATOR_FILE));
    }
    bar.finish_and_clear();
    finished.iter().for_each(|path| println!("{}", path.display()));
    let run = args.run.display();
    eprintln!("finished; generate with: duchenne gan sample {run} --count 1000 --out faces.safetensors");
    Ok(ExitCode::SUCCESS)
}

/// Writes the curves of all the run's generators so far.
fn write_curves(args: &GanTrainArgs, classes: &[&str]) -> anyhow::Result<()> {
    let mut logs = Vec::new();
    for name in classes.iter().chain(&["all"]) {
        let folder = args.run.join(name);
        let Ok(text) = std::fs::read_to_string(folder.join("log.jsonl")) else { continue };
        let records = text.lines().map(serde_json::from_str).collect::<Result<Vec<GanRecord>, _>>();
        let records = records.with_context(|| format!("the log of `{}` is damaged", folder.display()))?;
        logs.push(((*name).to_owned(), records));
    }
    let page = render_curves(&format!("{}: {}", args.recipe, args.run.display()), &logs)?;
    let path = args.run.join("curves.html");
    write_atomically(&path, |out| {
        out.write_all(page.as_bytes()).map_err(|error| AtomicError::system(&path, error))
    })?;
    Ok(())
}

/// Tells the user how a run comes along; whole epochs a line every ten seconds at most.
fn show(bar: &ProgressBar, place: &str, recipe: &GanRecipe, event: Event<'_>) {
    match event {
        Event::Started { done: (epochs, batches), batches: all } => {
            bar.reset();
            bar.set_length(recipe.training.epochs as u64);
            bar.set_position(epochs as u64);
            bar.reset_eta();
            bar.set_message(place.to_owned());
            if (epochs, batches) != (0, 0) {
                bar.suspend(|| {
                    eprintln!("{place}: going on after epoch {epochs} and {batches} of {all} batches")
                });
            }
        }
        Event::Batch { .. } => {}
        Event::Epoch { record, best } => {
            bar.set_position(record.epoch as u64);
            bar.set_message(format!("{place} {}", figures(record)));
            let last = record.epoch == recipe.training.epochs;
            if last || best || record.epoch.is_multiple_of(recipe.training.sheet_every.max(1)) {
                let mark = if best { " (best)" } else { "" };
                bar.suspend(|| eprintln!("{place}: epoch {:>4}  {}{mark}", record.epoch, figures(record)));
            }
        }
    }
}

fn figures(record: &GanRecord) -> String {
    let mut text = format!("discriminator {:.3}", record.discriminator_loss);
    let optional = [
        ("generator", record.generator_loss),
        ("real - generated", Some(record.score_difference)),
        ("penalty", record.penalty),
        ("kernel distance", record.judgement),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            text += &format!("  {name} {value:.3}");
        }
    }
    text
}

/// The generators to train: one label each, or one generator without a label.
fn labels(
    args: &GanTrainArgs,
    recipe: &GanRecipe,
    photographs: &GenerativeSplit<'_>,
) -> anyhow::Result<Vec<Option<u8>>> {
    let dataset = photographs.dataset();
    let label_set = dataset.label_set();
    let present = photographs.labels();
    if args.class == "all" {
        return Ok(if recipe.is_conditional() {
            vec![None]
        } else {
            present.into_iter().map(Some).collect()
        });
    }
    let names = || present.iter().map(|label| label_set.names()[usize::from(*label)]).collect::<Vec<_>>();
    let Some(label) = label_set.label_of(&args.class).filter(|label| present.contains(label)) else {
        let names = names().join(", ");
        bail!("data set `{}` has no photographs of class `{}`; it has {names}", dataset.name(), args.class);
    };
    if recipe.is_conditional() {
        bail!("recipe `{}` trains one generator for all classes; leave out --class", args.recipe);
    }
    Ok(vec![Some(label)])
}

/// Refuses classes too small for a batch, all of them at once and before any work.
fn check_counts(
    recipe: &GanRecipe,
    photographs: &GenerativeSplit<'_>,
    labels: &[Option<u8>],
) -> anyhow::Result<()> {
    let names = photographs.dataset().label_set().names();
    let small: Vec<String> = labels
        .iter()
        .map(|label| (label, photographs.seen(*label).len()))
        .filter(|(_, count)| *count < recipe.training.batch_size)
        .map(|(label, count)| {
            let class = label.map_or("all classes", |label| names[usize::from(label)]);
            format!("{class} has {count} photographs")
        })
        .collect();
    if !small.is_empty() {
        let batch = recipe.training.batch_size;
        bail!("{}: fewer than a batch of {batch}; lower training.batch_size", small.join(", "));
    }
    Ok(())
}

fn recipe(args: &GanTrainArgs) -> anyhow::Result<GanRecipe> {
    let text = recipe_text(&args.recipe, GanRecipe::built_in(&args.recipe), &GanRecipe::built_in_names())?;
    let settings = all_settings(&args.settings, args.epochs, args.seed);
    Ok(GanRecipe::parse(&args.recipe, &text, &settings)?)
}
