//! The *frozen* first layers of a network: never trained, so their maps are the same for the same picture in
//! every epoch. Where training changes no picture, each map is computed once and kept on disk.

use std::borrow::Cow;
use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use crate::data::faces::batches::{Batch, EpochBatches, ResizedFaces};
use crate::data::faces::preprocessing::Preprocessing;
use crate::data::features::kept_rows::KeptRows;
use crate::data::{Images, Samples};
use crate::files::atomic::AtomicError;
use crate::inference::batched::trunk_maps;
use crate::models::checkpoint::Manifest;
use crate::models::network::Network;
use crate::models::weights::{assign, collect};
use crate::training::classifier::Job;
use crate::training::classifier::recipe::Recipe;
use crate::training::error::TrainingError;
use crate::training::run_directory::Identity;

/// Folder of the kept maps in the run directory; gone when the run is finished.
const FOLDER: &str = "frozen";

/// Maps per forward pass of what follows.
const BATCH: usize = 128;

/// The first layers, which are not trained.
pub(crate) enum Frozen {
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
    pub(crate) fn new(
        job: &Job<'_>,
        (manifest, identity): (&Manifest, &Identity),
        network: &Network,
        faces: [&ResizedFaces; 2],
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<Option<Self>, TrainingError> {
        let sections = frozen_sections(job.recipe(), network)?;
        if sections == 0 {
            return Ok(Some(Frozen::Nothing));
        }
        let prepared = assign(manifest.network.blank(job.device), collect(network))?.prepared();
        if !keeps_maps(job.recipe()) {
            return Ok(Some(Frozen::Computed(Box::new(prepared), sections)));
        }
        let kept = KeptMaps::complete(job, (manifest, identity), &prepared, faces, sections, watch)?;
        Ok(kept.map(Frozen::Kept))
    }

    /// The pictures of a batch, or the kept maps in their place.
    pub(crate) fn batch(&self, job: &Job<'_>, batches: &EpochBatches<'_>, index: usize) -> Batch {
        let Frozen::Kept(kept) = self else {
            return batches.batch(index);
        };
        let samples = batches.samples(index);
        let labels = samples.iter().map(|sample| job.training.label(*sample as usize)).collect();
        let inputs = kept.training.gather(samples.iter().map(|sample| *sample as usize));
        Batch { inputs, clean: None, labels }
    }

    /// Logits of what [`batch`](Self::batch) gave, with gradients for the layers that are trained.
    pub(crate) fn forward(
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

    /// Logits of all Validation samples from their kept maps, where there are such; `network` is prepared.
    pub(crate) fn validation_logits(&self, network: &Network, job: &Job<'_>) -> Option<Vec<f32>> {
        match self {
            Frozen::Kept(kept) => Some(kept.validation_logits(network, job)),
            _ => None,
        }
    }

    /// Deletes the kept maps of a finished run.
    pub(crate) fn discard(job: &Job<'_>) -> Result<(), TrainingError> {
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
pub fn frozen_sections(recipe: &Recipe, network: &Network) -> Result<usize, TrainingError> {
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

/// Whether there are frozen layers whose maps are kept: those of pictures that are the same in every epoch.
pub fn keeps_maps(recipe: &Recipe) -> bool {
    recipe.network.freeze > 0
        && recipe.augmentation.changes_nothing()
        && recipe.corruption.changes_nothing()
        && recipe.training.mixup == 0.0
}

/// Kept maps of both splits.
#[derive(Debug)]
pub(crate) struct KeptMaps {
    training: KeptRows,
    validation: KeptRows,
    /// Channels, height, width.
    shape: [usize; 3],
    sections: usize,
}

impl KeptMaps {
    /// Computes what is missing; `None` when stopped before the end. `network` is prepared.
    fn complete(
        job: &Job<'_>,
        (manifest, identity): (&Manifest, &Identity),
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
        // A run that was stopped this early has no state by which another one would be known.
        let folder = job.run.file(FOLDER).join(identity.short_hash());
        std::fs::create_dir_all(&folder).map_err(|source| AtomicError::system(&folder, source))?;
        let (training, validation) = (job.training, job.validation);
        let total = training.len() + validation.len();
        let stopped = || job.stop.load(std::sync::atomic::Ordering::Relaxed);
        let maps = |faces: Vec<Cow<'_, [u8]>>| {
            let faces: Vec<&[u8]> = faces.iter().map(|face| &**face).collect();
            trunk_maps(network, preprocessing, &faces, sections)
        };
        let length = shape.iter().product();
        let mut seen = 0;
        let mut progress = |count: usize| {
            seen += count;
            watch(seen, total);
            stopped()
        };
        let labels: Vec<u8> = (0..training.len()).map(|row| training.label(row)).collect();
        let of_training = |rows: Range<usize>| maps(rows.map(|row| faces.face(training, row)).collect());
        let kept = KeptRows::complete(&folder, "training", &labels, length, of_training, &mut progress)?;
        let Some(training) = kept else {
            return Ok(None);
        };
        let labels: Vec<u8> = (0..validation.len()).map(|row| validation.label(row)).collect();
        let of_validation =
            |rows: Range<usize>| maps(rows.map(|row| validation_faces.face(validation, row)).collect());
        let validation =
            KeptRows::complete(&folder, "validation", &labels, length, of_validation, &mut progress)?;
        Ok(validation.map(|validation| Self { training, validation, shape, sections }))
    }

    /// Logits of all Validation samples; `network` is prepared.
    fn validation_logits(&self, network: &Network, job: &Job<'_>) -> Vec<f32> {
        let [channels, height, width] = self.shape;
        let count = job.validation.len();
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
