//! The *seed summary*: mean and standard deviation of one figure over runs that differ in their seed alone.

use serde::Serialize;

/// Mean and spread of a figure over seeds. The protocol asks for at least 3 before a difference is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeedSummary {
    /// Number of runs.
    pub runs: usize,
    /// Mean of the runs' values.
    pub mean: f64,
    /// Their standard deviation with `runs - 1` in the denominator; `None` for a single run.
    pub deviation: Option<f64>,
}

/// Summarises one figure of several runs; `None` without runs.
pub fn summarize_seeds(figures: &[f64]) -> Option<SeedSummary> {
    let runs = figures.len();
    if runs == 0 {
        return None;
    }
    let mean = figures.iter().sum::<f64>() / runs as f64;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    let deviation = (runs > 1).then(|| (squares / (runs - 1) as f64).sqrt());
    Some(SeedSummary { runs, mean, deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_the_samples_and_absent_for_one_run() {
        let summary = summarize_seeds(&[1.0, 2.0, 4.0]).unwrap();
        assert!((summary.mean - 7.0 / 3.0).abs() < 1e-15);
        // statistics.stdev([1, 2, 4])
        assert!((summary.deviation.unwrap() - 1.527_525_231_651_947).abs() < 1e-12);
        assert_eq!(summarize_seeds(&[0.7]).unwrap().deviation, None);
        assert_eq!(summarize_seeds(&[]), None);
    }
}
