//! The report as one self-contained page: no scripts, no requests, readable in light and dark, from a phone to
//! a desk.

use minijinja::{Environment, Value, context};

use super::charts::{Curve, confusion_heatmap, line_chart, per_class_bars, reliability_diagram};
use super::headline::{HeadlineRow, headline};
use super::{EpochRecord, ModelFigures, ReportPage, percent, protocol, thousands};
use crate::evaluation::EvaluationError;
use crate::evaluation::folds::{Fold, Folds};
use crate::evaluation::robustness::{CorruptedAccuracy, Robustness};

const TEMPLATE_NAME: &str = "page.html"; // the ending switches escaping on
const TEMPLATE: &str = include_str!("page.html");

/// Renders the page.
///
/// # Errors
/// [`EvaluationError::Page`] if the template fails, which would be a bug in it.
pub fn render_html(page: &ReportPage) -> Result<String, EvaluationError> {
    let mut environment = Environment::new();
    environment.add_template(TEMPLATE_NAME, TEMPLATE)?;
    let first = page.results.first().map(|result| &result.report);
    let text = environment.get_template(TEMPLATE_NAME)?.render(context! {
        title => page.title.as_str(),
        provenance => page
            .provenance
            .iter()
            .map(|line| context! { name => line.name.as_str(), value => line.value.as_str() })
            .collect::<Vec<_>>(),
        split => first.map(|report| report.split.as_str()),
        images => first.map(|report| thousands(report.overall.n)),
        removed => first.map(|report| thousands(report.deduplicated.removed)),
        columns => page.results.iter().map(|result| result.views.name()).collect::<Vec<_>>(),
        headline => headline(page).iter().map(headline_row).collect::<Vec<_>>(),
        agreement => first.and_then(|report| report.ferplus.as_ref()).map(|view| context! {
            kept => thousands(view.kept),
            on_kept => percent(view.label_agreement.value),
            images => thousands(view.images),
            on_all => percent(view.label_agreement_unfiltered.value),
        }),
        robustness => page.robustness.as_ref().map(robustness),
        folds => page.folds.as_ref().map(folds),
        training => (!page.training.is_empty()).then(|| training(&page.training, page.kept_epoch)),
        results => page.results.iter().map(result).collect::<Vec<_>>(),
        protocol => protocol::STATEMENTS.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
    })?;
    Ok(text)
}

/// One row of the headline.
fn headline_row(row: &HeadlineRow) -> Value {
    let cells = row.cells.iter().map(|cell| {
        cell.as_ref().map(|cell| context! { value => cell.value.as_str(), detail => cell.detail.as_str() })
    });
    context! { name => row.name.as_str(), protocol => row.protocol, cells => cells.collect::<Vec<_>>() }
}

/// The charts of one result.
fn result(result: &ModelFigures) -> Value {
    let figures = &result.report.overall;
    context! {
        views => result.views.name(),
        per_class => per_class_bars(&figures.per_class),
        confusion => confusion_heatmap(&result.report.classes, &figures.confusion),
        reliability => [&figures.uncalibrated, &figures.calibrated].map(|calibration| context! {
            temperature => format!("{:.3}", calibration.temperature),
            ece => percent(calibration.ece),
            nll => format!("{:.4}", calibration.nll),
            chart => reliability_diagram(calibration),
        }),
        ferplus => result.report.ferplus.as_ref().map(|view| context! {
            kept => thousands(view.kept),
            without_model_class => thousands(view.without_model_class),
            classes => view.per_class.iter().map(|class| context! {
                name => class.class.as_str(),
                support => thousands(class.support),
                correct => thousands(class.correct),
                recall => (class.support > 0).then(|| percent(class.correct as f64 / class.support as f64)),
            }).collect::<Vec<_>>(),
        }),
    }
}

/// The folds of a cross-validation.
fn folds(folds: &Folds) -> Value {
    let row = |fold: &Fold| {
        context! {
            name => fold.name.as_str(),
            training => thousands(fold.training as u64),
            validation => thousands(fold.validation as u64),
            images => thousands(fold.images as u64),
            epoch => fold.epoch,
            accuracy => percent(fold.accuracy),
        }
    };
    context! {
        by => folds.by.as_str(),
        rows => folds.folds.iter().map(row).collect::<Vec<_>>(),
        mean => percent(folds.accuracy.value),
        low => percent(folds.accuracy.low),
        high => percent(folds.accuracy.high),
        deviation => percent(folds.deviation),
        warning => folds.warning.as_deref(),
    }
}

/// Accuracy on corrupted pictures.
fn robustness(robustness: &Robustness) -> Value {
    let row = |corruption: &CorruptedAccuracy| {
        let cells = corruption.strengths.iter().zip(&corruption.accuracies);
        context! {
            name => corruption.name.as_str(),
            unit => corruption.unit.as_str(),
            mean => percent(corruption.mean.value),
            low => percent(corruption.mean.low),
            high => percent(corruption.mean.high),
            cells => cells
                .map(|(strength, accuracy)| context! {
                    strength => strength.to_string(),
                    accuracy => percent(*accuracy),
                    // Of the clean accuracy, for the cell's shade.
                    kept => (100.0 * accuracy / robustness.clean.max(f64::EPSILON)).clamp(0.0, 100.0).round(),
                })
                .collect::<Vec<_>>(),
        }
    };
    context! {
        views => robustness.views.as_str(),
        clean => percent(robustness.clean),
        mean => percent(robustness.mean.value),
        low => percent(robustness.mean.low),
        high => percent(robustness.mean.high),
        never_trained_mean => robustness.never_trained_mean.map(|mean| percent(mean.value)),
        relative_drop => percent(robustness.relative_drop),
        severities => robustness.corruptions.iter().map(|corruption| corruption.accuracies.len()).max(),
        groups => [&robustness.corruptions, &robustness.never_trained].map(|group| group.iter().map(row).collect::<Vec<_>>()),
    }
}

/// The training curves and the epoch that they mark: the model's, or the best validation accuracy, the earliest of
/// equals.
fn training(epochs: &[EpochRecord], kept: Option<usize>) -> Value {
    let best = epochs.iter().filter(|epoch| epoch.validation_accuracy.is_finite()).reduce(|best, epoch| {
        if epoch.validation_accuracy > best.validation_accuracy { epoch } else { best }
    });
    let best = epochs.iter().find(|epoch| Some(epoch.epoch) == kept).or(best);
    let curve =
        |pick: fn(&EpochRecord) -> f64| epochs.iter().map(|epoch| (epoch.epoch, pick(epoch))).collect();
    let pair = |training: fn(&EpochRecord) -> f64, validation: fn(&EpochRecord) -> f64| {
        [
            Curve { name: "Training", class: "b", points: curve(training) },
            Curve { name: "Validation", class: "a", points: curve(validation) },
        ]
    };
    let selected = best.map(|best| best.epoch);
    context! {
        epochs => epochs.len(),
        best_epoch => selected,
        best_accuracy => best.map(|best| percent(best.validation_accuracy)),
        accuracy => line_chart(
            "accuracy by epoch",
            &pair(|epoch| epoch.training_accuracy, |epoch| epoch.validation_accuracy),
            selected,
            |share| format!("{:.0} %", 100.0 * share),
        ),
        loss => line_chart(
            "loss by epoch",
            &pair(|epoch| epoch.training_loss, |epoch| epoch.validation_loss),
            selected,
            short,
        ),
        learning_rate => line_chart(
            "learning rate by epoch",
            &[Curve { name: "learning rate", class: "c", points: curve(|epoch| epoch.learning_rate) }],
            selected,
            short,
        ),
    }
}

/// A number in at most three significant digits, as an axis needs it.
fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.001 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_numbers_are_short() {
        assert_eq!([0.0, 0.5, 1.25, 2.0, 1e-4, 0.15].map(short), ["0", "0.5", "1.25", "2", "1e-4", "0.15"]);
    }
}
