//! Every instruction set of this processor against the scalar one. A binary of its own: the choice holds for
//! the whole process.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Tensor, TensorData};
use burn_cpu_fused::{
    Activation, AdamStep, FeatureMap, Instructions, PackedConvolution, SgdStep, adam_step, linear, sgd_step,
};

/// Numbers in -1..1 that do not repeat soon.
fn numbers<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|index| (index as f32 * 0.7311 + count as f32).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Outputs and gradients of every operation.
fn run() -> Vec<(String, Vec<f32>)> {
    let device = Device::flex().autodiff();
    let mut found = Vec::new();
    // Batch, inputs, size, outputs, kernel, stride, padding: tiles whole and cut, wide and narrow, many
    // images and few, Winograd, large weights, whole images.
    for sizes in [
        [13, 20, 7, 50, 3, 1, 1],
        [3, 33, 6, 17, 3, 2, 1],
        [32, 48, 12, 40, 3, 1, 1],
        [8, 1, 15, 64, 7, 2, 3],
        [2, 520, 3, 400, 1, 1, 0],
        [9, 64, 4, 16, 1, 2, 0],
        [9, 72, 3, 65, 3, 1, 1],
        [8, 64, 2, 70, 3, 1, 1],
        [12, 320, 6, 330, 3, 1, 1],
        [16, 32, 16, 48, 4, 2, 1],
    ] {
        let [batch, inputs, size, outputs, kernel, stride, padding] = sizes;
        let mut note = |what: &str, values: Vec<f32>| found.push((format!("{what} of {sizes:?}"), values));
        let x = numbers([batch, inputs, size, size], &device).require_grad();
        let w = numbers([outputs, inputs, kernel, kernel], &device).require_grad();
        let b = numbers([outputs], &device).require_grad();
        let map = FeatureMap::from_batch(x.clone());
        let y = map.conv2d(w.clone(), Some(b.clone()), stride, padding, Activation::Relu).into_batch();
        let gradients = y.clone().powi_scalar(2).mean().backward();
        note("convolution", values(y.clone()));
        note("input gradient", values(x.grad(&gradients).unwrap()));
        note("weight gradient", values(w.grad(&gradients).unwrap()));
        note("bias gradient", values(b.grad(&gradients).unwrap()));

        let packed = PackedConvolution::new(w.clone().inner(), b.clone().inner(), stride, padding);
        let served = FeatureMap::from_batch(x.clone().inner());
        note(
            "packed convolution",
            values(served.packed_conv2d(&packed, None, Activation::Relu).into_batch()),
        );

        // Each operation on numbers of its own: differences must not grow from one to the next.
        let shape = y.dims();
        let z = (numbers(shape, &device) + 0.3).require_grad();
        let gamma = (numbers([outputs], &device) + 1.5).require_grad();
        let residual = FeatureMap::from_batch(numbers(shape, &device));
        let (normalized, mean, variance) = FeatureMap::from_batch(z.clone()).batch_norm(
            gamma.clone(),
            b.clone(),
            Some(residual),
            1e-5,
            Activation::LeakyRelu(0.2),
        );
        let normalized = normalized.into_batch();
        let gradients = (normalized.clone() * numbers(shape, &device)).sum().backward();
        note("batch norm", values(normalized));
        note("mean", values(mean));
        note("variance", values(variance));
        note("batch norm's input gradient", values(z.grad(&gradients).unwrap()));
        note("gamma gradient", values(gamma.grad(&gradients).unwrap()));

        let up = numbers([outputs, 5, 4, 4], &device).require_grad();
        let pooled = FeatureMap::from_batch(z.clone()).max_pool2d(2, 1, 1);
        let image = pooled.clone().conv_transpose2d(up.clone(), None, 2, 1, Activation::Identity);
        let image = image.into_batch();
        let head = numbers([11, outputs], &device).require_grad();
        let logits =
            linear(pooled.global_average_pool(), head.clone(), numbers([11], &device), Activation::Relu);
        let loss = image.clone().powi_scalar(2).mean() + logits.clone().powi_scalar(2).mean();
        let gradients = loss.backward();
        note("transposed convolution", values(image));
        note("logits", values(logits));
        note("pooling's input gradient", values(z.grad(&gradients).unwrap()));
        note("transposed weight gradient", values(up.grad(&gradients).unwrap()));
        note("linear weight gradient", values(head.grad(&gradients).unwrap()));
    }
    let device = Device::flex();
    let [w, v, g] = [5000, 5001, 5002].map(|count| numbers([count], &device).slice_dim(0, 0..5000));
    let step = SgdStep { rate: 0.1, momentum: 0.9, decay: 1e-3, nesterov: true };
    // Parts of larger tensors: an update in place once took the whole memory for the part.
    found.push(("descent".into(), values(sgd_step(w.clone(), Some(v), g.clone(), step).0)));
    let step = AdamStep { rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, time: 1 };
    found.push(("adam".into(), values(adam_step(w, None, g, step).0)));
    found
}

#[test]
fn all_instructions_agree_with_the_scalar_ones() {
    Instructions::Scalar.select();
    let expected = run();
    for instructions in Instructions::available() {
        instructions.select();
        for ((name, ours), (_, reference)) in run().into_iter().zip(&expected) {
            let magnitude = reference.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            assert!(magnitude > 0.0, "{name} is nothing but zeros");
            for (a, b) in ours.iter().zip(reference) {
                assert!((a - b).abs() <= 2e-5 * magnitude, "{instructions:?}, {name}: {a} against {b}");
            }
        }
    }
}
