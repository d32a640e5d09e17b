//! *McNemar's test*: whether two models that answered the same images differ by more than chance.

use serde::Serialize;

use super::EvaluationError;

/// A paired comparison of two models on the same images.
///
/// Only the images on which exactly one of the two is right say anything. If the models are equally good,
/// each of these is a fair coin toss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct McNemarTest {
    /// Images compared.
    pub n: u64,
    /// Images that both models got right.
    pub both_correct: u64,
    /// Images that only the first model got right.
    pub only_a_correct: u64,
    /// Images that only the second model got right.
    pub only_b_correct: u64,
    /// Images that both got wrong.
    pub both_wrong: u64,
    /// The exact two-sided p-value (binomial), which errs on the careful side.
    pub p_exact: f64,
    /// The two-sided mid-p value: the observed outcome counts half. Fagerland, Lydersen and Laake 2013
    /// recommend it for paired proportions.
    pub p_mid: f64,
}

/// Compares two models by which images each classified correctly, in the same order.
///
/// # Errors
/// [`EvaluationError::Unpaired`] if the lists are empty or of different lengths.
pub fn mcnemar(a_correct: &[bool], b_correct: &[bool]) -> Result<McNemarTest, EvaluationError> {
    if a_correct.len() != b_correct.len() || a_correct.is_empty() {
        return Err(EvaluationError::Unpaired { a: a_correct.len(), b: b_correct.len() });
    }
    let count =
        |a: bool, b: bool| a_correct.iter().zip(b_correct).filter(|pair| *pair == (&a, &b)).count() as u64;
    let (only_a_correct, only_b_correct) = (count(true, false), count(false, true));
    let (p_exact, p_mid) = binomial_p_values(only_a_correct, only_b_correct);
    Ok(McNemarTest {
        n: a_correct.len() as u64,
        both_correct: count(true, true),
        only_a_correct,
        only_b_correct,
        both_wrong: count(false, false),
        p_exact,
        p_mid,
    })
}

/// Exact and mid-p two-sided p-values of `a` against `b` tosses of a fair coin.
///
/// With `m = min(a, b)` and X ~ Binomial(a + b, 1/2): exact `min(1, 2 P(X <= m))`; mid-p
/// `2 P(X <= m) - P(X = m)`, and `1 - P(X = m) / 2` for `a = b`.
fn binomial_p_values(a: u64, b: u64) -> (f64, f64) {
    let (tosses, fewer) = (a + b, a.min(b));
    // In logarithms: 2^-n underflows beyond about a thousand images.
    let log_factorial = |n: u64| (2..=n).map(|k| (k as f64).ln()).sum::<f64>();
    let log_point = log_factorial(tosses)
        - log_factorial(fewer)
        - log_factorial(tosses - fewer)
        - tosses as f64 * std::f64::consts::LN_2;
    let point = log_point.exp();
    // P(X = k - 1) = P(X = k) k / (n - k + 1)
    let mut tail = 0.0;
    let mut term = point;
    for k in (0..=fewer).rev() {
        tail += term;
        term *= k as f64 / (tosses - k + 1) as f64;
    }
    let exact = (2.0 * tail).min(1.0);
    let mid = if a == b { 1.0 - point / 2.0 } else { 2.0 * tail - point };
    // Without any toss, nothing speaks against equality.
    (exact, if tosses == 0 { 1.0 } else { mid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_of_small_tables_worked_out_by_hand() {
        // 0 against 5: P(X <= 0) = 1/32.
        assert!((binomial_p_values(0, 5).0 - 2.0 / 32.0).abs() < 1e-14);
        assert!((binomial_p_values(5, 0).1 - 1.0 / 32.0).abs() < 1e-14);
        // 1 against 1: P(X = 1) = 1/2.
        let (exact, mid) = binomial_p_values(1, 1);
        assert_eq!(exact, 1.0);
        assert!((mid - 0.75).abs() < 1e-14);
        assert_eq!(binomial_p_values(0, 0), (1.0, 1.0));
    }

    #[test]
    fn the_four_counts_cover_every_image() {
        let a = [true, true, false, false, true];
        let b = [true, false, true, false, false];
        let test = mcnemar(&a, &b).unwrap();
        assert_eq!(
            (test.both_correct, test.only_a_correct, test.only_b_correct, test.both_wrong),
            (1, 2, 1, 1)
        );
        assert_eq!(test.n, 5);
    }

    #[test]
    fn unpaired_answers_are_refused() {
        assert!(mcnemar(&[true], &[true, false]).is_err());
        assert!(mcnemar(&[], &[]).is_err());
    }
}
