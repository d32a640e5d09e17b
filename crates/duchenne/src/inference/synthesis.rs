//! *Synthesis*: faces from a trained generator.

use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use image::GrayImage;
use image::imageops::{FilterType, resize};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use crate::data::faces::batches::mix_seed;
use crate::models::gan::{Generator, GeneratorCheckpoint, GeneratorManifest};
use crate::models::stored::StoredError;

/// Faces per forward pass.
const BATCH: usize = 64;

/// A trained generator.
#[derive(Debug)]
pub struct Synthesizer {
    manifest: GeneratorManifest,
    generator: Generator,
}

impl Synthesizer {
    /// Of a generator without autodiff.
    pub fn new(manifest: GeneratorManifest, generator: Generator) -> Self {
        Self { manifest, generator }
    }

    /// A generator's file, on a device without autodiff.
    ///
    /// # Errors
    /// When the file cannot be read or is not a generator.
    pub fn load(path: &Path, device: &Device) -> Result<Self, StoredError> {
        let (manifest, generator) = GeneratorCheckpoint::read(path)?.into_generator(device, path)?;
        Ok(Self { manifest, generator })
    }

    /// All about the generator but its weights.
    pub fn manifest(&self) -> &GeneratorManifest {
        &self.manifest
    }

    /// Faces of a class by their numbers, `side` pixels wide. Seed, class and number decide a face, however
    /// many are asked for.
    ///
    /// # Panics
    /// If the generator does not know the label.
    pub fn faces(&self, label: u8, numbers: Range<usize>, seed: u64, side: usize) -> Vec<GrayImage> {
        let mut faces = Vec::with_capacity(numbers.len());
        // Inside Rayon's pool, so that the small operations need not wake it each time.
        rayon::scope(|_| {
            for begin in numbers.clone().step_by(BATCH) {
                faces.extend(self.batch(label, begin..numbers.end.min(begin + BATCH), seed, side));
            }
        });
        faces
    }

    fn batch(&self, label: u8, range: Range<usize>, seed: u64, side: usize) -> Vec<GrayImage> {
        assert!(self.manifest.labels.contains(&label), "the generator does not know label {label}");
        let device = self.generator.devices().into_iter().next().unwrap_or_default();
        let network = self.manifest.network;
        let count = range.len();
        let noise: Vec<f32> = range
            .flat_map(|face| {
                let seed = mix_seed(&[seed, u64::from(label), face as u64]);
                normal(network.latent, &mut ChaCha8Rng::seed_from_u64(seed))
            })
            .collect();
        let noise = Tensor::from_data(TensorData::new(noise, [count, network.latent]), &device);
        let condition =
            (network.classes > 0).then(|| one_hot(&vec![label; count], network.classes, 1.0, &device));
        let images = self.generator.forward(noise, condition).into_data();
        let values: Vec<f32> = images.iter::<f32>().collect();
        values
            .chunks_exact(network.side * network.side)
            .map(|face| to_face(face, network.side, side))
            .collect()
    }
}

/// Standard normal noise `[count, length]`.
pub fn latents(count: usize, length: usize, random: &mut impl Rng, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(normal(count * length, random), [count, length]), device)
}

fn normal(count: usize, random: &mut impl Rng) -> Vec<f32> {
    (0..count).map(|_| StandardNormal.sample(random)).collect()
}

/// `[labels, classes]`, `share` at each label's class and 0 elsewhere.
pub fn one_hot(labels: &[u8], classes: usize, share: f32, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0; labels.len() * classes];
    for (row, label) in labels.iter().enumerate() {
        values[row * classes + usize::from(*label)] = share;
    }
    Tensor::from_data(TensorData::new(values, [labels.len(), classes]), device)
}

/// Gray values as the networks know them, -1 black to 1 white.
pub fn to_network(face: &GrayImage) -> Vec<f32> {
    face.as_raw().iter().map(|value| f32::from(*value) / 127.5 - 1.0).collect()
}

/// Network values as a face of `side` pixels.
fn to_face(values: &[f32], network_side: usize, side: usize) -> GrayImage {
    let pixels = values.iter().map(|value| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8).collect();
    let size = network_side as u32;
    let face = GrayImage::from_raw(size, size, pixels).expect("a generator's images are square");
    if network_side == side { face } else { resize(&face, side as u32, side as u32, FilterType::Triangle) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::LabelSet;
    use crate::models::gan::GeneratorConfig;

    #[test]
    fn faces_do_not_depend_on_how_many_are_asked_for() {
        let network = GeneratorConfig { side: 64, latent: 8, width: 4, classes: 7 };
        let manifest = GeneratorManifest::new(network, LabelSet::CkPlus, vec![1, 4]);
        let synthesizer = Synthesizer::new(manifest, network.init(5, &Device::flex()));
        let many = synthesizer.faces(4, 0..70, 9, 48);
        assert_eq!(many.len(), 70);
        assert!(many.iter().all(|face| face.dimensions() == (48, 48)));
        assert_eq!(synthesizer.faces(4, 0..70, 9, 48), many);
        assert_ne!(synthesizer.faces(4, 0..1, 10, 48)[0], many[0]);
        assert_ne!(many[0], many[1]);
        assert_eq!(synthesizer.faces(4, 66..70, 9, 48), many[66..]);
    }

    #[test]
    fn gray_values_survive_the_network_range() {
        let face = GrayImage::from_fn(16, 16, |x, y| image::Luma([(x + 16 * y) as u8]));
        assert_eq!(to_face(&to_network(&face), 16, 16), face);
    }
}
