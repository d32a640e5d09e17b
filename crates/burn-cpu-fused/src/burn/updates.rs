//! Optimiser *updates* of one weight, in one pass over memory on Flex in f32 and by Burn's operations
//! elsewhere. All tensors are without autodiff.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::{FusedUpdates, is_fused};
use crate::descent::{AdamStep, SgdStep};

/// One step of stochastic gradient descent: the new weight and, with momentum, its velocity. A missing
/// velocity is zero.
pub fn sgd_step<const D: usize>(
    weight: Tensor<D>,
    velocity: Option<Tensor<D>>,
    gradient: Tensor<D>,
    step: SgdStep,
) -> (Tensor<D>, Option<Tensor<D>>) {
    if step.momentum == 0.0 {
        return (plain_sgd_step(weight, gradient, step), None);
    }
    let velocity = velocity.unwrap_or_else(|| weight.zeros_like());
    if is_fused(&weight.device(), weight.dtype()) {
        let (weight, velocity) = Dispatch::fused_sgd(
            weight.into_dispatch(),
            velocity.into_dispatch(),
            gradient.into_dispatch(),
            step,
        );
        return (Tensor::from_dispatch(weight), Some(Tensor::from_dispatch(velocity)));
    }
    let gradient = gradient + weight.clone() * step.decay;
    let velocity = velocity * step.momentum + gradient.clone();
    let direction =
        if step.nesterov { gradient + velocity.clone() * step.momentum } else { velocity.clone() };
    (weight - direction * step.rate, Some(velocity))
}

fn plain_sgd_step<const D: usize>(weight: Tensor<D>, gradient: Tensor<D>, step: SgdStep) -> Tensor<D> {
    if is_fused(&weight.device(), weight.dtype()) {
        let (weight, gradient) = (weight.into_dispatch(), gradient.into_dispatch());
        return Tensor::from_dispatch(Dispatch::fused_plain_sgd(weight, gradient, step));
    }
    weight.clone() - (gradient + weight * step.decay) * step.rate
}

/// One step of Adam: the new weight, mean of gradients and mean of squared gradients. Missing means are
/// zero.
pub fn adam_step<const D: usize>(
    weight: Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    gradient: Tensor<D>,
    step: AdamStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [mean, square] = moments.unwrap_or_else(|| [weight.zeros_like(), weight.zeros_like()]);
    if is_fused(&weight.device(), weight.dtype()) {
        let (weight, mean, square) = Dispatch::fused_adam(
            weight.into_dispatch(),
            mean.into_dispatch(),
            square.into_dispatch(),
            gradient.into_dispatch(),
            step,
        );
        return (Tensor::from_dispatch(weight), [mean, square].map(Tensor::from_dispatch));
    }
    let (rate, root) = step.corrections();
    let mean = mean * step.beta1 + gradient.clone() * (1.0 - step.beta1);
    let square = square * step.beta2 + gradient.powi_scalar(2) * (1.0 - step.beta2);
    let denominator = square.clone().sqrt() * root + step.epsilon;
    (weight - mean.clone() * rate / denominator, [mean, square])
}
