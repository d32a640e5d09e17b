//! *Support vector machines* on deep features: the networks, their features, the fit and its probabilities.

pub mod features;
pub mod fit;
pub mod margins;
pub mod networks;
pub mod scoring;
