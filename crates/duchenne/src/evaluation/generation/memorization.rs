//! *Memorisation*: does a generator give back the photographs that it saw?
//!
//! Frames of one film are near copies of each other, so films count, not photographs. Distances are taken
//! between pixels after [`standardized`], in which light and contrast do not count.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::FeatureSet;

/// Photographs by film: each inner list holds the rows of one film of one person.
pub type Takes = Vec<Vec<usize>>;

/// How near generated faces come to what the generator saw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Memorization {
    /// Mean distance of a generated face to the nearest film that the generator saw, among as many as were held
    /// out: the expectation over all choices of that many.
    pub to_seen: f64,
    /// Mean distance to the nearest film held out.
    pub to_held_out: f64,
    /// The first over the second: about 1 for a generator that copies nothing, less for one that copies.
    pub ratio: f64,
    /// Share of generated faces that lie nearer to a film seen, among all of them, than any film held out lies
    /// to a film seen: nearer than people resemble each other.
    pub near_copies: f64,
}

/// Compares the distances of `generated` faces to films seen and to films held out; all of one class.
///
/// # Panics
/// If there is no face or no film.
pub fn memorization(
    generated: &FeatureSet,
    seen: (&FeatureSet, &Takes),
    held_out: (&FeatureSet, &Takes),
) -> Memorization {
    assert!(!generated.is_empty() && !seen.1.is_empty() && !held_out.1.is_empty(), "faces and films");
    let held_out_count = held_out.1.len().min(seen.1.len());
    let of_face = |face: usize| {
        let row = generated.row(face);
        let to_seen = sorted(film_distances(row, seen));
        let to_held_out = expected_least(&sorted(film_distances(row, held_out)), held_out_count);
        (expected_least(&to_seen, held_out_count), to_held_out, to_seen[0])
    };
    let distances: Vec<(f64, f64, f64)> = (0..generated.len()).into_par_iter().map(of_face).collect();
    let people = held_out
        .1
        .iter()
        .flatten()
        .map(|row| film_distances(held_out.0.row(*row), seen).into_iter().fold(f64::INFINITY, f64::min));
    let threshold = people.fold(f64::INFINITY, f64::min);
    let n = distances.len() as f64;
    let to_seen = distances.iter().map(|(seen, ..)| seen).sum::<f64>() / n;
    let to_held_out = distances.iter().map(|(_, held_out, _)| held_out).sum::<f64>() / n;
    let near = distances.iter().filter(|(.., nearest)| *nearest < threshold).count();
    Memorization { to_seen, to_held_out, ratio: to_seen / to_held_out, near_copies: near as f64 / n }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Distance to each film: that to its nearest frame.
fn film_distances(face: &[f32], (set, takes): (&FeatureSet, &Takes)) -> Vec<f64> {
    let film = |rows: &Vec<usize>| {
        let distances = rows.iter().map(|row| FeatureSet::squared_distance(face, set.row(*row)));
        distances.fold(f64::INFINITY, f64::min).sqrt()
    };
    takes.iter().map(film).collect()
}

/// The expected least of `m` distances drawn without replacement from `sorted` ones.
fn expected_least(sorted: &[f64], m: usize) -> f64 {
    let n = sorted.len();
    // P(the i-th is the least) = C(n - 1 - i, m - 1) / C(n, m), built up without large numbers.
    let mut probability = m as f64 / n as f64;
    let mut sum = 0.0;
    for (i, distance) in sorted.iter().enumerate() {
        sum += probability * distance;
        let left = (n - 1 - i) as f64;
        probability *= if left > 0.0 { (left - (m as f64 - 1.0)).max(0.0) / left } else { 0.0 };
    }
    sum
}

/// Pixels of mean zero and variance one; all zero for a constant picture.
pub fn standardized(pixels: &[u8]) -> Vec<f32> {
    let n = pixels.len() as f32;
    let mean = pixels.iter().map(|value| f32::from(*value)).sum::<f32>() / n;
    let variance = pixels.iter().map(|value| (f32::from(*value) - mean).powi(2)).sum::<f32>() / n;
    let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
    pixels.iter().map(|value| (f32::from(*value) - mean) * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn the_expected_least_is_exact() {
        // All six pairs of four: least 1, 1, 1, 2, 2, 4.
        let least = expected_least(&[1.0, 2.0, 4.0, 8.0], 2);
        assert!((least - 11.0 / 6.0).abs() < 1e-12, "{least}");
        assert_eq!(expected_least(&[3.0, 5.0], 2), 3.0);
        assert_eq!(expected_least(&[3.0, 5.0], 1), 4.0);
    }

    fn random(rows: usize, random: &mut ChaCha8Rng) -> FeatureSet {
        FeatureSet::new(16, (0..rows * 16).map(|_| random.random::<f32>()).collect())
    }

    #[test]
    fn copies_are_told_from_new_faces() {
        let mut source = ChaCha8Rng::seed_from_u64(3);
        let films = |count: usize| (0..count).map(|film| vec![2 * film, 2 * film + 1]).collect::<Takes>();
        let (seen, away) = (random(80, &mut source), random(20, &mut source));
        let judge =
            |generated: &FeatureSet| memorization(generated, (&seen, &films(40)), (&away, &films(10)));
        let fresh = judge(&random(200, &mut source));
        assert!((fresh.ratio - 1.0).abs() < 0.05, "{fresh:?}");
        assert!(fresh.near_copies < 0.2, "{fresh:?}");
        let copies = judge(&seen);
        assert!(copies.ratio < 0.85 && copies.near_copies == 1.0, "{copies:?}");
    }

    #[test]
    fn light_and_contrast_do_not_count() {
        let face = [10, 30, 20, 60];
        let brighter = face.map(|value| value * 2 + 40);
        let (a, b) = (standardized(&face), standardized(&brighter));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_eq!(standardized(&[7; 4]), [0.0; 4]);
    }
}
