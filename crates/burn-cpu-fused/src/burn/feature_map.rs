//! A *feature map* is a batch of image-like activations in the memory format that suits its device:
//! blocked with fused operations on Flex in f32, batch-major with Burn's own operations on every other
//! backend and in every other precision. Networks written against it read the same.

use burn::backend::Dispatch;
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::module::{conv_transpose2d, conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, MaxPoolOptions};
use burn::tensor::{Tensor, TensorData};

use super::activations::Activations;
use super::extension::{FusedOperations, is_fused};
use crate::memory::LANES;
use crate::memory::blocked::blocks;
use crate::memory::buffers::Buffer;
use crate::memory::unwritten::Unwritten;
use crate::pooling::{self, Window};

/// What follows an operation, elementwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// The identity: nothing follows.
    Identity,
    /// max(0, x).
    Relu,
    /// x where positive, else the given slope (`0..=1`) times x.
    LeakyRelu(f32),
}

impl Activation {
    /// The negative slope.
    ///
    /// # Panics
    /// If it is not within `0..=1`.
    pub(crate) fn slope(self) -> f32 {
        match self {
            Activation::Identity => 1.0,
            Activation::Relu => 0.0,
            Activation::LeakyRelu(slope) => {
                assert!((0.0..=1.0).contains(&slope), "slope {slope} of a leaky ReLU, expected 0..=1");
                slope
            }
        }
    }

    pub(super) fn apply<const D: usize>(self, values: Tensor<D>) -> Tensor<D> {
        match self {
            Activation::Identity => values,
            Activation::Relu => relu(values),
            Activation::LeakyRelu(slope) => leaky_relu(values, f64::from(slope)),
        }
    }
}

/// A batch of image-like activations in the memory format that suits its device: blocked, with fused
/// operations, on Flex in f32; batch-major, with Burn's own operations, on every other backend and in every
/// other precision.
#[derive(Debug, Clone)]
pub struct FeatureMap(pub(super) Values);

#[derive(Debug, Clone)]
pub(super) enum Values {
    /// `[channels / 16, height, width, batch, 16]`, fused operations, differentiable.
    Blocked { values: Tensor<5>, channels: usize },
    /// Blocked activations in reused memory, for inference.
    Pooled(Activations),
    /// `[batch, channels, height, width]`, Burn's operations.
    Batch(Tensor<4>),
}

/// The tensor `[...]` of a fused operation on others.
macro_rules! fused {
    ($operation:ident($($argument:expr),* $(,)?)) => {
        Tensor::from_dispatch(Dispatch::$operation($($argument),*))
    };
}

impl FeatureMap {
    /// From images or activations `[batch, channels, height, width]`.
    pub fn from_batch(values: Tensor<4>) -> Self {
        if !is_fused(&values.device(), values.dtype()) {
            return Self(Values::Batch(values));
        }
        let [_, channels, ..] = values.dims();
        Self(Values::Blocked { values: fused!(fused_block(values.into_dispatch())), channels })
    }

    /// The values as `[batch, channels, height, width]`.
    pub fn into_batch(self) -> Tensor<4> {
        match self.0 {
            Values::Blocked { values, channels } => {
                fused!(fused_unblock(values.into_dispatch(), channels))
            }
            Values::Pooled(activations) => activations.to_batch(),
            Values::Batch(values) => values,
        }
    }

    pub(crate) fn from_activations(activations: Activations) -> Self {
        Self(Values::Pooled(activations))
    }

    /// In pooled memory.
    ///
    /// # Panics
    /// If the map is not on Flex in f32.
    pub(crate) fn into_activations(self) -> Activations {
        match self.0 {
            Values::Pooled(activations) => activations,
            Values::Blocked { values, channels } => Activations::from_blocked(values, channels),
            Values::Batch(_) => panic!("weights packed for Flex in f32 meet activations that are not"),
        }
    }

    /// Pooled memory as Burn's tensors; anything else as it is.
    pub(super) fn into_tensors(self) -> Values {
        match self.0 {
            Values::Pooled(activations) => Self::from_batch(activations.to_batch()).0,
            values => values,
        }
    }

    /// `[batch, channels, height, width]`, whatever the memory format.
    pub fn dims(&self) -> [usize; 4] {
        match &self.0 {
            Values::Blocked { values, channels } => {
                let [_, height, width, batch, _] = values.dims();
                [batch, *channels, height, width]
            }
            Values::Pooled(map) => [map.batch, map.channels, map.height, map.width],
            Values::Batch(values) => values.dims(),
        }
    }

    /// Convolution with a weight `[output_channels, channels, kernel, kernel]`, an optional bias
    /// `[output_channels]`, equal stride and padding on all sides, and an activation.
    ///
    /// # Panics
    /// If the channels differ or the kernel does not fit.
    pub fn conv2d(
        self,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        stride: usize,
        padding: usize,
        activation: Activation,
    ) -> Self {
        let [channels, ..] = weight.dims();
        let values = match (self.into_tensors(), bias) {
            (Values::Blocked { values, .. }, Some(bias)) => {
                let (values, weight, bias) =
                    (values.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
                fused!(fused_conv2d_activation(values, weight, bias, stride, padding, activation.slope()))
            }
            (Values::Blocked { values, .. }, None) => {
                let (values, weight) = (values.into_dispatch(), weight.into_dispatch());
                activation.apply(fused!(fused_conv2d(values, weight, stride, padding)))
            }
            (Values::Batch(values), bias) => {
                let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
                return Self(Values::Batch(activation.apply(conv2d(values, weight, bias, options))));
            }
            (Values::Pooled(_), _) => unreachable!("just converted"),
        };
        Self(Values::Blocked { values, channels })
    }

    /// [`conv2d`](Self::conv2d) in groups: output channels of the g-th of `groups` equal parts see input
    /// channels of the g-th part only; the weight is `[output_channels, channels / groups, kernel,
    /// kernel]`. Groups of whole blocks of 16 channels run fused, others as Burn's own operation.
    ///
    /// # Panics
    /// If the groups do not divide the channels, or the kernel does not fit.
    pub fn grouped_conv2d(
        self,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        groups: usize,
        [stride, padding]: [usize; 2],
        activation: Activation,
    ) -> Self {
        if groups == 1 {
            return self.conv2d(weight, bias, stride, padding, activation);
        }
        let ([_, inputs, ..], [outputs, group_inputs, ..]) = (self.dims(), weight.dims());
        let divided = inputs == group_inputs * groups && outputs.is_multiple_of(groups);
        assert!(divided, "{groups} groups do not divide {inputs} and {outputs} channels");
        let group_outputs = outputs / groups;
        let whole = group_inputs.is_multiple_of(LANES) && group_outputs.is_multiple_of(LANES);
        match self.into_tensors() {
            Values::Blocked { values, .. } if whole => {
                let parts = (0..groups).map(|group| {
                    let blocks = |size: usize| group * size / LANES..(group + 1) * size / LANES;
                    let rows = group * group_outputs..(group + 1) * group_outputs;
                    let part = values.clone().slice_dim(0, blocks(group_inputs));
                    let part = Self(Values::Blocked { values: part, channels: group_inputs });
                    let bias = bias.clone().map(|bias| bias.slice_dim(0, rows.clone()));
                    let weight = weight.clone().slice_dim(0, rows);
                    match part.conv2d(weight, bias, stride, padding, activation).0 {
                        Values::Blocked { values, .. } => values,
                        _ => unreachable!("a blocked map stays one"),
                    }
                });
                Self(Values::Blocked { values: Tensor::cat(parts.collect(), 0), channels: outputs })
            }
            values => {
                let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], groups);
                let values = conv2d(Self(values).into_batch(), weight, bias, options);
                Self::from_batch(activation.apply(values))
            }
        }
    }

    /// Transposed convolution with a weight `[channels, output_channels, kernel, kernel]`, equal stride
    /// and padding on all sides: `(size - 1) * stride - 2 * padding + kernel` pixels.
    ///
    /// # Panics
    /// If the channels differ or nothing would be left.
    pub fn conv_transpose2d(
        self,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        stride: usize,
        padding: usize,
        activation: Activation,
    ) -> Self {
        let ([_, _, height, width], [_, channels, kernel_height, kernel_width]) =
            (self.dims(), weight.dims());
        match self.into_tensors() {
            Values::Blocked { values, .. } => {
                let size = |length: usize, kernel: usize| (length - 1) * stride + kernel - 2 * padding;
                let (height, width) = (size(height, kernel_height), size(width, kernel_width));
                let (values, weight) = (values.into_dispatch(), weight.into_dispatch());
                let mut values: Tensor<5> =
                    fused!(fused_conv_transpose2d(values, weight, height, width, stride, padding));
                if let Some(bias) = bias {
                    values = values + blocked_vector(bias);
                }
                Self(Values::Blocked { values: activation.apply(values), channels })
            }
            Values::Batch(values) => {
                let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [0; 2], [1; 2], 1);
                let values = conv_transpose2d(values, weight, bias, options);
                Self(Values::Batch(activation.apply(values)))
            }
            Values::Pooled(_) => unreachable!("just converted"),
        }
    }

    /// Batch normalisation with this batch's statistics, then an optional residual and an activation.
    /// Returns the map, the batch mean and the biased variance, each `[channels]`, not differentiable.
    ///
    /// # Panics
    /// If shapes differ.
    pub fn batch_norm(
        self,
        gamma: Tensor<1>,
        beta: Tensor<1>,
        residual: Option<FeatureMap>,
        epsilon: f32,
        activation: Activation,
    ) -> (Self, Tensor<1>, Tensor<1>) {
        let (values, channels) = match self.into_tensors() {
            Values::Blocked { values, channels } => (values.into_dispatch(), channels),
            Values::Batch(values) => {
                let residual = residual.map(FeatureMap::into_batch);
                return plain_batch_norm(values, gamma, beta, residual, epsilon, activation);
            }
            Values::Pooled(_) => unreachable!("just converted"),
        };
        let (gamma, beta, slope) = (gamma.into_dispatch(), beta.into_dispatch(), activation.slope());
        let (values, mean, variance) = match residual.map(FeatureMap::into_tensors) {
            None => Dispatch::fused_batch_norm(values, gamma, beta, epsilon, slope),
            Some(Values::Blocked { values: residual, .. }) => {
                let residual = residual.into_dispatch();
                Dispatch::fused_batch_norm_residual(values, gamma, beta, residual, epsilon, slope)
            }
            Some(_) => panic!("a residual must live on the same device"),
        };
        let map = Self(Values::Blocked { values: Tensor::from_dispatch(values), channels });
        (map, Tensor::from_dispatch(mean), Tensor::from_dispatch(variance))
    }

    /// `self + other`, then an activation.
    ///
    /// # Panics
    /// If shapes or devices differ.
    pub fn add(self, other: FeatureMap, activation: Activation) -> Self {
        match (self.into_tensors(), other.into_tensors()) {
            (Values::Blocked { values, channels }, Values::Blocked { values: other, .. }) => {
                Self(Values::Blocked { values: activation.apply(values + other), channels })
            }
            (Values::Batch(values), Values::Batch(other)) => {
                Self(Values::Batch(activation.apply(values + other)))
            }
            _ => panic!("both summands must live on the same device"),
        }
    }

    /// The values where `by` is positive, and times the activation's slope elsewhere: what the
    /// activation's derivative at `by` does to a gradient. `by` counts as a constant.
    ///
    /// # Panics
    /// If shapes or devices differ.
    pub fn gate(self, by: &FeatureMap, activation: Activation) -> Self {
        let slope = activation.slope();
        match (self.into_tensors(), by.clone().into_tensors()) {
            (Values::Blocked { values, channels }, Values::Blocked { values: by, .. }) => {
                let (values, by) = (values.into_dispatch(), by.into_dispatch());
                Self(Values::Blocked { values: fused!(fused_gate(values, by, slope)), channels })
            }
            (Values::Batch(values), Values::Batch(by)) => {
                let dtype = values.dtype();
                let open = by.detach().greater_elem(0.0).float().cast(dtype);
                Self(Values::Batch(values * (open * (1.0 - f64::from(slope)) + f64::from(slope))))
            }
            _ => panic!("map and gate must live on the same device"),
        }
    }

    /// Max pooling with a square window.
    ///
    /// # Panics
    /// If the window does not fit or its padding is more than half of it.
    pub fn max_pool2d(self, kernel: usize, stride: usize, padding: usize) -> Self {
        match self.0 {
            Values::Blocked { values, channels } => {
                let values = values.into_dispatch();
                let values = fused!(fused_max_pool2d(values, kernel, stride, padding));
                Self(Values::Blocked { values, channels })
            }
            Values::Pooled(map) => {
                let (batch, channels) = (map.batch, map.channels);
                let (height, width) = (map.height, map.width);
                let window =
                    Window { blocks: blocks(channels), height, width, batch, kernel, stride, padding };
                let (height, width) = window.output();
                let length = window.blocks * height * width * batch * LANES;
                let write =
                    |output: &mut [Unwritten]| pooling::forward_into(&window, map.buffer.values(), output);
                // SAFETY: `forward_into` writes every output position.
                let buffer = unsafe { Buffer::filled(length, write) };
                Self(Values::Pooled(Activations { buffer, height, width, ..map }))
            }
            Values::Batch(values) => {
                let options =
                    MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
                Self(Values::Batch(max_pool2d(values, options)))
            }
        }
    }

    /// The mean of each channel of each image: `[batch, channels]`.
    pub fn global_average_pool(self) -> Tensor<2> {
        match self.0 {
            Values::Blocked { values, channels } => {
                fused!(fused_average_pool(values.into_dispatch(), channels))
            }
            Values::Pooled(map) => {
                let sizes = [map.batch, map.channels, map.height * map.width];
                let means = pooling::average(map.buffer.values(), sizes).to_vec();
                Tensor::from_data(TensorData::new(means, [map.batch, map.channels]), &map.device)
            }
            Values::Batch(values) => {
                let [batch, channels, height, width] = values.dims();
                let means: Tensor<3> = values.reshape([batch, channels, height * width]).mean_dim(2);
                means.reshape([batch, channels])
            }
        }
    }
}

/// A vector over channels in the blocked format, to be added to a map.
pub(super) fn blocked_vector(vector: Tensor<1>) -> Tensor<5> {
    let [channels] = vector.dims();
    let blocks = blocks(channels);
    let missing = blocks * LANES - channels;
    let vector = if missing > 0 {
        let zeros = Tensor::zeros([missing], &vector.device());
        Tensor::cat(vec![vector, zeros], 0)
    } else {
        vector
    };
    vector.reshape([blocks, 1, 1, 1, LANES])
}

fn plain_batch_norm(
    values: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    epsilon: f32,
    activation: Activation,
) -> (FeatureMap, Tensor<1>, Tensor<1>) {
    let [batch, channels, height, width] = values.dims();
    let area = batch * height * width;
    let rows = values.clone().permute([1, 0, 2, 3]).reshape([channels, area]);
    let mean = rows.clone().mean_dim(1);
    let centered = rows - mean.clone();
    let variance = centered.powi_scalar(2).mean_dim(1);
    let wide = |tensor: Tensor<1>| tensor.reshape([1, channels, 1, 1]);
    let (mean, variance): (Tensor<1>, Tensor<1>) = (mean.reshape([channels]), variance.reshape([channels]));
    let scale = gamma / (variance.clone() + f64::from(epsilon)).sqrt();
    let values = (values - wide(mean.clone())) * wide(scale) + wide(beta);
    let values = match residual {
        Some(residual) => values + residual,
        None => values,
    };
    (FeatureMap(Values::Batch(activation.apply(values))), mean.detach(), variance.detach())
}

/// A fully connected layer: input `[samples, inputs]`, weight `[outputs, inputs]`, bias `[outputs]`, then
/// an activation.
///
/// # Panics
/// If these shapes do not fit each other.
pub fn linear(input: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, activation: Activation) -> Tensor<2> {
    let ([samples, inputs], [outputs]) = (input.dims(), bias.dims());
    assert_eq!(weight.dims(), [outputs, inputs], "the weight's shape is not that of outputs and inputs");
    if is_fused(&input.device(), input.dtype()) && samples > 0 {
        // The convolution of images of one pixel.
        let map = FeatureMap::from_batch(input.reshape([samples, inputs, 1, 1]));
        let weight = weight.reshape([outputs, inputs, 1, 1]);
        return map.conv2d(weight, Some(bias), 1, 0, activation).into_batch().reshape([samples, outputs]);
    }
    activation.apply(input.matmul(weight.transpose()) + bias.reshape([1, outputs]))
}
