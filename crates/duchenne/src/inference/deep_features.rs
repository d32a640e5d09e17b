//! *Deep features*: the last activations but one of several networks, joined, each row scaled to length one; and
//! the support vector machine on top of them.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use image::GrayImage;

use super::predictor::InferenceError;
use crate::data::DataError;
use crate::data::faces::views::{View, Views};
use crate::files::checksum::checksum_of_file;
use crate::inference::batched::deep_features;
use crate::models::checkpoint::{Checkpoint, Manifest};
use crate::models::linear_svm::{FeatureNetwork, LinearSvm};
use crate::models::network::Network;

/// Networks whose last activations but one are joined.
#[derive(Debug)]
pub struct FeatureExtractor {
    networks: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    source: FeatureNetwork,
    manifest: Manifest,
    network: Network,
}

impl FeatureExtractor {
    /// Loads networks, whose paths are relative to `folder` unless absolute, by the checksums they are known by.
    ///
    /// # Errors
    /// When there is none, one cannot be used, has changed, or differs from the first in labels or preprocessing.
    pub fn load(sources: &[FeatureNetwork], folder: &Path, device: &Device) -> Result<Self, InferenceError> {
        let mut networks: Vec<Member> = Vec::new();
        for source in sources {
            let path = folder.join(&source.path);
            let (manifest, network) = Checkpoint::read(&path)?.into_network(device, &path)?;
            if checksum_of_file(&path).map_err(DataError::from)? != source.checksum {
                return Err(InferenceError::Changed(path));
            }
            if let Some(first) = networks.first()
                && (first.manifest.preprocessing != manifest.preprocessing
                    || first.manifest.label_set != manifest.label_set)
            {
                let [first, second] = [&first.source, source].map(|network| network.path.clone());
                return Err(InferenceError::Mismatch { first, second });
            }
            networks.push(Member { source: source.clone(), manifest, network: network.prepared() });
        }
        match networks.is_empty() {
            true => Err(InferenceError::NoNetworks),
            false => Ok(Self { networks }),
        }
    }

    /// Loads networks by their files, which are known by absolute paths or, below `folder`, by relative ones.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn of_files(paths: &[PathBuf], folder: &Path, device: &Device) -> Result<Self, InferenceError> {
        let source = |path: &PathBuf| -> Result<FeatureNetwork, InferenceError> {
            let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let full = absolute(path);
            let known = full.strip_prefix(absolute(folder)).unwrap_or(&full).to_owned();
            Ok(FeatureNetwork { checksum: checksum_of_file(&full).map_err(DataError::from)?, path: known })
        };
        let sources = paths.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        Self::load(&sources, folder, device)
    }

    /// The networks, for a machine's manifest.
    pub fn sources(&self) -> impl Iterator<Item = &FeatureNetwork> {
        self.networks.iter().map(|member| &member.source)
    }

    /// The manifests of the networks; labels and preprocessing are the same in all.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.networks.iter().map(|member| &member.manifest)
    }

    /// What all networks have in common: labels and preprocessing.
    pub fn manifest(&self) -> &Manifest {
        &self.networks[0].manifest
    }

    /// Features of one network, `[faces, features]`, of faces of the size that preprocessing asks for.
    pub fn of_network(&self, index: usize, faces: &[&[u8]]) -> Vec<f32> {
        let member = &self.networks[index];
        deep_features(&member.network, &member.manifest.preprocessing, &Views::Centre.of(faces))
    }

    /// Joined features, `[faces, features]`, of views of faces of the size that preprocessing asks for.
    pub fn joined(&self, faces: &[(&[u8], View)]) -> Vec<f32> {
        let of = |member: &Member| {
            let values = deep_features(&member.network, &member.manifest.preprocessing, faces);
            (values.len() / faces.len().max(1), values)
        };
        join_parts(&self.networks.iter().map(of).collect::<Vec<_>>(), faces.len())
    }
}

/// Faces whose features of all views are held at once: features are many more than decisions.
const FACES_AT_ONCE: usize = 128;

/// [`join`] of feature sets in memory (length, values).
pub(crate) fn join_parts(parts: &[(usize, Vec<f32>)], samples: usize) -> Vec<f32> {
    let length = parts.iter().map(|(length, _)| length).sum();
    join(samples, length, |sample, joined| {
        for (length, values) in parts {
            joined.extend_from_slice(&values[sample * length..][..*length]);
        }
    })
}

/// Rows of several feature sets joined, `[samples, length]`, each scaled to Euclidean length one; a row of zeros stays
/// one. `append` adds the features of a sample, `length` in all, to its last argument.
pub fn join(samples: usize, length: usize, append: impl Fn(usize, &mut Vec<f32>)) -> Vec<f32> {
    let mut joined = Vec::with_capacity(length * samples);
    for sample in 0..samples {
        let begin = joined.len();
        append(sample, &mut joined);
        let row = &mut joined[begin..];
        let norm = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
        }
    }
    joined
}

/// A support vector machine with the networks that make its features.
#[derive(Debug)]
pub struct DeepFeatureMachine {
    svm: LinearSvm,
    extractor: FeatureExtractor,
}

impl DeepFeatureMachine {
    /// Loads the networks that the machine names; `path` is its file.
    ///
    /// # Errors
    /// When the machine was fitted on a feature file, or its networks are not those it was fitted on.
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

    /// What a network's manifest says, for the machine: the first network's with the machine's figures.
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

    /// Parameters and multiply-adds of one face: those of the networks, by `of`, and the machine's weights.
    pub fn size(&self, of: impl Fn(&Network, &Manifest) -> (usize, u64)) -> (usize, u64) {
        let own = (self.svm.manifest.length + 1) * self.svm.manifest.classes;
        let members = self.extractor.networks.iter().map(|member| of(&member.network, &member.manifest));
        members.fold((own, own as u64), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }

    /// Joined features.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_rows_have_length_one() {
        let joined = join_parts(&[(1, vec![3.0, 0.0]), (2, vec![0.0, 4.0, 0.0, 0.0])], 2);
        assert_eq!(joined, [0.6, 0.0, 0.8, 0.0, 0.0, 0.0]);
    }
}
