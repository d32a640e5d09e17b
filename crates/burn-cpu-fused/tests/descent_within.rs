//! Descent within the backward pass against the same step after it.

use burn::tensor::{Device, Distribution, Tensor};
use burn_cpu_fused::{Activation, FeatureMap, SgdStep, sgd_step, with_descent};

const STEP: SgdStep = SgdStep { rate: 0.1, momentum: 0.0, decay: 0.01, nesterov: false };

fn uniform<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

/// The weights after a step by the gradients of `loss`.
fn stepped(
    weights: &[Tensor<4>],
    step: SgdStep,
    within: bool,
    loss: impl Fn(&[Tensor<4>]) -> Tensor<1>,
) -> Vec<Vec<f32>> {
    let weights: Vec<_> = weights.iter().map(|weight| weight.clone().detach().require_grad()).collect();
    let loss = loss(&weights);
    let work = || {
        let mut gradients = loss.backward();
        let step = |weight: &Tensor<4>| {
            let gradient = weight.grad_remove(&mut gradients).expect("every weight has a gradient");
            let count = gradient.shape().num_elements();
            let weight = weight.clone().inner().reshape([count]);
            let (weight, _) = sgd_step(weight, None, gradient.reshape([count]), step);
            weight.into_data().iter::<f32>().collect()
        };
        weights.iter().map(step).collect()
    };
    if within { with_descent(step, weights.clone(), work) } else { work() }
}

fn convolve(map: FeatureMap, weight: &Tensor<4>, stride: usize, padding: usize) -> FeatureMap {
    map.conv2d(weight.clone(), None, stride, padding, Activation::LeakyRelu(0.1))
}

#[test]
fn the_step_is_the_same_bit_for_bit() {
    let device = Device::flex().autodiff();
    // Winograd's and the direct algorithm, patches, tiles of output channels, channels that fill no block.
    let shapes: [([usize; 4], [usize; 4], usize, usize); 7] = [
        ([8, 32, 12, 12], [64, 32, 3, 3], 1, 1),
        ([9, 20, 7, 7], [33, 20, 3, 3], 2, 1),
        ([12, 1, 12, 12], [64, 1, 7, 7], 2, 3),
        ([8, 256, 3, 3], [512, 256, 3, 3], 1, 1),
        ([4, 512, 2, 2], [520, 512, 1, 1], 1, 0),
        ([2, 5, 6, 6], [3, 5, 2, 2], 1, 0),
        ([32, 512, 2, 2], [512, 512, 3, 3], 1, 1),
    ];
    for (input, weight, stride, padding) in shapes {
        let (input, weight) = (uniform(input, &device), uniform(weight, &device));
        let loss = |weights: &[Tensor<4>]| {
            let map = convolve(FeatureMap::from_batch(input.clone()), &weights[0], stride, padding);
            map.into_batch().powi_scalar(2).mean()
        };
        let weights = [weight];
        for step in [STEP, SgdStep { decay: 0.0, ..STEP }, SgdStep { momentum: 0.9, ..STEP }] {
            let [within, after] = [true, false].map(|within| stepped(&weights, step, within, loss));
            assert!(within == after, "{:?}: {step:?}", weights[0].dims());
        }
    }
}

#[test]
fn a_weight_that_is_not_a_leaf_gets_its_gradient() {
    let device = Device::flex().autodiff();
    let (input, weight) = (uniform([8, 4, 5, 5], &device), uniform([16, 4, 3, 3], &device));
    let loss = |weights: &[Tensor<4>]| {
        let weight = weights[0].clone() * 2.0;
        convolve(FeatureMap::from_batch(input.clone()), &weight, 1, 1).into_batch().sum()
    };
    let weights = [weight];
    let [within, after] = [true, false].map(|within| stepped(&weights, STEP, within, loss));
    assert_eq!(within, after);
}

/// As of a foreign backward pass, run by a thread that waits for the others.
#[test]
fn weights_not_named_keep_their_gradients() {
    let device = Device::flex().autodiff();
    let named = uniform([4, 4, 1, 1], &device).require_grad();
    let gradient = || {
        let weight = Tensor::<4>::ones([4, 4, 1, 1], &device).require_grad();
        let map = FeatureMap::from_batch(Tensor::ones([1, 4, 1, 1], &device));
        let loss = map.conv2d(weight.clone(), None, 1, 0, Activation::Identity).into_batch().sum();
        weight.grad(&loss.backward()).expect("a gradient").into_data().iter::<f32>().collect::<Vec<_>>()
    };
    assert_eq!(with_descent(STEP, [named], gradient), [1.0; 16]);
}

/// Networks with one weight in use twice, in both orders of the gradients.
fn used_twice(convolution_last: bool) {
    let device = Device::flex().autodiff();
    let (input, weight) = (uniform([8, 16, 5, 5], &device), uniform([16, 16, 3, 3], &device));
    stepped(&[weight], STEP, true, |weights| {
        let penalty = |weight: &Tensor<4>| weight.clone().powi_scalar(2).sum();
        if convolution_last {
            let output = convolve(FeatureMap::from_batch(input.clone()), &weights[0], 1, 1);
            output.into_batch().sum() + penalty(&weights[0])
        } else {
            let penalty = penalty(&weights[0]);
            penalty + convolve(FeatureMap::from_batch(input.clone()), &weights[0], 1, 1).into_batch().sum()
        }
    });
}

#[test]
#[should_panic(expected = "is one of them used more than once?")]
fn a_weight_in_use_twice_is_refused() {
    used_twice(true);
}

#[test]
#[should_panic(expected = "is one of them used more than once?")]
fn a_weight_in_use_twice_is_refused_in_any_order() {
    used_twice(false);
}

#[test]
#[should_panic(expected = "is one of them used more than once?")]
fn a_weight_of_two_convolutions_is_refused() {
    let device = Device::flex().autodiff();
    let (input, weight) = (uniform([8, 16, 5, 5], &device), uniform([16, 16, 3, 3], &device));
    stepped(&[weight], STEP, true, |weights| {
        let once = convolve(FeatureMap::from_batch(input.clone()), &weights[0], 1, 1);
        convolve(once, &weights[0], 1, 1).into_batch().sum()
    });
}

/// What a failed step leaves behind must not reach the next one.
#[test]
fn after_a_refusal_gradients_are_gradients_again() {
    assert!(std::panic::catch_unwind(|| used_twice(true)).is_err());
    let device = Device::flex().autodiff();
    let weight = uniform([4, 4, 1, 1], &device).require_grad();
    let map = FeatureMap::from_batch(Tensor::ones([1, 4, 1, 1], &device));
    let loss = map.conv2d(weight.clone(), None, 1, 0, Activation::Identity).into_batch().sum();
    let gradient = weight.grad(&loss.backward()).expect("a gradient");
    assert_eq!(gradient.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0; 16]);
}
