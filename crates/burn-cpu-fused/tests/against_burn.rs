//! Every fused operation and gradient, in f32, against Burn's own operations in f64, over random shapes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::cell::Cell;

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_cpu_fused::{
    Activation, AdamStep, FeatureMap, PackedConvolution, PackedDepthwise, PackedLinear, PixelConvolution,
    SgdStep, adam_step, linear, sgd_step,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

thread_local! {
    /// State of the generator of this test's numbers: every run of a test sees the same ones.
    static STATE: Cell<u64> = const { Cell::new(1) };
}

/// Uniform in -0.5..0.5 (SplitMix64, Steele et al. 2014).
fn uniform() -> f32 {
    let state = STATE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 40) as f32 / 2.0_f32.powi(24) - 0.5
}

/// Of mean zero and deviation one, nearly normal.
fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| 2.0 * (uniform() + uniform() + uniform())).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The largest difference, relative to the largest magnitude.
fn difference<const D: usize>(ours: Tensor<D>, reference: Tensor<D>) -> f64 {
    assert_eq!(ours.dims(), reference.dims());
    let ours: Vec<f64> = ours.into_data().iter::<f64>().collect();
    let reference: Vec<f64> = reference.into_data().iter::<f64>().collect();
    let magnitude = reference.iter().fold(1e-6_f64, |largest, value| largest.max(value.abs()));
    let furthest = ours.iter().zip(&reference).fold(0.0_f64, |furthest, (a, b)| {
        // A NaN must not pass as small.
        if a.is_nan() || b.is_nan() { f64::INFINITY } else { furthest.max((a - b).abs()) }
    });
    furthest / magnitude
}

/// Runs `work` on f32 (fused) and f64 (plain) copies of the inputs and compares the output and the
/// gradient of a random weighting of it with respect to every input.
fn compare(inputs: &[Tensor<4>], work: impl Fn(&[Tensor<4>]) -> Tensor<4>) -> f64 {
    let run = |dtype: DType| {
        let inputs: Vec<_> =
            inputs.iter().map(|input| input.clone().cast(dtype).detach().require_grad()).collect();
        let output = work(&inputs);
        (inputs, output)
    };
    let (fused, ours) = run(DType::F32);
    let (plain, reference) = run(DType::F64);
    let weighting = random(ours.dims(), &ours.device());
    let our_gradients = (ours.clone() * weighting.clone()).sum().backward();
    let reference_gradients = (reference.clone() * weighting.cast(DType::F64)).sum().backward();
    let mut worst = difference(ours.inner(), reference.inner());
    for (a, b) in fused.iter().zip(&plain) {
        let (a, b) = (a.grad(&our_gradients).unwrap(), b.grad(&reference_gradients).unwrap());
        worst = worst.max(difference(a, b));
    }
    worst
}

fn vector(tensor: &Tensor<4>) -> Tensor<1> {
    let length: usize = tensor.dims().iter().product();
    tensor.clone().reshape([length])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn convolution_and_gradients(
        batch in 1usize..7, inputs in 1usize..40, outputs in 1usize..70,
        height in 1usize..15, width in 1usize..15,
        kernel in 1usize..6, stride in 1usize..4, padding in 0usize..4, with_bias: bool,
    ) {
        prop_assume!(height + 2 * padding >= kernel && width + 2 * padding >= kernel);
        let device = Device::flex().autodiff();
        let x = random([batch, inputs, height, width], &device);
        let w = random([outputs, inputs, kernel, kernel], &device);
        let b = random([1, 1, 1, outputs], &device);
        let tensors = if with_bias { vec![x, w, b] } else { vec![x, w] };
        let worst = compare(&tensors, |t| {
            let bias = t.get(2).map(vector);
            FeatureMap::from_batch(t[0].clone())
                .conv2d(t[1].clone(), bias, stride, padding, Activation::LeakyRelu(0.2))
                .into_batch()
        });
        // A leaky ReLU's kink may flip for values within rounding of zero: none of these is.
        prop_assert!(worst < 2e-5, "relative difference {worst:e}");
    }

    #[test]
    fn transposed_convolution_and_gradients(
        batch in 1usize..9, inputs in 1usize..40, outputs in 1usize..40,
        height in 1usize..7, width in 1usize..7,
        kernel in 1usize..6, stride in 1usize..4, padding in 0usize..3, with_bias: bool,
    ) {
        let fits = |length: usize| (length - 1) * stride + kernel > 2 * padding;
        prop_assume!(fits(height) && fits(width));
        let device = Device::flex().autodiff();
        let x = random([batch, inputs, height, width], &device);
        let w = random([inputs, outputs, kernel, kernel], &device);
        let b = random([1, 1, 1, outputs], &device);
        let tensors = if with_bias { vec![x, w, b] } else { vec![x, w] };
        // Found here: one position of four that reads itself was taken for all of them.
        let worst = compare(&tensors, |t| {
            let bias = t.get(2).map(vector);
            FeatureMap::from_batch(t[0].clone())
                .conv_transpose2d(t[1].clone(), bias, stride, padding, Activation::LeakyRelu(0.2))
                .into_batch()
        });
        prop_assert!(worst < 2e-5, "relative difference {worst:e}");
    }

    #[test]
    fn depthwise_convolution_and_gradients(
        batch in 1usize..5, channels in 1usize..50, height in 1usize..15, width in 1usize..25, with_bias: bool,
    ) {
        let device = Device::flex().autodiff();
        let x = random([batch, channels, height, width], &device);
        let w = random([channels, 1, 3, 3], &device);
        let b = random([1, 1, 1, channels], &device);
        let tensors = if with_bias { vec![x, w, b] } else { vec![x, w] };
        let worst = compare(&tensors, |t| {
            let bias = t.get(2).map(vector);
            FeatureMap::from_batch(t[0].clone())
                .depthwise_conv2d(t[1].clone(), bias, Activation::LeakyRelu(0.2))
                .into_batch()
        });
        prop_assert!(worst < 2e-5, "relative difference {worst:e}");
        let plain = |t: &Tensor<4>| t.clone().inner();
        let (x, w) = (plain(&tensors[0]), plain(&tensors[1]));
        let b = tensors.get(2).map_or_else(|| Tensor::zeros([channels], &x.device()), |b| vector(&plain(b)));
        let packed = PackedDepthwise::new(w.clone(), b.clone());
        let ours = FeatureMap::from_batch(x.clone()).packed_depthwise(&packed, Activation::Relu).into_batch();
        let [x, w, b] = [x, w, b.reshape([1, 1, 1, channels])].map(|t| t.cast(DType::F64));
        let map = FeatureMap::from_batch(x);
        let reference = map.depthwise_conv2d(w, Some(vector(&b)), Activation::Relu).into_batch();
        prop_assert!(difference(ours, reference) < 2e-5);
    }

    #[test]
    fn the_convolution_of_pixels(
        outputs in 1usize..40, height in 1usize..50, width in 1usize..50, more in 0usize..3, gray: bool,
    ) {
        let device = Device::flex();
        let (weight, bias) = (random([outputs, 3, 3, 3], &device), random([outputs], &device));
        let count = height * width * if gray { 1 } else { 3 };
        let bytes: Vec<u8> = (0..count).map(|_| (255.0 * (uniform() + 0.5)) as u8).collect();
        let filled = [height, width].map(|side| side.next_multiple_of(2) + 2 * more);
        let run = |dtype: DType| {
            let first = PixelConvolution::new(weight.clone().cast(dtype), bias.clone().cast(dtype));
            first.forward(&bytes, [height, width], filled, Activation::LeakyRelu(0.2)).into_batch()
        };
        prop_assert!(difference(run(DType::F32), run(DType::F64)) < 2e-5);
    }

    #[test]
    fn enlarged_maps_and_gradients(
        batch in 1usize..4, channels in 1usize..40, height in 1usize..8, width in 1usize..8,
    ) {
        let device = Device::flex().autodiff();
        let x = random([batch, channels, 2 * height, 2 * width], &device);
        let half = random([batch, channels, height, width], &device);
        let worst = compare(&[x, half], |t| {
            let [x, half] = [&t[0], &t[1]].map(|t| FeatureMap::from_batch(t.clone()));
            x.add_enlarged(half).into_batch()
        });
        prop_assert!(worst < 1e-6, "relative difference {worst:e}");
    }

    #[test]
    fn grouped_convolution_and_gradients(
        batch in 1usize..4, groups in 2usize..4, whole: bool, size in 3usize..7, stride in 1usize..3,
    ) {
        let channels = if whole { 16 } else { 3 };
        let device = Device::flex().autodiff();
        let x = random([batch, channels * groups, size, size], &device);
        let w = random([channels * groups, channels, 3, 3], &device);
        let b = random([1, 1, 1, channels * groups], &device);
        let worst = compare(&[x, w, b], |t| {
            FeatureMap::from_batch(t[0].clone())
                .grouped_conv2d(t[1].clone(), Some(vector(&t[2])), groups, [stride, 1], Activation::Relu)
                .into_batch()
        });
        prop_assert!(worst < 2e-5, "relative difference {worst:e}");
    }

    #[test]
    fn packed_convolution(
        batch in 1usize..9, inputs in 1usize..40, outputs in 1usize..70, size in 1usize..14,
        kernel in 1usize..5, stride in 1usize..3, with_residual: bool,
    ) {
        let padding = kernel / 2;
        let device = Device::flex();
        let x = random([batch, inputs, size, size], &device);
        let w = random([outputs, inputs, kernel, kernel], &device);
        let b = random([outputs], &device);
        let out = (size + 2 * padding - kernel) / stride + 1;
        let residual = with_residual.then(|| random([batch, outputs, out, out], &device));
        let run = |dtype: DType| {
            let wide = |tensor: &Tensor<4>| tensor.clone().cast(dtype);
            let packed = PackedConvolution::new(wide(&w), b.clone().cast(dtype), stride, padding);
            let residual = residual.as_ref().map(|residual| FeatureMap::from_batch(wide(residual)));
            // Twice: the second run finds used buffers.
            let run = || {
                FeatureMap::from_batch(wide(&x))
                    .packed_conv2d(&packed, residual.clone(), Activation::Relu)
                    .max_pool2d(1, 1, 0)
                    .into_batch()
            };
            let _ = run();
            run()
        };
        let worst = difference(run(DType::F32), run(DType::F64));
        prop_assert!(worst < 1e-5, "relative difference {worst:e}");
    }

    #[test]
    fn whole_small_images(
        batch in 8usize..41, inputs in 64usize..100, outputs in 64usize..100, size in 2usize..4,
        with_residual: bool,
    ) {
        let device = Device::flex().autodiff();
        let x = random([batch, inputs, size, size], &device);
        let w = random([outputs, inputs, 3, 3], &device);
        let b = random([1, 1, 1, outputs], &device);
        let worst = compare(&[x.clone(), w.clone(), b.clone()], |t| {
            FeatureMap::from_batch(t[0].clone())
                .conv2d(t[1].clone(), Some(vector(&t[2])), 1, 1, Activation::Identity)
                .into_batch()
        });
        prop_assert!(worst < 1e-5, "relative difference {worst:e}");
        let residual = with_residual.then(|| random([batch, outputs, size, size], &device).inner());
        let run = |dtype: DType| {
            let wide = |tensor: &Tensor<4>| tensor.clone().inner().cast(dtype);
            let packed = PackedConvolution::new(wide(&w), vector(&wide(&b)), 1, 1);
            let residual = residual.clone().map(|residual| FeatureMap::from_batch(residual.cast(dtype)));
            FeatureMap::from_batch(wide(&x)).packed_conv2d(&packed, residual, Activation::Relu).into_batch()
        };
        let worst = difference(run(DType::F32), run(DType::F64));
        prop_assert!(worst < 1e-5, "relative difference {worst:e}");
    }

    /// Convolutions that halve an image and their transposes, by tiles of even and odd taps.
    #[test]
    fn halving_convolutions_and_gradients(
        batch in 8usize..20, inputs in 1usize..5, outputs in 1usize..9,
        half_height in 4usize..10, half_width in 4usize..10,
    ) {
        let device = Device::flex().autodiff();
        let (height, width) = (2 * half_height, 2 * half_width);
        let x = random([batch, 16 * inputs, height, width], &device);
        let w = random([16 * outputs, 16 * inputs, 4, 4], &device);
        let b = random([1, 1, 1, 16 * outputs], &device);
        let worst = compare(&[x, w.clone(), b], |t| {
            FeatureMap::from_batch(t[0].clone())
                .conv2d(t[1].clone(), Some(vector(&t[2])), 2, 1, Activation::Identity)
                .into_batch()
        });
        prop_assert!(worst < 1e-5, "relative difference {worst:e}");
        let y = random([batch, 16 * outputs, half_height, half_width], &device);
        let worst = compare(&[y, w], |t| {
            let map = FeatureMap::from_batch(t[0].clone());
            map.conv_transpose2d(t[1].clone(), None, 2, 1, Activation::Identity).into_batch()
        });
        prop_assert!(worst < 1e-5, "relative difference {worst:e}");
    }

    #[test]
    fn fully_connected_layers_and_gradients(
        samples in 1usize..40, inputs in 1usize..200, outputs in 1usize..200,
    ) {
        let device = Device::flex().autodiff();
        let x = random([1, 1, samples, inputs], &device);
        let w = random([1, 1, outputs, inputs], &device);
        let b = random([1, 1, 1, outputs], &device);
        let layer = |t: &[Tensor<4>]| {
            let (x, w) = (t[0].clone().reshape([samples, inputs]), t[1].clone().reshape([outputs, inputs]));
            linear(x, w, vector(&t[2]), Activation::Relu).reshape([1, 1, samples, outputs])
        };
        let tensors = [x, w, b];
        let worst = compare(&tensors, layer);
        prop_assert!(worst < 2e-5, "relative difference {worst:e}");
        let [x, w, b] = tensors.clone().map(|tensor| tensor.inner());
        let packed = PackedLinear::new(w.reshape([outputs, inputs]), vector(&b));
        let ours = packed.forward(x.reshape([samples, inputs]), Activation::Relu);
        let reference = layer(&tensors.map(|tensor| tensor.inner().cast(DType::F64)));
        prop_assert!(difference(ours, reference.reshape([samples, outputs])) < 1e-5);
    }

    #[test]
    fn gate_and_gradient(batch in 1usize..5, channels in 1usize..40, size in 1usize..6) {
        let device = Device::flex().autodiff();
        let by = random([batch, channels, size, size], &device);
        let worst = compare(&[random([batch, channels, size, size], &device)], |t| {
            let by = FeatureMap::from_batch(by.clone().cast(t[0].dtype()));
            FeatureMap::from_batch(t[0].clone()).gate(&by, Activation::LeakyRelu(0.2)).into_batch()
        });
        prop_assert!(worst < 1e-6, "relative difference {worst:e}");
    }

    #[test]
    fn average_pool_and_gradient(batch in 1usize..5, channels in 1usize..40, size in 1usize..6) {
        let device = Device::flex().autodiff();
        let worst = compare(&[random([batch, channels, size, size], &device)], |t| {
            FeatureMap::from_batch(t[0].clone()).global_average_pool().reshape([1, 1, batch, channels])
        });
        prop_assert!(worst < 1e-6, "relative difference {worst:e}");
    }

    #[test]
    fn batch_norm_and_gradients(
        batch in 2usize..9, channels in 1usize..80, height in 1usize..9, width in 2usize..9,
        with_residual: bool, offset in -50.0f64..50.0,
    ) {
        let worst = batch_norm_error([batch, channels, height, width], with_residual, offset);
        // The f32 input itself, at an offset of up to 50 deviations, limits what can be had.
        prop_assert!(worst < 2e-4, "relative difference {worst:e}");
    }

    #[test]
    fn max_pool_and_gradient(
        batch in 1usize..5, channels in 1usize..9, height in 3usize..13, width in 3usize..13,
        kernel in 1usize..4, stride in 1usize..4, pad: bool,
    ) {
        let device = Device::flex().autodiff();
        let padding = if pad { kernel / 2 } else { 0 };
        let x = random([batch, channels, height, width], &device);
        let worst = compare(&[x], |t| {
            FeatureMap::from_batch(t[0].clone()).max_pool2d(kernel, stride, padding).into_batch()
        });
        prop_assert!(worst < 1e-6, "relative difference {worst:e}");
    }
}

/// The largest relative difference of values and gradients.
fn batch_norm_error(shape: [usize; 4], with_residual: bool, offset: f64) -> f64 {
    let device = Device::flex().autodiff();
    let x = random(shape, &device) + offset;
    let gamma = random([1, 1, 1, shape[1]], &device);
    let beta = random([1, 1, 1, shape[1]], &device);
    let mut tensors = vec![x, gamma, beta];
    if with_residual {
        tensors.push(random(shape, &device));
    }
    compare(&tensors, |t| {
        let residual = t.get(3).cloned().map(FeatureMap::from_batch);
        FeatureMap::from_batch(t[0].clone())
            .batch_norm(vector(&t[1]), vector(&t[2]), residual, 1e-5, Activation::LeakyRelu(0.3))
            .0
            .into_batch()
    })
}

/// Blocks that fit in a cache and blocks that are cut into parts. Backward passes of batch normalisation
/// write over what they read, but not where it is in use elsewhere: inputs of two of them, a gradient that
/// two have, values that the caller holds.
#[test]
fn batch_norm_writes_over_nothing_in_use() {
    let device = Device::flex().autodiff();
    let x = random([5, 20, 6, 6], &device);
    let vectors = [(); 2].map(|()| random([1, 1, 1, 20], &device));
    let work = |t: &[Tensor<4>], residual_last: bool| {
        let map = FeatureMap::from_batch(t[0].clone());
        let normalize = |residual| {
            let (gamma, beta) = (vector(&t[1]), vector(&t[2]));
            map.clone().batch_norm(gamma, beta, residual, 1e-5, Activation::Relu).0.into_batch()
        };
        let (plain, with_residual) = (normalize(None), normalize(Some(map.clone())));
        if residual_last { plain + with_residual } else { with_residual + plain }
    };
    let [gamma, beta] = &vectors;
    for residual_last in [false, true] {
        let worst = compare(&[x.clone(), gamma.clone(), beta.clone()], |t| work(t, residual_last));
        assert!(worst < 1e-5, "relative difference {worst:e}");
    }
    let leaf = x.clone().detach().require_grad();
    let map = FeatureMap::from_batch(leaf);
    let before = map.clone().into_batch().into_data();
    let residual = Some(map.clone());
    let (normalized, ..) =
        map.clone().batch_norm(vector(gamma), vector(beta), residual, 1e-5, Activation::Identity);
    let _ = normalized.into_batch().powi_scalar(2).sum().backward();
    assert_eq!(map.into_batch().into_data(), before);
}

#[test]
fn batch_norm_of_large_maps() {
    for (shape, with_residual) in [
        ([16, 64, 12, 12], true),
        ([16, 64, 12, 12], false),
        ([16, 80, 24, 24], true),
        ([16, 80, 24, 24], false),
        ([8, 32, 30, 20], false),
    ] {
        let worst = batch_norm_error(shape, with_residual, 1.0);
        assert!(worst < 2e-5, "{shape:?}: relative difference {worst:e}");
    }
}

#[test]
fn fully_connected_layers_of_no_samples_and_of_wrong_shapes() {
    let device = Device::flex();
    let layer = |samples: usize, weight: [usize; 2]| {
        let (x, b) = (Tensor::<2>::ones([samples, 3], &device), Tensor::<1>::ones([5], &device));
        linear(x, Tensor::ones(weight, &device), b, Activation::Identity)
    };
    assert_eq!(layer(0, [5, 3]).dims(), [0, 5]);
    assert_eq!(layer(2, [5, 3]).into_data().iter::<f32>().collect::<Vec<_>>(), [4.0; 10]);
    // The other way round it has as many elements.
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| layer(2, [3, 5])));
    assert!(refused.is_err(), "a weight of inputs and outputs was taken for one of outputs and inputs");
}

/// Shapes of the networks in use take the tiled, the partial-sum, the by-channel, the whole images' and the
/// patches' paths.
#[test]
fn network_shapes() {
    let device = Device::flex().autodiff();
    for (batch, inputs, size, outputs, kernel, stride, padding) in [
        (8, 64, 12, 64, 3, 1, 1),
        (4, 256, 6, 512, 3, 1, 1),
        (32, 512, 2, 512, 3, 1, 1),
        (32, 256, 3, 256, 3, 1, 1),
        (8, 256, 12, 512, 1, 2, 0),
        (8, 64, 12, 256, 1, 1, 0),
        (16, 128, 12, 128, 3, 2, 1),
        (8, 1, 48, 64, 7, 2, 3),
        (4, 1, 64, 128, 4, 2, 1),
        (19, 1, 9, 20, 5, 1, 2),
        (33, 1, 10, 7, 4, 3, 0),
        (3, 64, 4, 1, 4, 1, 0),
        (40, 32, 24, 48, 3, 1, 1),
        (32, 96, 24, 64, 3, 1, 1),
        (3, 256, 12, 256, 3, 1, 1),
        (5, 320, 6, 336, 3, 1, 1),
        (16, 64, 14, 64, 3, 1, 1),
        (32, 128, 6, 128, 3, 1, 1),
        (2, 1024, 4, 512, 4, 2, 1),
        (9, 512, 8, 144, 4, 2, 1),
        (1, 64, 12, 64, 3, 1, 1),
    ] {
        let x = random([batch, inputs, size, size], &device);
        let w = random([outputs, inputs, kernel, kernel], &device);
        let worst = compare(&[x, w], |t| {
            FeatureMap::from_batch(t[0].clone())
                .conv2d(t[1].clone(), None, stride, padding, Activation::Identity)
                .into_batch()
        });
        assert!(worst < 1e-5, "{inputs}x{size} -> {outputs} k{kernel} s{stride}: {worst:e}");
    }
}

/// A map that several operations read: later gradients are added to earlier ones where they are computed.
#[test]
fn gradients_of_several_uses_add_up() {
    let device = Device::flex().autodiff();
    for (batch, channels, size) in [(8, 32, 12), (3, 20, 5), (9, 64, 3)] {
        let x = random([batch, 5, size, size], &device);
        let weight = |kernel| random([channels, channels, kernel, kernel], &device);
        let entry = random([channels, 5, 1, 1], &device);
        // By minimal filtering (twice where the size is even), by tiles, and with a stride that leaves
        // positions without any gradient of its own.
        let inputs = [x, entry, weight(3), weight(1), weight(1), weight(4)];
        let worst = compare(&inputs, |t| {
            let convolve = |map: &FeatureMap, weight: usize, stride, padding| {
                map.clone().conv2d(t[weight].clone(), None, stride, padding, Activation::Identity)
            };
            let map = convolve(&FeatureMap::from_batch(t[0].clone()), 1, 1, 0);
            let uses = [
                convolve(&map, 2, 1, 1),
                convolve(&map, 3, 1, 0),
                convolve(&map, 4, 2, 0),
                convolve(&map, 5, 2, 1),
                map.clone(),
            ];
            let flat = uses.map(|map| {
                let count = map.dims().iter().product::<usize>();
                map.into_batch().reshape([1, 1, 1, count])
            });
            Tensor::cat(flat.to_vec(), 3)
        });
        assert!(worst < 1e-5, "{batch} x {channels} x {size}: {worst:e}");
    }
}

#[test]
fn descent_equals_its_definition() {
    let device = Device::flex();
    let (w, v, g) = (random([70_001], &device), random([70_001], &device), random([70_001], &device));
    let wide = |tensor: &Tensor<1>| tensor.clone().cast(DType::F64);
    for (momentum, nesterov) in [(0.9, true), (0.9, false), (0.0, false)] {
        let step = SgdStep { rate: 0.1, momentum, decay: 5e-4, nesterov };
        let (rw, rv) = sgd_step(wide(&w), Some(wide(&v)), wide(&g), step);
        let (w, v) = sgd_step(w.clone(), Some(v.clone()), g.clone(), step);
        assert!(difference(w, rw) < 1e-6);
        assert_eq!(v.is_some(), momentum > 0.0);
        assert!(v.zip(rv).is_none_or(|(v, rv)| difference(v, rv) < 1e-6));
    }
}

/// The derivative along a direction, by the backward pass and by central differences of the fused forward
/// pass.
fn assert_finite_differences(name: &str, shapes: &[[usize; 4]], work: impl Fn(&[Tensor<4>]) -> Tensor<4>) {
    let device = Device::flex().autodiff();
    let points: Vec<Tensor<4>> = shapes.iter().map(|shape| random(*shape, &device)).collect();
    let directions: Vec<Tensor<4>> = shapes.iter().map(|shape| random(*shape, &device)).collect();
    let tracked: Vec<Tensor<4>> = points.iter().map(|point| point.clone().require_grad()).collect();
    let output = work(&tracked);
    let weighting = random(output.dims(), &device);
    let gradients = (output * weighting.clone()).sum().backward();
    for (index, direction) in directions.iter().enumerate() {
        let at = |step: f64| -> f64 {
            let mut moved = points.clone();
            moved[index] = moved[index].clone() + direction.clone() * step;
            let value: Tensor<4> = work(&moved) * weighting.clone();
            value.into_data().iter::<f64>().sum()
        };
        let step = 1e-2;
        let expected = (at(step) - at(-step)) / (2.0 * step);
        let gradient = tracked[index].grad(&gradients).unwrap() * direction.clone().inner();
        let terms: Vec<f64> = gradient.into_data().iter::<f64>().collect();
        let scale = terms.iter().map(|term| term * term).sum::<f64>().sqrt();
        let found: f64 = terms.iter().sum();
        assert!(
            (found - expected).abs() < 5e-3 * scale.max(1.0),
            "{name}, operand {index}: {found}, {expected}"
        );
    }
}

#[test]
fn backward_passes_equal_finite_differences() {
    let map = |t: &Tensor<4>| FeatureMap::from_batch(t.clone());
    assert_finite_differences("convolution", &[[3, 20, 6, 5], [18, 20, 3, 3], [1, 1, 1, 18]], |t| {
        map(&t[0]).conv2d(t[1].clone(), Some(vector(&t[2])), 2, 1, Activation::Identity).into_batch()
    });
    assert_finite_differences("Winograd's", &[[8, 16, 8, 8], [16, 16, 3, 3]], |t| {
        map(&t[0]).conv2d(t[1].clone(), None, 1, 1, Activation::Identity).into_batch()
    });
    for side in [2, 3] {
        assert_finite_differences("whole images'", &[[8, 64, side, side], [64, 64, 3, 3]], |t| {
            map(&t[0]).conv2d(t[1].clone(), None, 1, 1, Activation::Identity).into_batch()
        });
    }
    assert_finite_differences("transposed", &[[2, 6, 4, 4], [6, 20, 4, 4]], |t| {
        map(&t[0]).conv_transpose2d(t[1].clone(), None, 2, 1, Activation::Identity).into_batch()
    });
    let shapes = [[4, 5, 3, 3], [1, 1, 1, 5], [1, 1, 1, 5], [4, 5, 3, 3]];
    assert_finite_differences("batch norm", &shapes, |t| {
        let (gamma, beta, residual) = (vector(&t[1]), vector(&t[2]), Some(map(&t[3])));
        map(&t[0]).batch_norm(gamma, beta, residual, 1e-5, Activation::Identity).0.into_batch()
    });
    assert_finite_differences("average pooling", &[[2, 5, 3, 3]], |t| {
        map(&t[0]).global_average_pool().reshape([1, 1, 2, 5])
    });
    assert_finite_differences("fully connected", &[[1, 1, 3, 7], [1, 1, 4, 7], [1, 1, 1, 4]], |t| {
        let (x, w) = (t[0].clone().reshape([3, 7]), t[1].clone().reshape([4, 7]));
        linear(x, w, vector(&t[2]), Activation::Identity).reshape([1, 1, 3, 4])
    });
}

#[test]
fn adam_equals_its_definition() {
    let device = Device::flex();
    let random = || random([70_001], &device);
    let (weight, gradients) = (random(), [random(), random()]);
    let run = |dtype: DType| {
        let mut weight = weight.clone().cast(dtype);
        let mut moments = None;
        for (time, gradient) in (1..).zip(&gradients) {
            let step = AdamStep { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, time };
            let (next, after) = adam_step(weight, moments, gradient.clone().cast(dtype), step);
            (weight, moments) = (next, Some(after));
        }
        let [mean, square] = moments.unwrap();
        [weight, mean, square]
    };
    for (ours, reference) in run(DType::F32).into_iter().zip(run(DType::F64)) {
        assert!(difference(ours, reference) < 2e-6);
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let device = Device::flex().autodiff();
    for (channels, size) in [(24, 13), (64, 3), (64, 2)] {
        let x = random([16, channels, size, size], &device);
        let w = random([96, channels, 3, 3], &device);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (x, w) = (x.clone().detach().require_grad(), w.clone().detach().require_grad());
            pool.install(|| {
                let y = FeatureMap::from_batch(x.clone()).conv2d(w.clone(), None, 1, 1, Activation::Relu);
                let gradients = y.into_batch().powi_scalar(2).sum().backward();
                (x.grad(&gradients).unwrap().into_data(), w.grad(&gradients).unwrap().into_data())
            })
        };
        assert_eq!(run(1), run(4));
    }
}
