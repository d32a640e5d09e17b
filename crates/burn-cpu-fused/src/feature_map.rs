//! A *feature map* is a batch of image-like activations in the memory format that suits its device:
//! channel-major with fused operations on Flex in f32, batch-major with Burn's own operations on
//! every other backend and in every other precision. Networks written against it read the same.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{DType, Device, Tensor};

use crate::extension::FusedOperations;

/// What follows an operation, elementwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// max(0, x).
    Relu,
    /// x where positive, else the given slope times x.
    LeakyRelu(f32),
}

impl Activation {
    fn slope(self) -> f32 {
        match self {
            Activation::Identity => 1.0,
            Activation::Relu => 0.0,
            Activation::LeakyRelu(slope) => slope,
        }
    }

    fn apply(self, values: Tensor<4>) -> Tensor<4> {
        match self {
            Activation::Identity => values,
            Activation::Relu => relu(values),
            Activation::LeakyRelu(slope) => leaky_relu(values, f64::from(slope)),
        }
    }
}

/// How the values lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `[channels, batch, height, width]`, fused operations.
    ChannelMajor,
    /// `[batch, channels, height, width]`, Burn's operations.
    BatchMajor,
}

/// A batch of activations; see the module's words.
#[derive(Debug, Clone)]
pub struct FeatureMap {
    values: Tensor<4>,
    format: Format,
}

/// Whether fused operations exist for tensors of this device and precision.
fn is_fused(device: &Device, dtype: DType) -> bool {
    dtype == DType::F32 && matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

impl FeatureMap {
    /// From images or activations `[batch, channels, height, width]`.
    pub fn from_batch(values: Tensor<4>) -> Self {
        if is_fused(&values.device(), values.dtype()) {
            Self { values: values.permute([1, 0, 2, 3]), format: Format::ChannelMajor }
        } else {
            Self { values, format: Format::BatchMajor }
        }
    }

    /// The values as `[batch, channels, height, width]`.
    pub fn into_batch(self) -> Tensor<4> {
        match self.format {
            Format::ChannelMajor => self.values.permute([1, 0, 2, 3]),
            Format::BatchMajor => self.values,
        }
    }

    /// `[batch, channels, height, width]`, whatever the memory format.
    pub fn dims(&self) -> [usize; 4] {
        let [first, second, height, width] = self.values.dims();
        match self.format {
            Format::ChannelMajor => [second, first, height, width],
            Format::BatchMajor => [first, second, height, width],
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
        let format = self.format;
        let values = match (format, bias) {
            (Format::ChannelMajor, Some(bias)) => Tensor::from_dispatch(Dispatch::fused_conv2d_activation(
                self.values.into_dispatch(),
                weight.into_dispatch(),
                bias.into_dispatch(),
                stride,
                padding,
                activation.slope(),
            )),
            (Format::ChannelMajor, None) => activation.apply(Tensor::from_dispatch(Dispatch::fused_conv2d(
                self.values.into_dispatch(),
                weight.into_dispatch(),
                stride,
                padding,
            ))),
            (Format::BatchMajor, bias) => {
                let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
                activation.apply(conv2d(self.values, weight, bias, options))
            }
        };
        Self { values, format }
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
        let format = self.format;
        if format == Format::BatchMajor {
            return self.plain_batch_norm(gamma, beta, residual, epsilon, activation);
        }
        let (values, gamma, beta) =
            (self.values.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
        let slope = activation.slope();
        let (values, mean, variance) = match residual {
            None => Dispatch::fused_batch_norm(values, gamma, beta, epsilon, slope),
            Some(residual) => {
                assert_eq!(residual.format, format, "a residual must live on the same device");
                let residual = residual.values.into_dispatch();
                Dispatch::fused_batch_norm_residual(values, gamma, beta, residual, epsilon, slope)
            }
        };
        let map = Self { values: Tensor::from_dispatch(values), format };
        (map, Tensor::from_dispatch(mean), Tensor::from_dispatch(variance))
    }

    fn plain_batch_norm(
        self,
        gamma: Tensor<1>,
        beta: Tensor<1>,
        residual: Option<FeatureMap>,
        epsilon: f32,
        activation: Activation,
    ) -> (Self, Tensor<1>, Tensor<1>) {
        let [batch, channels, height, width] = self.values.dims();
        let area = batch * height * width;
        let rows = self.values.clone().permute([1, 0, 2, 3]).reshape([channels, area]);
        let mean = rows.clone().mean_dim(1);
        let centered = rows - mean.clone();
        let variance = centered.powi_scalar(2).mean_dim(1);
        let wide = |tensor: Tensor<1>| tensor.reshape([1, channels, 1, 1]);
        let (mean, variance): (Tensor<1>, Tensor<1>) =
            (mean.reshape([channels]), variance.reshape([channels]));
        let scale = gamma / (variance.clone() + f64::from(epsilon)).sqrt();
        let values = (self.values - wide(mean.clone())) * wide(scale) + wide(beta);
        let values = match residual {
            Some(residual) => values + residual.values,
            None => values,
        };
        let map = Self { values: activation.apply(values), format: Format::BatchMajor };
        (map, mean.detach(), variance.detach())
    }

    /// `self + other`, then an activation.
    ///
    /// # Panics
    /// If shapes differ.
    pub fn add(self, other: FeatureMap, activation: Activation) -> Self {
        assert_eq!(self.format, other.format, "both summands must live on the same device");
        Self { values: activation.apply(self.values + other.values), format: self.format }
    }

    /// Max pooling with a square window.
    pub fn max_pool2d(self, kernel: usize, stride: usize, padding: usize) -> Self {
        let values = match self.format {
            Format::ChannelMajor => Tensor::from_dispatch(Dispatch::fused_max_pool2d(
                self.values.into_dispatch(),
                kernel,
                stride,
                padding,
            )),
            Format::BatchMajor => {
                let options =
                    MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
                max_pool2d(self.values, options)
            }
        };
        Self { values, format: self.format }
    }

    /// The mean of each channel of each image: `[batch, channels]`.
    pub fn global_average_pool(self) -> Tensor<2> {
        let [first, second, height, width] = self.values.dims();
        let means = self.values.reshape([first, second, height * width]).mean_dim(2);
        let means: Tensor<2> = means.reshape([first, second]);
        match self.format {
            Format::ChannelMajor => means.transpose(),
            Format::BatchMajor => means,
        }
    }
}

/// One step of stochastic gradient descent on tensors without autodiff, in one pass over memory on
/// Flex in f32: the new weight and velocity. A missing velocity is zero.
pub fn sgd_step<const D: usize>(
    weight: Tensor<D>,
    velocity: Option<Tensor<D>>,
    gradient: Tensor<D>,
    step: crate::SgdStep,
) -> (Tensor<D>, Tensor<D>) {
    let velocity = velocity.unwrap_or_else(|| weight.zeros_like());
    if is_fused(&weight.device(), weight.dtype()) {
        let (weight, velocity) = Dispatch::fused_sgd(
            weight.into_dispatch(),
            velocity.into_dispatch(),
            gradient.into_dispatch(),
            step.rate,
            step.momentum,
            step.decay,
            step.nesterov,
        );
        return (Tensor::from_dispatch(weight), Tensor::from_dispatch(velocity));
    }
    let gradient = gradient + weight.clone() * step.decay;
    let velocity = velocity * step.momentum + gradient.clone();
    let direction =
        if step.nesterov { gradient + velocity.clone() * step.momentum } else { velocity.clone() };
    (weight - direction * step.rate, velocity)
}
