//! Probabilities from margins: a softmax of scaled decision values, the scale fitted on samples that the machine
//! has not learned from, so that its log-likelihood compares with a network's.

/// Log-probabilities `[samples, classes]` of decision values of the same shape.
pub fn log_probabilities(decisions: &[f64], classes: usize, scale: f64) -> Vec<f64> {
    let mut values = Vec::with_capacity(decisions.len());
    for row in decisions.chunks_exact(classes) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|value| ((value - largest) * scale).exp()).sum();
        values.extend(row.iter().map(|value| (value - largest) * scale - sum.ln()));
    }
    values
}

/// The scale of the largest likelihood on decision values `[samples, classes]` with their labels, by golden-section
/// search over its logarithm; within 1e-3 to 1e3.
pub fn fit_margin_scale(decisions: &[f64], classes: usize, labels: &[u8]) -> f64 {
    let loss = |log_scale: f64| {
        let values = log_probabilities(decisions, classes, log_scale.exp());
        let rows = values.chunks_exact(classes).zip(labels);
        -rows.map(|(row, label)| row[usize::from(*label)]).sum::<f64>()
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (1e-3_f64.ln(), 1e3_f64.ln());
    let mut inner = [high - golden * (high - low), low + golden * (high - low)];
    let mut losses = inner.map(loss);
    while high - low > 1e-6 {
        if losses[0] < losses[1] {
            high = inner[1];
            inner = [high - golden * (high - low), inner[0]];
            losses = [loss(inner[0]), losses[0]];
        } else {
            low = inner[0];
            inner = [inner[1], low + golden * (high - low)];
            losses = [losses[1], loss(inner[1])];
        }
    }
    ((low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_that_made_the_labels_is_found() {
        // Of every ten samples with margins (1, 0), seven are of class 0: the odds 7/3 ask for ln(7/3).
        let decisions = [1.0, 0.0].repeat(10);
        let labels = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1];
        let scale = fit_margin_scale(&decisions, 2, &labels);
        assert!((scale - (7.0_f64 / 3.0).ln()).abs() < 1e-4, "{scale}");
        let values = log_probabilities(&decisions[..2], 2, scale);
        assert!((values[0].exp() - 0.7).abs() < 1e-4);
    }
}
