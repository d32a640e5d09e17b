//! *Batches*: where pixels become the numbers of one training step. Order and augmentation depend on
//! the seed, the epoch and the image alone, so a run can resume from any batch.

use std::borrow::Cow;

use image::GrayImage;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

use crate::data::faces::augmentation::Augmentation;
use crate::data::faces::pixels::{PackedFace, each_channel};
use crate::data::faces::preprocessing::Preprocessing;
use crate::data::faces::random_corruption::RandomCorruption;
use crate::data::packed::split::{Images, TrainingSplit};

/// Network inputs and labels of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// What the network takes, row-major: `[n, channels, crop, crop]`, or the maps of its frozen layers.
    pub inputs: Vec<f32>,
    /// The same pictures without the corruption of their pixels, where there is one: what a teacher sees.
    pub clean: Option<Vec<f32>>,
    /// Indices into the label set, `[n]`.
    pub labels: Vec<u8>,
}

/// One well-mixed seed out of several numbers (SplitMix64's finaliser, Steele et al. 2014).
pub fn mix_seed(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9E37_79B9_7F4A_7C15, |state, part| {
        let mut mixed = (state ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

/// The samples `0..len` in an order drawn from `seed`, cut into batches. The last batch is left out when it
/// would be smaller than half a batch and is not the only one: its batch statistics would be noise.
pub fn epoch_batches(len: usize, batch_size: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..len as u32).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut batches: Vec<Vec<u32>> = order.chunks(batch_size).map(<[u32]>::to_vec).collect();
    if batches.len() > 1 && batches.last().is_some_and(|last| last.len() * 2 < batch_size) {
        batches.pop();
    }
    batches
}

/// The batches of one training epoch, each image once, in an order drawn from the seed.
#[derive(Debug)]
pub struct EpochBatches<'a> {
    split: &'a TrainingSplit<'a>,
    faces: &'a ResizedFaces,
    augmentation: Augmentation,
    corruption: RandomCorruption,
    preprocessing: &'a Preprocessing,
    batches: Vec<Vec<u32>>,
    seed: u64,
}

impl<'a> EpochBatches<'a> {
    /// The batches of epoch `epoch`, from 0, of a run with `seed`; [`epoch_batches`] cuts it.
    pub fn new(
        split: &'a TrainingSplit<'a>,
        faces: &'a ResizedFaces,
        preprocessing: &'a Preprocessing,
        augmentation: Augmentation,
        batch_size: usize,
        [seed, epoch]: [u64; 2],
    ) -> Self {
        let seed = mix_seed(&[seed, epoch]);
        let batches = epoch_batches(split.len(), batch_size, seed);
        let corruption = RandomCorruption::default();
        Self { split, faces, augmentation, corruption, preprocessing, batches, seed }
    }

    /// Corrupts the augmented pictures.
    #[must_use]
    pub fn corrupted(self, corruption: RandomCorruption) -> Self {
        Self { corruption, ..self }
    }

    /// Keeps at most the first `most` batches.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Self {
        self.batches.truncate(most);
        self
    }

    /// The number of batches.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether there are no batches.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The samples of the `index`-th batch.
    pub fn samples(&self, index: usize) -> &[u32] {
        &self.batches[index]
    }

    /// The `index`-th batch.
    pub fn batch(&self, index: usize) -> Batch {
        let chosen = &self.batches[index];
        let length = self.preprocessing.input_len();
        let mut inputs = vec![0.0; chosen.len() * length];
        let labels = chosen.iter().map(|sample| self.split.label(*sample as usize)).collect();
        let drawn = |sample: u32| {
            let random = ChaCha8Rng::seed_from_u64(mix_seed(&[self.seed, u64::from(sample)]));
            (random, self.faces.face(self.split, sample as usize))
        };
        if self.corruption.changes_nothing() {
            inputs.par_chunks_exact_mut(length).zip(chosen).for_each(|(out, sample)| {
                let (mut random, pixels) = drawn(*sample);
                self.augmentation.write(self.preprocessing, &pixels, &mut random, out);
            });
            return Batch { inputs, clean: None, labels };
        }
        let mut clean = vec![0.0; chosen.len() * length];
        let outs = inputs.par_chunks_exact_mut(length).zip(clean.par_chunks_exact_mut(length));
        outs.zip(chosen).for_each(|((out, clean), sample)| {
            let (mut random, pixels) = drawn(*sample);
            self.write_corrupted(&pixels, &mut random, out, clean);
        });
        Batch { inputs, clean: Some(clean), labels }
    }

    fn write_corrupted(&self, pixels: &[u8], random: &mut ChaCha8Rng, out: &mut [f32], clean: &mut [f32]) {
        let (side, depth) = (self.preprocessing.crop, self.preprocessing.depth());
        let shape = [side, side, depth];
        let value = self.augmentation.changed(self.preprocessing, pixels, random);
        let face: Vec<u8> =
            (0..side * side * depth).map(|place| value(place / depth, place % depth).round() as u8).collect();
        // Every channel by the same random numbers.
        let mut alike = |face: &[u8], change: &dyn Fn(GrayImage, &mut ChaCha8Rng) -> GrayImage| {
            let before = random.clone();
            each_channel(face, shape, |plane| {
                *random = before.clone();
                change(plane, random)
            })
        };
        let moved = alike(&face, &|plane, random| self.corruption.moved(plane, random));
        let corrupted = alike(&moved, &|plane, random| self.corruption.corrupted(plane, random));
        for (face, out) in [(&moved, clean), (&corrupted, out)] {
            self.preprocessing.write_scaled(|index, channel| f32::from(face[index * depth + channel]), out);
        }
    }
}

/// Resized faces are kept up to so many bytes; beyond, each is resized anew when it is asked for.
const MOST_KEPT: usize = 1 << 30;

/// The faces of a split at the size that preprocessing asks for: the mapped file itself where the
/// sizes agree, otherwise resized, once where they can be kept.
#[derive(Debug, Clone)]
pub struct ResizedFaces {
    preprocessing: Preprocessing,
    shape: [usize; 3],
    kept: Option<Vec<Vec<u8>>>,
}

impl ResizedFaces {
    /// The faces of `samples`, pictures of height, width and channels.
    pub fn new(samples: &(impl Images + Sync), preprocessing: &Preprocessing, shape: [usize; 3]) -> Self {
        Self::keeping(samples, preprocessing, shape, MOST_KEPT)
    }

    fn keeping(
        samples: &(impl Images + Sync),
        preprocessing: &Preprocessing,
        shape: [usize; 3],
        most: usize,
    ) -> Self {
        let mut faces = Self { preprocessing: preprocessing.clone(), shape, kept: None };
        let bytes = samples.len() * preprocessing.resize * preprocessing.resize * preprocessing.depth();
        if !faces.are_mapped() && bytes <= most {
            let resize = |index: usize| faces.resized(samples.image(index));
            faces.kept = Some((0..samples.len()).into_par_iter().map(resize).collect());
        }
        faces
    }

    /// Whether the packed pictures are what the network asks for.
    fn are_mapped(&self) -> bool {
        let resize = self.preprocessing.resize;
        self.shape == [resize, resize, self.preprocessing.depth()]
    }

    fn resized(&self, pixels: &[u8]) -> Vec<u8> {
        self.preprocessing.resized(&PackedFace { pixels, shape: self.shape })
    }

    /// The face of a sample, `resize x resize`.
    pub fn face<'f>(&'f self, samples: &'f impl Images, index: usize) -> Cow<'f, [u8]> {
        match &self.kept {
            Some(faces) => Cow::Borrowed(&faces[index]),
            None if self.are_mapped() => Cow::Borrowed(samples.image(index)),
            None => Cow::Owned(self.resized(samples.image(index))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{PackedBuilder, PackedDataset};
    use crate::expression::LabelSet;

    #[test]
    fn seeds_differ_in_every_part() {
        let seeds = [mix_seed(&[0, 0]), mix_seed(&[0, 1]), mix_seed(&[1, 0]), mix_seed(&[1, 1])];
        for (index, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..index].contains(seed));
        }
    }

    #[test]
    fn an_epoch_shows_every_image_once_and_repeats_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        write_set(&path, 10);
        let dataset = PackedDataset::open(&path).unwrap();
        let split = dataset.training().unwrap();
        let preprocessing = Preprocessing::gray(2, 2, 0.0, 1.0 / 255.0);
        let nothing = Augmentation { mirror: false, ..Augmentation::default() };
        let faces = ResizedFaces::new(&split, &preprocessing, [2, 2, 1]);
        let batches = |epoch| EpochBatches::new(&split, &faces, &preprocessing, nothing, 4, [7, epoch]);
        let first = batches(0);
        assert_eq!(first.len(), 3);
        let mut seen: Vec<f32> = (0..3).flat_map(|index| first.batch(index).inputs).step_by(4).collect();
        seen.sort_by(f32::total_cmp);
        let expected: Vec<f32> = (0..10).map(|value| value as f32).collect();
        assert!(seen.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3), "{seen:?}");
        assert_eq!(batches(0).batch(1), first.batch(1));
        assert_ne!(batches(1).batch(1), first.batch(1));
        assert_eq!(batches(0).at_most(2).len(), 2);
        assert_eq!(batches(0).at_most(9).len(), 3);
    }

    #[test]
    fn what_is_corrupted_is_kept_clean_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        write_set(&path, 10);
        let dataset = PackedDataset::open(&path).unwrap();
        let split = dataset.training().unwrap();
        let preprocessing = Preprocessing::gray(2, 2, 0.0, 1.0 / 255.0);
        let augmentation = Augmentation { mirror: false, ..Augmentation::default() };
        let faces = ResizedFaces::new(&split, &preprocessing, [2, 2, 1]);
        let batches = || EpochBatches::new(&split, &faces, &preprocessing, augmentation, 10, [7, 0]);
        let always =
            RandomCorruption { probability: 1.0, brightness: [50.0, 60.0], ..RandomCorruption::default() };
        let (plain, corrupted) = (batches().batch(0), batches().corrupted(always).batch(0));
        assert_eq!(plain.clean, None);
        assert_eq!((corrupted.clean.as_ref(), &corrupted.labels), (Some(&plain.inputs), &plain.labels));
        assert_ne!(corrupted.inputs, plain.inputs);
        assert_eq!(batches().corrupted(always).batch(0), corrupted);
    }

    #[test]
    fn faces_are_the_same_whether_kept_or_resized_when_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        write_set(&path, 6);
        let dataset = PackedDataset::open(&path).unwrap();
        let split = dataset.training().unwrap();
        let preprocessing = Preprocessing::gray(5, 5, 0.0, 1.0);
        let [kept, anew] =
            [usize::MAX, 10].map(|most| ResizedFaces::keeping(&split, &preprocessing, [2, 2, 1], most));
        assert!(kept.kept.is_some() && anew.kept.is_none());
        for index in 0..6 {
            assert_eq!(kept.face(&split, index), anew.face(&split, index));
            assert_eq!(kept.face(&split, index).len(), 25);
        }
    }

    fn write_set(path: &std::path::Path, count: u8) {
        let mut builder = PackedBuilder::new("test", LabelSet::Fer2013, 2, 2);
        for value in 0..count {
            let split = crate::data::Split::Training;
            builder.push(&[value; 4], value % 7, split, crate::data::Origin::Photograph).unwrap();
        }
        builder.write(path, "none").unwrap();
    }
}
