//! *Kept rows*: numbers computed once for each picture of a split and kept on disk, in feature files of some hundred
//! pictures each: what a killed run loses is one of them.

use std::ops::Range;
use std::path::Path;

use crate::data::error::DataError;
use crate::data::features::file::{FeatureFile, write_features};

/// Pictures per file.
const PER_FILE: usize = 512;

/// One row of numbers for each picture.
#[derive(Debug)]
pub struct KeptRows {
    files: Vec<FeatureFile>,
    length: usize,
}

impl KeptRows {
    /// Computes the files `folder/name-*` that are missing, damaged or of other labels: `length` numbers for each
    /// of the pictures, which have `labels`. `progress` takes the pictures that are done and says whether to stop;
    /// `None` when it did.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn complete(
        folder: &Path,
        name: &str,
        labels: &[u8],
        length: usize,
        compute: impl Fn(Range<usize>) -> Vec<f32>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Self>, DataError> {
        let mut files = Vec::new();
        for start in (0..labels.len()).step_by(PER_FILE) {
            let rows = start..(start + PER_FILE).min(labels.len());
            let labels = &labels[rows.clone()];
            let path = folder.join(format!("{name}-{start:06}.safetensors"));
            let fits = |file: &FeatureFile| file.labels() == Some(labels) && file.length() == length;
            let file = match FeatureFile::open(&path).ok().filter(fits) {
                Some(file) => file,
                None => {
                    write_features(&path, &compute(rows.clone()), labels, None)?;
                    FeatureFile::open(&path)?
                }
            };
            files.push(file);
            if progress(rows.len()) {
                return Ok(None);
            }
        }
        Ok(Some(Self { files, length }))
    }

    /// Numbers per picture.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Adds the numbers of one picture to `values`.
    pub fn append(&self, row: usize, values: &mut Vec<f32>) {
        let all = self.files[row / PER_FILE].features();
        values.extend_from_slice(&all[row % PER_FILE * self.length..][..self.length]);
    }

    /// The numbers of some pictures, one row after the other.
    pub fn gather(&self, rows: impl Iterator<Item = usize>) -> Vec<f32> {
        let mut values = Vec::new();
        rows.for_each(|row| self.append(row, &mut values));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_computed_once_and_again_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let computed = std::cell::Cell::new(0);
        let compute = |rows: Range<usize>| {
            computed.set(computed.get() + rows.len());
            rows.flat_map(|row| [row as f32, -1.0]).collect()
        };
        let labels = vec![3; PER_FILE + 3];
        // Stopped after the first file.
        let stopped = KeptRows::complete(folder.path(), "s", &labels, 2, compute, &mut |_| true).unwrap();
        assert!(stopped.is_none());
        assert_eq!(computed.get(), PER_FILE);
        let complete = |labels: &[u8]| {
            KeptRows::complete(folder.path(), "s", labels, 2, compute, &mut |_| false).unwrap().unwrap()
        };
        let rows = || [PER_FILE + 1, 7].into_iter();
        let expected = [(PER_FILE + 1) as f32, -1.0, 7.0, -1.0];
        assert_eq!(complete(&labels).gather(rows()), expected);
        assert_eq!(computed.get(), labels.len());
        let second = folder.path().join(format!("s-{PER_FILE:06}.safetensors"));
        std::fs::write(&second, "damaged").unwrap();
        assert_eq!(complete(&labels).gather(rows()), expected);
        assert_eq!(computed.get(), labels.len() + 3);
        complete(&vec![4; PER_FILE + 3]);
        assert_eq!(computed.get(), 2 * labels.len() + 3);
    }
}
