//! Deep features of several networks, joined: the join of data and inference that the `svm` commands share.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::Device;
use image::GrayImage;

use crate::data::checksum::checksum_of_file;
use crate::data::features::{FeatureFile, write_features};
use crate::data::{Images, PackedDataset};
use crate::inference::predictor::Predictor;
use crate::models::linear_svm::FeatureNetwork;

/// Networks whose last activations but one are joined.
#[derive(Debug)]
pub struct DeepFeatures {
    networks: Vec<(FeatureNetwork, Predictor)>,
}

impl DeepFeatures {
    /// Loads networks; those of a machine by the checksums it knows.
    ///
    /// # Errors
    /// When one cannot be used, has changed, or differs from the first in labels or preprocessing.
    pub fn load(networks: &[FeatureNetwork], folder: &Path, device: &Device) -> anyhow::Result<Self> {
        let mut loaded: Vec<(FeatureNetwork, Predictor)> = Vec::new();
        for network in networks {
            let path = folder.join(&network.path);
            let predictor = Predictor::on_device(&path, device)?;
            let checksum = checksum_of_file(&path)?;
            if checksum != network.checksum {
                bail!(
                    "model `{}` is not the one that the machine was fitted on; fit it again",
                    path.display()
                );
            }
            if let Some((first, other)) = loaded.first() {
                let (a, b) = (other.manifest(), predictor.manifest());
                if a.preprocessing != b.preprocessing || a.label_set != b.label_set {
                    let (a, b) = (first.path.display(), network.path.display());
                    bail!(
                        "models `{a}` and `{b}` differ in preprocessing or labels: their features cannot be joined"
                    );
                }
            }
            loaded.push((network.clone(), predictor));
        }
        Ok(Self { networks: loaded })
    }

    /// Loads networks by their files.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn of_files(paths: &[PathBuf], device: &Device) -> anyhow::Result<Self> {
        let name = |path: &PathBuf| -> anyhow::Result<FeatureNetwork> {
            let full =
                path.canonicalize().with_context(|| format!("cannot read model `{}`", path.display()))?;
            Ok(FeatureNetwork { checksum: checksum_of_file(&full)?, path: full })
        };
        let networks = paths.iter().map(name).collect::<anyhow::Result<Vec<_>>>()?;
        Self::load(&networks, Path::new(""), device)
    }

    /// The networks, for the machine's manifest.
    pub fn networks(&self) -> Vec<FeatureNetwork> {
        self.networks.iter().map(|(network, _)| network.clone()).collect()
    }

    /// What all of them recognise and how faces become their input.
    pub fn first(&self) -> &Predictor {
        &self.networks[0].1
    }

    /// Joined features of a split, `[samples, length]`, each row of length one; those of each network are kept
    /// in `cache` as feature files, where there is one.
    ///
    /// # Errors
    /// When the labels differ or a file cannot be written.
    pub fn of_split(
        &self,
        dataset: &PackedDataset,
        samples: &impl Images,
        labels: &[u8],
        name: &str,
        cache: Option<&Path>,
    ) -> anyhow::Result<Vec<f32>> {
        let label_set = self.first().label_set();
        if label_set != dataset.label_set() {
            bail!("the networks' label set is `{label_set}`, the data set's `{}`", dataset.label_set());
        }
        let mut parts = Vec::new();
        for (network, predictor) in &self.networks {
            let file = cache.map(|folder| {
                let short =
                    |text: &str| text.rsplit(':').next().unwrap_or(text).chars().take(16).collect::<String>();
                let (data, model) = (short(&dataset.fingerprint()), short(&network.checksum));
                folder.join(format!("{model}-{data}-{name}.safetensors"))
            });
            if let Some(known) = file.as_deref().filter(|file| file.is_file()).map(FeatureFile::open) {
                let known = known?;
                if known.len() == samples.len() {
                    parts.push((known.length(), known.features().into_owned()));
                    continue;
                }
            }
            eprintln!("features of {} on {name} ...", network.path.display());
            let (width, height) = (dataset.width() as u32, dataset.height() as u32);
            let face = |index: usize| {
                GrayImage::from_raw(width, height, samples.image(index).to_vec())
                    .expect("packed images have the packed size")
            };
            let faces: Vec<GrayImage> = (0..samples.len()).map(face).collect();
            let values = predictor.deep_features(&faces);
            if let Some(file) = &file {
                write_features(file, &values, labels, Some(label_set))?;
            }
            parts.push((values.len() / samples.len(), values));
        }
        Ok(join(&parts, samples.len()))
    }
}

/// Rows joined, each scaled to Euclidean length one; a row of zeros stays one.
fn join(parts: &[(usize, Vec<f32>)], samples: usize) -> Vec<f32> {
    let length: usize = parts.iter().map(|(length, _)| length).sum();
    let mut joined = Vec::with_capacity(length * samples);
    for sample in 0..samples {
        let begin = joined.len();
        for (length, values) in parts {
            joined.extend_from_slice(&values[sample * length..][..*length]);
        }
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
        let joined = join(&[(1, vec![3.0, 0.0]), (2, vec![0.0, 4.0, 0.0, 0.0])], 2);
        assert_eq!(joined, [0.6, 0.0, 0.8, 0.0, 0.0, 0.0]);
    }
}
