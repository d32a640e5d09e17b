//! `duchenne gan grid`: the paper's Figure 1.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::arguments::DeviceArgs;
use crate::terminal::{Terminal, say};
use duchenne::experiments::generators::samples::draw_grid;
use duchenne::files::atomic::check_writable;

/// Arguments of `duchenne gan grid`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  duchenne gan grid runs/dcgan runs/wgan-gp runs/cgan --out figure1.png")]
pub(super) struct GridArgs {
    /// Run directories of `duchenne gan train`, one row each
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The picture to write
    #[arg(long)]
    out: PathBuf,
    /// Seed of the latent noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(super) fn run(args: GridArgs) -> anyhow::Result<Outcome> {
    check_writable(&args.out)?;
    let runs: Vec<(String, PathBuf)> = args.runs.into_iter().map(|run| (name(&run), run)).collect();
    draw_grid(&runs, args.seed, &args.device.device, &args.out, &Terminal)?;
    say(format_args!("wrote {}", args.out.display()));
    Ok(Outcome::Done)
}

/// A run's name: that of its folder.
fn name(run: &Path) -> String {
    run.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned())
}
