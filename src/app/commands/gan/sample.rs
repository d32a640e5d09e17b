//! `duchenne gan sample`: a synthetic packed data set from the generators of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

use super::generator_files;
use crate::app::devices::device;
use crate::data::atomic::check_writable;
use crate::data::checksum::checksum_of_file;
use crate::data::export::{check_empty, export};
use crate::data::{Origin, PackedBuilder, PackedDataset, Split};
use crate::inference::synthesis::{FACE_SIDE, Synthesizer};

/// Faces between two movements of the progress bar.
const CHUNK: usize = 256;

/// Arguments of `duchenne gan sample`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The same generators, seed and count give the same file, byte for byte.\n\n\
    Example:\n  duchenne gan sample runs/dcgan --count 1000 --seed 1 --out dcgan-faces.safetensors")]
pub struct SampleArgs {
    /// Run directory of `duchenne gan train`, or the folder of one generator in it
    run: PathBuf,
    /// Faces per class
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Decides the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The packed data set to write, 48x48, marked synthetic
    #[arg(long)]
    out: PathBuf,
    /// Write the faces as PNG into this new folder, too
    #[arg(long, value_name = "DIR")]
    png: Option<PathBuf>,
    /// cpu, or a GPU backend that this build has: vulkan, metal, webgpu, cuda
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs the command.
pub fn run(args: SampleArgs) -> anyhow::Result<ExitCode> {
    let generators = load(&args)?;
    check_writable(&args.out)?;
    if let Some(folder) = &args.png {
        check_empty(folder)?;
    }
    let label_set = generators[0].1.manifest().label_set;
    let classes: usize = generators.iter().map(|(_, generator)| generator.manifest().labels.len()).sum();
    let bar = ProgressBar::new((classes * args.count as usize) as u64).with_style(
        ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} faces, {per_sec}, {eta} left")?
            .progress_chars("=> "),
    );
    let mut builder = PackedBuilder::new(name(&generators[0].1), label_set, FACE_SIDE, FACE_SIDE);
    for (_, generator) in &generators {
        for label in &generator.manifest().labels {
            bar.set_message(label_set.names()[usize::from(*label)]);
            for from in (0..args.count as usize).step_by(CHUNK) {
                let range = from..(from + CHUNK).min(args.count as usize);
                let done = range.len() as u64;
                for face in generator.faces(*label, range, args.seed, FACE_SIDE) {
                    builder.push(face.as_raw(), *label, Split::Training, Origin::Synthetic)?;
                }
                bar.inc(done);
            }
        }
    }
    bar.finish_and_clear();
    builder.set_provenance(provenance(&generators, &args));
    let checksums: Vec<&str> = generators.iter().map(|(checksum, _)| checksum.as_str()).collect();
    builder.write(&args.out, &checksums.join(" "))?;
    eprintln!("{}: {} synthetic faces of {classes} classes", args.out.display(), builder.len());
    if let Some(folder) = &args.png {
        export(&PackedDataset::open(&args.out)?, folder, &crate::data::no_progress)?;
        eprintln!("{}: the same as PNG", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The run's generators with the checksums of their files.
fn load(args: &SampleArgs) -> anyhow::Result<Vec<(String, Synthesizer)>> {
    let device = device(&args.device)?;
    let mut generators = Vec::new();
    let mut seen: BTreeMap<u8, PathBuf> = BTreeMap::new();
    for path in generator_files(&args.run)? {
        let generator = Synthesizer::load(&path, &device)?;
        for label in &generator.manifest().labels {
            if let Some(other) = seen.insert(*label, path.clone()) {
                let class = generator.manifest().label_set.names()[usize::from(*label)];
                bail!("`{}` and `{}` both generate {class}; name one", other.display(), path.display());
            }
        }
        generators.push((checksum_of_file(&path)?, generator));
    }
    let sets: BTreeSet<&str> = generators.iter().map(|(_, one)| one.manifest().label_set.key()).collect();
    if sets.len() > 1 {
        bail!("`{}` holds generators of several label sets; name the folder of one", args.run.display());
    }
    generators.sort_by_key(|(_, generator)| generator.manifest().labels.first().copied());
    Ok(generators)
}

fn name(generator: &Synthesizer) -> String {
    let provenance = &generator.manifest().provenance;
    let recipe = provenance.get("recipe").map_or("generator", String::as_str);
    let recipe = Path::new(recipe).file_stem().and_then(|stem| stem.to_str()).unwrap_or("generator");
    format!("synthetic-{recipe}")
}

/// What is common to all generators, what differs joined, and how they were used.
fn provenance(generators: &[(String, Synthesizer)], args: &SampleArgs) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in generators.iter().flat_map(|(_, generator)| &generator.manifest().provenance) {
        let known = values.entry(key.clone()).or_default();
        if !known.contains(value) {
            known.push(value.clone());
        }
    }
    let own = [("sample-seed", args.seed.to_string()), ("sample-count-per-class", args.count.to_string())];
    values
        .into_iter()
        .map(|(key, values)| (key, values.join(", ")))
        .chain(own.map(|(key, value)| (key.to_owned(), value)))
        .collect()
}
