//! The *votes view*: a model's probabilities against all that ten raters saw, not only their majority.

use serde::Serialize;

use super::{Estimate, ScoredSplit, wilson};
use crate::data::packed::votes::{VOTE_COLUMNS, vote_shares};
use crate::expression::LabelSet;

/// Of the votes, this share for one class makes a picture clear.
const CLEAR: f64 = 0.8;

/// How near calibrated probabilities of FER+'s eight classes come to the raters' votes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VotesView {
    /// Images that have votes for a class after the official filter of single votes, and that most do not take for no
    /// face; the two divergences are means over these.
    pub images: u64,
    /// Cross-entropy of the probabilities to the shares of the votes, in nats; that of the shares to themselves is
    /// [`entropy`](Self::entropy), the least that it can be.
    pub cross_entropy: f64,
    /// Mean entropy of the shares, in nats.
    pub entropy: f64,
    /// Jensen-Shannon divergence between probabilities and shares, in nats: 0 where they are the same, at most ln 2.
    pub jensen_shannon: f64,
    /// Images in which at least 80 % of all votes are for one class.
    pub clear_images: u64,
    /// Accuracy on these, with Wilson's 95 % interval.
    pub clear_accuracy: Estimate,
}

/// Computes the view, or `None` where the data set has no votes, or the model other classes than FER+'s. The split has
/// been checked.
pub(super) fn votes_view(scored: &ScoredSplit, predictions: &[u8], temperature: f64) -> Option<VotesView> {
    let votes = scored.ferplus_votes.as_ref()?;
    if scored.class_names != LabelSet::FerPlus.names() {
        return None;
    }
    let (mut images, mut cross_entropy, mut entropy, mut jensen_shannon) = (0, 0.0, 0.0, 0.0);
    let (mut clear, mut clear_correct) = (0, 0);
    for ((votes, logits), &predicted) in votes.iter().zip(scored.logits.chunks_exact(8)).zip(predictions) {
        if let Some(class) = clear_class(votes) {
            clear += 1;
            clear_correct += u64::from(predicted == class);
        }
        let Some(seen) = vote_shares(votes) else { continue };
        images += 1;
        let scaled: Vec<f64> = logits.iter().map(|logit| f64::from(*logit) / temperature).collect();
        let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = largest + scaled.iter().map(|value| (value - largest).exp()).sum::<f64>().ln();
        for (logit, share) in scaled.iter().zip(seen.shares.map(f64::from)) {
            let log_probability = logit - log_sum;
            let probability = log_probability.exp();
            let log_middle = (0.5 * (probability + share)).ln();
            if share > 0.0 {
                cross_entropy -= share * log_probability;
                entropy -= share * share.ln();
                jensen_shannon += 0.5 * share * (share.ln() - log_middle);
            }
            if probability > 0.0 {
                jensen_shannon += 0.5 * probability * (log_probability - log_middle);
            }
        }
    }
    let mean = |sum: f64| sum / images as f64;
    (images > 0).then(|| VotesView {
        images,
        cross_entropy: mean(cross_entropy),
        entropy: mean(entropy),
        jensen_shannon: mean(jensen_shannon),
        clear_images: clear,
        clear_accuracy: wilson(clear_correct, clear),
    })
}

/// The class of a picture that is clear.
fn clear_class(votes: &[u8; VOTE_COLUMNS]) -> Option<u8> {
    let sum: u32 = votes.iter().map(|count| u32::from(*count)).sum();
    let is_clear = |count: &u8| f64::from(*count) >= CLEAR * f64::from(sum);
    let class = votes.iter().take(8).position(is_clear)?;
    (sum > 0).then_some(class as u8)
}

#[cfg(test)]
mod tests {
    use super::super::scored::tests::scored;
    use super::*;

    #[test]
    fn divergences_equal_scipys() {
        let logits = [2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0, 0.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let mut split = scored(2, &[0, 1], &logits);
        split.class_names = LabelSet::FerPlus.names().iter().map(|name| (*name).to_owned()).collect();
        split.ferplus_votes = Some(vec![[6, 3, 0, 0, 0, 0, 0, 0, 1, 0], [0, 8, 0, 0, 2, 0, 0, 0, 0, 0]]);
        let view = votes_view(&split, &split.predictions(), 1.25).unwrap();
        // Shares are single precision. reference/votes_view.py: scipy, `entropy` and `jensenshannon(p, q) ** 2`.
        assert!((view.cross_entropy - 0.984_153_179).abs() < 1e-6, "{view:?}");
        assert!((view.entropy - 0.568_458_296).abs() < 1e-6, "{view:?}");
        assert!((view.jensen_shannon - 0.135_083_940).abs() < 1e-6, "{view:?}");
        assert_eq!((view.images, view.clear_images, view.clear_accuracy.value), (2, 1, 1.0));
        split.class_names[0] = "calm".to_owned();
        assert_eq!(votes_view(&split, &split.predictions(), 1.25), None);
    }
}
