//! *Inference*: trained models at work, without gradients.

pub mod scoring;
