//! Features of a set of faces.

/// Rows of equal length, one per face.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureSet {
    length: usize,
    values: Vec<f32>,
}

impl FeatureSet {
    /// Of rows of `length` values each.
    ///
    /// # Panics
    /// If the values are not whole rows.
    pub fn new(length: usize, values: Vec<f32>) -> Self {
        assert!(length > 0 && values.len().is_multiple_of(length), "features are whole rows");
        Self { length, values }
    }

    /// The number of faces.
    pub fn len(&self) -> usize {
        self.values.len() / self.length
    }

    /// Whether there are no faces.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The number of features.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The features of one face.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.length..][..self.length]
    }

    /// Euclidean distance, squared, of two rows.
    pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
    }
}
