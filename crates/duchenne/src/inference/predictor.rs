//! A *predictor* is a trained classifier ready for use: faces in, calibrated probabilities out.

use std::path::Path;

use crate::data::faces::pixels::FacePixels;
use burn::module::Module;
use burn::tensor::Device;

use super::built_in::{BuiltInModel, is_detector};
use super::deep_feature_svm::DeepFeatureSvm;
use super::ensemble::Ensemble;
use super::error::InferenceError;
use super::onnx_export;
use crate::data::faces::views::Views;
use crate::expression::LabelSet;
use crate::inference::batched::{deep_features, logits};
use crate::models::checkpoint::{Checkpoint, Manifest};
use crate::models::linear_svm::LinearSvm;
use crate::models::network::Network;
use crate::models::onnx::{Graph, Value};

/// A trained classifier: a network, a linear SVM on the features of several, or several of these.
///
/// ```
/// use duchenne::{BuiltInModel, Device, Predictor, Views};
///
/// let predictor = Predictor::built_in(BuiltInModel::RatersCompact, &Device::cpu())?;
/// let crop = image::GrayImage::from_fn(48, 48, |x, y| image::Luma([(x * y % 256) as u8]));
/// let probabilities = &predictor.probabilities(&[crop], Views::Mirrored)?[0];
/// assert_eq!(probabilities.len(), predictor.label_set().len());
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug)]
pub struct Predictor {
    manifest: Manifest,
    model: Model,
}

#[derive(Debug)]
enum Model {
    Network(Box<Network>),
    Svm(Box<DeepFeatureSvm>),
    Ensemble(Ensemble),
}

impl Predictor {
    /// A model file on a device without autodiff.
    ///
    /// # Errors
    /// When the file cannot be read or is not a model.
    pub fn load(path: &Path, device: &Device) -> Result<Self, InferenceError> {
        if let Some(svm) = LinearSvm::read_if_one(path)? {
            let svm = DeepFeatureSvm::load(svm, path, device)?;
            return Ok(Self { manifest: svm.manifest(), model: Model::Svm(Box::new(svm)) });
        }
        Ok(Self::of_network(Checkpoint::read(path)?.into_network(device, path)?))
    }

    /// The model of this name, a built-in one's or a file's, on a device without autodiff.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`InferenceError::Detector`] for the face detector.
    pub fn named(model: &Path, device: &Device) -> Result<Self, InferenceError> {
        if is_detector(model) {
            return Err(InferenceError::Detector);
        }
        match BuiltInModel::named(model) {
            Some(built_in) => Self::built_in(built_in, device),
            None => Self::load(model, device),
        }
    }

    fn of_network((manifest, network): (Manifest, Network)) -> Self {
        Self { manifest, model: Model::Network(Box::new(network.prepared())) }
    }

    /// A model inside the program, on a device without autodiff.
    ///
    /// # Errors
    /// None in a program that passes its tests.
    pub fn built_in(model: BuiltInModel, device: &Device) -> Result<Self, InferenceError> {
        let name = Path::new(model.name());
        Ok(Self::of_network(Checkpoint::from_bytes(model.bytes(), name)?.into_network(device, name)?))
    }

    /// Several models, by the names that errors give them, whose calibrated probabilities are averaged.
    ///
    /// # Errors
    /// When they differ in their labels or in the size of faces.
    ///
    /// # Panics
    /// Without a model.
    pub fn ensemble(members: Vec<(String, Predictor)>) -> Result<Self, InferenceError> {
        let ensemble = Ensemble::new(members)?;
        Ok(Self { manifest: ensemble.manifest(), model: Model::Ensemble(ensemble) })
    }

    /// The architecture, or those of an SVM's networks or an ensemble's members.
    pub fn description(&self) -> String {
        match &self.model {
            Model::Network(_) => self.manifest.network.description(),
            Model::Svm(svm) => svm.description(),
            Model::Ensemble(ensemble) => ensemble.description(),
        }
    }

    /// Parameters, and multiply-adds for one face.
    pub fn size(&self) -> (usize, u64) {
        let of = |network: &Network, manifest: &Manifest| {
            let side = manifest.preprocessing.crop;
            (network.num_params(), network.multiply_adds(side, side))
        };
        match &self.model {
            Model::Network(network) => of(network, &self.manifest),
            Model::Svm(svm) => svm.size(of),
            Model::Ensemble(ensemble) => ensemble.size(),
        }
    }

    /// All about the model but its weights; for an SVM or an ensemble, `network` is the first of its networks.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifests of the networks whose probabilities are averaged; of a network or an SVM its own.
    pub(super) fn members(&self) -> Vec<&Manifest> {
        match &self.model {
            Model::Ensemble(ensemble) => ensemble.members().iter().flat_map(Self::members).collect(),
            Model::Network(_) | Model::Svm(_) => vec![&self.manifest],
        }
    }

    /// Calibrated probabilities of resized faces as operations of a graph.
    pub(super) fn onnx(
        &self,
        graph: &mut Graph,
        faces: Value,
        views: Views,
    ) -> Result<Value, InferenceError> {
        match &self.model {
            Model::Network(network) => {
                Ok(onnx_export::probabilities(graph, faces, network, &self.manifest, views))
            }
            Model::Svm(_) => Err(InferenceError::NoGraph),
            Model::Ensemble(ensemble) => {
                let mut members = Vec::new();
                for (number, member) in (1..).zip(ensemble.members()) {
                    members.push(graph.within(number, |graph| member.onnx(graph, faces, views))?);
                }
                Ok(onnx_export::mean(graph, &members))
            }
        }
    }

    /// What the probabilities are of.
    pub fn label_set(&self) -> LabelSet {
        self.manifest.label_set
    }

    /// Calibrated probabilities in the label set's order, one entry per face crop of any size, gray or in colour;
    /// logits are averaged over `views`.
    ///
    /// # Errors
    /// [`InferenceError::NotFinite`], and no other, when the outputs for a face are not numbers.
    pub fn probabilities(
        &self,
        faces: &[impl FacePixels],
        views: Views,
    ) -> Result<Vec<Vec<f32>>, InferenceError> {
        let resized = self.resized(faces);
        let slices: Vec<&[u8]> = resized.iter().map(Vec::as_slice).collect();
        let probabilities = self.probabilities_of_resized(&slices, views);
        match probabilities.iter().position(|row| row.iter().any(|value| !value.is_finite())) {
            Some(face) => Err(InferenceError::NotFinite { face }),
            None => Ok(probabilities),
        }
    }

    /// The same of faces that have the size of `manifest().preprocessing.resize`, whether numbers or not.
    pub(crate) fn probabilities_of_resized(&self, faces: &[&[u8]], views: Views) -> Vec<Vec<f32>> {
        let softmax = |row: &[f32]| softmax(row, self.manifest.temperature);
        self.logits(faces, views).chunks_exact(self.label_set().len()).map(softmax).collect()
    }

    /// Raw logits `[faces, classes]` of faces that have the size of `manifest().preprocessing.resize`; decision
    /// values of an SVM, logarithms of an ensemble's mean probabilities.
    pub fn logits(&self, faces: &[&[u8]], views: Views) -> Vec<f32> {
        match &self.model {
            Model::Network(network) => logits(network, &self.manifest.preprocessing, faces, views),
            Model::Svm(svm) => svm.decisions(faces, views),
            Model::Ensemble(ensemble) => ensemble.log_probabilities(faces, views),
        }
    }

    fn resized(&self, faces: &[impl FacePixels]) -> Vec<Vec<u8>> {
        faces.iter().map(|face| self.manifest.preprocessing.resized(face)).collect()
    }

    /// Penultimate activations, `[faces, features]`, row-major, of faces of any size; those of an SVM's
    /// networks or an ensemble's members are concatenated and scaled to unit length.
    pub fn deep_features(&self, faces: &[impl FacePixels]) -> Vec<f32> {
        let resized = self.resized(faces);
        self.deep_features_of_resized(&resized.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// The same of faces that have the size of `manifest().preprocessing.resize`.
    pub(crate) fn deep_features_of_resized(&self, faces: &[&[u8]]) -> Vec<f32> {
        match &self.model {
            Model::Network(network) => {
                deep_features(network, &self.manifest.preprocessing, &Views::Centre.of(faces))
            }
            Model::Svm(svm) => svm.features(faces),
            Model::Ensemble(ensemble) => ensemble.deep_features(faces),
        }
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
    use image::GrayImage;

    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_soften_with_temperature() {
        let sharp = softmax(&[2.0, 0.0, -1.0], 1.0);
        let soft = softmax(&[2.0, 0.0, -1.0], 3.0);
        assert!((sharp.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(sharp[0] > soft[0] && soft[0] > soft[1] && soft[1] > soft[2]);
    }

    #[test]
    fn ten_crops_are_those_of_shifted_and_flipped_pictures() {
        let predictor = Predictor::built_in(BuiltInModel::RatersCompact, &Device::flex()).unwrap();
        let face =
            GrayImage::from_fn(48, 48, |x, y| image::Luma([((x * x + 3 * x * y + 5 * y) % 256) as u8]));
        let shifted = |left: u32, top: u32| {
            let at = |index: u32, start: u32| (index + start).saturating_sub(2).min(47);
            GrayImage::from_fn(48, 48, |x, y| *face.get_pixel(at(x, left), at(y, top)))
        };
        let mut sum = [0.0_f32; 8];
        for (left, top) in [(2, 2), (0, 0), (4, 0), (0, 4), (4, 4)] {
            let picture = shifted(left, top);
            let mirrored = image::imageops::flip_horizontal(&picture);
            let logits = predictor.logits(&[picture.as_raw(), mirrored.as_raw()], Views::Centre);
            logits
                .chunks_exact(predictor.label_set().len())
                .for_each(|row| sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
        }
        let averaged = predictor.logits(&[face.as_raw()], Views::TenCrop);
        assert!(averaged.iter().zip(sum).all(|(a, b)| (a - b / 10.0).abs() < 1e-5), "{averaged:?} {sum:?}");
    }

    #[test]
    fn the_built_in_models_are_small_calibrated_and_unmoved_by_batching() {
        for (name, model) in BuiltInModel::TABLE {
            assert!(model.bytes().len() <= 6 << 20, "{name}");
            let predictor = Predictor::built_in(model, &Device::flex()).unwrap();
            assert_ne!(predictor.manifest().temperature, 1.0, "{name}");
            let faces: Vec<GrayImage> = (0..3_u32)
                .map(|seed| {
                    GrayImage::from_fn(48, 48, |x, y| image::Luma([(x * y * (seed + 3) % 256) as u8]))
                })
                .collect();
            let together = predictor.probabilities(&faces, Views::TenCrop).unwrap();
            for (face, expected) in faces.into_iter().zip(together) {
                let alone = &predictor.probabilities(&[face], Views::TenCrop).unwrap()[0];
                assert!(alone.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
            }
        }
    }
}
