//! The kernels: plain functions over slices, no tensors. All `unsafe` of the package is below here.

pub(crate) mod columns;
pub(crate) mod convolution;
pub(crate) mod descent;
pub(crate) mod elementwise;
pub(crate) mod geometry;
mod matmul;
pub(crate) mod normalization;
mod parallel;
pub(crate) mod pooling;
