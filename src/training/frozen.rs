//! The *frozen* first layers of a network: never trained, so their maps are the same for the same picture in
//! every epoch. Where training changes no picture, each map is computed once and kept on disk.

use std::ops::Range;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::classifier::Job;
use super::error::TrainingError;
use super::recipe::Recipe;
use crate::data::atomic::AtomicError;
use crate::data::batches::{Batch, EpochBatches, ResizedFaces};
use crate::data::features::{FeatureFile, write_features};
use crate::data::preprocessing::Preprocessing;
use crate::data::{Images, Samples};
use crate::inference::scoring::trunk_maps;
use crate::models::checkpoint::Manifest;
use crate::models::network::Network;
use crate::models::weights::{assign, collect};

/// Folder of the kept maps in the run directory; gone when the run is finished.
const FOLDER: &str = "frozen";

/// Pictures per file: what a killed run loses at most.
const PER_FILE: usize = 512;

/// Maps per forward pass of what follows.
const BATCH: usize = 128;

/// The first layers, which are not trained.
pub(super) enum Frozen {
    /// All layers are trained.
    Nothing,
    /// Their maps are computed at every step by the first sections of a prepared network.
    Computed(Box<Network>, usize),
    /// Their maps are read from disk.
    Kept(KeptMaps),
}

impl Frozen {
    /// What the recipe freezes of `network`, maps computed where they can be kept; `None` when stopped before the
    /// end of that.
    pub(super) fn new(
        job: &Job<'_>,
        manifest: &Manifest,
        network: &Network,
        faces: [&ResizedFaces; 2],
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<Option<Self>, TrainingError> {
        let sections = frozen_sections(job.recipe, network)?;
        if sections == 0 {
            return Ok(Some(Frozen::Nothing));
        }
        let prepared = assign(manifest.network.init(0, job.device), collect(network))?.prepared();
        if !can_be_kept(job.recipe) {
            return Ok(Some(Frozen::Computed(Box::new(prepared), sections)));
        }
        let kept = KeptMaps::complete(job, manifest, &prepared, faces, sections, watch)?;
        Ok(kept.map(Frozen::Kept))
    }

    /// The pictures of a batch, or the kept maps in their place.
    pub(super) fn batch(&self, job: &Job<'_>, batches: &EpochBatches<'_>, index: usize) -> Batch {
        let Frozen::Kept(kept) = self else {
            return batches.batch(index);
        };
        let samples = batches.samples(index);
        let labels = samples.iter().map(|sample| job.training.label(*sample as usize)).collect();
        Batch { images: kept.training.gather(samples.iter().map(|sample| *sample as usize)), labels }
    }

    /// Logits of what [`batch`](Self::batch) gave, with gradients for the layers that are trained.
    pub(super) fn forward(
        &self,
        network: &Network,
        device: &Device,
        preprocessing: &Preprocessing,
        images: Vec<f32>,
        samples: usize,
    ) -> Tensor<2> {
        let autodiff = device.clone().autodiff();
        let shape = [samples, preprocessing.channels(), preprocessing.crop, preprocessing.crop];
        match self {
            Frozen::Nothing => network.forward(Tensor::from_data(TensorData::new(images, shape), &autodiff)),
            Frozen::Computed(frozen, sections) => {
                let images = Tensor::from_data(TensorData::new(images, shape), device);
                network.after_trunk(Tensor::from_inner(frozen.trunk(images, *sections)), *sections)
            }
            Frozen::Kept(kept) => {
                let [channels, height, width] = kept.shape;
                let maps = TensorData::new(images, [samples, channels, height, width]);
                network.after_trunk(Tensor::from_data(maps, &autodiff), kept.sections)
            }
        }
    }

    /// Logits of all PublicTest samples from their kept maps, where there are such; `network` is prepared.
    pub(super) fn validation_logits(&self, network: &Network, job: &Job<'_>) -> Option<Vec<f32>> {
        match self {
            Frozen::Kept(kept) => Some(kept.validation_logits(network, job)),
            _ => None,
        }
    }

    /// Deletes the kept maps of a finished run.
    pub(super) fn discard(job: &Job<'_>) -> Result<(), TrainingError> {
        let folder = job.run.file(FOLDER);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(AtomicError::system(&folder, error).into())
            }
            _ => Ok(()),
        }
    }
}

/// How many sections of the network the recipe freezes.
///
/// # Errors
/// When it asks for a cut that the network does not have.
fn frozen_sections(recipe: &Recipe, network: &Network) -> Result<usize, TrainingError> {
    let freeze = recipe.network.freeze;
    if freeze == 0 {
        return Ok(0);
    }
    network.sections_of(freeze).map_err(|cuts| {
        let cuts = cuts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let name = recipe.network.architecture.name();
        TrainingError::Data(format!("network.freeze is {freeze}, {name} can be frozen after {cuts} layers"))
    })
}

/// Whether every epoch shows the same pictures.
fn can_be_kept(recipe: &Recipe) -> bool {
    recipe.augmentation.changes_nothing() && recipe.training.mixup == 0.0
}

/// Kept maps of both splits.
#[derive(Debug)]
pub(super) struct KeptMaps {
    training: Maps,
    validation: Maps,
    /// Channels, height, width.
    shape: [usize; 3],
    sections: usize,
}

impl KeptMaps {
    /// Computes what is missing; `None` when stopped before the end. `network` is prepared.
    fn complete(
        job: &Job<'_>,
        manifest: &Manifest,
        network: &Network,
        [faces, validation_faces]: [&ResizedFaces; 2],
        sections: usize,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<Option<Self>, TrainingError> {
        let preprocessing = &manifest.preprocessing;
        let (channels, side) = (preprocessing.channels(), preprocessing.crop);
        let [_, channels, height, width] =
            network.trunk(Tensor::zeros([1, channels, side, side], job.device), sections).dims();
        let shape = [channels, height, width];
        let folder = job.run.file(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|source| AtomicError::system(&folder, source))?;
        let (training, validation) = (job.training, job.validation);
        let total = training.len() + validation.len();
        let stopped = || job.stop.load(std::sync::atomic::Ordering::Relaxed);
        let maps = |faces: &[&[u8]]| trunk_maps(network, preprocessing, faces, sections);
        let length = shape.iter().product();
        let of_training = |rows: Range<usize>| {
            let labels = rows.clone().map(|row| training.label(row)).collect();
            (maps(&rows.map(|row| faces.face(training, row)).collect::<Vec<_>>()), labels)
        };
        let mut seen = 0;
        let mut progress = |count: usize| {
            seen += count;
            watch(seen, total);
            stopped()
        };
        let count = training.len();
        let Some(training) = Maps::complete(&folder, "training", count, length, of_training, &mut progress)?
        else {
            return Ok(None);
        };
        let of_validation = |rows: Range<usize>| {
            let labels = rows.clone().map(|row| Samples::label(validation, row)).collect();
            (maps(&rows.map(|row| validation_faces.face(validation, row)).collect::<Vec<_>>()), labels)
        };
        let count = Images::len(validation);
        let validation = Maps::complete(&folder, "public-test", count, length, of_validation, &mut progress)?;
        Ok(validation.map(|validation| Self { training, validation, shape, sections }))
    }

    /// Logits of all PublicTest samples; `network` is prepared.
    fn validation_logits(&self, network: &Network, job: &Job<'_>) -> Vec<f32> {
        let [channels, height, width] = self.shape;
        let count = Images::len(job.validation);
        let mut values = Vec::new();
        for start in (0..count).step_by(BATCH) {
            let rows = start..(start + BATCH).min(count);
            let shape = [rows.len(), channels, height, width];
            let maps = TensorData::new(self.validation.gather(rows), shape);
            let logits = network.after_trunk(Tensor::from_data(maps, job.device), self.sections);
            values.extend(logits.into_data().iter::<f32>());
        }
        values
    }
}

/// The maps of one split, in files of [`PER_FILE`].
#[derive(Debug)]
struct Maps {
    files: Vec<FeatureFile>,
    length: usize,
}

impl Maps {
    /// Computes the files that are missing or damaged. `progress` takes the pictures that are done and says whether
    /// to stop.
    fn complete(
        folder: &Path,
        split: &str,
        count: usize,
        length: usize,
        compute: impl Fn(Range<usize>) -> (Vec<f32>, Vec<u8>),
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Self>, TrainingError> {
        let mut files = Vec::new();
        for start in (0..count).step_by(PER_FILE) {
            let rows = start..(start + PER_FILE).min(count);
            let path = folder.join(format!("{split}-{start:06}.safetensors"));
            let fits = |file: &FeatureFile| (file.len(), file.length()) == (rows.len(), length);
            let file = match FeatureFile::open(&path).ok().filter(fits) {
                Some(file) => file,
                None => {
                    let (maps, labels) = compute(rows.clone());
                    write_features(&path, &maps, &labels, None)?;
                    FeatureFile::open(&path)?
                }
            };
            files.push(file);
            if progress(rows.len()) {
                return Ok(None);
            }
        }
        Ok(Some(Self { files, length }))
    }

    fn gather(&self, rows: impl Iterator<Item = usize>) -> Vec<f32> {
        let mut values = Vec::new();
        for row in rows {
            let maps = self.files[row / PER_FILE].features();
            values.extend_from_slice(&maps[row % PER_FILE * self.length..][..self.length]);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_computed_once_and_again_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let computed = std::cell::Cell::new(0);
        let compute = |rows: Range<usize>| {
            computed.set(computed.get() + rows.len());
            (rows.clone().flat_map(|row| [row as f32, -1.0]).collect(), vec![0; rows.len()])
        };
        let count = PER_FILE + 3;
        // Stopped after the first file.
        let stopped = Maps::complete(folder.path(), "s", count, 2, compute, &mut |_| true).unwrap();
        assert!(stopped.is_none());
        assert_eq!(computed.get(), PER_FILE);
        let complete =
            || Maps::complete(folder.path(), "s", count, 2, compute, &mut |_| false).unwrap().unwrap();
        let rows = || [PER_FILE + 1, 7].into_iter();
        let expected = [(PER_FILE + 1) as f32, -1.0, 7.0, -1.0];
        assert_eq!(complete().gather(rows()), expected);
        assert_eq!(computed.get(), count);
        let second = folder.path().join(format!("s-{PER_FILE:06}.safetensors"));
        std::fs::write(&second, "damaged").unwrap();
        assert_eq!(complete().gather(rows()), expected);
        assert_eq!(computed.get(), count + 3);
    }
}
