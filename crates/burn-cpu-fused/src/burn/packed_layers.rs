//! *Packed layers*: weights in the order in which the kernels read them, packed once when a network is
//! made ready for inference.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use burn::tensor::{DType, Tensor, TensorData};

use super::activations::Activations;
use super::extension::is_fused;
use super::feature_map::{Activation, FeatureMap};
use crate::direct::geometry::{Geometry, Stencil};
use crate::direct::patches;
use crate::direct::product::{ConvolutionProduct, Values, Weights, Width, blocked_len};
use crate::direct::weights::{WeightView, pack};
use crate::epilogue::Epilogue;
use crate::filtering::{Filter, Filtering, Tile};
use crate::instructions::Instructions;
use crate::memory::blocked::{padded, write_from_batch};
use crate::memory::buffers::Buffer;
use crate::memory::parallel::SharedBuffer;
use crate::memory::unwritten::{Unwritten, of_written, to_write_again};

/// A convolution with bias, ready for inference: see [`FeatureMap::packed_conv2d`].
#[derive(Debug, Clone)]
pub struct PackedConvolution(Arc<Kind>);

// Nearly always the large one.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Kind {
    Fused(FusedConvolution),
    Plain { weight: Tensor<4>, bias: Tensor<1>, stride: usize, padding: usize },
}

#[derive(Debug)]
struct FusedConvolution {
    instructions: Instructions,
    /// `[output_channels, input_channels, kernel, kernel]`; empty once nothing needs it any more.
    weight: Vec<f32>,
    shape: [usize; 4],
    /// One value for each output channel, filled up to whole blocks.
    bias: Vec<f32>,
    stride: usize,
    padding: usize,
    direct: OnceLock<Vec<f32>>,
    /// The transformed weights for each [`Tile`].
    transformed: [OnceLock<Vec<f32>>; 2],
    /// The image size seen last, and its stencil.
    stencil: Mutex<Option<([usize; 2], Arc<Stencil>)>>,
}

impl PackedConvolution {
    /// From a weight `[output_channels, input_channels, kernel, kernel]` and a bias `[output_channels]`
    /// without autodiff.
    ///
    /// # Panics
    /// If the bias has another length than the weight's first axis.
    pub fn new(weight: Tensor<4>, bias: Tensor<1>, stride: usize, padding: usize) -> Self {
        let shape = weight.dims();
        assert_eq!(bias.dims(), [shape[0]], "bias and weight differ in output channels");
        if !is_fused(&weight.device(), weight.dtype()) {
            return Self(Arc::new(Kind::Plain { weight, bias, stride, padding }));
        }
        let bias = padded(&floats(bias.into_data()));
        let mut fused = FusedConvolution {
            instructions: Instructions::current(),
            weight: floats(weight.into_data()),
            shape,
            bias,
            stride,
            padding,
            direct: OnceLock::new(),
            transformed: [const { OnceLock::new() }; 2],
            stencil: Mutex::new(None),
        };
        // Which algorithm a 3x3 convolution takes depends on the images.
        if shape[2..] != [3, 3] || stride != 1 {
            fused.direct();
            fused.weight = Vec::new();
        }
        Self(Arc::new(Kind::Fused(fused)))
    }
}

/// The values of a tensor's data.
pub(super) fn floats(data: TensorData) -> Vec<f32> {
    data.convert_dtype(DType::F32).try_into_vec::<f32>().expect("converted to f32")
}

impl FusedConvolution {
    /// A geometry that stands for the weight's shape.
    fn view(&self) -> WeightView {
        let [_, inputs, height, width] = self.shape;
        WeightView::forward(&Geometry::new([1, inputs, height, width], self.shape, 1, 0))
    }

    fn direct(&self) -> &[f32] {
        self.direct.get_or_init(|| {
            let length = self.view().packed_len();
            let mut packed = Vec::with_capacity(length);
            let out = &mut packed.spare_capacity_mut()[..length];
            pack(&self.weight, &self.view(), self.instructions.run(Width), out);
            // SAFETY: `pack` wrote all of them.
            unsafe { packed.set_len(length) };
            packed
        })
    }

    fn transformed(&self, tile: Tile) -> &[f32] {
        self.transformed[tile as usize].get_or_init(|| {
            let mut transformed = vec![0.0; tile.transformed_len(&self.view())];
            // SAFETY: the transform stores values only. (What lies between the matrices stays zero.)
            let out = unsafe { to_write_again(&mut transformed) };
            tile.transform_weight(self.instructions, &self.weight, &self.view(), out);
            transformed
        })
    }

    fn stencil(&self, geometry: &Geometry) -> Arc<Stencil> {
        let size = [geometry.height, geometry.width];
        let mut known = self.stencil.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((known, stencil)) if *known == size => stencil.clone(),
            _ => {
                let stencil = Arc::new(Stencil::forward(geometry));
                *known = Some((size, stencil.clone()));
                stencil
            }
        }
    }

    fn apply(&self, input: &Activations, residual: Option<&Activations>, slope: f32) -> Activations {
        let Activations { batch, channels, height, width, .. } = *input;
        let geometry = Geometry::new([batch, channels, height, width], self.shape, self.stride, self.padding);
        let residual = residual.map(|residual| residual.buffer.values());
        let epilogue = Epilogue { bias: Some(&self.bias), residual, slope };
        let output_positions = geometry.output_positions();
        let length = blocked_len(geometry.output_channels, output_positions, batch);
        let write = |output: &mut [Unwritten]| {
            let channels = [geometry.input_channels, geometry.output_channels];
            let (instructions, input_values) = (self.instructions, input.buffer.values());
            match Filtering::of_packed(&geometry) {
                None => {}
                Some(Filtering::Tiles(tile)) => {
                    let transformed = of_written(self.transformed(tile));
                    // SAFETY: all of it is written.
                    let filter = unsafe { Filter::new(instructions, transformed, channels, &geometry) };
                    return tile.apply(&filter, input_values, epilogue, output);
                }
                Some(whole) => {
                    let weight = Values::Packed(self.direct());
                    return whole.by_channels(
                        instructions,
                        &geometry,
                        channels,
                        weight,
                        input_values,
                        epilogue,
                        output,
                    );
                }
            }
            let stencil = self.stencil(&geometry);
            let product = ConvolutionProduct {
                instructions: self.instructions,
                weights: Weights {
                    values: Values::Packed(self.direct()),
                    outputs: geometry.output_channels,
                    inputs: geometry.input_channels,
                    taps: geometry.taps(),
                },
                input: input.buffer.values(),
                input_positions: geometry.input_positions(),
                output_positions,
                batch,
                bias: epilogue.bias,
                residual: epilogue.residual,
                slope,
            };
            let output = SharedBuffer::new(output);
            if !patches::pay_packed(&geometry) {
                return product.run(&stencil, output);
            }
            patches::with_patches(&geometry, &stencil, product.input, |pointwise, input| {
                // The weight of one channel's convolution, packed, is that of the 1x1 convolution, and
                // positions and images are one long list.
                let weights = Weights { inputs: pointwise.input_channels, taps: 1, ..product.weights };
                let batch = batch * output_positions;
                let product = ConvolutionProduct {
                    weights,
                    input,
                    input_positions: 1,
                    output_positions: 1,
                    batch,
                    ..product
                };
                product.run(&Stencil::identity(), output);
            });
        };
        // SAFETY: each of these ways writes all positions of all blocks of output channels.
        let buffer = unsafe { Buffer::filled(length, write) };
        Activations {
            buffer,
            batch,
            channels: geometry.output_channels,
            height: geometry.output_height,
            width: geometry.output_width,
            device: input.device.clone(),
        }
    }
}

impl FeatureMap {
    /// A packed convolution, then an optional residual and an activation. For inference: the result is
    /// not differentiable.
    ///
    /// # Panics
    /// If shapes differ, or the map lives on another kind of device than the weights.
    pub fn packed_conv2d(
        self,
        convolution: &PackedConvolution,
        residual: Option<FeatureMap>,
        activation: Activation,
    ) -> Self {
        match &*convolution.0 {
            Kind::Fused(fused) => {
                let input = self.into_activations();
                let residual = residual.map(FeatureMap::into_activations);
                Self::from_activations(fused.apply(&input, residual.as_ref(), activation.slope()))
            }
            Kind::Plain { weight, bias, stride, padding } => {
                let (weight, bias) = (weight.clone(), Some(bias.clone()));
                match residual {
                    None => self.conv2d(weight, bias, *stride, *padding, activation),
                    Some(residual) => self
                        .conv2d(weight, bias, *stride, *padding, Activation::Identity)
                        .add(residual, activation),
                }
            }
        }
    }
}

/// A fully connected layer with bias, ready for inference.
#[derive(Debug, Clone)]
pub struct PackedLinear {
    convolution: PackedConvolution,
    outputs: usize,
}

impl PackedLinear {
    /// From a weight `[outputs, inputs]` and a bias `[outputs]` without autodiff.
    ///
    /// # Panics
    /// If the bias has another length than the weight's first axis.
    pub fn new(weight: Tensor<2>, bias: Tensor<1>) -> Self {
        let [outputs, inputs] = weight.dims();
        let weight = weight.reshape([outputs, inputs, 1, 1]);
        Self { convolution: PackedConvolution::new(weight, bias, 1, 0), outputs }
    }

    /// `[samples, inputs]` to `[samples, outputs]`. Not differentiable.
    pub fn forward(&self, input: Tensor<2>, activation: Activation) -> Tensor<2> {
        let [samples, inputs] = input.dims();
        let map = match &*self.convolution.0 {
            Kind::Fused(_) => {
                let device = input.device();
                let values = floats(input.into_data());
                let write = |out: &mut [Unwritten]| write_from_batch(&values, [samples, inputs, 1], out);
                // SAFETY: `write_from_batch` writes every line of every block.
                let buffer = unsafe { Buffer::filled(blocked_len(inputs, 1, samples), write) };
                let (batch, channels) = (samples, inputs);
                let activations = Activations { buffer, batch, channels, height: 1, width: 1, device };
                FeatureMap::from_activations(activations)
            }
            Kind::Plain { .. } => FeatureMap::from_batch(input.reshape([samples, inputs, 1, 1])),
        };
        let map = map.packed_conv2d(&self.convolution, None, activation);
        map.into_batch().reshape([samples, self.outputs])
    }
}
