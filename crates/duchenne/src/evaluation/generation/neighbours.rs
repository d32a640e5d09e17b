//! What nearest neighbours tell: precision, recall, diversity.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::FeatureSet;

/// Neighbours that make a face's surroundings (Kynkäänniemi et al. 2019).
const NEIGHBOURS: usize = 3;

/// How two sets cover each other (Kynkäänniemi et al. 2019).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// Share of generated faces that lie near a photograph: fidelity.
    pub precision: f64,
    /// Share of photographs that lie near a generated face: coverage.
    pub recall: f64,
}

/// Improved precision and recall with three neighbours: a face lies near a set if it is within the ball around
/// one of its members that reaches that member's third neighbour.
///
/// # Panics
/// If a set has fewer than four rows.
pub fn precision_recall(real: &FeatureSet, generated: &FeatureSet) -> PrecisionRecall {
    PrecisionRecall { precision: share_near(generated, real), recall: share_near(real, generated) }
}

fn share_near(faces: &FeatureSet, set: &FeatureSet) -> f64 {
    assert!(set.len() > NEIGHBOURS && !faces.is_empty(), "sets of at least four faces");
    let radius = |i: usize| {
        let mut distances: Vec<f64> = (0..set.len())
            .filter(|j| *j != i)
            .map(|j| FeatureSet::squared_distance(set.row(i), set.row(j)))
            .collect();
        distances.sort_by(f64::total_cmp);
        distances[NEIGHBOURS - 1]
    };
    let radii: Vec<f64> = (0..set.len()).into_par_iter().map(radius).collect();
    let is_near = |face: &usize| {
        (0..set.len()).any(|i| FeatureSet::squared_distance(faces.row(*face), set.row(i)) <= radii[i])
    };
    let near = (0..faces.len()).into_par_iter().filter(is_near).count();
    near as f64 / faces.len() as f64
}

/// Mean distance between two faces of the set: near zero when a generator knows one face only.
///
/// # Panics
/// If the set has fewer than two rows.
pub fn diversity(set: &FeatureSet) -> f64 {
    assert!(set.len() > 1, "diversity needs two faces");
    let row = |i: usize| {
        (i + 1..set.len()).map(|j| FeatureSet::squared_distance(set.row(i), set.row(j)).sqrt()).sum::<f64>()
    };
    let rows: Vec<f64> = (0..set.len()).into_par_iter().map(row).collect();
    let pairs = set.len() * (set.len() - 1) / 2;
    rows.into_iter().sum::<f64>() / pairs as f64
}

/// The row of `set` nearest to `face`, with the distance.
///
/// # Panics
/// If the set is empty.
pub fn nearest(face: &[f32], set: &FeatureSet) -> (usize, f64) {
    (0..set.len())
        .map(|row| (row, FeatureSet::squared_distance(face, set.row(row))))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(row, distance)| (row, distance.sqrt()))
        .expect("a set to search")
}
