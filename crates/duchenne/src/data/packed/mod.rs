//! The *packed data set*: one safetensors file of pictures of one size, each with label, split and origin;
//! its splits as distinct types.

pub mod builder;
pub mod dataset;
pub mod export;
pub(crate) mod file;
pub mod findings;
pub(crate) mod fingerprint;
pub mod generative;
pub(crate) mod image_stream;
pub mod near_duplicates;
pub mod partition;
pub mod provenance;
pub mod resplit;
pub mod split;
pub mod synthetic;
pub mod votes;
