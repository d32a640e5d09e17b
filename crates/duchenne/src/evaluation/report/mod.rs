//! A *report* shows figures together with the protocol that made them: as a table for a terminal, as JSON for
//! programs, as one self-contained page for people.
//!
//! The three writers take the same [`ReportPage`]. A report holds no date, so equal predictions give equal bytes.

pub(super) mod charts;
mod headline;
mod html;
mod json;
mod protocol;
mod table;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folds::Folds;
use super::robustness::Robustness;
use super::{EvaluationError, EvaluationReport};
use crate::files::atomic::{AtomicError, write_text};

pub use crate::training::records::EpochRecord;
pub use html::render_html;
pub use json::{JSON_SCHEMA_VERSION, render_json};
pub use table::render_table;

/// Content of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportPage {
    /// The heading: usually the model's name.
    pub title: String,
    /// Where the figures come from, in the order shown: model file, architecture, data set and its fingerprint,
    /// recipe, seed, epochs. Names differ from each other. No dates, or equal runs give different reports.
    pub provenance: Vec<Provenance>,
    /// The figures: one entry per way of presenting the images to the model, the plainest first.
    pub results: Vec<ModelFigures>,
    /// Accuracy on corrupted pictures, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robustness: Option<Robustness>,
    /// The folds, where the figures are those of a cross-validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<Folds>,
    /// The finished epochs of the training; empty if unknown. Their seconds are not shown.
    pub training: Vec<EpochRecord>,
    /// The epoch whose weights the model has, where it is known.
    pub kept_epoch: Option<usize>,
}

/// One line of provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What it is: `model`, `data set`, `seed`.
    pub name: String,
    /// Value of the line, as text.
    pub value: String,
}

impl Provenance {
    /// A line of provenance.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// The figures of one way of presenting the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFigures {
    /// How the images were presented.
    pub views: ImageViews,
    /// Figures of the evaluation.
    pub report: EvaluationReport,
}

/// How an image is presented to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageViews {
    /// Once, as predictions are made without further ado.
    SingleCrop,
    /// As several crops or mirror images whose outputs are averaged.
    TestTimeAugmentation,
}

impl ImageViews {
    /// The words used in reports.
    pub fn name(self) -> &'static str {
        match self {
            ImageViews::SingleCrop => "single crop",
            ImageViews::TestTimeAugmentation => "test-time augmentation",
        }
    }
}

/// The files that [`write_report`] makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFiles {
    /// The page.
    pub html: PathBuf,
    /// The figures for programs.
    pub json: PathBuf,
}

/// Writes `report.html` and `report.json` into a folder, which is made if it is missing. Each file appears
/// complete or not at all.
///
/// # Errors
/// [`EvaluationError::Write`] with the path that could not be written.
pub fn write_report(page: &ReportPage, folder: &Path) -> Result<ReportFiles, EvaluationError> {
    let files = ReportFiles { html: folder.join("report.html"), json: folder.join("report.json") };
    // Both are rendered before either is written.
    let (html, json) = (render_html(page)?, render_json(page)?);
    std::fs::create_dir_all(folder).map_err(|error| AtomicError::system(folder, error))?;
    for (path, text) in [(&files.html, html), (&files.json, json)] {
        write_text(path, &text)?;
    }
    Ok(files)
}

/// A share as percent, without the sign: `0.69657` is `69.66`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// A count with a comma between thousands.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 12, 999, 3589, 1234567].map(thousands), ["0", "12", "999", "3,589", "1,234,567"]);
        assert_eq!(percent(0.69657), "69.66");
    }
}
