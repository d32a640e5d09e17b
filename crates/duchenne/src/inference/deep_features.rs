//! *Deep features*: the penultimate activations of several networks, concatenated, each row scaled to unit length.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::built_in::BuiltInModel;
use super::error::InferenceError;
use crate::data::DataError;
use crate::data::faces::views::{View, Views};
use crate::files::checksum::{checksum, checksum_of_file};
use crate::inference::batched::deep_features;
use crate::models::checkpoint::{Checkpoint, Manifest};
use crate::models::linear_svm::FeatureNetwork;
use crate::models::network::Network;

/// Networks whose penultimate activations are concatenated.
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
    /// Loads networks, whose paths are relative to `folder` unless absolute or the name of a built-in model, by the
    /// checksums they are known by.
    ///
    /// # Errors
    /// When there is none, one cannot be used, has changed, or differs from the first in labels or preprocessing.
    pub fn load(sources: &[FeatureNetwork], folder: &Path, device: &Device) -> Result<Self, InferenceError> {
        let mut networks: Vec<Member> = Vec::new();
        for source in sources {
            let path = match BuiltInModel::named(&source.path) {
                Some(_) => source.path.clone(),
                None => folder.join(&source.path),
            };
            let bytes = BuiltInModel::bytes_of(&path)?;
            let (manifest, network) = Checkpoint::from_bytes(&bytes, &path)?.into_network(device, &path)?;
            if checksum(&bytes) != source.checksum {
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

    /// Loads networks by their files, which are known by absolute paths or, below `folder`, by relative ones, or built-in
    /// ones by name.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn of_files(paths: &[PathBuf], folder: &Path, device: &Device) -> Result<Self, InferenceError> {
        let source = |path: &PathBuf| -> Result<FeatureNetwork, InferenceError> {
            if let Some(built_in) = BuiltInModel::named(path) {
                return Ok(FeatureNetwork { checksum: checksum(built_in.bytes()), path: path.clone() });
            }
            let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let full = absolute(path);
            let known = full.strip_prefix(absolute(folder)).unwrap_or(&full).to_owned();
            Ok(FeatureNetwork { checksum: checksum_of_file(&full).map_err(DataError::from)?, path: known })
        };
        let sources = paths.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        Self::load(&sources, folder, device)
    }

    /// Files and checksums of the networks, as an SVM's manifest has them.
    pub fn sources(&self) -> impl Iterator<Item = &FeatureNetwork> {
        self.networks.iter().map(|member| &member.source)
    }

    /// The manifests of the networks; labels and preprocessing are the same in all.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.networks.iter().map(|member| &member.manifest)
    }

    /// The sizes of all networks for one face, by `of`: parameters and multiply-adds.
    pub(super) fn sizes(
        &self,
        of: impl Fn(&Network, &Manifest) -> (usize, u64),
    ) -> impl Iterator<Item = (usize, u64)> {
        self.networks.iter().map(move |member| of(&member.network, &member.manifest))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_rows_have_length_one() {
        let joined = join_parts(&[(1, vec![3.0, 0.0]), (2, vec![0.0, 4.0, 0.0, 0.0])], 2);
        assert_eq!(joined, [0.6, 0.0, 0.8, 0.0, 0.0, 0.0]);
    }
}
