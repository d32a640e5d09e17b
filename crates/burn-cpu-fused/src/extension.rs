//! The operations as an extension of Burn's backends, and what Flex does for each of them.
//!
//! All activations are channel-major, `[channels, batch, height, width]`, contiguous.

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Bytes, DType, Shape};

use crate::kernels::convolution::{self, Epilogue};
use crate::kernels::descent::{self, SgdStep};
use crate::kernels::elementwise;
use crate::kernels::geometry::Geometry;
use crate::kernels::normalization::{self, Saved};
use crate::kernels::pooling::{self, Window};

/// Fused operations; `slope` is the negative slope of a leaky ReLU (0 is ReLU, 1 the identity).
#[backend_extension(Autodiff, Flex)]
pub trait FusedOperations: Backend {
    /// Convolution without bias.
    fn fused_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Convolution, bias, activation.
    fn fused_conv2d_activation(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: usize,
        slope: f32,
    ) -> FloatTensor<Self>;

    /// Gradient of a convolution's input of the given height and width.
    fn fused_conv2d_input_gradient(
        output_gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        height: usize,
        width: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Gradient of a convolution's weight of the given kernel size.
    fn fused_conv2d_weight_gradient(
        input: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        kernel_height: usize,
        kernel_width: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Backward of bias and activation: gradients of the sum and of the bias.
    fn fused_activation_backward(
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Batch normalisation in training mode and activation: output, batch mean, biased variance.
    fn fused_batch_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The same with a residual added before the activation.
    fn fused_batch_norm_residual(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of input, gamma and beta.
    #[allow(clippy::too_many_arguments)]
    fn fused_batch_norm_backward(
        input: FloatTensor<Self>,
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of input, gamma, beta and residual.
    #[allow(clippy::too_many_arguments)]
    fn fused_batch_norm_residual_backward(
        input: FloatTensor<Self>,
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Max pooling.
    fn fused_max_pool2d(
        input: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Gradient of max pooling's input.
    fn fused_max_pool2d_backward(
        input: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// One step of descent: the new weight and velocity. Not differentiable.
    #[allow(clippy::too_many_arguments)]
    fn fused_sgd(
        weight: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        rate: f32,
        momentum: f32,
        decay: f32,
        nesterov: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("fused operations run on contiguous f32 tensors only")
}

fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape.into()), DType::F32)
}

fn dims(tensor: &FlexTensor) -> [usize; 4] {
    tensor.shape().dims()
}

fn convolve(
    input: FlexTensor,
    weight: FlexTensor,
    stride: usize,
    padding: usize,
    epilogue: Epilogue<'_>,
) -> FlexTensor {
    let (input, weight) = (contiguous(input), contiguous(weight));
    let geometry = Geometry::new(dims(&input), dims(&weight), stride, padding);
    let output = convolution::forward(&geometry, values(&input), values(&weight), epilogue);
    tensor(output, geometry.output_shape())
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
    let shape = dims(&input);
    let residual = residual.as_ref().map(values);
    let result =
        normalization::forward(values(&input), values(&gamma), values(&beta), residual, epsilon, slope);
    (tensor(result.output, shape), tensor(result.mean, [shape[0]]), tensor(result.variance, [shape[0]]))
}

/// Gradients of input, gamma, beta and, if asked for, residual; `saved` is the forward pass's input,
/// output, gamma, mean and variance.
fn normalize_backward(
    [input, output, gamma, mean, variance]: [FlexTensor; 5],
    output_gradient: FlexTensor,
    epsilon: f32,
    slope: f32,
    with_residual: bool,
) -> (FlexTensor, FlexTensor, FlexTensor, Option<FlexTensor>) {
    let (input, output_gradient) = (contiguous(input), contiguous(output_gradient));
    let shape = dims(&input);
    let saved = Saved {
        input: values(&input),
        output: values(&output),
        gamma: values(&gamma),
        mean: values(&mean),
        variance: values(&variance),
    };
    let result = normalization::backward(&saved, values(&output_gradient), epsilon, slope, with_residual);
    (
        tensor(result.input, shape),
        tensor(result.gamma, [shape[0]]),
        tensor(result.beta, [shape[0]]),
        result.residual.map(|residual| tensor(residual, shape)),
    )
}

fn window(input: &FlexTensor, kernel: usize, stride: usize, padding: usize) -> Window {
    let [_, _, height, width] = dims(input);
    Window { height, width, kernel, stride, padding }
}

impl FusedOperations for Flex {
    fn fused_conv2d(input: FlexTensor, weight: FlexTensor, stride: usize, padding: usize) -> FlexTensor {
        convolve(input, weight, stride, padding, Epilogue::NONE)
    }

    fn fused_conv2d_activation(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        stride: usize,
        padding: usize,
        slope: f32,
    ) -> FlexTensor {
        let bias = contiguous(bias);
        convolve(input, weight, stride, padding, Epilogue { bias: Some(values(&bias)), slope })
    }

    fn fused_conv2d_input_gradient(
        output_gradient: FlexTensor,
        weight: FlexTensor,
        height: usize,
        width: usize,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        let (output_gradient, weight) = (contiguous(output_gradient), contiguous(weight));
        let ([_, batch, ..], [_, channels, ..]) = (dims(&output_gradient), dims(&weight));
        let shape = [channels, batch, height, width];
        let geometry = Geometry::new(shape, dims(&weight), stride, padding);
        let gradient = convolution::input_gradient(&geometry, values(&output_gradient), values(&weight));
        tensor(gradient, shape)
    }

    fn fused_conv2d_weight_gradient(
        input: FlexTensor,
        output_gradient: FlexTensor,
        kernel_height: usize,
        kernel_width: usize,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        let (input, output_gradient) = (contiguous(input), contiguous(output_gradient));
        let ([inputs, ..], [outputs, ..]) = (dims(&input), dims(&output_gradient));
        let shape = [outputs, inputs, kernel_height, kernel_width];
        let geometry = Geometry::new(dims(&input), shape, stride, padding);
        let gradient = convolution::weight_gradient(&geometry, values(&input), values(&output_gradient));
        tensor(gradient, shape)
    }

    fn fused_activation_backward(
        output: FlexTensor,
        output_gradient: FlexTensor,
        slope: f32,
    ) -> (FlexTensor, FlexTensor) {
        let output_gradient = contiguous(output_gradient);
        let shape = dims(&output);
        let (gradient, bias) =
            elementwise::activation_backward(shape[0], values(&output), values(&output_gradient), slope);
        (tensor(gradient, shape), tensor(bias, [shape[0]]))
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

    fn fused_batch_norm_backward(
        input: FlexTensor,
        output: FlexTensor,
        output_gradient: FlexTensor,
        gamma: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        epsilon: f32,
        slope: f32,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let saved = [input, output, gamma, mean, variance];
        let (input, gamma, beta, _) = normalize_backward(saved, output_gradient, epsilon, slope, false);
        (input, gamma, beta)
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
        let saved = [input, output, gamma, mean, variance];
        let (input, gamma, beta, residual) = normalize_backward(saved, output_gradient, epsilon, slope, true);
        (input, gamma, beta, residual.expect("asked for"))
    }

    fn fused_max_pool2d(input: FlexTensor, kernel: usize, stride: usize, padding: usize) -> FlexTensor {
        let input = contiguous(input);
        let window = window(&input, kernel, stride, padding);
        let [channels, batch, ..] = dims(&input);
        let (height, width) = window.output();
        tensor(pooling::forward(&window, channels * batch, values(&input)), [channels, batch, height, width])
    }

    fn fused_max_pool2d_backward(
        input: FlexTensor,
        output_gradient: FlexTensor,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        let (input, output_gradient) = (contiguous(input), contiguous(output_gradient));
        let window = window(&input, kernel, stride, padding);
        let shape = dims(&input);
        let planes = shape[0] * shape[1];
        tensor(pooling::backward(&window, planes, values(&input), values(&output_gradient)), shape)
    }

    fn fused_sgd(
        weight: FlexTensor,
        velocity: FlexTensor,
        gradient: FlexTensor,
        rate: f32,
        momentum: f32,
        decay: f32,
        nesterov: bool,
    ) -> (FlexTensor, FlexTensor) {
        let (mut weight, mut velocity) = (contiguous(weight), contiguous(velocity));
        let gradient = contiguous(gradient);
        let step = SgdStep { rate, momentum, decay, nesterov };
        descent::sgd(weight.storage_mut(), velocity.storage_mut(), values(&gradient), step);
        (weight, velocity)
    }
}
