//! The lines of the table and the comparisons between them, worked out once for page, Markdown and terminal.

use serde::Serialize;

use super::{Group, Reproduction, Row, RunFigures};
use crate::evaluation::{mcnemar, summarize_seeds, wilson};

/// One line, in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Its short name.
    pub key: String,
    /// As the table has it.
    pub title: String,
    /// The part of the table.
    pub group: Group,
    /// The paper's accuracy.
    pub paper: Option<f64>,
    /// Mean accuracy over the seeds.
    pub accuracy: Option<f64>,
    /// Wilson's 95 % interval of one run's accuracy, at the mean: what the choice of test images leaves open.
    pub interval: Option<[f64; 2]>,
    /// Standard deviation over the seeds, where there are several.
    pub deviation: Option<f64>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Accuracy less the paper's.
    pub difference: Option<f64>,
    /// Mean of the accuracies without duplicates of Training.
    pub deduplicated: Option<f64>,
    /// Mean of the accuracies against FER+'s majority.
    pub ferplus: Option<f64>,
    /// Mean of the macro-F1.
    pub macro_f1: Option<f64>,
    /// Mean of the PublicTest accuracies, which chose the epochs.
    pub public_test: Option<f64>,
    /// Training accuracy less PublicTest's at the last epoch, mean: over-fitting.
    pub gap: Option<f64>,
    /// Pictures learned from.
    pub training_images: Option<usize>,
    /// What a reader must know.
    pub note: Option<String>,
    /// Why runs are missing.
    pub problem: Option<String>,
}

/// What generated faces, or augmentation, did to one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// With.
    pub row: String,
    /// Without.
    pub baseline: String,
    /// Mean difference in percentage points over the seeds that both have.
    pub gain: f64,
    /// Its standard deviation, where there are several seeds.
    pub deviation: Option<f64>,
    /// McNemar's mid-p for each of those seeds.
    pub p: Vec<f64>,
    /// Mean difference in recall by class, in percentage points.
    pub classes: Vec<(String, f64)>,
}

/// The lines in the report's order.
pub fn lines(report: &Reproduction) -> Vec<Line> {
    report.rows.iter().map(line).collect()
}

fn line(row: &Row) -> Line {
    let mean = |pick: &dyn Fn(&RunFigures) -> Option<f64>| {
        let values: Option<Vec<f64>> = row.runs.iter().map(pick).collect();
        summarize_seeds(&values?)
    };
    let percent = |pick: &dyn Fn(&RunFigures) -> Option<f64>| Some(mean(pick)?.mean * 100.0);
    let accuracy = mean(&|run| Some(run.accuracy.value));
    let interval = accuracy.map(|summary| {
        let images = row.runs[0].accuracy.images;
        let estimate = wilson((summary.mean * images as f64).round() as u64, images);
        [estimate.low * 100.0, estimate.high * 100.0]
    });
    Line {
        key: row.key.clone(),
        title: row.title.clone(),
        group: row.group,
        paper: row.paper,
        accuracy: accuracy.map(|summary| summary.mean * 100.0),
        interval,
        deviation: accuracy.and_then(|summary| Some(summary.deviation? * 100.0)),
        seeds: row.runs.iter().map(|run| run.seed).collect(),
        difference: accuracy.and_then(|summary| Some(summary.mean * 100.0 - row.paper?)),
        deduplicated: percent(&|run| Some(run.deduplicated?.value)),
        ferplus: percent(&|run| Some(run.ferplus?.value)),
        macro_f1: percent(&|run| Some(run.macro_f1)),
        public_test: percent(&|run| Some(run.public_test)),
        gap: percent(&|run| run.curve.last().map(|last| last.training_accuracy - last.validation_accuracy)),
        training_images: row.runs.first().map(|run| run.training_images),
        note: row.note.clone(),
        problem: row.problem.clone(),
    }
}

/// Every row beside its baseline, where both have runs of the same seed on the same images.
pub fn comparisons(report: &Reproduction) -> Vec<Comparison> {
    let compare = |row: &Row| -> Option<Comparison> {
        let baseline = report.rows.iter().find(|other| Some(&other.key) == row.baseline.as_ref())?;
        let pairs: Vec<(&RunFigures, &RunFigures)> = row
            .runs
            .iter()
            .filter_map(|run| Some((run, baseline.runs.iter().find(|other| other.seed == run.seed)?)))
            .collect();
        let gains: Vec<f64> =
            pairs.iter().map(|(with, without)| with.accuracy.value - without.accuracy.value).collect();
        let gain = summarize_seeds(&gains)?;
        let p: Option<Vec<f64>> = pairs
            .iter()
            .map(|(with, without)| Some(mcnemar(&with.right(), &without.right()).ok()?.p_mid))
            .collect();
        let class = |index: usize| {
            let difference = |(with, without): &(&RunFigures, &RunFigures)| {
                with.recall[index].recall - without.recall[index].recall
            };
            let sum: f64 = pairs.iter().map(difference).sum();
            (pairs[0].0.recall[index].class.clone(), 100.0 * sum / pairs.len() as f64)
        };
        Some(Comparison {
            row: row.title.clone(),
            baseline: baseline.title.clone(),
            gain: gain.mean * 100.0,
            deviation: gain.deviation.map(|deviation| deviation * 100.0),
            p: p?,
            classes: (0..pairs[0].0.recall.len()).map(class).collect(),
        })
    };
    report.rows.iter().filter_map(compare).collect()
}

/// The table for a terminal.
pub fn render_table(report: &Reproduction) -> String {
    let lines = lines(report);
    let width = lines.iter().map(|line| line.title.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for group in Group::ALL {
        let members: Vec<&Line> = lines.iter().filter(|line| line.group == group).collect();
        if members.is_empty() {
            continue;
        }
        let heading = group.title();
        text += &format!("{heading}\n{:width$}   paper   ours  95 % interval    sd  difference\n", "");
        for line in members {
            let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
            let interval = line.interval.map_or("-".to_owned(), |[low, high]| format!("{low:.2}-{high:.2}"));
            let difference = line.difference.map_or("-".to_owned(), |value| format!("{value:+.2}"));
            let remark = [report.warning.as_deref(), line.note.as_deref(), line.problem.as_deref()];
            let remark: Vec<&str> = remark.into_iter().flatten().collect();
            text += &format!(
                "{:width$}  {:>6} {:>6}  {interval:>13} {:>5}  {difference:>10}  {}\n",
                line.title,
                number(line.paper),
                number(line.accuracy),
                number(line.deviation),
                remark.join("; ")
            );
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{ClassRecall, Share};
    use super::*;

    fn run(seed: u64, correct: &str) -> RunFigures {
        let images = correct.len() as u64;
        let value = correct.matches('1').count() as f64 / images as f64;
        RunFigures {
            seed,
            training_images: 10,
            public_test: 0.5,
            accuracy: Share { value, images },
            macro_f1: value,
            nll: 1.0,
            ece: 0.1,
            deduplicated: None,
            ferplus: (seed == 0).then_some(Share { value: 0.5, images: 4 }),
            recall: vec![ClassRecall { class: "happy".to_owned(), recall: value }],
            correct: correct.to_owned(),
            curve: Vec::new(),
        }
    }

    pub(crate) fn report() -> Reproduction {
        let row = |key: &str, baseline: Option<&str>, paper, runs| Row {
            key: key.to_owned(),
            title: key.to_uppercase(),
            group: Group::Table1,
            paper,
            note: None,
            baseline: baseline.map(str::to_owned),
            runs,
            problem: None,
        };
        Reproduction {
            scale: "quick".to_owned(),
            warning: Some("not a result".to_owned()),
            neutral: "real".to_owned(),
            provenance: Vec::new(),
            rows: vec![
                row("a", None, Some(50.0), vec![run(0, "1100"), run(1, "1000")]),
                row("a+<gan>", Some("a"), None, vec![run(0, "1111"), run(2, "1111")]),
                Row { problem: Some("the disk is full".to_owned()), ..row("b", Some("a"), None, vec![]) },
            ],
            figure1: None,
            generators: Vec::new(),
            stages: Vec::new(),
        }
    }

    #[test]
    fn lines_are_means_over_seeds() {
        let lines = lines(&report());
        assert_eq!(lines[0].accuracy, Some(37.5));
        assert_eq!(lines[0].difference, Some(-12.5));
        assert!((lines[0].deviation.unwrap() - 17.677_669_529_663_69).abs() < 1e-9);
        // The second run has none: a mean over some seeds would mislead.
        assert_eq!(lines[0].ferplus, None);
        let [low, high] = lines[0].interval.unwrap();
        assert!(low < 37.5 && 37.5 < high, "{low} {high}");
        assert_eq!((lines[2].accuracy, lines[2].problem.as_deref()), (None, Some("the disk is full")));
    }

    #[test]
    fn comparisons_pair_equal_seeds() {
        let comparisons = comparisons(&report());
        assert_eq!(comparisons.len(), 1);
        assert_eq!((comparisons[0].gain, comparisons[0].deviation), (50.0, None));
        assert_eq!(comparisons[0].classes, [("happy".to_owned(), 50.0)]);
        // Two images that only one got right: mid-p 2 * 1/4 - 1/4.
        assert_eq!(comparisons[0].p, [0.25]);
    }

    #[test]
    fn every_line_says_that_it_is_no_result() {
        let text = render_table(&report());
        assert_eq!(text.matches("not a result").count(), 3, "{text}");
        assert!(text.contains("the disk is full"), "{text}");
    }
}
