//! The *headline*: the figures that stand at the top of a table or page, a row each, a column per way of
//! presenting the images.

use super::{ReportPage, percent, protocol, thousands};
use crate::evaluation::{Calibration, Estimate, EvaluationReport, Figures, VotesView};

/// One figure for every result of a page.
#[derive(Debug)]
pub(super) struct HeadlineRow {
    /// The figure's name.
    pub name: String,
    /// How it is made.
    pub protocol: &'static str,
    /// One cell per result; `None` where the figure does not exist.
    pub cells: Vec<Option<HeadlineCell>>,
}

/// One figure, ready to print.
#[derive(Debug)]
pub(super) struct HeadlineCell {
    /// The value, with its unit.
    pub value: String,
    /// Its 95 % interval, or what it becomes with the temperature; may be empty.
    pub detail: String,
}

/// The rows of a page's headline; rows that no result has are left out.
pub(super) fn headline(page: &ReportPage) -> Vec<HeadlineRow> {
    let mut rows = Vec::new();
    let mut add = |name: String, protocol, cell: &dyn Fn(&EvaluationReport) -> Option<HeadlineCell>| {
        let cells: Vec<_> = page.results.iter().map(|result| cell(&result.report)).collect();
        if cells.iter().any(Option::is_some) {
            rows.push(HeadlineRow { name, protocol, cells });
        }
    };
    type Pick = fn(&Figures) -> Estimate;
    let shares: [(&str, &str, &'static str, Pick); 3] = [
        ("Accuracy", "accuracy", protocol::ACCURACY, |figures| figures.accuracy),
        ("Macro-F1", "macro-F1", protocol::MACRO_F1, |figures| figures.macro_f1),
        ("Balanced accuracy", "balanced accuracy", protocol::BALANCED_ACCURACY, |figures| {
            figures.balanced_accuracy
        }),
    ];
    for (name, _, protocol, pick) in shares {
        add(name.into(), protocol, &|report| Some(share(pick(&report.overall))));
    }
    // All results of a page score the same split, so the first one's counts hold for the row.
    let first = page.results.first().map(|result| &result.report);
    let unseen = first.and_then(|report| report.deduplicated.figures.as_ref()).map_or(0, |figures| figures.n);
    for (_, name, _, pick) in shares {
        let name = format!("De-duplicated {name}, n = {}", thousands(unseen));
        add(name, protocol::DEDUPLICATED, &|report| {
            report.deduplicated.figures.as_ref().map(pick).map(share)
        });
    }
    let kept = first.and_then(|report| report.ferplus.as_ref()).map_or(0, |view| view.kept);
    add(format!("FER+ 8-class accuracy, n = {}", thousands(kept)), protocol::FERPLUS, &|report| {
        report.ferplus.as_ref().map(|view| share(view.accuracy))
    });
    let votes = |report: &EvaluationReport, text: &dyn Fn(&VotesView) -> String, detail: &str| {
        let cell = |view: &VotesView| HeadlineCell { value: text(view), detail: detail.to_owned() };
        report.votes.as_ref().map(cell)
    };
    add("Cross-entropy to the votes".into(), protocol::VOTES, &|report| {
        let least = report.votes.as_ref().map(|view| format!("at least {:.4}", view.entropy));
        votes(report, &|view| format!("{:.4}", view.cross_entropy), &least.unwrap_or_default())
    });
    add("Jensen-Shannon to the votes".into(), protocol::VOTES, &|report| {
        votes(report, &|view| format!("{:.4}", view.jensen_shannon), "")
    });
    let clear = first.and_then(|report| report.votes.as_ref()).map_or(0, |view| view.clear_images);
    let name = format!("Accuracy where 80 % of raters agree, n = {}", thousands(clear));
    add(name, protocol::VOTES, &|report| report.votes.as_ref().map(|view| share(view.clear_accuracy)));
    type Score = fn(&Calibration) -> String;
    let scores: [(&str, Score); 3] = [
        ("NLL", |calibration| format!("{:.4}", calibration.nll)),
        ("Brier score", |calibration| format!("{:.4}", calibration.brier)),
        ("ECE", |calibration| format!("{} %", percent(calibration.ece))),
    ];
    for (name, score) in scores {
        add(name.into(), protocol::CALIBRATION, &|report| {
            Some(HeadlineCell {
                value: score(&report.overall.uncalibrated),
                detail: format!("calibrated {}", score(&report.overall.calibrated)),
            })
        });
    }
    add("Temperature".into(), protocol::CALIBRATION, &|report| {
        Some(HeadlineCell { value: format!("{:.4}", report.temperature), detail: String::new() })
    });
    rows
}

/// A share with its interval, in percent.
fn share(estimate: Estimate) -> HeadlineCell {
    HeadlineCell {
        value: format!("{} %", percent(estimate.value)),
        detail: format!("{} to {}", percent(estimate.low), percent(estimate.high)),
    }
}
