//! The loader: batches of a packed data set, augmented as recipes ask, without a network behind it.

use std::hint::black_box;

use duchenne::Recipe;
use duchenne::data::faces::batches::{EpochBatches, ResizedFaces};
use duchenne::data::{Origin, PackedBuilder, PackedDataset, Split};
use duchenne::expression::LabelSet;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Step;

/// Pictures of the data set, all of noise.
const PICTURES: usize = 2048;

/// One batch of `batch` pictures after another, by a built-in recipe at `side` pixels.
pub(crate) fn batches(recipe: &str, batch: usize, side: usize) -> Step {
    let folder = tempfile::tempdir().expect("a folder for the pictures");
    let path = folder.path().join("noise.safetensors");
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut builder = PackedBuilder::new("noise", LabelSet::Fer2013, side, side);
    for index in 0..PICTURES {
        let face: Vec<u8> = (0..side * side).map(|_| random.random()).collect();
        builder
            .push(&face, (index % 7) as u8, Split::Training, Origin::Photograph)
            .expect("a fitting picture");
    }
    builder.write(&path, "noise").expect("room for the pictures");
    let dataset = PackedDataset::open(&path).expect("the data set just written");
    let recipe = Recipe::built_in(recipe).expect("a built-in recipe");
    let mut preprocessing = recipe.input.preprocessing();
    preprocessing.crop = side * preprocessing.crop / preprocessing.resize;
    preprocessing.resize = side;
    let mut next = 0;
    Box::new(move || {
        // The folder lives as long as the work.
        let _ = &folder;
        let split = dataset.training().expect("all are training");
        let faces = ResizedFaces::new(&split, &preprocessing, dataset.shape());
        let batches = EpochBatches::new(&split, &faces, &preprocessing, recipe.augmentation, batch, [0, 0])
            .corrupted(recipe.corruption);
        black_box(batches.batch(next % batches.len()));
        next += 1;
    })
}
