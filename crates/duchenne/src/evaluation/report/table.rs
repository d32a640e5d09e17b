//! The report as text for a terminal.

use super::headline::headline;
use super::{ReportPage, percent, thousands};
use crate::evaluation::folds::Folds;
use crate::evaluation::robustness::{CorruptedAccuracy, Robustness};
use crate::evaluation::text_table::{Align, aligned};
use crate::evaluation::{Estimate, EvaluationReport, FerPlusView};

/// Renders the headline of every result, then per-class figures and the confusion matrix of the first. Lines
/// end in `\n` and carry no colours.
pub fn render_table(page: &ReportPage) -> String {
    let mut lines = vec![page.title.clone()];
    let name_width = page.provenance.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    lines.extend(page.provenance.iter().map(|line| format!("{:name_width$}  {}", line.name, line.value)));
    let Some(first) = page.results.first() else {
        return lines.join("\n") + "\n";
    };
    let report = &first.report;

    lines.push(String::new());
    lines.push(format!("{}, {} images, intervals at 95 %", report.split, thousands(report.overall.n)));
    let mut rows = vec![
        std::iter::once(String::new())
            .chain(page.results.iter().map(|result| result.views.name().to_string()))
            .collect::<Vec<_>>(),
    ];
    for row in headline(page) {
        let cells = row.cells.iter().map(|cell| {
            cell.as_ref().map_or("-".into(), |cell| match cell.detail.as_str() {
                "" => cell.value.clone(),
                detail => format!("{}  ({detail})", cell.value),
            })
        });
        rows.push(std::iter::once(row.name).chain(cells).collect());
    }
    lines.extend(aligned(&rows, Align::Left));
    lines.extend(report.ferplus.as_ref().map(|view| label_agreement(view, &report.split)));

    lines.push(String::new());
    lines.push(format!("Per class, {}", first.views.name()));
    let header = ["", "precision", "recall", "F1", "images", "predicted"].map(String::from).to_vec();
    let classes = report.overall.per_class.iter().map(|class| {
        vec![
            class.class.clone(),
            percent(class.precision),
            percent(class.recall),
            percent(class.f1),
            thousands(class.support),
            thousands(class.predicted),
        ]
    });
    lines.extend(aligned(&std::iter::once(header).chain(classes).collect::<Vec<_>>(), Align::Right));

    lines.push(String::new());
    lines.push(format!("Confusion, {}: true class in rows, predicted in columns", first.views.name()));
    lines.extend(aligned(&confusion_rows(report), Align::Right));
    lines.extend(page.folds.iter().flat_map(folds));
    lines.extend(page.robustness.iter().flat_map(robustness));
    lines.join("\n") + "\n"
}

/// A row for each fold of a cross-validation, and their mean.
fn folds(folds: &Folds) -> Vec<String> {
    let mut rows =
        vec![["fold", "training", "validation", "images", "epoch", "accuracy"].map(String::from).to_vec()];
    rows.extend(folds.folds.iter().map(|fold| {
        vec![
            fold.name.clone(),
            thousands(fold.training as u64),
            thousands(fold.validation as u64),
            thousands(fold.images as u64),
            fold.epoch.map_or("-".to_owned(), |epoch| epoch.to_string()),
            percent(fold.accuracy),
        ]
    }));
    let title = format!("Folds, by {}", folds.by);
    let summary = format!(
        "Mean over folds {} %, standard deviation {} points.",
        interval(folds.accuracy),
        percent(folds.deviation)
    );
    let warning = folds.warning.iter().map(|warning| format!("Warning: {warning}."));
    let lines = [String::new(), title].into_iter().chain(aligned(&rows, Align::Right));
    lines.chain([summary]).chain(warning).collect()
}

/// Accuracy on corrupted pictures: a row for each corruption, severities in columns.
fn robustness(robustness: &Robustness) -> Vec<String> {
    let severities =
        robustness.corruptions.iter().map(|corruption| corruption.accuracies.len()).max().unwrap_or(0);
    let header = std::iter::once(String::new())
        .chain((1..=severities).map(|severity| severity.to_string()))
        .chain(["mean".to_owned(), "strength".to_owned()]);
    let strengths = |corruption: &CorruptedAccuracy| {
        let values: Vec<String> = corruption.strengths.iter().map(f32::to_string).collect();
        format!("{} ({})", values.join(" "), corruption.unit)
    };
    let row = |corruption: &CorruptedAccuracy| {
        std::iter::once(corruption.name.clone())
            .chain(corruption.accuracies.iter().map(|share| percent(*share)))
            .chain([interval(corruption.mean), strengths(corruption)])
            .collect()
    };
    let mut rows: Vec<Vec<String>> = vec![header.collect()];
    rows.extend(robustness.corruptions.iter().map(row));
    if !robustness.never_trained.is_empty() {
        rows.push(vec!["never trained on:".to_owned()]);
        rows.extend(robustness.never_trained.iter().map(row));
    }
    let title = format!("Robustness, accuracy by severity (test-time augmentation: {})", robustness.views);
    let others = robustness.never_trained_mean;
    let summary = format!(
        "Clean {} %, mean over corruptions and severities {} %, relative drop {} %{}.",
        percent(robustness.clean),
        interval(robustness.mean),
        percent(robustness.relative_drop),
        others.map_or(String::new(), |mean| format!("; kinds never trained on {} %", interval(mean))),
    );
    [String::new(), title].into_iter().chain(aligned(&rows, Align::Right)).chain([summary]).collect()
}

/// A share with its interval.
fn interval(estimate: Estimate) -> String {
    format!("{} ({} to {})", percent(estimate.value), percent(estimate.low), percent(estimate.high))
}

/// How well the data set's own labels agree with FER+: a bound for models trained on them.
fn label_agreement(view: &FerPlusView, split: &str) -> String {
    format!(
        "The data set's own labels agree with the FER+ majority on {} % of the {} images kept, and with the \
         class of most raw votes on {} % of all {} of {split}.",
        percent(view.label_agreement.value),
        thousands(view.kept),
        percent(view.label_agreement_unfiltered.value),
        thousands(view.images),
    )
}

fn confusion_rows(report: &EvaluationReport) -> Vec<Vec<String>> {
    let header = std::iter::once(String::new()).chain(report.classes.iter().cloned()).collect();
    let rows = report.classes.iter().zip(report.overall.confusion.rows()).map(|(class, counts)| {
        std::iter::once(class.clone()).chain(counts.iter().map(|&count| thousands(count))).collect()
    });
    std::iter::once(header).chain(rows).collect()
}
