//! Deep features of the splits of a data set, kept on disk: the join of data and inference that the `svm`
//! commands and `reproduce` share.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use crate::error::{Context as _, refuse};

use crate::data::faces::batches::ResizedFaces;
use crate::data::features::kept_rows::KeptRows;
use crate::data::{Images, PackedDataset};
use crate::experiments::session::Session;
use crate::experiments::watch::{Unit, Work};
use crate::inference::deep_features::{FeatureExtractor, join};

/// Joined features of a split, whose labels are given, `[samples, length]`, each row of length one; those of each network are kept in
/// `folder`, so that an interrupted call resumes. `None` when stopped.
///
/// # Errors
/// When the label sets differ or a file cannot be written.
pub fn features_of_split(
    extractor: &FeatureExtractor,
    dataset: &PackedDataset,
    samples: &(impl Images + Sync),
    labels: &[u8],
    name: &str,
    folder: &Path,
    session: Session<'_>,
) -> crate::Result<Option<Vec<f32>>> {
    let manifest = extractor.manifest();
    if manifest.label_set != dataset.label_set() {
        refuse!(
            "the networks' label set is `{}`, the data set's `{}`",
            manifest.label_set,
            dataset.label_set()
        );
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let faces = ResizedFaces::new(samples, &manifest.preprocessing, dataset.shape());
    let faces: Vec<Cow<'_, [u8]>> = (0..samples.len()).map(|index| faces.face(samples, index)).collect();
    let faces: Vec<&[u8]> = faces.iter().map(|face| &**face).collect();
    let mut networks = Vec::new();
    for (index, source) in extractor.sources().enumerate() {
        let short = |text: &str| text.rsplit(':').next().unwrap_or(text).chars().take(16).collect::<String>();
        let (data, model) = (short(&dataset.fingerprint()), short(&source.checksum));
        let length = extractor.of_network(index, &faces[..1]).len();
        let what = format!("features of {} on {name}", source.path.display());
        let mut done = 0;
        let kept = KeptRows::complete(
            folder,
            &format!("{model}-{data}-{name}"),
            labels,
            length,
            |rows: Range<usize>| extractor.of_network(index, &faces[rows]),
            &mut |count| {
                done += count as u64;
                session.watch.progress(Work { what: &what, unit: Unit::Faces }, done, faces.len() as u64);
                session.is_stopped()
            },
        )?;
        let Some(kept) = kept else {
            return Ok(None);
        };
        networks.push(kept);
    }
    // Straight from the files: the features are the largest thing in memory.
    let length = networks.iter().map(KeptRows::length).sum();
    let append = |row, joined: &mut Vec<f32>| networks.iter().for_each(|kept| kept.append(row, joined));
    Ok(Some(join(samples.len(), length, append)))
}
