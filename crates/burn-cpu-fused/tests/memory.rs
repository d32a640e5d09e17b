//! Every way of every operation once, on small shapes, with every instruction set that the processor has:
//! what `.ci/memory-check` runs under valgrind. A binary of its own, since instructions and buffers are
//! chosen for the whole process.
//!
//! Buffers are not kept, so that each is new memory with nothing in it and ends where it ends: the checker
//! sees reads of what was never written and of what lies beyond. It reports the former where a branch depends
//! on it, so every value is compared.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Tensor, TensorData};
use burn_cpu_fused::{
    Activation, AdamStep, FeatureMap, Instructions, PackedConvolution, PackedDepthwise, PackedLinear,
    PixelConvolution, SgdStep, adam_step, linear, sgd_step, with_descent,
};

/// Numbers in -1..1 that do not repeat soon.
fn numbers<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|index| (index as f32 * 0.7311 + count as f32).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// What operations gave, by name.
#[derive(Default)]
struct Found(Vec<(String, Vec<f32>)>);

impl Found {
    fn note<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        self.0.push((name.to_owned(), tensor.into_data().iter::<f32>().collect()));
    }
}

/// A convolution with and without packing, its gradients, and its step within the backward pass.
fn convolutions(found: &mut Found) {
    let device = Device::flex().autodiff();
    // Batch, inputs, size, outputs, kernel, stride, padding.
    for (way, [batch, inputs, size, outputs, kernel, stride, padding]) in [
        ("images at one position", [7, 20, 5, 33, 3, 2, 1]),
        ("positions of few images", [2, 3, 5, 17, 3, 2, 1]),
        ("weights in several passes", [1, 1200, 3, 16, 3, 1, 0]),
        ("large weights, tile by tile", [2, 460, 2, 440, 1, 1, 0]),
        ("sums tile by tile", [2, 230, 3, 230, 2, 1, 0]),
        ("sums in several passes", [9, 3, 12, 5, 5, 1, 1]),
        ("pointwise", [3, 20, 3, 40, 1, 1, 0]),
        ("positions that nothing reads", [3, 16, 5, 16, 1, 2, 0]),
        ("patches of few images", [2, 1, 7, 20, 3, 1, 1]),
        ("patches of many images", [19, 1, 6, 20, 4, 2, 1]),
        ("F(3x3) by points", [4, 20, 6, 17, 3, 1, 1]),
        ("F(4x4) by points", [4, 17, 7, 33, 3, 1, 1]),
        ("by points, tasks apart", [8, 16, 24, 16, 3, 1, 1]),
        ("F(3x3) by channels", [3, 320, 6, 325, 3, 1, 1]),
        ("F(4x4) by channels", [3, 320, 8, 320, 3, 1, 1]),
        ("whole images of 2x2", [8, 64, 2, 70, 3, 1, 1]),
        ("whole images of 3x3", [9, 72, 3, 65, 3, 1, 1]),
        ("halves", [9, 32, 9 - 1, 48, 4, 2, 1]),
    ] {
        let x = numbers([batch, inputs, size, size], &device).require_grad();
        let w = numbers([outputs, inputs, kernel, kernel], &device).require_grad();
        let b = numbers([outputs], &device).require_grad();
        let map = FeatureMap::from_batch(x.clone());
        let y = map.conv2d(w.clone(), Some(b.clone()), stride, padding, Activation::Relu).into_batch();
        let gradients = y.clone().powi_scalar(2).mean().backward();
        found.note(&format!("{way}: convolution"), y.clone());
        found.note(&format!("{way}: input gradient"), x.grad(&gradients).unwrap());
        found.note(&format!("{way}: weight gradient"), w.grad(&gradients).unwrap());
        found.note(&format!("{way}: bias gradient"), b.grad(&gradients).unwrap());

        let step = SgdStep { rate: 0.1, momentum: 0.0, decay: 0.01, nesterov: false };
        let stepped = with_descent(step, [w.clone()], || {
            let map = FeatureMap::from_batch(x.clone());
            let map = map.conv2d(w.clone(), None, stride, padding, Activation::Identity);
            let mut gradients = map.into_batch().powi_scalar(2).mean().backward();
            sgd_step(w.clone().inner(), None, w.grad_remove(&mut gradients).unwrap(), step).0
        });
        found.note(&format!("{way}: step"), stepped);

        let packed = PackedConvolution::new(w.clone().inner(), b.clone().inner(), stride, padding);
        let residual = FeatureMap::from_batch(numbers(y.dims(), &Device::flex()));
        let served = FeatureMap::from_batch(x.clone().inner());
        let served = served.packed_conv2d(&packed, Some(residual), Activation::LeakyRelu(0.1));
        found.note(&format!("{way}: packed"), served.into_batch());
    }
}

fn other_operations(found: &mut Found) {
    let device = Device::flex().autodiff();
    for (batch, channels, size) in [(3, 20, 4), (4, 17, 24), (5, 70, 3)] {
        let name = |what: &str| format!("{what} of {batch} x {channels} x {size}");
        let shape = [batch, channels, size, size];
        let x = numbers(shape, &device).require_grad();
        let gamma = (numbers([channels], &device) + 1.5).require_grad();
        let beta = numbers([channels], &device).require_grad();
        for with_residual in [false, true] {
            let residual = with_residual.then(|| FeatureMap::from_batch(numbers(shape, &device)));
            let (y, mean, variance) = FeatureMap::from_batch(x.clone()).batch_norm(
                gamma.clone(),
                beta.clone(),
                residual,
                1e-5,
                Activation::LeakyRelu(0.2),
            );
            let y = y.into_batch();
            let gradients = (y.clone() * numbers(shape, &device)).sum().backward();
            found.note(&name("batch norm"), y);
            found.note(&name("mean"), mean);
            found.note(&name("variance"), variance);
            found.note(&name("batch norm's input gradient"), x.grad(&gradients).unwrap());
            found.note(&name("gamma gradient"), gamma.grad(&gradients).unwrap());
            found.note(&name("beta gradient"), beta.grad(&gradients).unwrap());
        }

        // Two uses of one map: the gradient of one is added where the other's is computed.
        let up = numbers([channels, 5, 4, 4], &device).require_grad();
        let pooled = FeatureMap::from_batch(x.clone()).max_pool2d(2, 1, 1);
        let image =
            pooled.clone().conv_transpose2d(up.clone(), Some(numbers([5], &device)), 2, 1, Activation::Relu);
        let gated = pooled.clone().gate(&pooled, Activation::LeakyRelu(0.2)).into_batch();
        let head = numbers([11, channels], &device).require_grad();
        let logits =
            linear(pooled.global_average_pool(), head.clone(), numbers([11], &device), Activation::Relu);
        let image = image.into_batch();
        let loss = image.clone().powi_scalar(2).mean() + logits.clone().powi_scalar(2).mean();
        let gradients = (loss + gated.powi_scalar(2).mean()).backward();
        found.note(&name("transposed convolution"), image);
        found.note(&name("logits"), logits);
        found.note(&name("pooling's input gradient"), x.grad(&gradients).unwrap());
        found.note(&name("transposed weight gradient"), up.grad(&gradients).unwrap());
        found.note(&name("linear weight gradient"), head.grad(&gradients).unwrap());

        let plain = Device::flex();
        let packed = PackedLinear::new(head.inner(), numbers([11], &plain));
        found.note(
            &name("packed linear"),
            packed.forward(numbers([batch, channels], &plain), Activation::Relu),
        );
        let packed = PackedConvolution::new(numbers([6, channels, 1, 1], &plain), numbers([6], &plain), 1, 0);
        let served = FeatureMap::from_batch(x.inner()).packed_conv2d(&packed, None, Activation::Relu);
        found.note(&name("packed pooling"), served.clone().max_pool2d(2, 2, 1).into_batch());
        found.note(&name("packed average"), served.global_average_pool());
    }
    // Transposed by halves, and convolutions in groups.
    let x = numbers([8, 32, 4, 4], &device).require_grad();
    let w = numbers([32, 16, 4, 4], &device).require_grad();
    let y = FeatureMap::from_batch(x.clone()).conv_transpose2d(w.clone(), None, 2, 1, Activation::Identity);
    let y = y.into_batch();
    let gradients = y.clone().powi_scalar(2).mean().backward();
    found.note("transposed by halves", y);
    found.note("its input gradient", x.grad(&gradients).unwrap());
    found.note("its weight gradient", w.grad(&gradients).unwrap());
    let w = numbers([32, 16, 3, 3], &device);
    let y = FeatureMap::from_batch(x).grouped_conv2d(w, None, 2, [1, 1], Activation::Relu);
    found.note("in groups", y.into_batch());

    let device = Device::flex();
    let [w, v, g] = [5000, 5001, 5002].map(|count| numbers([count], &device).slice_dim(0, 0..5000));
    let step = SgdStep { rate: 0.1, momentum: 0.9, decay: 1e-3, nesterov: true };
    found.note("descent", sgd_step(w.clone(), Some(v), g.clone(), step).0);
    let step = AdamStep { rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, time: 1 };
    found.note("adam", adam_step(w, None, g, step).0);
}

/// What YuNet is made of: depthwise convolutions with gradients and packed, enlarged maps, pictures of bytes.
fn separable_operations(found: &mut Found) {
    let device = Device::flex().autodiff();
    for (batch, channels, height, width) in [(1, 20, 7, 21), (3, 16, 5, 2), (2, 33, 1, 1), (1, 16, 2, 40)] {
        let name = |what: &str| format!("{what} of {batch} x {channels} x {height} x {width}");
        let x = numbers([batch, channels, height, width], &device).require_grad();
        let w = numbers([channels, 1, 3, 3], &device).require_grad();
        let b = numbers([channels], &device).require_grad();
        let y =
            FeatureMap::from_batch(x.clone()).depthwise_conv2d(w.clone(), Some(b.clone()), Activation::Relu);
        let y = y.into_batch();
        let gradients = y.clone().powi_scalar(2).mean().backward();
        found.note(&name("depthwise convolution"), y);
        found.note(&name("its input gradient"), x.grad(&gradients).unwrap());
        found.note(&name("its weight gradient"), w.grad(&gradients).unwrap());
        let packed = PackedDepthwise::new(w.inner(), b.inner());
        let served = FeatureMap::from_batch(x.inner()).packed_depthwise(&packed, Activation::LeakyRelu(0.1));
        // Packed maps, as they are added in a network.
        let plain = Device::flex();
        let same = PackedConvolution::new(
            numbers([channels, channels, 1, 1], &plain),
            numbers([channels], &plain),
            1,
            0,
        );
        let large = FeatureMap::from_batch(numbers([batch, channels, 2 * height, 2 * width], &plain));
        let large = large.packed_conv2d(&same, None, Activation::Identity);
        found.note(&name("packed depthwise"), served.clone().into_batch());
        found.note(&name("enlarged and added"), large.add_enlarged(served).into_batch());
    }
    let plain = Device::flex();
    let first = PixelConvolution::new(numbers([20, 3, 3, 3], &plain), numbers([20], &plain));
    for (size, filled, colors) in
        [([5, 7], [6, 8], 3), ([1, 1], [2, 2], 1), ([33, 21], [64, 32], 3), ([4, 40], [4, 40], 1)]
    {
        let bytes: Vec<u8> = (0..size[0] * size[1] * colors).map(|index| (index * 37 % 251) as u8).collect();
        let map = first.forward(&bytes, size, filled, Activation::LeakyRelu(0.3));
        found.note(&format!("pixels of {size:?} in {filled:?}"), map.into_batch());
    }
}

#[test]
fn every_way_reads_only_what_is_written() {
    burn_cpu_fused::keep_no_buffers();
    let mut expected: Option<Found> = None;
    for instructions in Instructions::available() {
        println!("{instructions:?}");
        instructions.select();
        let mut found = Found::default();
        convolutions(&mut found);
        other_operations(&mut found);
        separable_operations(&mut found);
        let reference = expected.get_or_insert_with(|| Found(found.0.clone()));
        for ((name, values), (_, reference)) in found.0.iter().zip(&reference.0) {
            let magnitude = reference.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            assert!(magnitude > 0.0, "{name} is nothing but zeros");
            for (a, b) in values.iter().zip(reference) {
                assert!((a - b).abs() <= 5e-5 * magnitude, "{instructions:?}, {name}: {a} against {b}");
            }
        }
    }
}
