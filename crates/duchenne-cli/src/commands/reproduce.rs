//! `duchenne reproduce`: the whole paper in one command.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::Outcome;
use crate::arguments::{DeviceArgs, NeutralChoice};
use crate::interrupt::stop_flag;
use crate::terminal::{Terminal, counted, print, print_line, say};
use duchenne::Device;
use duchenne::data::packed::synthetic::NeutralPolicy;
use duchenne::evaluation::reproduction::{duration, render_table};
use duchenne::experiments::reproduction::estimate::{Cost, Stopwatch};
use duchenne::experiments::reproduction::graph::{Graph, Request, STAGES};
use duchenne::experiments::reproduction::scale::Scale;
use duchenne::experiments::reproduction::store::files_below;
use duchenne::experiments::reproduction::{Plan, StageState, relative, run_stages, write_results};
use duchenne::experiments::session::Session;
use duchenne::files::lock::FolderLock;

/// Arguments of `duchenne reproduce`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Scales: quick shows in 20 minutes on two cores that every stage works, and its figures are not meaningful; \
    standard compares with recipes that train well, in half a day; paper has the paper's epochs, batch sizes and \
    learning rates exactly.\n\nExamples:\n  \
    duchenne reproduce --fer2013 fer2013.csv --ckplus CK+48.zip --out reproduction --scale quick\n  \
    duchenne reproduce --fer2013 fer2013.csv --ckplus CK+48.zip --out reproduction --scale standard --plan\n\n\
    Run the same command again to resume after an interruption; finished stages are cached by the inputs they were made \
    from, and only what is missing, damaged or changed is done."
)]
pub(crate) struct ReproduceArgs {
    /// FER-2013: its csv, an archive or folder of it (see `data import fer2013`), or a packed set
    #[arg(long, value_name = "SOURCE")]
    fer2013: PathBuf,
    /// CK+: the zip archive or folder (see `data import ckplus`), or a packed set
    #[arg(long, value_name = "SOURCE")]
    ckplus: PathBuf,
    /// FER+'s votes (fer2013new.csv)
    #[arg(long, value_name = "CSV")]
    ferplus: Option<PathBuf>,
    /// Folder for all stages and the report
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How much work: quick, standard, paper, or a TOML file like recipes/reproduce/quick.toml
    #[arg(long, default_value = "quick")]
    scale: String,
    /// Only these rows of the table, by short name (vgg16, resnet50+dcgan, ...), separated by commas; the report has
    /// no others, but a later call with more of them does only what these did not
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Runs of every classifier
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Folder with ImageNet's weights of VGG-13, VGG-16 and VGG-19 as torchvision names them; without it the
    /// deep features come from networks trained from scratch, and the table says so
    #[arg(long, value_name = "DIR")]
    imagenet: Option<PathBuf>,
    /// CK+ has contempt where FER-2013 has neutral: neutral faces from generators trained on FER-2013 (real), none,
    /// or contempt as neutral
    #[arg(long, value_enum, default_value = "real")]
    neutral: NeutralChoice,
    /// Print the stages with the time and disk they will take, measured on this machine, and run none; the report
    /// will set what they took beside it
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(crate) fn run(args: ReproduceArgs) -> anyhow::Result<Outcome> {
    let device = args.device.device;
    let mut scale = Scale::read(&args.scale, &[])?;
    scale.choose(&args.rows)?;
    let scale_name = args.scale.clone();
    let neutral: NeutralPolicy = args.neutral.into();
    let request = Request {
        fer2013: args.fer2013,
        ferplus: args.ferplus,
        ckplus: args.ckplus,
        imagenet: args.imagenet,
        out: args.out,
        seeds: args.seeds,
        neutral,
    };
    let graph = Graph::new(&request, &scale)?;
    std::fs::create_dir_all(&request.out)
        .with_context(|| format!("cannot make `{}`", request.out.display()))?;
    if args.plan {
        return plan(&request, &graph, &device);
    }
    let _lock = FolderLock::take(&request.out)?;
    let stop = stop_flag()?;
    let write = |states: &_| write_results(&request, (&scale_name, &scale), &graph, states);
    let scored = |states: &_| write(states).map(drop);
    let Some(states) =
        run_stages(&graph, Session { device: &device, stop: &stop, watch: &Terminal }, &scored)?
    else {
        say("stopped; run the same command again to resume");
        return Ok(Outcome::Incomplete);
    };
    let report = write(&states)?;
    print(render_table(&report))?;
    say(format_args!("wrote {}", request.out.join("report.html").display()));
    let failed = states.values().filter(|state| matches!(state, StageState::Failed(_))).count();
    if failed > 0 {
        say(format_args!("{} failed or skipped; see the report", counted(failed, "stage")));
        return Ok(Outcome::Incomplete);
    }
    Ok(Outcome::Done)
}

/// How many folders in the place of the stages are none of them, and their bytes, as far as they can be read.
fn others(out: &Path, graph: &Graph) -> (usize, u64) {
    let folders: Vec<PathBuf> = std::fs::read_dir(out.join(STAGES))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && graph.stages.iter().all(|stage| stage.folder.path() != path))
        .collect();
    let files = folders.iter().flat_map(|folder| files_below(folder).unwrap_or_default());
    let bytes = files.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum();
    (folders.len(), bytes)
}

/// Prints what every stage will take.
fn plan(request: &Request, graph: &Graph, device: &Device) -> anyhow::Result<Outcome> {
    say("timing a few steps of every network and generator on this machine ...");
    let mut stopwatch = Stopwatch::new(device);
    let mut kept = Plan::default();
    let mut total = Cost::default();
    let width = graph.stages.iter().map(|stage| stage.name.len()).max().unwrap_or(0);
    print_line(format_args!("{:width$}  {:>15}  {:>8}  state", "stage", "time", "disk"))?;
    for stage in &graph.stages {
        let done = stage.folder.done();
        let state = match &done {
            Ok(Some(_)) => "done".to_owned(),
            Ok(None) if stage.folder.is_begun() => "started; will resume".to_owned(),
            Ok(None) => "to do".to_owned(),
            Err(damage) => format!("to do again: {damage:#}"),
        };
        let cost = stopwatch.cost(graph, stage)?;
        let time = cost.map_or("minutes at most".to_owned(), |cost| duration(cost.seconds));
        let disk = cost.map_or(String::new(), |cost| format!("{:.0} MB", cost.bytes / 1e6));
        print_line(format_args!("{:width$}  {time:>15}  {disk:>8}  {state}", stage.name))?;
        if let Some(cost) = cost {
            kept.seconds.insert(relative(stage.folder.path(), &request.out), cost.seconds);
            if !matches!(done, Ok(Some(_))) {
                total.seconds += cost.seconds;
                total.bytes += cost.bytes;
            }
        }
    }
    print_line(format_args!("\nto do: {} and {:.1} GB", duration(total.seconds), total.bytes / 1e9))?;
    kept.write(&request.out)?;
    let (folders, bytes) = others(&request.out, graph);
    if folders > 0 {
        print_line(format_args!(
            "{} below {} ({:.1} GB) not of these stages: from other rows, scales, seeds or inputs, or another version \
             of this program",
            counted(folders, "folder"),
            request.out.join(STAGES).display(),
            bytes as f64 / 1e9
        ))?;
    }
    Ok(Outcome::Done)
}
