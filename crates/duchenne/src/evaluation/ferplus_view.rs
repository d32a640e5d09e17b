//! The *FER+ view*: a model against the majority of ten raters instead of FER-2013's single label.
//!
//! Which images have a majority is [`ferplus_majority`]'s to say: 25,060, 3,199 and 3,153 of the Training, PublicTest
//! and PrivateTest images. Neither "half of all ten votes" (21,811 of Training) nor "at least half" (26,587) nor leaving
//! `unknown` and `NF` out of the sum (25,947) gives these.

use serde::Serialize;

use super::{ConfusionMatrix, Estimate, ScoredSplit, wilson};
use crate::data::packed::votes::{VOTE_COLUMNS, ferplus_majority};
use crate::expression::LabelSet;

/// A model's accuracy against the FER+ majority.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FerPlusView {
    /// Images of the split before the filter.
    pub images: u64,
    /// Images that the filter keeps; `accuracy` is over these.
    pub kept: u64,
    /// 8-class accuracy against the majority, with Wilson's 95 % interval. The model's class is taken over by
    /// name; a majority that the model has no class for (contempt, for FER-2013's seven) counts as an error.
    pub accuracy: Estimate,
    /// Mean recall of the eight classes that have images (`0..=1`).
    pub balanced_accuracy: f64,
    /// Kept images whose majority the model has no class for.
    pub without_model_class: u64,
    /// Recall by FER+ class.
    pub per_class: Vec<FerPlusClass>,
    /// Kept images whose data-set label names the same class as the majority, with Wilson's interval: what a
    /// perfect imitator of the data set's labels would score.
    pub label_agreement: Estimate,
    /// The same over all images of the split, filtered or not, against the class with the most votes of all
    /// ten columns, single votes included, the first column winning ties; `unknown` and `NF` never agree.
    pub label_agreement_unfiltered: Estimate,
}

/// One FER+ class in the [`FerPlusView`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FerPlusClass {
    /// FER+'s name of the class.
    pub class: String,
    /// Kept images with this majority.
    pub support: u64,
    /// Those that the model classified so.
    pub correct: u64,
}

/// Computes the view, or `None` where the data set has no votes. The split has been checked.
pub(super) fn ferplus_view(scored: &ScoredSplit, predictions: &[u8]) -> Option<FerPlusView> {
    let votes = scored.ferplus_votes.as_ref()?;
    let set = LabelSet::FerPlus;
    let by_name: Vec<Option<u8>> = scored.class_names.iter().map(|name| set.label_of(name)).collect();
    let translate = |label: u8| by_name[usize::from(label)];

    // One class more than FER+ has collects predictions that FER+ has no name for.
    let mut matrix = ConfusionMatrix::new(set.len() + 1);
    let (mut agreeing, mut agreeing_unfiltered) = (0, 0);
    for ((votes, &label), &predicted) in votes.iter().zip(&scored.labels).zip(predictions) {
        let label = translate(label);
        agreeing_unfiltered += u64::from(label.is_some() && label == plurality(votes));
        if let Some(majority) = ferplus_majority(votes) {
            matrix.add(usize::from(majority), translate(predicted).map_or(set.len(), usize::from));
            agreeing += u64::from(label == Some(majority));
        }
    }
    let images = votes.len() as u64;
    let per_class: Vec<_> = set
        .names()
        .iter()
        .enumerate()
        .map(|(class, name)| FerPlusClass {
            class: name.to_string(),
            support: matrix.support(class),
            correct: matrix.count(class, class),
        })
        .collect();
    Some(FerPlusView {
        images,
        kept: matrix.total(),
        accuracy: wilson(matrix.correct(), matrix.total()),
        balanced_accuracy: matrix.balanced_accuracy(),
        without_model_class: (0..set.len())
            .filter(|&class| !by_name.contains(&Some(class as u8)))
            .map(|class| per_class[class].support)
            .sum(),
        per_class,
        label_agreement: wilson(agreeing, matrix.total()),
        label_agreement_unfiltered: wilson(agreeing_unfiltered, images),
    })
}

/// The FER+ label with the most raw votes, the first of equals; `None` if that is `unknown` or `NF`.
fn plurality(votes: &[u8; VOTE_COLUMNS]) -> Option<u8> {
    let most = votes.iter().max()?;
    let winner = votes.iter().position(|count| count == most)?;
    (winner < LabelSet::FerPlus.len()).then_some(winner as u8)
}

#[cfg(test)]
mod tests {
    use super::super::scored::tests::scored;
    use super::*;

    #[test]
    fn contempt_is_an_error_for_a_model_without_it_and_labels_go_by_name() {
        // FER-2013's happy (3), neutral (6), sad (4); logits put all on the label of the second list.
        let labels = [3, 6, 4, 3];
        let predicted = [3_usize, 3, 4, 0];
        let mut logits = vec![0.0; 28];
        predicted.iter().enumerate().for_each(|(row, &class)| logits[row * 7 + class] = 9.0);
        let mut split = scored(7, &labels, &logits);
        let vote = |column: usize| std::array::from_fn(|index| if index == column { 10 } else { 0 });
        split.ferplus_votes = Some(vec![vote(1), vote(7), vote(3), vote(8)]);
        let view = ferplus_view(&split, &split.predictions()).unwrap();
        assert_eq!((view.images, view.kept, view.without_model_class), (4, 3, 1));
        assert_eq!(view.accuracy.value, 2.0 / 3.0);
        assert_eq!(view.label_agreement.value, 2.0 / 3.0);
        assert_eq!(view.label_agreement_unfiltered.value, 2.0 / 4.0);
        assert!((view.balanced_accuracy - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!((view.per_class[7].support, view.per_class[7].correct), (1, 0));
    }

    #[test]
    fn a_data_set_without_votes_has_no_view() {
        assert!(ferplus_view(&scored(2, &[0], &[0.0, 0.0]), &[0]).is_none());
    }
}
