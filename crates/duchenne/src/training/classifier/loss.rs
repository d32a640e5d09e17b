//! *Losses* over soft targets `[batch, classes]`, which carry label smoothing, mixup and class weights.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, relu};

use crate::training::classifier::recipe::{ClassWeights, LossKind, TrainingRecipe};

/// Softmax cross-entropy: the mean over the batch of `-weight * sum_k t_k log p_k`.
///
/// # Shapes
/// - logits, targets: `[batch, classes]`, rows of targets sum to one
/// - weights: `[batch]`
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>, weights: Tensor<1>) -> Tensor<1> {
    weighted_mean(-(log_softmax(logits, 1) * targets), weights)
}

/// L2-SVM (Tang 2013): the mean over the batch of the squared hinge of every one-against-rest margin;
/// a soft target weighs the two signs.
///
/// # Shapes
/// As [`cross_entropy`].
pub fn squared_hinge(logits: Tensor<2>, targets: Tensor<2>, weights: Tensor<1>) -> Tensor<1> {
    let positive = relu(1.0 - logits.clone()).powi_scalar(2) * targets.clone();
    let negative = relu(logits + 1.0).powi_scalar(2) * (1.0 - targets);
    weighted_mean(positive + negative, weights)
}

fn weighted_mean(terms: Tensor<2>, weights: Tensor<1>) -> Tensor<1> {
    let [batch, _] = terms.dims();
    let per_sample: Tensor<1> = terms.sum_dim(1).reshape([batch]);
    (per_sample * weights).mean()
}

/// The recipe's loss.
pub fn loss(kind: LossKind, logits: Tensor<2>, targets: Tensor<2>, weights: Tensor<1>) -> Tensor<1> {
    match kind {
        LossKind::CrossEntropy => cross_entropy(logits, targets, weights),
        LossKind::SquaredHinge => squared_hinge(logits, targets, weights),
    }
}

/// The weight of each class, from how many training images it has; a class without any weighs nothing.
pub fn class_weights(kind: ClassWeights, counts: &[usize]) -> Vec<f32> {
    let total: usize = counts.iter().sum();
    let present = counts.iter().filter(|count| **count > 0).count();
    let weight = |count: &usize| match (kind, count) {
        (ClassWeights::None, _) => 1.0,
        (ClassWeights::Balanced, 0) => 0.0,
        (ClassWeights::Balanced, count) => total as f32 / (present * count) as f32,
    };
    counts.iter().map(weight).collect()
}

/// Soft targets `[batch, classes]` of hard labels, with the recipe's smoothing.
pub fn smooth_targets(labels: &[u8], classes: usize, recipe: &TrainingRecipe) -> Vec<f32> {
    let floor = recipe.label_smoothing / classes as f32;
    let mut targets = vec![floor; labels.len() * classes];
    for (row, label) in targets.chunks_exact_mut(classes).zip(labels) {
        row[usize::from(*label)] += 1.0 - recipe.label_smoothing;
    }
    targets
}

/// Mixes every sample with its mirror in the batch's order, which is random (Zhang et al. 2018):
/// `share` of itself, the rest of the other.
pub fn mix(values: &mut [f32], samples: usize, share: f32) {
    let length = values.len() / samples.max(1);
    for index in 0..samples / 2 {
        let (head, tail) = values.split_at_mut((samples - 1 - index) * length);
        let (first, second) = (&mut head[index * length..][..length], &mut tail[..length]);
        for (a, b) in first.iter_mut().zip(second) {
            (*a, *b) = (*a * share + *b * (1.0 - share), *b * share + *a * (1.0 - share));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, ElementConversion};

    fn value(tensor: Tensor<1>) -> f64 {
        tensor.into_scalar::<f32>().elem()
    }

    #[test]
    fn losses_equal_their_definitions() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[1.0, -0.5, 0.2], [0.3, 2.0, -1.0]], &device);
        let targets = Tensor::<2>::from_data([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &device);
        let weights = Tensor::<1>::from_data([1.0, 3.0], &device);
        // By hand, in f64.
        let log_sum = |row: [f64; 3]| row.iter().map(|v| v.exp()).sum::<f64>().ln();
        let first = log_sum([1.0, -0.5, 0.2]) - 1.0;
        let second = log_sum([0.3, 2.0, -1.0]) + 1.0;
        let expected = (first + 3.0 * second) / 2.0;
        let got = value(cross_entropy(logits.clone(), targets.clone(), weights.clone()));
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");

        let hinge = |margin: f64| (1.0 - margin).max(0.0).powi(2);
        let first = hinge(1.0) + hinge(0.5) + hinge(-0.2);
        let second = hinge(-0.3) + hinge(-2.0) + hinge(-1.0);
        let expected = (first + 3.0 * second) / 2.0;
        let got = value(squared_hinge(logits, targets, weights));
        assert!((got - expected).abs() < 1e-5, "{got} {expected}");
    }

    #[test]
    fn targets_sum_to_one_and_mixing_keeps_the_sum() {
        let recipe = TrainingRecipe { label_smoothing: 0.1, ..TrainingRecipe::default() };
        let mut targets = smooth_targets(&[0, 2, 1], 3, &recipe);
        mix(&mut targets, 3, 0.7);
        for row in targets.chunks_exact(3) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert!((targets[0] - (0.7 * (0.9 + 0.1 / 3.0) + 0.3 * 0.1 / 3.0)).abs() < 1e-6);
    }

    #[test]
    fn balanced_weights_make_every_class_count_alike() {
        let weights = class_weights(ClassWeights::Balanced, &[30, 10, 0]);
        assert_eq!(weights[0] * 30.0, weights[1] * 10.0);
        assert_eq!(weights[2], 0.0);
    }
}
