//! *Targets*: what a network is taught for each picture, as soft rows `[batch, classes]`, and how much each counts.

use crate::data::TrainingSplit;
use crate::data::{Samples, packed::dataset::PackedDataset};
use crate::training::classifier::loss::smooth_targets;
use crate::training::classifier::recipe::TrainingRecipe;

/// Soft targets `[n, classes]` and weights `[n]` of samples of a training split: raters' shares where the data set has
/// them for targets, else the label with the recipe's smoothing and its class's weight.
pub fn training_targets(
    split: &TrainingSplit<'_>,
    samples: &[u32],
    labels: &[u8],
    class_weights: &[f32],
    recipe: &TrainingRecipe,
) -> (Vec<f32>, Vec<f32>) {
    let classes = class_weights.len();
    let mut targets = smooth_targets(labels, classes, recipe);
    let mut weights: Vec<f32> = labels.iter().map(|label| class_weights[usize::from(*label)]).collect();
    let floor = recipe.label_smoothing / classes as f32;
    let rows = targets.chunks_exact_mut(classes).zip(&mut weights).zip(samples);
    for ((row, weight), sample) in rows {
        if let Some(seen) = split.vote_shares(*sample as usize) {
            for (target, share) in row.iter_mut().zip(seen.shares) {
                *target = floor + (1.0 - recipe.label_smoothing) * share;
            }
            *weight *= seen.weight;
        }
    }
    (targets, weights)
}

/// Mean cross-entropy of logits `[n, classes]` to what is known of the samples: raters' shares where the data set has
/// them for targets, else the label.
pub fn cross_entropy_to_targets(logits: &[f32], samples: &impl Samples, dataset: &PackedDataset) -> f64 {
    let classes = dataset.label_set().len();
    let of_row = |(index, row): (usize, &[f32])| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let log_sum = row.iter().map(|value| f64::from(value - largest).exp()).sum::<f64>().ln();
        let nll = |class: usize| log_sum - f64::from(row[class] - largest);
        match dataset.vote_shares(samples.row(index)) {
            Some(seen) => {
                let shares = seen.shares.iter().enumerate().filter(|(_, share)| **share > 0.0);
                shares.map(|(class, share)| f64::from(*share) * nll(class)).sum()
            }
            None => nll(usize::from(samples.label(index))),
        }
    };
    let sum: f64 = logits.chunks_exact(classes).enumerate().map(of_row).sum();
    sum / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::packed::votes::Targets;
    use crate::data::{Images as _, Origin, PackedBuilder, Split};
    use crate::expression::LabelSet;

    #[test]
    fn votes_are_the_targets_and_what_has_none_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        let mut builder = PackedBuilder::new("test", LabelSet::Fer2013, 2, 2);
        for split in [Split::Training, Split::Training, Split::Training, Split::Validation, Split::Validation]
        {
            builder.push(&[0; 4], 3, split, Origin::Photograph).unwrap();
        }
        let votes = vec![
            [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
            [0, 6, 0, 2, 0, 0, 0, 0, 2, 0],
            [6, 3, 0, 0, 0, 0, 0, 0, 1, 0],
            [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        builder.set_votes(votes).unwrap();
        builder.write(&path, "none").unwrap();
        let file = PackedDataset::open(&path).unwrap();

        let dataset = file.with_targets(Targets::Votes).unwrap();
        let split = dataset.training().unwrap();
        assert_eq!((split.rows(), split.label(0), split.label(1)), (&[0, 2][..], 0, 1));
        let recipe = TrainingRecipe { label_smoothing: 0.0, ..TrainingRecipe::default() };
        let (targets, weights) = training_targets(&split, &[1, 0], &[1, 0], &[1.0; 8], &recipe);
        assert_eq!(targets[..8], [0.0, 0.75, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(targets[8..], [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(weights, [0.8, 1.0]);
        // What evaluates needs a majority.
        let public = dataset.validation().unwrap();
        assert_eq!((public.rows(), public.label(0)), (&[3][..], 0));
        let logits = [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let sum = (2.0_f64.exp() + 1.0_f64.exp() + 6.0).ln();
        let expected = sum - (2.0 * 2.0 + 1.0) / 3.0;
        assert!((cross_entropy_to_targets(&logits, &public, &dataset) - expected).abs() < 1e-6);

        // Whose label a picture has follows the split that it is drawn into.
        let turned = [Split::Validation, Split::Validation, Split::Test, Split::Training, Split::Training];
        let drawn = dataset.with_splits(turned.to_vec());
        assert_eq!(drawn.training().unwrap().rows(), [3, 4]);
        assert!(drawn.validation().is_err(), "neither has a majority");
        assert_eq!(drawn.test().unwrap().label(0), 1);

        let majority = file.with_targets(Targets::Majority).unwrap();
        assert_eq!(majority.training().unwrap().rows(), [2]);
        assert!(
            (cross_entropy_to_targets(&logits, &majority.validation().unwrap(), &majority) - (sum - 2.0))
                .abs()
                < 1e-6
        );
        // And back.
        let own = majority.with_targets(Targets::Labels).unwrap();
        assert_eq!((own.label_set(), own.training().unwrap().len(), own.label(0)), (LabelSet::Fer2013, 3, 3));
    }

    #[test]
    fn a_data_set_without_votes_says_how_to_get_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.safetensors");
        let mut builder = PackedBuilder::new("test", LabelSet::Fer2013, 2, 2);
        builder.push(&[0; 4], 3, Split::Training, Origin::Photograph).unwrap();
        builder.write(&path, "none").unwrap();
        let error = PackedDataset::open(&path).unwrap().with_targets(Targets::Votes).unwrap_err();
        assert!(error.to_string().contains("--ferplus"), "{error}");
    }
}
