//! `duchenne gan grid`: the paper's Figure 1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use burn::tensor::Device;
use image::{GrayImage, Luma};

use super::generator_files;
use crate::app::devices::device;
use crate::data::atomic::check_writable;
use crate::inference::contact_sheet::{ContactSheet, write_sheet};
use crate::inference::synthesis::Synthesizer;

/// Arguments of `duchenne gan grid`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  duchenne gan grid runs/dcgan runs/wgan-gp runs/cgan --out figure1.png")]
pub struct GridArgs {
    /// Run directories of `duchenne gan train`, one row each
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The picture to write
    #[arg(long)]
    out: PathBuf,
    /// Decides the faces shown
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: GridArgs) -> anyhow::Result<ExitCode> {
    check_writable(&args.out)?;
    let device = device("cpu")?;
    let rows = args
        .runs
        .iter()
        .map(|run| Ok((run.as_path(), first_faces(run, args.seed, &device)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut columns: Vec<&str> = rows.iter().flat_map(|(_, faces)| faces.keys().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    let blank = GrayImage::from_pixel(8, 8, Luma([255]));
    let rows = rows.iter().map(|(run, faces)| {
        let cells = columns.iter().map(|class| faces.get(class).unwrap_or(&blank).clone());
        (name(run), cells.collect())
    });
    let sheet =
        ContactSheet { rows: rows.collect(), columns: columns.iter().map(|c| (*c).to_owned()).collect() };
    write_sheet(&sheet.draw(), &args.out)?;
    eprintln!("wrote {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

/// A run's name: that of its folder.
fn name(run: &Path) -> String {
    run.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// One face of each class that a run's generators know, by name.
fn first_faces(run: &Path, seed: u64, device: &Device) -> anyhow::Result<BTreeMap<&'static str, GrayImage>> {
    let mut faces = BTreeMap::new();
    for path in generator_files(run)? {
        let generator = Synthesizer::load(&path, device)
            .with_context(|| format!("run `{}` cannot be used", run.display()))?;
        let manifest = generator.manifest();
        for label in &manifest.labels {
            let mut face = generator.faces(*label, 0..1, seed, manifest.network.side);
            faces.insert(manifest.label_set.names()[usize::from(*label)], face.remove(0));
        }
    }
    Ok(faces)
}
