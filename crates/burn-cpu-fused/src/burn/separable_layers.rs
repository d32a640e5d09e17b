//! The layers of *separable* networks: depthwise convolutions, and maps that are enlarged and added.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

use super::activations::Activations;
use super::extension::{FusedOperations, is_fused};
use super::feature_map::{Activation, FeatureMap, Values, blocked_vector};
use super::packed_layers::floats;
use crate::depthwise::{self, Sizes};
use crate::elementwise;
use crate::memory::LANES;
use crate::memory::blocked::{blocks, padded};
use crate::memory::buffers::Buffer;
use crate::memory::unwritten::Unwritten;

/// A depthwise 3x3 convolution with bias, ready for inference: see [`FeatureMap::packed_depthwise`].
#[derive(Debug, Clone)]
pub struct PackedDepthwise(Arc<Kind>);

// Behind a pointer.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Kind {
    Fused { weights: Vec<f32>, bias: Vec<f32>, channels: usize },
    Plain { weight: Tensor<4>, bias: Tensor<1> },
}

impl PackedDepthwise {
    /// From a weight `[channels, 1, 3, 3]` and a bias `[channels]` without autodiff.
    ///
    /// # Panics
    /// If they have other shapes.
    pub fn new(weight: Tensor<4>, bias: Tensor<1>) -> Self {
        let [channels, ..] = weight.dims();
        assert_eq!(
            (weight.dims(), bias.dims()),
            ([channels, 1, 3, 3], [channels]),
            "no depthwise 3x3 weights"
        );
        if !is_fused(&weight.device(), weight.dtype()) {
            return Self(Arc::new(Kind::Plain { weight, bias }));
        }
        let weights = depthwise::pack(&floats(weight.into_data()));
        Self(Arc::new(Kind::Fused { weights, bias: padded(&floats(bias.into_data())), channels }))
    }
}

impl FeatureMap {
    /// Depthwise convolution, stride 1, padding 1, with a weight `[channels, 1, 3, 3]`, an optional bias `[channels]` and
    /// an activation.
    ///
    /// # Panics
    /// If the channels differ.
    pub fn depthwise_conv2d(
        self,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        activation: Activation,
    ) -> Self {
        let ([_, channels, ..], shape) = (self.dims(), weight.dims());
        assert_eq!(
            shape,
            [channels, 1, 3, 3],
            "the weight's shape is not that of a depthwise 3x3 convolution"
        );
        match self.into_tensors() {
            Values::Blocked { values, .. } => {
                let (values, weight) = (values.into_dispatch(), weight.into_dispatch());
                let mut values: Tensor<5> =
                    Tensor::from_dispatch(Dispatch::fused_depthwise_conv2d(values, weight));
                if let Some(bias) = bias {
                    values = values + blocked_vector(bias);
                }
                Self(Values::Blocked { values: activation.apply(values), channels })
            }
            Values::Batch(values) => {
                let options = ConvOptions::new([1; 2], [1; 2], [1; 2], channels);
                Self(Values::Batch(activation.apply(conv2d(values, weight, bias, options))))
            }
            Values::Pooled(_) => unreachable!("just converted"),
        }
    }

    /// A packed depthwise convolution, then an activation. For inference: the result is not differentiable.
    ///
    /// # Panics
    /// If the channels differ, or the map lives on another kind of device than the weights.
    pub fn packed_depthwise(self, convolution: &PackedDepthwise, activation: Activation) -> Self {
        match &*convolution.0 {
            Kind::Plain { weight, bias } => {
                self.depthwise_conv2d(weight.clone(), Some(bias.clone()), activation)
            }
            Kind::Fused { weights, bias, channels } => {
                let map = self.into_activations();
                assert_eq!(map.channels, *channels, "weights of other channels");
                let (height, width, batch) = (map.height, map.width, map.batch);
                let sizes = Sizes { blocks: blocks(*channels), height, width, batch };
                let write = |output: &mut [Unwritten]| {
                    let input = map.buffer.values();
                    depthwise::forward_into(&sizes, input, weights, Some(bias), activation.slope(), output);
                };
                // SAFETY: `forward_into` writes every row of every block.
                let buffer = unsafe { Buffer::filled(map.buffer.values().len(), write) };
                Self::from_activations(Activations { buffer, ..map })
            }
        }
    }

    /// The map plus another of half its height and width, every pixel of which counts for four.
    ///
    /// # Panics
    /// If sizes or devices differ.
    pub fn add_enlarged(self, other: FeatureMap) -> Self {
        let ([batch, channels, height, width], [_, _, low, narrow]) = (self.dims(), other.dims());
        assert_eq!(other.dims(), [batch, channels, height / 2, width / 2], "a map of half the size");
        assert_eq!((height, width), (2 * low, 2 * narrow), "a map of half the size");
        match (self.0, other.0) {
            (Values::Pooled(map), Values::Pooled(other)) => {
                let line = batch * LANES;
                let write = |output: &mut [Unwritten]| {
                    elementwise::add_enlarged(
                        map.buffer.values(),
                        other.buffer.values(),
                        [width, line],
                        output,
                    );
                };
                // SAFETY: `add_enlarged` writes every row.
                let buffer = unsafe { Buffer::filled(map.buffer.values().len(), write) };
                Self(Values::Pooled(Activations { buffer, ..map }))
            }
            (map, other) => {
                let enlarged = Self(other).into_batch().reshape([batch * channels, low, 1, narrow, 1]);
                let enlarged = enlarged.repeat_dim(2, 2).repeat_dim(4, 2);
                Self(map).add(
                    Self::from_batch(enlarged.reshape([batch, channels, height, width])),
                    Activation::Identity,
                )
            }
        }
    }
}
