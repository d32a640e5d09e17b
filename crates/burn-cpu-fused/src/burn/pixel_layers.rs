//! The layer that turns a picture of bytes into a feature map.

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::activations::Activations;
use super::extension::is_fused;
use super::feature_map::{Activation, FeatureMap};
use super::packed_layers::floats;
use crate::memory::LANES;
use crate::memory::blocked::padded;
use crate::memory::buffers::Buffer;
use crate::memory::unwritten::Unwritten;
use crate::pixels::{self, COLORS, Pixels};

/// A 3x3 convolution of a picture of bytes with stride 2 and padding 1, ready for inference.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_cpu_fused::{Activation, PixelConvolution};
///
/// let device = Device::flex();
/// let first = PixelConvolution::new(Tensor::ones([16, 3, 3, 3], &device), Tensor::zeros([16], &device));
/// // Two rows of three gray pixels, filled up to four of four.
/// let map = first.forward(&[1, 2, 3, 4, 5, 6], [2, 3], [4, 4], Activation::Relu);
/// assert_eq!(map.dims(), [1, 16, 2, 2]);
/// ```
#[derive(Debug)]
pub struct PixelConvolution {
    kind: Kind,
    channels: usize,
    device: Device,
}

// Made once for a network.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Kind {
    Fused { weights: Vec<f32>, bias: Vec<f32> },
    Plain { weight: Tensor<4>, bias: Tensor<1> },
}

impl PixelConvolution {
    /// From a weight `[channels, 3, 3, 3]` over red, green and blue, or whichever order the bytes have, and a bias
    /// `[channels]`, without autodiff.
    ///
    /// # Panics
    /// If they have other shapes.
    pub fn new(weight: Tensor<4>, bias: Tensor<1>) -> Self {
        let [channels, ..] = weight.dims();
        assert_eq!(
            (weight.dims(), bias.dims()),
            ([channels, COLORS, 3, 3], [channels]),
            "no 3x3 weights of colours"
        );
        let device = weight.device();
        if !is_fused(&device, weight.dtype()) {
            return Self { kind: Kind::Plain { weight, bias }, channels, device };
        }
        let (weights, bias) = (pixels::pack(&floats(weight.into_data())), padded(&floats(bias.into_data())));
        Self { kind: Kind::Fused { weights, bias }, channels, device }
    }

    /// The map `[1, channels, filled_height / 2, filled_width / 2]` of a picture of `height x width` pixels of three bytes,
    /// or of one where all colours are equal, with zeros on the right and below up to the even `filled` size.
    ///
    /// # Panics
    /// If sizes do not fit each other.
    pub fn forward(
        &self,
        values: &[u8],
        [height, width]: [usize; 2],
        [filled_height, filled_width]: [usize; 2],
        activation: Activation,
    ) -> FeatureMap {
        let channels = values.len() / (height * width).max(1);
        assert!(
            filled_height.is_multiple_of(2) && filled_width.is_multiple_of(2),
            "a filled size that is odd"
        );
        let pixels = Pixels { values, height, width, channels, filled_height, filled_width };
        match &self.kind {
            Kind::Fused { weights, bias } => {
                let (height, width) = (filled_height / 2, filled_width / 2);
                let write = |output: &mut [Unwritten]| {
                    pixels::forward_into(&pixels, weights, bias, activation.slope(), output);
                };
                // SAFETY: `forward_into` writes every row of every block.
                let buffer = unsafe { Buffer::filled(bias.len() / LANES * height * width * LANES, write) };
                let (channels, device) = (self.channels, self.device.clone());
                FeatureMap::from_activations(Activations {
                    buffer,
                    batch: 1,
                    channels,
                    height,
                    width,
                    device,
                })
            }
            Kind::Plain { weight, bias } => {
                let mut planes = vec![0.0; COLORS * filled_height * filled_width];
                for (index, pixel) in values.chunks_exact(channels).enumerate() {
                    let at = index / width * filled_width + index % width;
                    for color in 0..COLORS {
                        planes[color * filled_height * filled_width + at] =
                            f32::from(pixel[color % channels]);
                    }
                }
                let data = TensorData::new(planes, [1, COLORS, filled_height, filled_width]);
                let options = ConvOptions::new([2; 2], [1; 2], [1; 2], 1);
                let picture = Tensor::<4>::from_data(data, (&self.device, weight.dtype()));
                let map = conv2d(picture, weight.clone(), Some(bias.clone()), options);
                FeatureMap::from_batch(activation.apply(map))
            }
        }
    }
}
