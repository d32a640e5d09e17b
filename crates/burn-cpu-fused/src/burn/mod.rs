//! What *Burn* sees: the operations as an extension of its backends, their backward passes, and the maps and layers
//! that networks are written with.

mod autodiff;
pub(crate) mod descent_within;
pub(crate) mod extension;
pub(crate) mod feature_map;
pub(crate) mod packed_layers;
pub(crate) mod updates;
