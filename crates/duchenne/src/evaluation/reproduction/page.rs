//! The report as a page, as Markdown and as JSON.

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::{Comparison, Group, Line, Reproduction, RunFigures, comparisons, lines};
use crate::evaluation::EvaluationError;
use crate::evaluation::report::charts::{Curve, line_chart};

const PAGE_NAME: &str = "page.html"; // the ending switches escaping on
const PAGE: &str = include_str!("page.html");
const MARKDOWN_NAME: &str = "table.md";
const MARKDOWN: &str = include_str!("table.md");

/// The version of the JSON document; it grows when a key changes its meaning or goes away.
const JSON_SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    table: &'a [Line],
    comparisons: &'a [Comparison],
    #[serde(flatten)]
    report: &'a Reproduction,
}

/// The page, self-contained but for pictures and pages beside it.
///
/// # Errors
/// [`EvaluationError::Page`] if the template fails, which would be a bug in it.
pub fn render_html(report: &Reproduction) -> Result<String, EvaluationError> {
    render(report, PAGE_NAME, PAGE)
}

/// The tables as Markdown.
///
/// # Errors
/// As [`render_html`].
pub fn render_markdown(report: &Reproduction) -> Result<String, EvaluationError> {
    render(report, MARKDOWN_NAME, MARKDOWN)
}

/// JSON, ending in a line break: the table, the comparisons and everything they were made of.
///
/// # Errors
/// [`EvaluationError::Json`], if a figure cannot be written.
pub fn render_json(report: &Reproduction) -> Result<String, EvaluationError> {
    let document = Document {
        schema_version: JSON_SCHEMA_VERSION,
        table: &lines(report),
        comparisons: &comparisons(report),
        report,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn render(
    report: &Reproduction,
    name: &'static str,
    template: &'static str,
) -> Result<String, EvaluationError> {
    let mut environment = Environment::new();
    environment.add_template(name, template)?;
    let lines = lines(report);
    let groups = Group::ALL.into_iter().filter_map(|group| {
        let members: Vec<&Line> = lines.iter().filter(|line| line.group == group).collect();
        (!members.is_empty())
            .then(|| context! { title => group.title(), lines => Value::from(Serde(members)) })
    });
    let curves = report.rows.iter().flat_map(|row| row.runs.first().map(|run| (row, run)));
    let curves = curves.filter(|(_, run)| !run.curve.is_empty()).map(|(row, run)| {
        context! { title => row.title.as_str(), seed => run.seed, chart => curve(run) }
    });
    let comparisons = comparisons(report);
    let classes: Vec<String> = comparisons
        .first()
        .map_or(Vec::new(), |first| first.classes.iter().map(|(name, _)| name.clone()).collect());
    let costs = report.stages.iter().map(|stage| {
        context! {
            name => stage.name.as_str(),
            time => stage.seconds.map(duration),
            planned => stage.planned.map(duration),
            megabytes => format!("{:.0}", stage.bytes as f64 / 1e6),
            problem => stage.problem.as_deref(),
        }
    });
    let total: f64 = report.stages.iter().filter_map(|stage| stage.seconds).sum();
    Ok(environment.get_template(name)?.render(context! {
        report => Value::from(Serde(report)),
        groups => groups.collect::<Vec<_>>(),
        comparisons => Value::from(Serde(&comparisons)),
        classes,
        curves => curves.collect::<Vec<_>>(),
        costs => costs.collect::<Vec<_>>(),
        total => duration(total),
    })?)
}

/// Accuracy by epoch: the gap between the curves is the over-fitting.
fn curve(run: &RunFigures) -> String {
    let of = |pick: fn(&crate::evaluation::report::EpochRecord) -> f64| {
        run.curve.iter().map(|epoch| (epoch.epoch, pick(epoch))).collect()
    };
    let curves = [
        Curve { name: "Training", class: "b", points: of(|epoch| epoch.training_accuracy) },
        Curve { name: "PublicTest", class: "a", points: of(|epoch| epoch.validation_accuracy) },
    ];
    line_chart("accuracy by epoch", &curves, None, |share| format!("{:.0} %", 100.0 * share))
}

/// `3 h 20 min`, `4 min 10 s`, `12 s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) => format!("{minutes} min {rest} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::report;
    use super::*;
    use crate::evaluation::report::EpochRecord;

    #[test]
    fn the_page_shows_every_line_with_its_warning() {
        let mut report = report();
        report.rows[0].runs[0].curve = vec![EpochRecord {
            epoch: 1,
            learning_rate: 0.1,
            training_loss: 1.0,
            training_accuracy: 0.5,
            validation_loss: 1.0,
            validation_accuracy: 0.4,
            seconds: 1.0,
        }];
        let page = render_html(&report).unwrap();
        assert!(page.contains("A+&lt;GAN&gt;") && page.contains("the disk is full"));
        // Three lines and the one comparison.
        assert_eq!(page.matches("<span class=\"remark\">not a result").count(), 3 + 1);
        assert_eq!(page.matches("<svg").count(), 1);
        let markdown = render_markdown(&report).unwrap();
        assert_eq!(markdown.matches("not a result").count(), 3 + 1, "{markdown}");
        assert!(markdown.contains("| A | 50.00 | 37.50 |"), "{markdown}");
        let json: serde_json::Value = serde_json::from_str(&render_json(&report).unwrap()).unwrap();
        assert_eq!(json["table"][0]["accuracy"], 37.5);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!([12.4, 250.0, 12_000.0].map(duration), ["12 s", "4 min 10 s", "3 h 20 min"]);
    }
}
