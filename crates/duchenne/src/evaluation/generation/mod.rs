//! *Generated faces*, judged after the protocol's point 6: distances between sets of faces in the features
//! of a named network, precision and recall, memorisation, diversity.
//!
//! All sets compared have as many faces, and as many of each class, as the photographs that they are compared
//! with; beside every figure stands that of photographs of other people, which no generator can be asked to
//! beat.

pub mod curves;
mod distances;
mod features;
mod memorization;
mod neighbours;
pub mod report;

pub use distances::{frechet_distance, kernel_distance};
pub use features::FeatureSet;
pub use memorization::{Memorization, Takes, memorization, standardized};
pub use neighbours::{PrecisionRecall, diversity, nearest, precision_recall};
