//! A *predictor* is a trained classifier ready for use: faces in, calibrated probabilities out.

use std::path::Path;

use burn::tensor::Device;
use image::GrayImage;

use super::scoring::{deep_features, logits};
use crate::expression::LabelSet;
use crate::models::checkpoint::{Checkpoint, CheckpointError, Manifest};
use crate::models::network::Network;

/// The compact network that the program carries: half precision, trained by its own recipe `compact`.
const BUILT_IN: &[u8] = include_bytes!("../../assets/compact.safetensors");

/// What can go wrong in inference.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] CheckpointError),
}

/// A trained classifier.
#[derive(Debug)]
pub struct Predictor {
    manifest: Manifest,
    network: Network,
}

impl Predictor {
    /// The model inside the program, on the CPU.
    ///
    /// # Errors
    /// None in a program that passes its tests.
    pub fn built_in() -> Result<Self, InferenceError> {
        Self::built_in_on(&Device::flex())
    }

    /// A model file, on the CPU.
    ///
    /// # Errors
    /// When the file cannot be read or is not a model.
    pub fn load(path: &Path) -> Result<Self, InferenceError> {
        Self::on_device(path, &Device::flex())
    }

    /// A model file on a device without autodiff.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn on_device(path: &Path, device: &Device) -> Result<Self, InferenceError> {
        let (manifest, network) = Checkpoint::read(path)?.into_network(device, path)?;
        Ok(Self { manifest, network: network.prepared() })
    }

    /// The model inside the program on a device without autodiff.
    ///
    /// # Errors
    /// None in a program that passes its tests.
    pub fn built_in_on(device: &Device) -> Result<Self, InferenceError> {
        let name = Path::new("built-in");
        let (manifest, network) = Checkpoint::from_bytes(BUILT_IN, name)?.into_network(device, name)?;
        Ok(Self { manifest, network: network.prepared() })
    }

    /// The network itself.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// All about the model but its weights.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the probabilities are of.
    pub fn label_set(&self) -> LabelSet {
        self.manifest.label_set
    }

    /// Calibrated probabilities in the label set's order, one entry per gray face crop of any size;
    /// `mirrored` averages the logits of each face and its mirror image.
    ///
    /// # Errors
    /// None at present.
    pub fn probabilities(
        &self,
        faces: &[GrayImage],
        mirrored: bool,
    ) -> Result<Vec<Vec<f32>>, InferenceError> {
        let resized = self.resized(faces);
        let slices: Vec<&[u8]> = resized.iter().map(Vec::as_slice).collect();
        let logits = self.logits(&slices, mirrored);
        let softmax = |row: &[f32]| softmax(row, self.manifest.temperature);
        Ok(logits.chunks_exact(self.label_set().len()).map(softmax).collect())
    }

    /// Raw logits `[faces, classes]` of faces that have the size of `manifest().preprocessing.resize`.
    pub fn logits(&self, faces: &[&[u8]], mirrored: bool) -> Vec<f32> {
        logits(&self.network, &self.manifest.preprocessing, faces, mirrored)
    }

    fn resized(&self, faces: &[GrayImage]) -> Vec<Vec<u8>> {
        faces.iter().map(|face| self.manifest.preprocessing.resized(face)).collect()
    }

    /// Activations of the last layer but one, `[faces, features]`, row-major, of gray faces of any size.
    pub fn deep_features(&self, faces: &[GrayImage]) -> Vec<f32> {
        let resized = self.resized(faces);
        let slices: Vec<&[u8]> = resized.iter().map(Vec::as_slice).collect();
        deep_features(&self.network, &self.manifest.preprocessing, &slices)
    }
}

/// Softmax of logits divided by the temperature.
fn softmax(logits: &[f32], temperature: f64) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> =
        logits.iter().map(|value| (f64::from(value - largest) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_soften_with_temperature() {
        let sharp = softmax(&[2.0, 0.0, -1.0], 1.0);
        let soft = softmax(&[2.0, 0.0, -1.0], 3.0);
        assert!((sharp.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(sharp[0] > soft[0] && soft[0] > soft[1] && soft[1] > soft[2]);
    }

    #[test]
    fn the_built_in_model_is_small_calibrated_and_unmoved_by_batching() {
        assert!(BUILT_IN.len() <= 4 << 20);
        let predictor = Predictor::built_in().unwrap();
        assert_ne!(predictor.manifest().temperature, 1.0);
        let faces: Vec<GrayImage> = (0..3_u32)
            .map(|seed| GrayImage::from_fn(48, 48, |x, y| image::Luma([(x * y * (seed + 3) % 256) as u8])))
            .collect();
        let together = predictor.probabilities(&faces, true).unwrap();
        for (face, expected) in faces.into_iter().zip(together) {
            let alone = &predictor.probabilities(&[face], true).unwrap()[0];
            assert!(alone.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}
