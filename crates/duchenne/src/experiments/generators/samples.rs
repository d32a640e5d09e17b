//! Faces from the generators of a run, as a synthetic packed data set or one row of a figure: what the `gan`
//! commands and `reproduce` share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, refuse};
use image::{GrayImage, Luma};

use crate::Device;
use crate::data::packed::provenance::SyntheticProvenance;
use crate::data::{FACE_SIDE, Origin, PackedBuilder, Split};
use crate::experiments::watch::{Note, Unit, Watch, Work};
use crate::files::checksum::checksum_of_file;
use crate::inference::drawing::contact_sheet::{ContactSheet, write_sheet};
use crate::inference::synthesis::Synthesizer;
use crate::training::gan::trainer::GENERATOR_FILE;

/// Faces between two reports of progress.
const CHUNK: usize = 256;

/// The generators of one run, with the checksums of their files.
#[derive(Debug)]
pub struct Generators {
    members: Vec<(String, Synthesizer)>,
}

impl Generators {
    /// Loads the run's generators: at least one, of one label set, no class twice.
    ///
    /// # Errors
    /// When there is none, one cannot be used, or they do not go together.
    pub fn load(run: &Path, device: &Device, watch: &dyn Watch) -> crate::Result<Self> {
        let mut members = Vec::new();
        let mut seen: BTreeMap<u8, PathBuf> = BTreeMap::new();
        for path in generator_files(run, watch)? {
            let generator = Synthesizer::load(&path, device)?;
            for label in &generator.manifest().labels {
                if let Some(other) = seen.insert(*label, path.clone()) {
                    let class = generator.manifest().label_set.names()[usize::from(*label)];
                    refuse!("`{}` and `{}` both generate {class}; name one", other.display(), path.display());
                }
            }
            members.push((checksum_of_file(&path)?, generator));
        }
        let set = |(_, one): &(String, Synthesizer)| one.manifest().label_set;
        if members.iter().any(|member| set(member) != set(&members[0])) {
            refuse!("`{}` holds generators of several label sets; name the folder of one", run.display());
        }
        members.sort_by_key(|(_, generator)| generator.manifest().labels.first().copied());
        Ok(Self { members })
    }

    /// Writes `count` faces of every class as a packed data set marked synthetic.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sample(&self, count: u32, seed: u64, out: &Path, watch: &dyn Watch) -> crate::Result<()> {
        let label_set = self.members[0].1.manifest().label_set;
        let classes: usize =
            self.members.iter().map(|(_, generator)| generator.manifest().labels.len()).sum();
        let total = (classes * count as usize) as u64;
        // Before the work: generators that do not belong together are refused.
        let generators = self.members.iter().map(|(_, generator)| generator.manifest().provenance.clone());
        let provenance = SyntheticProvenance::new(generators.collect(), seed, count)?;
        let mut builder = PackedBuilder::new(name(&self.members[0].1), label_set, FACE_SIDE, FACE_SIDE);
        for (_, generator) in &self.members {
            for label in &generator.manifest().labels {
                let work = Work { what: label_set.names()[usize::from(*label)], unit: Unit::Faces };
                for from in (0..count as usize).step_by(CHUNK) {
                    let range = from..(from + CHUNK).min(count as usize);
                    for face in generator.faces(*label, range, seed, FACE_SIDE) {
                        builder.push(face.as_raw(), *label, Split::Training, Origin::Synthetic)?;
                    }
                    watch.progress(work, builder.len() as u64, total);
                }
            }
        }
        builder.set_provenance(provenance);
        let checksums: Vec<&str> = self.members.iter().map(|(checksum, _)| checksum.as_str()).collect();
        let faces = builder.len();
        builder.write(out, &checksums.join(" "))?;
        watch.note(&Note::FacesWritten { path: out, faces, classes });
        Ok(())
    }

    /// One face of each class, by name.
    fn first_faces(&self, seed: u64) -> BTreeMap<&'static str, GrayImage> {
        let mut faces = BTreeMap::new();
        for (_, generator) in &self.members {
            let manifest = generator.manifest();
            for label in &manifest.labels {
                let mut face = generator.faces(*label, 0..1, seed, manifest.network.side);
                faces.insert(manifest.label_set.names()[usize::from(*label)], face.remove(0));
            }
        }
        faces
    }
}

/// Draws the paper's Figure 1: a row for each run under its name, a column for each expression.
///
/// # Errors
/// When a run has no generators or the picture cannot be written.
pub fn draw_grid(
    runs: &[(String, PathBuf)],
    seed: u64,
    device: &Device,
    out: &Path,
    watch: &dyn Watch,
) -> crate::Result<()> {
    let row = |(name, run): &(String, PathBuf)| {
        let generators = Generators::load(run, device, watch)
            .with_context(|| format!("run `{}` cannot be used", run.display()))?;
        Ok((name.clone(), generators.first_faces(seed)))
    };
    let rows = runs.iter().map(row).collect::<crate::Result<Vec<_>>>()?;
    let mut columns: Vec<&str> = rows.iter().flat_map(|(_, faces)| faces.keys().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    let blank = GrayImage::from_pixel(8, 8, Luma([255]));
    let rows = rows.into_iter().map(|(name, faces)| {
        let cells = columns.iter().map(|class| faces.get(class).unwrap_or(&blank).clone());
        (name, cells.collect())
    });
    let sheet =
        ContactSheet { rows: rows.collect(), columns: columns.iter().map(|c| (*c).to_owned()).collect() };
    write_sheet(&sheet.draw(), out)?;
    Ok(())
}

/// The generators' files of a run, by the names of their folders: the run itself, or the folders in it.
fn generator_files(run: &Path, watch: &dyn Watch) -> crate::Result<Vec<PathBuf>> {
    let own = run.join(GENERATOR_FILE);
    if own.is_file() {
        return Ok(vec![own]);
    }
    let entries = std::fs::read_dir(run).with_context(|| format!("cannot read run `{}`", run.display()))?;
    let begun = entries.flatten().map(|entry| entry.path()).filter(|path| path.join("recipe.toml").is_file());
    let (finished, unfinished): (Vec<PathBuf>, Vec<PathBuf>) =
        begun.partition(|path| path.join(GENERATOR_FILE).is_file());
    for folder in unfinished {
        watch.note(&Note::Unfinished(&folder));
    }
    let mut files: Vec<PathBuf> = finished.into_iter().map(|folder| folder.join(GENERATOR_FILE)).collect();
    files.sort();
    if files.is_empty() {
        refuse!(
            "`{}` holds no finished generator ({GENERATOR_FILE}); train one with `duchenne gan train`",
            run.display()
        );
    }
    Ok(files)
}

fn name(generator: &Synthesizer) -> String {
    let recipe = generator.manifest().provenance.recipe.as_deref().unwrap_or("generator");
    let recipe = Path::new(recipe).file_stem().and_then(|stem| stem.to_str()).unwrap_or("generator");
    format!("synthetic-{recipe}")
}
