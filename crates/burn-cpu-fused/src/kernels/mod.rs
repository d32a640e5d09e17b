//! The kernels: plain functions over slices. Activations are blocked (see `blocked`), weights in PyTorch's
//! order.

mod ahead;
mod bilinear;
pub(crate) mod blocked;
mod by_channels;
mod by_channels_gradient;
mod by_points;
mod by_points_gradient;
pub(crate) mod convolution;
mod cook_toom;
pub(crate) mod descent;
pub(crate) mod elementwise;
pub(crate) mod filtering;
pub(crate) mod geometry;
pub(crate) mod normalization;
pub(crate) mod parallel;
pub(crate) mod patches;
mod pointwise_gradient;
pub(crate) mod pooling;
pub(crate) mod product;
mod schemes;
mod squares;
pub(crate) mod tiles;
mod tilings;
mod toeplitz;
pub(crate) mod two_passes;
pub(crate) mod weight_gradient;
pub(crate) mod weights;
