//! A *deep-feature SVM*: a linear support vector machine together with the networks that make its features.

use std::path::Path;

use burn::tensor::Device;
use image::GrayImage;

use super::deep_features::FeatureExtractor;
use super::error::InferenceError;
use crate::data::faces::views::{View, Views};
use crate::models::checkpoint::Manifest;
use crate::models::linear_svm::LinearSvm;
use crate::models::network::Network;

/// Faces whose features of all views are held at once: features are many more than decisions.
const FACES_AT_ONCE: usize = 128;

/// A linear SVM with the networks that make its features.
#[derive(Debug)]
pub struct DeepFeatureSvm {
    svm: LinearSvm,
    extractor: FeatureExtractor,
}

impl DeepFeatureSvm {
    /// Loads the networks that the SVM names; `path` is its file.
    ///
    /// # Errors
    /// When the SVM was fitted on a feature file, or its networks are not those it was fitted on.
    pub fn load(svm: LinearSvm, path: &Path, device: &Device) -> Result<Self, InferenceError> {
        if svm.manifest.networks.is_empty() {
            return Err(InferenceError::NoNetworks);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let extractor = FeatureExtractor::load(&svm.manifest.networks, folder, device)?;
        let side = extractor.manifest().preprocessing.resize;
        let length = extractor.joined(&[(&GrayImage::new(side as u32, side as u32), View::CENTRE)]).len();
        if length != svm.manifest.length {
            return Err(InferenceError::Length { got: length, expected: svm.manifest.length });
        }
        Ok(Self { svm, extractor })
    }

    /// What a network's manifest says, for the SVM: the first network's with the SVM's figures.
    pub fn manifest(&self) -> Manifest {
        let mut manifest = self.extractor.manifest().clone();
        manifest.temperature = 1.0 / self.svm.manifest.scale;
        manifest.provenance = (&self.svm.manifest.provenance).into();
        manifest.metrics.clear();
        manifest
    }

    /// The networks' architectures.
    pub fn description(&self) -> String {
        let names: Vec<String> =
            self.extractor.manifests().map(|manifest| manifest.network.description()).collect();
        format!("linear SVM on {}", names.join(" + "))
    }

    /// Parameters and multiply-adds of one face: those of the networks, by `of`, and the SVM's weights.
    pub fn size(&self, of: impl Fn(&Network, &Manifest) -> (usize, u64)) -> (usize, u64) {
        let own = (self.svm.manifest.length + 1) * self.svm.manifest.classes;
        self.extractor.sizes(of).fold((own, own as u64), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }

    /// Features `[faces, length]` of faces of the size that preprocessing asks for.
    pub fn features(&self, faces: &[&[u8]]) -> Vec<f32> {
        self.extractor.joined(&Views::Centre.of(faces))
    }

    /// Decision values `[faces, classes]`, the mean over `views`.
    pub fn decisions(&self, faces: &[&[u8]], views: Views) -> Vec<f32> {
        let of = |faces: &[&[u8]]| {
            let decisions = self.svm.decisions(&self.extractor.joined(&views.of(faces)));
            let decisions: Vec<f32> = decisions.into_iter().map(|value| value as f32).collect();
            views.average(&decisions, faces.len())
        };
        faces.chunks(FACES_AT_ONCE).flat_map(of).collect()
    }
}
