//! The report on generated faces: table, JSON, page.

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};

use super::{Memorization, PrecisionRecall};
use crate::evaluation::EvaluationError;
use crate::evaluation::report::Provenance;
use crate::files::atomic::write_text;

const TEMPLATE_NAME: &str = "page.html"; // the ending switches escaping on
const TEMPLATE: &str = include_str!("page.html");

/// What the generators know of the photographs that their faces are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// They are of people held out from training.
    HeldOut,
    /// They are among those learned from.
    Seen,
    /// They are of another data set than the one learned from.
    OtherSet,
}

impl Reference {
    /// In words, after "photographs".
    fn words(self) -> &'static str {
        match self {
            Reference::HeldOut => "of people whom the generators never learned from",
            Reference::Seen => "which the generators learned from",
            Reference::OtherSet => "of another data set than the generators learned from",
        }
    }
}

/// How far one set of faces is from the photographs of the people held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SetFigures {
    /// Mean kernel distance over the draws.
    pub kernel_distance: f64,
    /// Its standard deviation over the draws.
    pub kernel_distance_deviation: f64,
    /// Mean Fréchet distance over the draws.
    pub frechet_distance: f64,
    /// Means over the draws.
    pub coverage: PrecisionRecall,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Name of the class.
    pub class: String,
    /// Photographs held out.
    pub photographs: usize,
    /// Mean distance between two generated faces, in features.
    pub diversity: f64,
    /// That between two photographs.
    pub photograph_diversity: f64,
    /// `None` where no film of the class is held out.
    pub memorization: Option<Memorization>,
}

/// How a classifier does on photographs of the people held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassifierFigures {
    /// Trained on generated faces alone: share recognised.
    pub trained_on_generated: f64,
    /// Trained for as many steps on the photographs that the generators saw.
    pub trained_on_photographs: f64,
    /// Photographs it was tried on.
    pub photographs: usize,
}

/// All figures about one set of generated faces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerationReport {
    /// The heading.
    pub title: String,
    /// Where the faces come from.
    pub provenance: Vec<Provenance>,
    /// The network whose features measure.
    pub features: String,
    /// What the generators know of the photographs that they are compared with.
    pub reference: Reference,
    /// Whether the epoch of the generators was chosen by their distance to those very photographs.
    pub epoch_chosen_by_reference: bool,
    /// Faces in each of the two sets compared.
    pub faces: usize,
    /// Draws of generated faces, over which figures are averaged.
    pub draws: usize,
    /// The generated faces.
    pub generated: SetFigures,
    /// Photographs of the people that the generators saw: the floor.
    pub floor: SetFigures,
    /// By class.
    pub classes: Vec<ClassReport>,
    /// Mean over the classes that have it; `None` where the generators saw everybody.
    pub memorization: Option<Memorization>,
    /// `None` when not asked for.
    pub classifier: Option<ClassifierFigures>,
}

/// The mean of several.
pub fn mean_memorization(all: &[Memorization]) -> Option<Memorization> {
    let n = all.len() as f64;
    let mean = |pick: fn(&Memorization) -> f64| all.iter().map(pick).sum::<f64>() / n;
    (!all.is_empty()).then(|| Memorization {
        to_seen: mean(|one| one.to_seen),
        to_held_out: mean(|one| one.to_held_out),
        ratio: mean(|one| one.ratio),
        near_copies: mean(|one| one.near_copies),
    })
}

/// The table for a terminal.
pub fn render_table(report: &GenerationReport) -> String {
    let mut text = format!("{}\n\n", report.title);
    text += &format!(
        "Against {} photographs {}; means over {} draws of as many faces; features of {}.\n",
        report.faces,
        report.reference.words(),
        report.draws,
        report.features
    );
    if report.epoch_chosen_by_reference {
        text += "The generators' epoch was chosen by the kernel distance to these photographs.\n";
    }
    text.push('\n');
    text += "                    kernel distance      Fréchet  precision   recall\n";
    for (name, figures) in [("generated", &report.generated), ("other people", &report.floor)] {
        text += &format!(
            "{name:<18}  {:7.4} ± {:<7.4}  {:8.3}     {:6.3}   {:6.3}\n",
            figures.kernel_distance,
            figures.kernel_distance_deviation,
            figures.frechet_distance,
            figures.coverage.precision,
            figures.coverage.recall
        );
    }
    text += "\nclass       photographs  diversity (photographs)  memorisation ratio  near copies\n";
    for class in &report.classes {
        let memorization = class.memorization.map_or("        -            -".to_owned(), |one| {
            format!("{:9.3}      {:7.1} %", one.ratio, one.near_copies * 100.0)
        });
        text += &format!(
            "{:<11} {:11}  {:9.3} ({:.3})           {memorization}\n",
            class.class, class.photographs, class.diversity, class.photograph_diversity
        );
    }
    if let Some(one) = report.memorization {
        text += &format!(
            "\nMemorisation ratio {:.3} (1: copies nothing), near copies {:.1} %.\n",
            one.ratio,
            one.near_copies * 100.0
        );
    }
    if let Some(classifier) = report.classifier {
        text += &format!(
            "A classifier trained on the generated faces alone recognises {:.1} % of {} photographs; one \
             trained on the photographs that the generators saw {:.1} %.\n",
            classifier.trained_on_generated * 100.0,
            classifier.photographs,
            classifier.trained_on_photographs * 100.0
        );
    }
    text
}

/// JSON, ending in a line break.
///
/// # Errors
/// [`EvaluationError::Json`], if a figure cannot be written.
pub fn render_json(report: &GenerationReport) -> Result<String, EvaluationError> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// Writes `report.json` and `report.html` into `folder`; the page shows `pictures`, which lie beside it.
///
/// # Errors
/// When a file cannot be written.
pub fn write_page(
    report: &GenerationReport,
    pictures: &[(&str, &str)],
    folder: &Path,
) -> Result<(), EvaluationError> {
    let mut environment = Environment::new();
    environment.add_template(TEMPLATE_NAME, TEMPLATE)?;
    let page = environment.get_template(TEMPLATE_NAME)?.render(context! {
        report => Value::from(Serde(report)),
        reference => report.reference.words(),
        pictures => Value::from(Serde(pictures)),
    })?;
    for (name, text) in [("report.json", render_json(report)?), ("report.html", page)] {
        let path = folder.join(name);
        write_text(&path, &text)?;
    }
    Ok(())
}
