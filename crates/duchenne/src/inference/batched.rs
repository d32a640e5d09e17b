//! *Scoring*: the outputs of a network for many faces, in batches of bounded size.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::data::faces::preprocessing::Preprocessing;
use crate::data::faces::views::{View, Views};
use crate::models::network::Network;

/// Views per forward pass at most.
const BATCH: usize = 128;
/// Pixels per forward pass at most, so that large inputs do not take gigabytes for a network's first maps.
const BATCH_PIXELS: usize = 1 << 20;

/// Logits `[faces, classes]`, row-major, of faces resized to `preprocessing.resize`; the mean over `views`.
///
/// `network` must be without autodiff (`network.valid()`), so that running statistics are used.
pub fn logits(network: &Network, preprocessing: &Preprocessing, faces: &[&[u8]], views: Views) -> Vec<f32> {
    let logits = outputs(network, preprocessing, &views.of(faces), |images| network.forward(images));
    views.average(&logits, faces.len())
}

/// Activations of the last layer but one, `[faces, features]`, row-major, of views of faces resized to
/// `preprocessing.resize`.
pub fn deep_features(network: &Network, preprocessing: &Preprocessing, faces: &[(&[u8], View)]) -> Vec<f32> {
    outputs(network, preprocessing, faces, |images| network.deep_features(images))
}

/// Maps `[faces, channels * height * width]` after the network's first `sections` sections, row-major, of faces
/// resized to `preprocessing.resize`.
pub fn trunk_maps(
    network: &Network,
    preprocessing: &Preprocessing,
    faces: &[&[u8]],
    sections: usize,
) -> Vec<f32> {
    outputs(network, preprocessing, &Views::Centre.of(faces), |images| {
        network.trunk(images, sections).flatten(1, 3)
    })
}

fn outputs(
    network: &Network,
    preprocessing: &Preprocessing,
    faces: &[(&[u8], View)],
    forward: impl Fn(Tensor<4>) -> Tensor<2> + Sync + Send,
) -> Vec<f32> {
    let device = network.devices().into_iter().next().unwrap_or_default();
    let mut values = Vec::new();
    // Inside Rayon's pool, so that the small operations of a network need not wake it each time.
    rayon::scope(|_| {
        let batch = (BATCH_PIXELS / (preprocessing.crop * preprocessing.crop)).clamp(1, BATCH);
        for batch in faces.chunks(batch) {
            let images = images(preprocessing, batch, &device);
            values.extend(forward(images).into_data().iter::<f32>());
        }
    });
    values
}

fn images(preprocessing: &Preprocessing, faces: &[(&[u8], View)], device: &Device) -> Tensor<4> {
    let length = preprocessing.input_len();
    let mut images = vec![0.0; faces.len() * length];
    images
        .par_chunks_exact_mut(length)
        .zip(faces)
        .for_each(|(out, (face, view))| preprocessing.write_view(face, *view, out));
    let shape = [faces.len(), preprocessing.channels(), preprocessing.crop, preprocessing.crop];
    Tensor::from_data(TensorData::new(images, shape), device)
}
