//! The figures of one trained model, as they are kept on disk between calls.

use serde::{Deserialize, Serialize};

use crate::evaluation::report::EpochRecord;
use crate::evaluation::{EvaluationReport, ScoredSplit};
use crate::training::records::without_seconds;

/// A share of images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// `0..=1`
    pub value: f64,
    /// Of how many images.
    pub images: u64,
}

/// The share of one class that was recognised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassRecall {
    /// The class.
    pub class: String,
    /// `0..=1`
    pub recall: f64,
}

/// One model's figures on PrivateTest, single centre crop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFigures {
    /// Of the training.
    pub seed: u64,
    /// Pictures learned from, generated ones included.
    pub training_images: usize,
    /// On PublicTest, which chose the epoch.
    pub public_test: f64,
    /// On PrivateTest.
    pub accuracy: Share,
    /// Mean F1 of the classes.
    pub macro_f1: f64,
    /// Negative log-likelihood after temperature scaling on PublicTest.
    pub nll: f64,
    /// Expected calibration error after it.
    pub ece: f64,
    /// Without images that are pixel-identical to a Training image.
    pub deduplicated: Option<Share>,
    /// Against the majority of FER+'s raters.
    pub ferplus: Option<Share>,
    /// In label order.
    pub recall: Vec<ClassRecall>,
    /// One digit per image: 1 where the answer was right. What a paired test needs.
    pub correct: String,
    /// How training went; empty for an SVM.
    #[serde(serialize_with = "without_seconds")]
    pub curve: Vec<EpochRecord>,
}

impl RunFigures {
    /// From a report on PrivateTest and what it reports on.
    pub fn of(
        report: &EvaluationReport,
        scored: &ScoredSplit,
        public_test: f64,
        (seed, training_images): (u64, usize),
        curve: Vec<EpochRecord>,
    ) -> Self {
        let overall = &report.overall;
        let share = |value, images| Share { value, images };
        Self {
            seed,
            training_images,
            public_test,
            accuracy: share(overall.accuracy.value, overall.n),
            macro_f1: overall.macro_f1.value,
            nll: overall.calibrated.nll,
            ece: overall.calibrated.ece,
            deduplicated: report
                .deduplicated
                .figures
                .as_ref()
                .map(|figures| share(figures.accuracy.value, figures.n)),
            ferplus: report.ferplus.as_ref().map(|view| share(view.accuracy.value, view.kept)),
            recall: overall
                .per_class
                .iter()
                .map(|class| ClassRecall { class: class.class.clone(), recall: class.recall })
                .collect(),
            correct: scored.correct().into_iter().map(|is_right| if is_right { '1' } else { '0' }).collect(),
            curve,
        }
    }

    /// Which images were answered rightly.
    pub fn right(&self) -> Vec<bool> {
        self.correct.bytes().map(|digit| digit == b'1').collect()
    }
}
