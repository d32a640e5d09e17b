//! `duchenne gan sample`: a synthetic packed data set from the generators of a run.

use std::path::PathBuf;

use crate::Outcome;
use crate::arguments::DeviceArgs;
use crate::terminal::{Terminal, say};
use duchenne::data::PackedDataset;
use duchenne::data::packed::export::{check_empty, export};
use duchenne::experiments::generators::samples::Generators;
use duchenne::files::atomic::check_writable;

/// Arguments of `duchenne gan sample`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The same generators, seed and count give the same file, byte for byte.\n\n\
    Example:\n  duchenne gan sample runs/dcgan --count 1000 --seed 1 --out dcgan-faces.safetensors")]
pub(super) struct SampleArgs {
    /// Run directory of `duchenne gan train`, or the folder of one generator in it
    run: PathBuf,
    /// Faces per class
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Seed of the latent noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The packed data set to write, 48x48, marked synthetic
    #[arg(long)]
    out: PathBuf,
    /// Also write the faces as PNG files into this new folder
    #[arg(long, value_name = "DIR")]
    png: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
pub(super) fn run(args: SampleArgs) -> anyhow::Result<Outcome> {
    let generators = Generators::load(&args.run, &args.device.device, &Terminal)?;
    check_writable(&args.out)?;
    if let Some(folder) = &args.png {
        check_empty(folder)?;
    }
    generators.sample(args.count, args.seed, &args.out, &Terminal)?;
    if let Some(folder) = &args.png {
        export(&PackedDataset::open(&args.out)?, folder, &duchenne::data::no_progress)?;
        say(format_args!("{}: the same as PNG", folder.display()));
    }
    Ok(Outcome::Done)
}
