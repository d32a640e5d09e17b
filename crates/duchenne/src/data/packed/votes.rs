//! FER+'s *votes* (Barsoum, Zhang, Canton Ferrer and Zhang 2016): what ten raters saw in a picture, and the labels and
//! targets that follow.
//!
//! The filter is that of the authors' published code. Votes of 1 are set to 0. In its *majority* mode the largest count
//! must then exceed half of the votes that remain, `unknown` and `NF` (not a face) among them, and the winner must not
//! be one of these two: that keeps 25,060, 3,199 and 3,153 of FER-2013's Training, PublicTest and PrivateTest images.

use serde::{Deserialize, Serialize};

use crate::expression::LabelSet;

/// Columns of the votes: FER+'s eight classes in label order, `unknown`, `NF` (no face).
pub const VOTE_COLUMNS: usize = 10;
/// FER+'s classes.
const CLASSES: usize = 8;
/// The column of pictures that show no face.
const NO_FACE: usize = 9;

/// Whose labels a data set's pictures have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// The data set's own.
    #[default]
    Labels,
    /// FER+'s majority of ten raters; pictures without one are left out.
    Majority,
    /// The shares of FER+'s ten raters for each class; pictures in which most saw no face, or none saw an expression,
    /// are left out of Training. What evaluates has the majority's label, and is left out where there is none.
    Votes,
}

/// What raters saw in a picture, as a target to learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoteShares {
    /// Share of each of FER+'s eight classes among the votes for a class; they add to one.
    pub shares: [f32; CLASSES],
    /// How much the picture counts: the share of its votes that are for a class (`0..=1`, above 0).
    pub weight: f32,
}

impl VoteShares {
    /// The class with the largest share, the first of equals.
    pub fn likeliest(&self) -> u8 {
        let larger =
            |best: usize, class: usize| if self.shares[class] > self.shares[best] { class } else { best };
        (0..CLASSES).fold(0, larger) as u8
    }
}

/// Votes without the single ones.
fn filtered(votes: &[u8; VOTE_COLUMNS]) -> [u16; VOTE_COLUMNS] {
    votes.map(|count| if count > 1 { u16::from(count) } else { 0 })
}

/// The FER+ label (`0..8`) of an image after the official filter, or `None` if the filter drops it.
pub fn ferplus_majority(votes: &[u8; VOTE_COLUMNS]) -> Option<u8> {
    let kept = filtered(votes);
    let (winner, &most) = kept.iter().enumerate().max_by_key(|&(_, &count)| count)?;
    // More than half can belong to one column only, so ties need no rule.
    (2 * most > kept.iter().sum() && winner < LabelSet::FerPlus.len()).then_some(winner as u8)
}

/// The shares of the classes after the filter of single votes; `None` where more raters saw no face than any one
/// class, or where no class has votes left.
///
/// ```
/// use duchenne::data::packed::votes::vote_shares;
///
/// let target = vote_shares(&[6, 0, 0, 2, 1, 0, 0, 0, 2, 0]).unwrap();
/// assert_eq!((target.shares[0], target.shares[3], target.weight), (0.75, 0.25, 0.8));
/// assert!(vote_shares(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 8]).is_none());
/// ```
pub fn vote_shares(votes: &[u8; VOTE_COLUMNS]) -> Option<VoteShares> {
    let kept = filtered(votes);
    let (classes, others) = kept.split_at(CLASSES);
    let sum: u16 = classes.iter().sum();
    let most = classes.iter().copied().max().unwrap_or(0);
    if sum == 0 || kept[NO_FACE] > most {
        return None;
    }
    let mut shares = [0.0; CLASSES];
    shares.iter_mut().zip(classes).for_each(|(share, count)| *share = f32::from(*count) / f32::from(sum));
    let all = sum + others.iter().sum::<u16>();
    Some(VoteShares { shares, weight: f32::from(sum) / f32::from(all) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_wants_more_than_half_of_the_votes_that_remain() {
        for (votes, expected) in [
            ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], None),    // 4 of 9: no majority
            ([6, 0, 1, 1, 0, 0, 0, 0, 2, 0], Some(0)), // 6 of 8
            ([5, 0, 0, 3, 1, 0, 0, 0, 1, 0], Some(0)), // 5 of 8: single votes are no votes
            ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], None),    // exactly half
            ([0, 4, 0, 0, 0, 0, 0, 0, 4, 2], None),    // unknown and NF count in the sum
            ([0, 0, 0, 0, 0, 0, 0, 1, 0, 9], None),    // not a face
            ([0, 0, 0, 0, 0, 0, 0, 3, 7, 0], None),    // unknown
            ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None),    // nothing remains
            ([0, 0, 0, 0, 0, 0, 0, 2, 1, 0], Some(7)),
            ([0; 10], None),
        ] {
            assert_eq!(ferplus_majority(&votes), expected, "{votes:?}");
        }
    }

    #[test]
    fn shares_are_of_the_classes_and_the_weight_of_all_votes() {
        let target = vote_shares(&[4, 0, 0, 1, 3, 2, 0, 0, 0, 0]).unwrap();
        assert_eq!(target.shares, [4.0 / 9.0, 0.0, 0.0, 0.0, 3.0 / 9.0, 2.0 / 9.0, 0.0, 0.0]);
        assert_eq!((target.weight, target.likeliest()), (1.0, 0));
        // Most are unsure, and some see an expression: it counts for what they say.
        let unsure = vote_shares(&[0, 0, 0, 3, 0, 0, 0, 0, 7, 0]).unwrap();
        assert_eq!((unsure.shares[3], unsure.weight), (1.0, 0.3));
        assert!(vote_shares(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 6]).is_none());
        assert!(vote_shares(&[1; 10]).is_none());
    }
}
