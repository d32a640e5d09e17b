//! The operations as an *extension* of Burn's backends.
//!
//! Activations are blocked: `[channels / 16, height, width, batch, 16]`, contiguous.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DispatchDevice, backend_extension};
use burn::tensor::{DType, Device};

use crate::descent::{AdamStep, SgdStep};

/// Whether fused operations exist for tensors of this device and precision.
pub(crate) fn is_fused(device: &Device, dtype: DType) -> bool {
    dtype == DType::F32 && matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// Fused operations that autodiff goes through; `slope` is the negative slope of a leaky ReLU (0 is ReLU, 1
/// the identity).
#[backend_extension(Autodiff, Flex)]
pub trait FusedOperations: Backend {
    /// `[batch, channels, height, width]` to blocked.
    fn fused_block(values: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Blocked to `[batch, channels, height, width]`.
    fn fused_unblock(values: FloatTensor<Self>, channels: usize) -> FloatTensor<Self>;

    /// Convolution without bias.
    fn fused_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Depthwise 3x3 convolution without bias, stride 1, padding 1, with a weight `[channels, 1, 3, 3]`.
    fn fused_depthwise_conv2d(input: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Convolution, bias, activation.
    fn fused_conv2d_activation(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: usize,
        slope: f32,
    ) -> FloatTensor<Self>;

    /// Transposed convolution without bias, of the given output height and width, with a weight
    /// `[input_channels, output_channels, kernel, kernel]`; also the gradient of a convolution's input.
    fn fused_conv_transpose2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        height: usize,
        width: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// The values where `by` is positive, and times the slope elsewhere; `by` counts as a constant.
    fn fused_gate(values: FloatTensor<Self>, by: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    /// Batch normalisation in training mode and activation: output, batch mean, biased variance.
    fn fused_batch_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Batch normalisation in training mode with a residual added before the activation: output, batch mean,
    /// biased variance.
    fn fused_batch_norm_residual(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Max pooling.
    fn fused_max_pool2d(
        input: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// The mean over all positions, `[batch, channels]`.
    fn fused_average_pool(input: FloatTensor<Self>, channels: usize) -> FloatTensor<Self>;
}

/// What the backward passes of [`FusedOperations`] call. These operations have no gradients themselves, so
/// that a backend under autodiff has none of them: gradients are of first order. They are called on the
/// backend below, never through Burn's dispatch.
pub trait FusedGradients: FusedOperations {
    /// The gradient of a convolution's input added to `earlier`, which has its shape.
    fn fused_conv_transpose2d_onto(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        earlier: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Gradients of a depthwise convolution's input and weight.
    fn fused_depthwise_backward(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradient of a convolution's weight of the given shape.
    fn fused_conv2d_weight_gradient(
        input: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        weight: [usize; 4],
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// A convolution's weight after the step that it is to take, or its gradient if it is not to take any.
    fn fused_conv2d_weight_step(
        input: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Backward of bias and activation: gradients of the sum and of the bias of `channels` channels.
    fn fused_activation_backward(
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        channels: usize,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of input, gamma and beta.
    #[allow(clippy::too_many_arguments)]
    fn fused_batch_norm_backward(
        input: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
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

    /// Gradient of max pooling's input.
    fn fused_max_pool2d_backward(
        input: FloatTensor<Self>,
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Gradient of [`fused_average_pool`](FusedOperations::fused_average_pool)'s input of that height and
    /// width.
    fn fused_average_pool_backward(
        output_gradient: FloatTensor<Self>,
        height: usize,
        width: usize,
    ) -> FloatTensor<Self>;
}

/// Updates of weights. They run on tensors without autodiff.
#[backend_extension(Flex)]
pub trait FusedUpdates: Backend {
    /// Lets a convolution's weight be stepped within the backward pass: see `descent_within`.
    fn fused_admit(weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// One step of descent: the new weight and velocity.
    #[allow(clippy::too_many_arguments)]
    fn fused_sgd(
        weight: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: SgdStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// One step of descent without momentum: the new weight.
    fn fused_plain_sgd(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: SgdStep,
    ) -> FloatTensor<Self>;

    /// One step of Adam: the new weight, mean and mean square.
    fn fused_adam(
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        square: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}
