//! *Scoring*: the logits of a network for many faces, in batches of bounded size.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::data::preprocessing::Preprocessing;
use crate::models::network::Network;

/// Faces per forward pass.
const BATCH: usize = 128;

/// Logits `[faces, classes]`, row-major, of faces resized to `preprocessing.resize`. With `mirrored`
/// the logits of each face and of its mirror image are averaged.
///
/// `network` must be without autodiff (`network.valid()`), so that running statistics are used.
pub fn logits(network: &Network, preprocessing: &Preprocessing, faces: &[&[u8]], mirrored: bool) -> Vec<f32> {
    // Inside Rayon's pool, so that the small operations of a network need not wake it each time.
    rayon::scope(|_| logits_in_pool(network, preprocessing, faces, mirrored))
}

fn logits_in_pool(
    network: &Network,
    preprocessing: &Preprocessing,
    faces: &[&[u8]],
    mirrored: bool,
) -> Vec<f32> {
    let device = network.devices().into_iter().next().unwrap_or_default();
    let mut logits = Vec::new();
    for batch in faces.chunks(BATCH) {
        let plain = forward(network, preprocessing, batch, false, &device);
        if mirrored {
            let mirror = forward(network, preprocessing, batch, true, &device);
            logits.extend(plain.iter().zip(&mirror).map(|(a, b)| (a + b) / 2.0));
        } else {
            logits.extend(plain);
        }
    }
    logits
}

fn forward(
    network: &Network,
    preprocessing: &Preprocessing,
    faces: &[&[u8]],
    mirrored: bool,
    device: &Device,
) -> Vec<f32> {
    let length = preprocessing.input_len();
    let mut images = vec![0.0; faces.len() * length];
    images
        .par_chunks_exact_mut(length)
        .zip(faces)
        .for_each(|(out, face)| preprocessing.write_centre(face, mirrored, out));
    let shape = [faces.len(), preprocessing.channels(), preprocessing.crop, preprocessing.crop];
    let images = Tensor::<4>::from_data(TensorData::new(images, shape), device);
    network.forward(images).into_data().iter::<f32>().collect()
}
