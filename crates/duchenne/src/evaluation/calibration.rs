//! *Calibration*: how far a model's probabilities can be taken at their word, and the temperature that repairs
//! them.
//!
//! Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks": the logits are divided by
//! one number, the temperature, fitted on the validation split. It changes no decision, only confidence.

use serde::Serialize;

use super::{EvaluationError, ScoredSplit, scored::first_largest};

/// Equal-width confidence bins of the reliability diagram and the expected calibration error.
pub const RELIABILITY_BINS: usize = 15;

/// The lowest temperature that [`fit_temperature`] returns (all probability on one class, practically).
pub const TEMPERATURE_MIN: f64 = 0.01;

/// The highest temperature that [`fit_temperature`] returns (uniform probabilities, practically).
pub const TEMPERATURE_MAX: f64 = 100.0;

/// How good the probabilities at one temperature are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// What the logits were divided by; 1 is the model as trained.
    pub temperature: f64,
    /// Mean negative log-likelihood of the labels, in nats. Lower is better; `ln(classes)` is guessing.
    pub nll: f64,
    /// Brier score summed over the classes, `0..=2`; lower is better.
    pub brier: f64,
    /// Expected calibration error: the mean gap between confidence and accuracy over the bins, weighted by
    /// their images (`0..=1`).
    pub ece: f64,
    /// The bins behind `ece`, from confidence 0 to 1.
    pub bins: Vec<ReliabilityBin>,
}

/// The images whose largest probability lies in `(low, high]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// The bin's lower confidence, exclusive.
    pub low: f64,
    /// The bin's upper confidence, inclusive.
    pub high: f64,
    /// Images in the bin.
    pub count: u64,
    /// Their mean largest probability; `None` for an empty bin.
    pub confidence: Option<f64>,
    /// The share of them that were classified as labelled; `None` for an empty bin.
    pub accuracy: Option<f64>,
}

/// Computes the calibration figures of `logits` (`[images, classes]`, finite, at least one row) at a
/// temperature.
pub(super) fn calibration(labels: &[u8], logits: &[f32], classes: usize, temperature: f64) -> Calibration {
    let mut nll = 0.0;
    let mut brier = 0.0;
    let mut bins = [(0_u64, 0.0, 0_u64); RELIABILITY_BINS];
    for (&label, row) in labels.iter().zip(logits.chunks(classes)) {
        let log_probabilities = log_softmax(row, 1.0 / temperature);
        let label = usize::from(label);
        nll -= log_probabilities[label];
        brier += log_probabilities
            .iter()
            .enumerate()
            .map(|(class, log)| (log.exp() - if class == label { 1.0 } else { 0.0 }).powi(2))
            .sum::<f64>();
        let predicted = usize::from(first_largest(row));
        let confidence = log_probabilities[predicted].exp();
        let (count, confidences, correct) = &mut bins[bin_of(confidence)];
        *count += 1;
        *confidences += confidence;
        *correct += u64::from(predicted == label);
    }
    let images = labels.len() as f64;
    let ece = bins.iter().map(|(_, confidences, correct)| (confidences - *correct as f64).abs()).sum::<f64>();
    let bins = bins
        .into_iter()
        .enumerate()
        .map(|(index, (count, confidences, correct))| ReliabilityBin {
            low: edge(index),
            high: edge(index + 1),
            count,
            confidence: (count > 0).then(|| confidences / count as f64),
            accuracy: (count > 0).then(|| correct as f64 / count as f64),
        })
        .collect();
    Calibration { temperature, nll: nll / images, brier: brier / images, ece: ece / images, bins }
}

/// The temperature that minimises the negative log-likelihood of the validation split's labels.
///
/// In `b = 1 / temperature` the likelihood is convex with derivative `mean(E_p[z] - z_label)`, whose root is
/// found by bisection: dull, but it cannot diverge, and the fit is done once per model. The result is
/// kept within [`TEMPERATURE_MIN`]..=[`TEMPERATURE_MAX`]: a split classified without a single error has no
/// finite optimum, nor has one that the model knows nothing about; a warning is logged then.
///
/// # Errors
/// Those of [`ScoredSplit::check`].
pub fn fit_temperature(validation: &ScoredSplit) -> Result<f64, EvaluationError> {
    validation.check()?;
    let slope = |inverse: f64| -> f64 {
        let rows = validation.labels.iter().zip(validation.logits.chunks(validation.classes()));
        rows.map(|(&label, row)| {
            let expected: f64 = log_softmax(row, inverse)
                .iter()
                .zip(row)
                .map(|(log, &logit)| log.exp() * f64::from(logit))
                .sum();
            expected - f64::from(row[usize::from(label)])
        })
        .sum()
    };
    let (mut low, mut high) = (1.0 / TEMPERATURE_MAX, 1.0 / TEMPERATURE_MIN);
    let at_bound = if slope(low) >= 0.0 {
        Some(TEMPERATURE_MAX)
    } else if slope(high) <= 0.0 {
        Some(TEMPERATURE_MIN)
    } else {
        None
    };
    if let Some(temperature) = at_bound {
        tracing::warn!(
            split = validation.split,
            temperature,
            "no finite temperature minimises the loss on this split; it is too small, too easy or not learnt"
        );
        return Ok(temperature);
    }
    // Halving the logarithm gives every magnitude the same precision: 60 halvings of ln(10^4) end below one ulp.
    while high / low - 1.0 > 1e-14 {
        let middle = (low * high).sqrt();
        if middle <= low || middle >= high {
            break;
        }
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(1.0 / (low * high).sqrt())
}

/// The logarithm of softmax of `scale * logits`, in double precision, without overflow.
fn log_softmax(logits: &[f32], scale: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|&logit| f64::from(logit) * scale).collect();
    let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = scaled.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln();
    // The maximum goes first: adding it to the logarithm would lose the digits of small sums.
    scaled.iter().map(|logit| (logit - largest) - log_sum).collect()
}

/// The lower edge of bin `index`.
fn edge(index: usize) -> f64 {
    index as f64 / RELIABILITY_BINS as f64
}

/// The bin of a confidence: bins are open below and closed above, as in Guo et al.'s code.
fn bin_of(confidence: f64) -> usize {
    (1..RELIABILITY_BINS).filter(|&index| confidence > edge(index)).count()
}

#[cfg(test)]
mod tests {
    use super::super::scored::tests::scored;
    use super::*;

    #[test]
    fn bins_are_open_below_and_closed_above() {
        assert_eq!([0.0, 1.0 / 15.0, 0.07, 0.2, 1.0].map(bin_of), [0, 0, 1, 2, 14]);
    }

    #[test]
    fn uniform_logits_score_as_guessing() {
        let figures = calibration(&[0, 1, 2, 3], &[0.5; 16], 4, 1.0);
        assert!((figures.nll - 4.0_f64.ln()).abs() < 1e-12);
        assert!((figures.brier - 0.75).abs() < 1e-12);
        assert!(figures.ece.abs() < 1e-12, "a quarter is right at confidence a quarter");
        assert_eq!(figures.bins.iter().map(|bin| bin.count).sum::<u64>(), 4);
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let figures = calibration(&[1], &[3e38, -3e38], 2, 1.0);
        assert!(figures.nll.is_finite() && figures.nll > 1e38);
        assert!((figures.brier - 2.0).abs() < 1e-12);
    }

    #[test]
    fn temperature_of_a_two_class_split_is_the_closed_form() {
        // All logits differ by 4, 3 of 4 are right: the best probability is 3/4, so 4 / T = ln 3.
        let split = scored(2, &[0, 0, 0, 1], &[4.0, 0.0, 4.0, 0.0, 4.0, 0.0, 4.0, 0.0]);
        let temperature = fit_temperature(&split).unwrap();
        assert!((temperature - 4.0 / 3.0_f64.ln()).abs() < 1e-12, "{temperature}");
    }

    #[test]
    fn temperature_stays_in_range_without_an_optimum() {
        let perfect = scored(2, &[0, 1], &[1.0, 0.0, 0.0, 1.0]);
        assert_eq!(fit_temperature(&perfect).unwrap(), TEMPERATURE_MIN);
        let hopeless = scored(2, &[1, 0], &[1.0, 0.0, 0.0, 1.0]);
        assert_eq!(fit_temperature(&hopeless).unwrap(), TEMPERATURE_MAX);
    }
}
