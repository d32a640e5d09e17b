//! 95 % intervals: Wilson's for shares, percentile bootstrap for means over classes.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::ConfusionMatrix;

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Resamples of the percentile bootstrap. The simulation error of an interval's end is then about 0.06 standard
/// errors of the figure (quantile error of a normal): some 0.05 points at n = 3,589.
pub const BOOTSTRAP_RESAMPLES: usize = 2000;

/// The seed of the bootstrap: fixed, so that a report is a function of the predictions.
pub const BOOTSTRAP_SEED: u64 = 2013;

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure itself (`0..=1`).
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// The share `successes / trials` with Wilson's score interval (Wilson 1927), which, unlike the normal
/// approximation, stays within `0..=1` and has length at shares of 0 and 1. Without trials the share is 0
/// and the interval everything.
pub fn wilson(successes: u64, trials: u64) -> Estimate {
    if trials == 0 {
        return Estimate { value: 0.0, low: 0.0, high: 1.0 };
    }
    let n = trials as f64;
    let share = successes as f64 / n;
    let denominator = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / denominator;
    let half = Z / denominator * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At shares of 0 and 1 the exact ends are 0 and 1, which rounding misses by an ulp.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == trials { 1.0 } else { (centre + half).min(1.0) };
    Estimate { value: share, low, high }
}

/// Percentile bootstrap (Efron 1979) of several statistics of one confusion matrix: images are drawn with
/// replacement, [`BOOTSTRAP_RESAMPLES`] times, and the interval is the middle 95 % of the statistics.
///
/// All statistics here depend on the images through the matrix alone, so its cells are what is drawn; this
/// also makes the interval independent of the images' order.
pub(super) fn bootstrap<const N: usize>(
    matrix: &ConfusionMatrix,
    statistics: [fn(&ConfusionMatrix) -> f64; N],
) -> [Estimate; N] {
    let classes = matrix.classes();
    let cells: Vec<(usize, usize)> = (0..classes)
        .flat_map(|truth| (0..classes).map(move |predicted| (truth, predicted)))
        .flat_map(|(truth, predicted)| {
            std::iter::repeat_n((truth, predicted), matrix.count(truth, predicted) as usize)
        })
        .collect();
    let mut draws: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(BOOTSTRAP_RESAMPLES));
    let mut random = ChaCha8Rng::seed_from_u64(BOOTSTRAP_SEED);
    for _ in 0..BOOTSTRAP_RESAMPLES {
        let mut resample = ConfusionMatrix::new(classes);
        for _ in 0..cells.len() {
            // A 32-bit range, so that the draws are the same on 32-bit machines.
            let (truth, predicted) = cells[random.random_range(0..cells.len() as u32) as usize];
            resample.add(truth, predicted);
        }
        for (statistic, values) in statistics.iter().zip(&mut draws) {
            values.push(statistic(&resample));
        }
    }
    std::array::from_fn(|index| {
        let values = &mut draws[index];
        values.sort_by(f64::total_cmp);
        Estimate {
            value: statistics[index](matrix),
            low: quantile(values, 0.025),
            high: quantile(values, 0.975),
        }
    })
}

/// The quantile of sorted values, interpolated linearly between neighbours (numpy's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_equals_published_values() {
        // Newcombe 1998, table I, method 3: 81/263 gives 0.2553 to 0.3662; 0/20 gives 0 to 0.1611; 15/148 gives
        // 0.0624 to 0.1605; 1/29 gives 0.0061 to 0.1718.
        for (successes, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (0, 20, 0.0, 0.1611),
            (15, 148, 0.0624, 0.1605),
            (1, 29, 0.0061, 0.1718),
        ] {
            let interval = wilson(successes, trials);
            assert!((interval.low - low).abs() < 5e-5 && (interval.high - high).abs() < 5e-5, "{interval:?}");
        }
        assert_eq!(wilson(20, 20).high, 1.0);
        assert_eq!(wilson(0, 0), Estimate { value: 0.0, low: 0.0, high: 1.0 });
    }

    #[test]
    fn quantiles_interpolate_as_numpy_does() {
        // numpy.quantile([1, 2, 4, 8], [0.025, 0.5, 0.975])
        let values = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [(0.025, 1.075), (0.5, 3.0), (0.975, 7.7), (1.0, 8.0)] {
            assert!((quantile(&values, share) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn bootstrap_of_an_accuracy_is_close_to_wilson() {
        let mut matrix = ConfusionMatrix::new(2);
        for image in 0..2000 {
            matrix.add(image % 2, if image % 10 < 7 { image % 2 } else { 1 - image % 2 });
        }
        let [interval] = bootstrap(&matrix, [ConfusionMatrix::accuracy]);
        let expected = wilson(1400, 2000);
        assert_eq!(interval.value, expected.value);
        assert!((interval.low - expected.low).abs() < 0.002 && (interval.high - expected.high).abs() < 0.002);
    }
}
