//! *Evaluation* turns a model's outputs on one split into figures that a reviewer would accept, after the
//! project's evaluation protocol.
//!
//! It knows counts, labels and probabilities, not tensors, models or pictures (but those at the peaks of a clip's
//! [`timeline`]). [`evaluate`] takes a
//! [`ScoredSplit`] and the temperature that [`fit_temperature`] found on the validation split, and returns an
//! [`EvaluationReport`]; [`report`] writes it as a table, JSON or a page. All figures of a report come from
//! one [`ConfusionMatrix`] and one set of log-probabilities per view, so they cannot disagree.
//!
//! Every figure equals scikit-learn's to 1e-9 (`reference/evaluation_goldens.py` makes the golden numbers).

mod calibration;
pub mod comparison;
mod confusion;
mod error;
mod ferplus_view;
mod figures;
pub mod folds;
pub mod generation;
mod intervals;
mod mcnemar;
pub mod report;
pub mod reproduction;
pub mod robustness;
mod scored;
mod summary;
mod text_table;
pub mod timeline;
mod votes_view;

pub use crate::data::packed::votes::ferplus_majority;
pub use calibration::{
    Calibration, RELIABILITY_BINS, ReliabilityBin, TEMPERATURE_MAX, TEMPERATURE_MIN, fit_temperature,
};
pub use confusion::{ClassFigures, ConfusionMatrix};
pub use error::EvaluationError;
pub use ferplus_view::{FerPlusClass, FerPlusView};
pub use figures::{DeduplicatedView, EvaluationReport, Figures, evaluate};
pub use intervals::{BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED, Estimate, wilson};
pub use mcnemar::{McNemarTest, mcnemar};
pub use scored::ScoredSplit;
pub use summary::{SeedSummary, summarize_seeds};
pub use votes_view::VotesView;
