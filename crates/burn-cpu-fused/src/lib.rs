//! Fused CPU kernels for Burn's Flex backend, in a blocked memory format.
//!
//! Burn's Flex backend computes convolution, batch normalisation, activation and residual addition
//! one by one, in `[batch, channels, height, width]`. Here they are fused and keep their
//! activations in blocks of 16 channels, `[channels / 16, height, width, batch, 16]`, so that no
//! operation transposes, copies windows or masks edges; 3x3 convolutions, and 4x4 ones with
//! stride 2, use Winograd's algorithm and its relatives where they pay. [`FeatureMap`] hides the
//! difference: on any other backend the same calls run as ordinary Burn operations.
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//! use burn_cpu_fused::{Activation, FeatureMap};
//!
//! let device = Device::flex();
//! let images = Tensor::<4>::random([2, 3, 8, 8], Distribution::Default, &device);
//! let weight = Tensor::<4>::random([5, 3, 3, 3], Distribution::Default, &device);
//! let map = FeatureMap::from_batch(images).conv2d(weight, None, 2, 1, Activation::Identity);
//! assert_eq!(map.dims(), [2, 5, 4, 4]);
//! ```
//!
//! [`Instructions`] (AVX-512, AVX2 + FMA, NEON, scalar) are chosen at run time. Work is cut by shape,
//! not by the number of threads: the same input gives the same bits on any number of threads, on
//! processors with the same instructions. Gradients are first order.
//!
//! Operations share their work out over Rayon's current thread pool. A loop of many small operations is
//! faster inside the pool, `rayon::scope(|_| ...)`, than outside, where every operation wakes it.

#![allow(unsafe_code, reason = "vector instructions and memory that is written before it is read")]

mod burn;
mod convolution;
mod depthwise;
mod descent;
mod direct;
mod elementwise;
mod epilogue;
mod filtering;
mod instructions;
mod memory;
mod normalization;
mod pixels;
mod pooling;
mod two_passes;

pub use crate::burn::descent_within::with_descent;
pub use crate::burn::extension::{FusedGradients, FusedOperations, FusedUpdates};
pub use crate::burn::feature_map::{Activation, FeatureMap, linear};
pub use crate::burn::packed_layers::{PackedConvolution, PackedLinear};
pub use crate::burn::pixel_layers::PixelConvolution;
pub use crate::burn::separable_layers::PackedDepthwise;
pub use crate::burn::updates::{adam_step, sgd_step};
pub use descent::{AdamStep, SgdStep};
pub use instructions::Instructions;
#[doc(hidden)]
pub use memory::buffers::keep_no_buffers;
pub use memory::buffers::release_buffers;
