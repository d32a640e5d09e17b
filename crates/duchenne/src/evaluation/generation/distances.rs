//! Distances between two sets of faces by their features.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::FeatureSet;

/// Squared maximum mean discrepancy with the kernel `(x.y / length + 1)^3`, the unbiased estimator of Binkowski
/// et al. (2018). Zero on average for two samples of one distribution, whatever their sizes; it may be negative.
///
/// # Panics
/// If a set has fewer than two rows, or the lengths differ.
pub fn kernel_distance(a: &FeatureSet, b: &FeatureSet) -> f64 {
    assert!(a.len() > 1 && b.len() > 1 && a.length() == b.length(), "sets of at least two comparable rows");
    let within = |set: &FeatureSet| {
        let n = set.len() as f64;
        (kernel_sum(set, set) - diagonal(set)) / (n * (n - 1.0))
    };
    within(a) + within(b) - 2.0 * kernel_sum(a, b) / (a.len() as f64 * b.len() as f64)
}

fn kernel(a: &[f32], b: &[f32]) -> f64 {
    let product: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    (product / a.len() as f64 + 1.0).powi(3)
}

fn kernel_sum(a: &FeatureSet, b: &FeatureSet) -> f64 {
    // Row sums are added in order, so that bits do not depend on the number of threads.
    let row = |i: usize| (0..b.len()).map(|j| kernel(a.row(i), b.row(j))).sum::<f64>();
    let rows: Vec<f64> = (0..a.len()).into_par_iter().map(row).collect();
    rows.into_iter().sum()
}

fn diagonal(set: &FeatureSet) -> f64 {
    (0..set.len()).map(|i| kernel(set.row(i), set.row(i))).sum()
}

/// Fréchet distance, squared, between the normal distributions with the sets' means and covariances: the formula
/// of Heusel et al. (2017), not the published "FID", whose features are another network's. Biased upwards for
/// small sets: compare only sets of one size.
///
/// # Panics
/// If a set has fewer than two rows, or the lengths differ.
pub fn frechet_distance(a: &FeatureSet, b: &FeatureSet) -> f64 {
    assert!(a.len() > 1 && b.len() > 1 && a.length() == b.length(), "sets of at least two comparable rows");
    let ((mean_a, covariance_a), (mean_b, covariance_b)) = (moments(a), moments(b));
    let between = (mean_a - mean_b).norm_squared();
    // The trace of (A B)^(1/2) is that of (A^(1/2) B A^(1/2))^(1/2), which is symmetric.
    let root = square_root(&covariance_a);
    let product = (&root * &covariance_b * &root).symmetric_eigenvalues();
    let shared: f64 = product.iter().map(|value| value.max(0.0).sqrt()).sum();
    between + covariance_a.trace() + covariance_b.trace() - 2.0 * shared
}

/// Mean and unbiased covariance.
fn moments(set: &FeatureSet) -> (DMatrix<f64>, DMatrix<f64>) {
    let (n, length) = (set.len(), set.length());
    let values = DMatrix::from_fn(n, length, |row, column| f64::from(set.row(row)[column]));
    let mean = DMatrix::from_fn(1, length, |_, column| values.column(column).mean());
    let centred = DMatrix::from_fn(n, length, |row, column| values[(row, column)] - mean[(0, column)]);
    let covariance = centred.transpose() * &centred / (n as f64 - 1.0);
    (mean, covariance)
}

fn square_root(symmetric: &DMatrix<f64>) -> DMatrix<f64> {
    let eigen = symmetric.clone().symmetric_eigen();
    let roots = eigen.eigenvalues.map(|value| value.max(0.0).sqrt());
    &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose()
}
