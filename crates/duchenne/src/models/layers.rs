//! *Layers*: the parameters of convolution, batch normalisation and linear maps, under torchvision's
//! names and in torchvision's shapes, with the fused operation each block calls.

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData};
use burn_cpu_fused::{Activation, FeatureMap, PackedConvolution, PackedLinear, linear};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Normal, Uniform};

/// Draws initial weights: the same seed gives the same network on every device.
#[derive(Debug)]
pub struct Initializer {
    /// None where nothing is drawn.
    random: Option<ChaCha8Rng>,
    device: Device,
}

impl Initializer {
    /// For parameters on `device`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { random: Some(ChaCha8Rng::seed_from_u64(seed)), device: device.clone() }
    }

    /// For parameters that are about to be assigned: zeros in place of random values, whose drawing takes longer
    /// than reading weights does.
    pub fn blank(device: &Device) -> Self {
        Self { random: None, device: device.clone() }
    }

    fn draw<const D: usize>(
        &mut self,
        shape: [usize; D],
        distribution: impl Distribution<f32>,
    ) -> Param<Tensor<D>> {
        let Some(random) = &mut self.random else {
            return self.constant(shape, 0.0);
        };
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| distribution.sample(random)).collect();
        Param::from_data(TensorData::new(values, shape), &self.device)
    }

    /// Independent normal values of mean zero.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], deviation: f32) -> Param<Tensor<D>> {
        let distribution = Normal::new(0.0, deviation).expect("deviations are finite and not negative");
        self.draw(shape, distribution)
    }

    /// Independent uniform values in `-bound..bound`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Param<Tensor<D>> {
        let distribution = Uniform::new(-bound, bound).expect("bounds are finite and positive");
        self.draw(shape, distribution)
    }

    /// One value throughout.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        let values = vec![value; shape.iter().product()];
        Param::from_data(TensorData::new(values, shape), &self.device)
    }
}

/// A convolution with a square kernel.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[output_channels, input_channels, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[output_channels]`
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    pub(super) stride: usize,
    #[module(skip)]
    pub(super) padding: usize,
    /// Ready for inference, a batch normalisation after it folded in.
    #[module(skip)]
    packed: Option<PackedConvolution>,
}

impl Convolution {
    /// He et al.'s (2015) normal initialisation over the fan out, as torchvision does; bias zero.
    /// Padding keeps the size at stride one.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        stride: usize,
        with_bias: bool,
        initializer: &mut Initializer,
    ) -> Self {
        let deviation = (2.0 / (outputs * kernel * kernel) as f32).sqrt();
        Self::normal([inputs, outputs, kernel], [stride, kernel / 2], deviation, with_bias, initializer)
    }

    /// Independent normal weights of the given deviation, and a bias of zero where there is one.
    pub fn normal(
        [inputs, outputs, kernel]: [usize; 3],
        [stride, padding]: [usize; 2],
        deviation: f32,
        with_bias: bool,
        initializer: &mut Initializer,
    ) -> Self {
        Self {
            weight: initializer.normal([outputs, inputs, kernel, kernel], deviation),
            bias: with_bias.then(|| initializer.constant([outputs], 0.0)),
            stride,
            padding,
            packed: None,
        }
    }

    /// The gradient of the input from that of the output, which is the transposed convolution with the
    /// same weight, and like it differentiable: what a gradient penalty needs.
    pub fn input_gradient(&self, gradient: FeatureMap) -> FeatureMap {
        gradient.conv_transpose2d(self.weight.val(), None, self.stride, self.padding, Activation::Identity)
    }

    /// Packs the weights for inference, without autodiff, together with the batch normalisation that
    /// follows, if one does.
    pub fn prepare(&mut self, norm: Option<&BatchNorm>) {
        let (weight, bias) = match norm {
            Some(norm) => norm.fold(self),
            None => {
                let weight = self.weight.val();
                let [outputs, ..] = weight.dims();
                let bias = self.bias.as_ref().map(Param::val);
                (weight, bias.unwrap_or_else(|| Tensor::zeros([outputs], &self.weight.device())))
            }
        };
        self.packed = Some(PackedConvolution::new(weight, bias, self.stride, self.padding));
    }

    /// Convolution, then an activation. Shapes: `[batch, inputs, h, w]` to
    /// `[batch, outputs, ceil(h / stride), ceil(w / stride)]`.
    pub fn forward(&self, input: FeatureMap, activation: Activation) -> FeatureMap {
        if let Some(packed) = &self.packed {
            return input.packed_conv2d(packed, None, activation);
        }
        let bias = self.bias.as_ref().map(Param::val);
        input.conv2d(self.weight.val(), bias, self.stride, self.padding, activation)
    }

    /// Height or width of the output for that of the input.
    pub fn output_size(&self, input: usize) -> usize {
        let kernel = self.weight.lazy_shape()[2];
        (input + 2 * self.padding - kernel) / self.stride + 1
    }

    /// Multiply-adds for one image of the given input size.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let weights: usize = self.weight.lazy_shape().iter().product();
        (weights * self.output_size(height) * self.output_size(width)) as u64
    }
}

/// A transposed convolution with a square kernel.
#[derive(Module, Debug)]
pub struct TransposedConvolution {
    /// `[input_channels, output_channels, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[output_channels]`
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: usize,
}

impl TransposedConvolution {
    /// Independent normal weights of the given deviation, and a bias of zero where there is one.
    pub fn normal(
        [inputs, outputs, kernel]: [usize; 3],
        [stride, padding]: [usize; 2],
        deviation: f32,
        with_bias: bool,
        initializer: &mut Initializer,
    ) -> Self {
        Self {
            weight: initializer.normal([inputs, outputs, kernel, kernel], deviation),
            bias: with_bias.then(|| initializer.constant([outputs], 0.0)),
            stride,
            padding,
        }
    }

    /// `[batch, inputs, h, w]` to `[batch, outputs, (h - 1) * stride - 2 * padding + kernel, ...]`.
    pub fn forward(&self, input: FeatureMap) -> FeatureMap {
        let bias = self.bias.as_ref().map(Param::val);
        let (weight, activation) = (self.weight.val(), Activation::Identity);
        input.conv_transpose2d(weight, bias, self.stride, self.padding, activation)
    }

    /// Followed by batch normalisation (folded into the weight where there is no autodiff) and an
    /// activation.
    pub fn normalized(&self, input: FeatureMap, norm: &BatchNorm, activation: Activation) -> FeatureMap {
        if self.weight.val().is_autodiff() {
            return norm.normalized(self.forward(input), None, activation);
        }
        let (scale, shift) = norm.scale_and_shift();
        let [channels] = scale.dims();
        let weight = self.weight.val() * scale.reshape([1, channels, 1, 1]);
        input.conv_transpose2d(weight, Some(shift), self.stride, self.padding, activation)
    }
}

/// Batch normalisation (Ioffe & Szegedy 2015): batch statistics while training, running ones after.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, `[channels]`
    pub weight: Param<Tensor<1>>,
    /// Shift, `[channels]`
    pub bias: Param<Tensor<1>>,
    /// `[channels]`
    pub running_mean: RunningState<Tensor<1>>,
    /// Unbiased, `[channels]`
    pub running_var: RunningState<Tensor<1>>,
}

/// PyTorch's defaults.
pub(super) const EPSILON: f32 = 1e-5;
const MOMENTUM: f32 = 0.1;

impl BatchNorm {
    /// The identity until trained.
    pub fn new(channels: usize, initializer: &mut Initializer) -> Self {
        let device = &initializer.device.clone();
        Self {
            weight: initializer.constant([channels], 1.0),
            bias: initializer.constant([channels], 0.0),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
        }
    }

    /// The map normalised by its own statistics, towards which the running ones move, plus a residual, then
    /// an activation: what happens while training.
    pub fn normalized(
        &self,
        map: FeatureMap,
        residual: Option<FeatureMap>,
        activation: Activation,
    ) -> FeatureMap {
        let [batch, _, height, width] = map.dims();
        let count = (batch * height * width) as f64;
        let (map, mean, variance) =
            map.batch_norm(self.weight.val(), self.bias.val(), residual, EPSILON, activation);
        // PyTorch normalises with the biased variance and remembers the unbiased one.
        let unbiased = variance * (count / (count - 1.0).max(1.0));
        track(&self.running_mean, mean);
        track(&self.running_var, unbiased);
        map
    }

    /// What the running statistics make of a value: scale and shift, each `[channels]`.
    pub fn scale_and_shift(&self) -> (Tensor<1>, Tensor<1>) {
        let scale = self.weight.val() / (self.running_var.value() + f64::from(EPSILON)).sqrt();
        let shift = self.bias.val() - self.running_mean.value() * scale.clone();
        (scale, shift)
    }

    /// Weight and bias of the convolution and this normalisation in one.
    pub(super) fn fold(&self, convolution: &Convolution) -> (Tensor<4>, Tensor<1>) {
        let (scale, shift) = self.scale_and_shift();
        let shift = match &convolution.bias {
            Some(bias) => shift + bias.val() * scale.clone(),
            None => shift,
        };
        let [channels] = scale.dims();
        (convolution.weight.val() * scale.reshape([channels, 1, 1, 1]), shift)
    }
}

/// A convolution and the batch normalisation that follows it, as one layer.
#[derive(Debug, Clone, Copy)]
pub struct ConvNorm<'a> {
    /// The convolution.
    pub convolution: &'a Convolution,
    /// The normalisation of its output.
    pub norm: &'a BatchNorm,
}

impl ConvNorm<'_> {
    /// The convolution's output normalised, then an activation. While training (parameters with autodiff) the
    /// running statistics move towards this batch's; otherwise the normalisation is folded into the convolution,
    /// once if the network was prepared.
    pub fn forward(self, input: FeatureMap, activation: Activation) -> FeatureMap {
        self.with_residual(input, None, activation)
    }

    /// The same with a residual added before the activation, if there is one.
    pub fn with_residual(
        self,
        input: FeatureMap,
        residual: Option<FeatureMap>,
        activation: Activation,
    ) -> FeatureMap {
        let Self { convolution, norm } = self;
        if let Some(packed) = &convolution.packed {
            return input.packed_conv2d(packed, residual, activation);
        }
        if norm.weight.val().is_autodiff() {
            let map = convolution.forward(input, Activation::Identity);
            return norm.normalized(map, residual, activation);
        }
        let (weight, shift) = norm.fold(convolution);
        let (stride, padding) = (convolution.stride, convolution.padding);
        match residual {
            None => input.conv2d(weight, Some(shift), stride, padding, activation),
            Some(residual) => input
                .conv2d(weight, Some(shift), stride, padding, Activation::Identity)
                .add(residual, activation),
        }
    }
}

/// Moves a running statistic towards the batch's.
fn track(running: &RunningState<Tensor<1>>, batch: Tensor<1>) {
    let dtype = batch.dtype();
    let old = running.value_sync().cast(dtype);
    running.update((old * (1.0 - MOMENTUM) + batch.detach() * MOMENTUM).detach());
    // Settled at once, not at the next step: a state saved in between must hold this update.
    running.value_sync();
}

/// A linear map with bias; the weight is `[outputs, inputs]` as in PyTorch.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[outputs, inputs]`
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`
    pub bias: Param<Tensor<1>>,
    /// Ready for inference.
    #[module(skip)]
    packed: Option<PackedLinear>,
}

impl Linear {
    /// Uniform within `1 / sqrt(inputs)`, PyTorch's default.
    pub fn new([inputs, outputs]: [usize; 2], initializer: &mut Initializer) -> Self {
        let bound = 1.0 / (inputs as f32).sqrt();
        Self {
            weight: initializer.uniform([outputs, inputs], bound),
            bias: initializer.uniform([outputs], bound),
            packed: None,
        }
    }

    /// Normal weights of the given deviation, bias zero, as in torchvision's VGG.
    pub fn normal([inputs, outputs]: [usize; 2], deviation: f32, initializer: &mut Initializer) -> Self {
        Self {
            weight: initializer.normal([outputs, inputs], deviation),
            bias: initializer.constant([outputs], 0.0),
            packed: None,
        }
    }

    /// Packs the weights for inference, without autodiff.
    pub fn prepare(&mut self) {
        self.packed = Some(PackedLinear::new(self.weight.val(), self.bias.val()));
    }

    /// `[batch, inputs]` to `[batch, outputs]`, then an activation.
    pub fn forward(&self, input: Tensor<2>, activation: Activation) -> Tensor<2> {
        match &self.packed {
            Some(packed) => packed.forward(input, activation),
            None => linear(input, self.weight.val(), self.bias.val(), activation),
        }
    }

    /// Multiply-adds for one input.
    pub fn multiply_adds(&self) -> u64 {
        self.weight.lazy_shape().iter().product::<usize>() as u64
    }
}
