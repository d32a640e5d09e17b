//! Fused, channel-major CPU kernels for Burn's Flex backend.
//!
//! Burn's Flex backend computes convolution, batch normalisation, activation and residual addition
//! one by one, in `[batch, channels, height, width]`. Here they are fused and keep their
//! activations in `[channels, batch, height, width]`, where a convolution is one large matrix
//! product. [`FeatureMap`] hides the difference: on any other backend the same calls run as
//! ordinary Burn operations.
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
//! Instructions (AVX-512, AVX2 + FMA, NEON, scalar) are chosen at run time. Work is cut by shape,
//! not by the number of threads: the same input gives the same bits on any number of threads.
//! Gradients are first order.

mod autodiff;
mod extension;
mod feature_map;
mod kernels;

pub use extension::FusedOperations;
pub use feature_map::{Activation, FeatureMap, sgd_step};
pub use kernels::descent::SgdStep;
