//! The *direct* way: convolution and its gradients with all multiplications of their definition, in register
//! tiles.

pub(crate) mod convolution;
pub(crate) mod geometry;
pub(crate) mod outer_sum;
pub(crate) mod patches;
mod pointwise_gradient;
pub(crate) mod product;
pub(crate) mod tiles;
pub(crate) mod weight_gradient;
pub(crate) mod weights;
