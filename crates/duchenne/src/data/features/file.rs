//! *Feature files*: what any program has computed about faces, as a safetensors file with `features` f32 `[n, d]`
//! and, to learn from or to score, `labels` u8 `[n]`. Mapped into memory, not copied.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::Path;

use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::json;

use crate::data::error::DataError;
use crate::expression::LabelSet;
use crate::files::atomic::{AtomicError, write_atomically};
use crate::files::mapped;
use crate::files::tensor_header::TensorHeader;

/// The key of the label set in the metadata; without it labels are plain numbers.
const LABEL_SET: &str = "label_set";

/// A feature file, open for reading.
#[derive(Debug)]
pub struct FeatureFile {
    map: Mmap,
    features: std::ops::Range<usize>,
    labels: Option<std::ops::Range<usize>>,
    len: usize,
    length: usize,
    label_set: Option<LabelSet>,
}

impl FeatureFile {
    /// Opens the file at `path` and checks types and shapes.
    ///
    /// # Errors
    /// [`DataError::Map`] when it cannot be read or is empty, [`DataError::File`] when it is not a feature file.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let map = mapped::map(path, "a feature file")?;
        let wrong = |problem: String| DataError::file(path, problem);
        let expected = "expected safetensors with `features` f32 [n, d] and `labels` u8 [n]";
        let (header, metadata) =
            SafeTensors::read_metadata(&map).map_err(|error| wrong(format!("{error}; {expected}")))?;
        let start = 8 + header;
        let texts = metadata.metadata().clone().unwrap_or_default();
        let info = metadata.info("features").ok_or_else(|| wrong(format!("no `features`; {expected}")))?;
        let &[len, length] = info.shape.as_slice() else {
            return Err(wrong(format!("`features` has shape {:?}; {expected}", info.shape)));
        };
        if info.dtype != Dtype::F32 || len == 0 || length == 0 {
            return Err(wrong(format!("`features` is {:?} {:?}; {expected}", info.dtype, info.shape)));
        }
        let features = start + info.data_offsets.0..start + info.data_offsets.1;
        let labels = match metadata.info("labels") {
            None => None,
            Some(info) if info.dtype == Dtype::U8 && info.shape == [len] => {
                Some(start + info.data_offsets.0..start + info.data_offsets.1)
            }
            Some(info) => {
                return Err(wrong(format!("`labels` is {:?} {:?}; {expected}", info.dtype, info.shape)));
            }
        };
        let label_set = match texts.get(LABEL_SET) {
            None => None,
            Some(text) => Some(LabelSet::from_text(text).map_err(wrong)?),
        };
        Ok(Self { map, features, labels, len, length, label_set })
    }

    /// The number of samples, at least 1.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never true: an empty file is refused.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Features per sample.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The label set, where the file names one.
    pub fn label_set(&self) -> Option<LabelSet> {
        self.label_set
    }

    /// `[n, d]`, row-major: the mapped file itself where its bytes lie as the machine wants them.
    pub fn features(&self) -> Cow<'_, [f32]> {
        let bytes = &self.map[self.features.clone()];
        match bytemuck::try_cast_slice(bytes) {
            Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
            _ => {
                Cow::Owned(bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
            }
        }
    }

    /// `[n]`, where the file has labels.
    pub fn labels(&self) -> Option<&[u8]> {
        Some(&self.map[self.labels.clone()?])
    }
}

/// Writes a feature file, whole or not at all.
///
/// # Errors
/// When it cannot be written.
///
/// # Panics
/// If the features are not whole rows, one per label.
pub fn write_features(
    path: &Path,
    features: &[f32],
    labels: &[u8],
    label_set: Option<LabelSet>,
) -> Result<(), AtomicError> {
    let length = features.len() / labels.len();
    assert_eq!(length * labels.len(), features.len(), "features are whole rows, one per label");
    let mut header = TensorHeader::default()
        .with_tensor("features", "F32", &[labels.len(), length], features.len() * 4)
        .with_tensor("labels", "U8", &[labels.len()], labels.len());
    if let Some(label_set) = label_set {
        header = header.with_metadata(json!({ LABEL_SET: label_set.to_text() }));
    }
    write_atomically(path, |out| {
        let mut write = || -> std::io::Result<()> {
            out.write_all(&header.to_bytes())?;
            for values in features.chunks(1 << 16) {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                out.write_all(&bytes)?;
            }
            out.write_all(labels)
        };
        write().map_err(|error| AtomicError::system(path, error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features");
        write_features(&path, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0, 3], Some(LabelSet::CkPlus)).unwrap();
        let file = FeatureFile::open(&path).unwrap();
        assert_eq!((file.len(), file.length(), file.label_set()), (2, 3, Some(LabelSet::CkPlus)));
        assert_eq!(file.features()[..], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(file.labels(), Some(&[0, 3][..]));
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // Packed data sets are mapped by the same function, and this was said to be one.
        std::fs::write(&path, "").unwrap();
        assert!(
            FeatureFile::open(&path).unwrap_err().to_string().ends_with("is empty; expected a feature file")
        );
        std::fs::write(&path, "plain text").unwrap();
        assert!(FeatureFile::open(&path).unwrap_err().to_string().contains("`features` f32 [n, d]"));
        let view = |dtype, shape: Vec<usize>, bytes| {
            safetensors::tensor::TensorView::new(dtype, shape, bytes).unwrap()
        };
        let write = |tensors: Vec<(&str, safetensors::tensor::TensorView<'_>)>| {
            std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
            FeatureFile::open(&path).unwrap_err().to_string()
        };
        assert!(write(vec![("x", view(Dtype::U8, vec![1], &[0]))]).contains("no `features`"));
        assert!(write(vec![("features", view(Dtype::F32, vec![2], &[0; 8]))]).contains("shape [2]"));
        let labelled = vec![
            ("features", view(Dtype::F32, vec![1, 2], &[0; 8])),
            ("labels", view(Dtype::U8, vec![3], &[0; 3])),
        ];
        assert!(write(labelled).contains("`labels` is U8 [3]"));
    }
}
