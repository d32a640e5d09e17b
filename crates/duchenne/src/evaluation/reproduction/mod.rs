//! The *reproduction* of the paper: its Table 1 beside ours, what augmentation gained, the generators, what it
//! cost; as a page, Markdown and JSON.

mod figures;
mod page;
mod table;

pub use figures::{ClassRecall, RunFigures, Share};
pub use page::{duration, render_html, render_json, render_markdown};
pub use table::{Comparison, Line, comparisons, lines, render_table};

use serde::Serialize;

use super::generation::report::GenerationReport;
use super::report::Provenance;

/// All that the report shows.
#[derive(Debug, Clone, Serialize)]
pub struct Reproduction {
    /// The scale's name.
    pub scale: String,
    /// Why the figures are no result, where they are not; stands on every line of the table.
    pub warning: Option<String>,
    /// What became of the class that CK+ lacks.
    pub neutral: String,
    /// Data sets, device, program.
    pub provenance: Vec<Provenance>,
    /// In the order shown.
    pub rows: Vec<Row>,
    /// The picture of one face per expression and generator, relative to the page.
    pub figure1: Option<String>,
    /// The generators.
    pub generators: Vec<Generator>,
    /// What everything cost.
    pub stages: Vec<StageCost>,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its short name: `vgg16+dcgan`.
    pub key: String,
    /// As the table has it: `VGG-16+DCGAN`.
    pub title: String,
    /// Which part of the table it stands in.
    pub group: Group,
    /// The paper's accuracy in percent, where it has one.
    pub paper: Option<f64>,
    /// What a reader must know of it.
    pub note: Option<String>,
    /// The key of the same network without generated faces, or without augmentation.
    pub baseline: Option<String>,
    /// Finished runs, one per seed.
    pub runs: Vec<RunFigures>,
    /// Why runs are missing.
    pub problem: Option<String>,
}

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// The paper's seven lines.
    Table1,
    /// The paper's lines where it does not say how, read another way.
    SecondReading,
    /// The comparison that the paper lacks.
    Ablation,
    /// Networks trained as it is done today.
    Baseline,
}

impl Group {
    /// All, in the order shown.
    pub const ALL: [Group; 4] = [Group::Table1, Group::SecondReading, Group::Ablation, Group::Baseline];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Table1 => "Table 1",
            Group::SecondReading => "The paper's networks, read another way",
            Group::Ablation => "What augmentation does",
            Group::Baseline => "Trained as it is done today",
        }
    }
}

/// The generators of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    /// Its name: `dcgan`.
    pub name: String,
    /// Sheets of samples, relative to the page.
    pub sheets: Vec<String>,
    /// Its curves, relative to the page.
    pub curves: Option<String>,
    /// Its full report, relative to the page.
    pub page: Option<String>,
    /// The figures of that report.
    pub report: Option<GenerationReport>,
}

/// What one stage cost.
#[derive(Debug, Clone, Serialize)]
pub struct StageCost {
    /// Its name.
    pub name: String,
    /// Of computation, over all sittings; `None` if it is not done.
    pub seconds: Option<f64>,
    /// What the plan foresaw, where one was made.
    pub planned: Option<f64>,
    /// On disk.
    pub bytes: u64,
    /// Why it is not done.
    pub problem: Option<String>,
}
