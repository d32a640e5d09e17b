//! Deep features of the splits of a data set, kept on disk: the join of data and inference that the `svm`
//! commands share.

use std::path::Path;

use anyhow::bail;

use crate::data::batches::ResizedFaces;
use crate::data::features::{FeatureFile, write_features};
use crate::data::{Images, PackedDataset};
use crate::inference::deep_features::{FeatureExtractor, join};

/// Joined features of a split, `[samples, length]`, each row of length one; those of each network are kept
/// in `cache` as feature files, where there is one.
///
/// # Errors
/// When the labels differ or a file cannot be written.
pub fn features_of_split(
    extractor: &FeatureExtractor,
    dataset: &PackedDataset,
    samples: &(impl Images + Sync),
    labels: &[u8],
    name: &str,
    cache: Option<&Path>,
) -> anyhow::Result<Vec<f32>> {
    let manifest = extractor.manifest();
    if manifest.label_set != dataset.label_set() {
        bail!(
            "the networks' label set is `{}`, the data set's `{}`",
            manifest.label_set,
            dataset.label_set()
        );
    }
    let faces = ResizedFaces::new(samples, &manifest.preprocessing, [dataset.height(), dataset.width()]);
    let faces: Vec<&[u8]> = (0..samples.len()).map(|index| faces.face(samples, index)).collect();
    let mut parts = Vec::new();
    for (index, source) in extractor.sources().enumerate() {
        let file = cache.map(|folder| {
            let short =
                |text: &str| text.rsplit(':').next().unwrap_or(text).chars().take(16).collect::<String>();
            let (data, model) = (short(&dataset.fingerprint()), short(&source.checksum));
            folder.join(format!("{model}-{data}-{name}-{}.safetensors", samples.len()))
        });
        // One that is damaged is made again.
        let known = file.as_deref().and_then(|file| FeatureFile::open(file).ok());
        if let Some(known) = known.filter(|known| known.labels() == Some(labels)) {
            parts.push((known.length(), known.features().into_owned()));
            continue;
        }
        eprintln!("features of {} on {name} ...", source.path.display());
        let values = extractor.of_network(index, &faces);
        if let Some(file) = &file {
            write_features(file, &values, labels, Some(manifest.label_set))?;
        }
        parts.push((values.len() / samples.len(), values));
    }
    Ok(join(&parts, samples.len()))
}
