//! What *Burn* sees: the operations as an extension of its backends, their backward passes, and the maps and
//! layers that networks are written with.

mod activations;
mod autodiff;
pub(crate) mod descent_within;
pub(crate) mod extension;
pub(crate) mod feature_map;
mod flex;
pub(crate) mod packed_layers;
pub(crate) mod pixel_layers;
pub(crate) mod separable_layers;
mod tensors;
pub(crate) mod updates;
