//! What *Flex*, Burn's backend on the CPU, does for each operation.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;

use super::descent_within;
use super::extension::{FusedGradients, FusedOperations, FusedUpdates};
use super::tensors::{contiguous, dims, map, tensor, values, vector, writable};
use crate::convolution;
use crate::depthwise::{self, Sizes};
use crate::descent::{self, AdamStep, SgdStep, Update};
use crate::direct::geometry::Geometry;
use crate::elementwise;
use crate::epilogue::Epilogue;
use crate::memory::LANES;
use crate::memory::blocked::{self, padded};
use crate::memory::buffers::Pooled;
use crate::normalization::{self, Saved, Side};
use crate::pooling::{self, Window};

/// The geometry of a convolution of a blocked input.
fn geometry(input: &FlexTensor, weight: [usize; 4], stride: usize, padding: usize) -> Geometry {
    let [blocks, height, width, batch, _] = dims(input);
    assert_eq!(blocks, blocked::blocks(weight[1]), "input channels differ from the weight's");
    Geometry::new([batch, weight[1], height, width], weight, stride, padding)
}

fn depthwise_sizes(input: &FlexTensor) -> Sizes {
    let [blocks, height, width, batch, _] = dims(input);
    Sizes { blocks, height, width, batch }
}

fn convolve(
    input: FlexTensor,
    weight: FlexTensor,
    stride: usize,
    padding: usize,
    epilogue: Epilogue<'_>,
) -> FlexTensor {
    let (input, weight) = (contiguous(input), contiguous(weight));
    let geometry = geometry(&input, dims(&weight), stride, padding);
    let output = convolution::forward(&geometry, values(&input), values(&weight), epilogue);
    let shape = [geometry.batch, geometry.output_channels, geometry.output_height, geometry.output_width];
    map(output, shape)
}

/// The transposed convolution of the given output height and width, added to `onto`.
fn conv_transpose(
    input: FlexTensor,
    weight: FlexTensor,
    onto: Option<FlexTensor>,
    [height, width]: [usize; 2],
    stride: usize,
    padding: usize,
) -> FlexTensor {
    let (input, weight) = (contiguous(input), contiguous(weight));
    let [blocks, input_height, input_width, batch, _] = dims(&input);
    let weight_shape: [usize; 4] = dims(&weight);
    let shape = [batch, weight_shape[1], height, width];
    let geometry = Geometry::new(shape, weight_shape, stride, padding);
    assert_eq!(blocks, blocked::blocks(weight_shape[0]), "input channels differ from the weight's");
    let expected = (geometry.output_height, geometry.output_width);
    assert_eq!((input_height, input_width), expected, "no convolution gives this size");
    let onto = onto.as_ref().map(values);
    map(convolution::input_gradient(&geometry, values(&input), values(&weight), onto), shape)
}

fn normalize(
    input: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    residual: Option<FlexTensor>,
    epsilon: f32,
    slope: f32,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (input, residual) = (contiguous(input), residual.map(contiguous));
    let (gamma, beta) = (contiguous(gamma), contiguous(beta));
    let (shape, [channels]) = (dims::<5>(&input), dims(&gamma));
    let residual = residual.as_ref().map(values);
    let (gamma, beta) = (padded(values(&gamma)), padded(values(&beta)));
    let result = normalization::forward(values(&input), &gamma, &beta, residual, epsilon, slope);
    let (mean, variance) = (vector(&result.mean, channels), vector(&result.variance, channels));
    (tensor(result.output, shape), mean, variance)
}

/// Gamma, mean and variance of a batch normalisation in whole blocks.
fn whole_blocks(vectors: [FlexTensor; 3]) -> [Vec<f32>; 3] {
    vectors.map(|vector| padded(values(&contiguous(vector))))
}

fn window(input: &FlexTensor, kernel: usize, stride: usize, padding: usize) -> Window {
    let [blocks, height, width, batch, _] = dims(input);
    Window { blocks, height, width, batch, kernel, stride, padding }
}

impl FusedOperations for Flex {
    fn fused_block(input: FlexTensor) -> FlexTensor {
        let input = contiguous(input);
        let [batch, channels, height, width] = dims(&input);
        let blocked = blocked::from_batch(values(&input), [batch, channels, height * width]);
        map(blocked, [batch, channels, height, width])
    }

    fn fused_unblock(input: FlexTensor, channels: usize) -> FlexTensor {
        let input = contiguous(input);
        let [_, height, width, batch, _] = dims(&input);
        let plain = blocked::to_batch(values(&input), [batch, channels, height * width]);
        tensor(plain, [batch, channels, height, width])
    }

    fn fused_conv2d(input: FlexTensor, weight: FlexTensor, stride: usize, padding: usize) -> FlexTensor {
        convolve(input, weight, stride, padding, Epilogue::NONE)
    }

    fn fused_depthwise_conv2d(input: FlexTensor, weight: FlexTensor) -> FlexTensor {
        let (input, weight) = (contiguous(input), contiguous(weight));
        let weights = depthwise::pack(values(&weight));
        let output = depthwise::forward(&depthwise_sizes(&input), values(&input), &weights, None, 1.0);
        tensor(output, dims::<5>(&input))
    }

    fn fused_conv2d_activation(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        stride: usize,
        padding: usize,
        slope: f32,
    ) -> FlexTensor {
        let bias = padded(values(&contiguous(bias)));
        convolve(input, weight, stride, padding, Epilogue { bias: Some(&bias), residual: None, slope })
    }

    fn fused_conv_transpose2d(
        input: FlexTensor,
        weight: FlexTensor,
        height: usize,
        width: usize,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        conv_transpose(input, weight, None, [height, width], stride, padding)
    }

    fn fused_gate(input: FlexTensor, by: FlexTensor, slope: f32) -> FlexTensor {
        let (input, by) = (contiguous(input), contiguous(by));
        tensor(elementwise::gate(values(&input), values(&by), slope), dims::<5>(&input))
    }

    fn fused_batch_norm(
        input: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f32,
        slope: f32,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        normalize(input, gamma, beta, None, epsilon, slope)
    }

    fn fused_batch_norm_residual(
        input: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: FlexTensor,
        epsilon: f32,
        slope: f32,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        normalize(input, gamma, beta, Some(residual), epsilon, slope)
    }

    fn fused_max_pool2d(input: FlexTensor, kernel: usize, stride: usize, padding: usize) -> FlexTensor {
        let input = contiguous(input);
        let window = window(&input, kernel, stride, padding);
        let (height, width) = window.output();
        let output = pooling::forward(&window, values(&input));
        tensor(output, [window.blocks, height, width, window.batch, LANES])
    }

    fn fused_average_pool(input: FlexTensor, channels: usize) -> FlexTensor {
        let input = contiguous(input);
        let [_, height, width, batch, _] = dims(&input);
        tensor(pooling::average(values(&input), [batch, channels, height * width]), [batch, channels])
    }
}

impl FusedGradients for Flex {
    fn fused_conv_transpose2d_onto(
        input: FlexTensor,
        weight: FlexTensor,
        earlier: FlexTensor,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        let [_, height, width, ..] = dims::<5>(&earlier);
        conv_transpose(input, weight, Some(contiguous(earlier)), [height, width], stride, padding)
    }

    fn fused_depthwise_backward(
        input: FlexTensor,
        weight: FlexTensor,
        output_gradient: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        let [input, weight, gradient] = [input, weight, output_gradient].map(contiguous);
        let (sizes, shape) = (depthwise_sizes(&input), dims::<4>(&weight));
        let weights = depthwise::pack(values(&weight));
        let by_input = depthwise::input_gradient(&sizes, values(&gradient), &weights);
        let by_weight = depthwise::weight_gradient(&sizes, values(&input), values(&gradient), shape[0]);
        (tensor(by_input, dims::<5>(&input)), tensor(Pooled::from(&by_weight[..]), shape))
    }

    fn fused_conv2d_weight_gradient(
        input: FlexTensor,
        output_gradient: FlexTensor,
        weight: [usize; 4],
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        let (input, output_gradient) = (contiguous(input), contiguous(output_gradient));
        let geometry = geometry(&input, weight, stride, padding);
        let gradient =
            convolution::weight_gradient(&geometry, values(&input), values(&output_gradient), None);
        tensor(gradient, weight)
    }

    fn fused_conv2d_weight_step(
        input: FlexTensor,
        output_gradient: FlexTensor,
        weight: FlexTensor,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        let [input, output_gradient, weight] = [input, output_gradient, weight].map(contiguous);
        let shape = dims(&weight);
        let Some(step) = descent_within::begin(&weight) else {
            return Self::fused_conv2d_weight_gradient(input, output_gradient, shape, stride, padding);
        };
        let geometry = geometry(&input, shape, stride, padding);
        let update = Update { weight: values(&weight), step };
        let (input, output_gradient) = (values(&input), values(&output_gradient));
        let stepped = convolution::weight_gradient(&geometry, input, output_gradient, Some(update));
        let stepped = tensor(stepped, shape);
        descent_within::end(stepped.clone());
        stepped
    }

    fn fused_activation_backward(
        output: FlexTensor,
        output_gradient: FlexTensor,
        channels: usize,
        slope: f32,
    ) -> (FlexTensor, FlexTensor) {
        let output_gradient = contiguous(output_gradient);
        let shape: [usize; 5] = dims(&output);
        let (gradient, bias) =
            elementwise::activation_backward(shape[0], values(&output), values(&output_gradient), slope);
        (tensor(gradient, shape), vector(&bias, channels))
    }

    fn fused_batch_norm_backward(
        input: FlexTensor,
        output_gradient: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        epsilon: f32,
        slope: f32,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (input, beta, mut gradient) = (contiguous(input), contiguous(beta), writable(output_gradient));
        let [channels] = dims(&gamma);
        let ([gamma, mean, variance], beta) = (whole_blocks([gamma, mean, variance]), padded(values(&beta)));
        let saved = Saved { gamma: &gamma, mean: &mean, variance: &variance };
        let side = Side::Beta { input: values(&input), beta: &beta };
        let vectors = normalization::backward(&saved, side, gradient.storage_mut(), epsilon, slope);
        let [gamma, beta] = vectors.map(|values| vector(&values, channels));
        (gradient, gamma, beta)
    }

    fn fused_batch_norm_residual_backward(
        input: FlexTensor,
        output: FlexTensor,
        output_gradient: FlexTensor,
        gamma: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        epsilon: f32,
        slope: f32,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let (mut input, output, mut gradient) =
            (writable(input), contiguous(output), writable(output_gradient));
        let [channels] = dims(&gamma);
        let [gamma, mean, variance] = whole_blocks([gamma, mean, variance]);
        let saved = Saved { gamma: &gamma, mean: &mean, variance: &variance };
        let side = Side::Output { input: input.storage_mut(), output: values(&output) };
        let vectors = normalization::backward(&saved, side, gradient.storage_mut(), epsilon, slope);
        let [gamma, beta] = vectors.map(|values| vector(&values, channels));
        (input, gamma, beta, gradient)
    }

    fn fused_max_pool2d_backward(
        input: FlexTensor,
        output: FlexTensor,
        output_gradient: FlexTensor,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        let (input, output_gradient) = (contiguous(input), contiguous(output_gradient));
        let window = window(&input, kernel, stride, padding);
        let gradient = pooling::backward(&window, values(&input), values(&output), values(&output_gradient));
        tensor(gradient, dims::<5>(&input))
    }

    fn fused_average_pool_backward(output_gradient: FlexTensor, height: usize, width: usize) -> FlexTensor {
        let output_gradient = contiguous(output_gradient);
        let [batch, channels] = dims(&output_gradient);
        let blocks = blocked::blocks(channels);
        let sizes = [batch, channels, height * width];
        let gradient = pooling::average_backward(values(&output_gradient), sizes, blocks);
        map(gradient, [batch, channels, height, width])
    }
}

impl FusedUpdates for Flex {
    fn fused_admit(weight: FlexTensor) -> FlexTensor {
        // A weight that is not contiguous is copied by the backward pass and not found again.
        if weight.is_contiguous() {
            descent_within::admit(weight.clone());
        }
        weight
    }

    fn fused_sgd(
        weight: FlexTensor,
        velocity: FlexTensor,
        gradient: FlexTensor,
        step: SgdStep,
    ) -> (FlexTensor, FlexTensor) {
        let (mut weight, mut velocity) = (writable(weight), writable(velocity));
        let gradient = contiguous(gradient);
        descent::sgd(weight.storage_mut(), velocity.storage_mut(), values(&gradient), step);
        (weight, velocity)
    }

    fn fused_plain_sgd(weight: FlexTensor, gradient: FlexTensor, step: SgdStep) -> FlexTensor {
        let gradient = contiguous(gradient);
        if descent_within::take(&gradient, step) {
            return gradient;
        }
        let mut weight = writable(weight);
        descent::plain_sgd(weight.storage_mut(), values(&gradient), step);
        weight
    }

    fn fused_adam(
        weight: FlexTensor,
        mean: FlexTensor,
        square: FlexTensor,
        gradient: FlexTensor,
        step: AdamStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [mut weight, mut mean, mut square] = [weight, mean, square].map(writable);
        let gradient = contiguous(gradient);
        let (w, m, s) = (weight.storage_mut(), mean.storage_mut(), square.storage_mut());
        descent::adam(w, m, s, values(&gradient), step);
        (weight, mean, square)
    }
}
