//! How the training of generators went, as one page of curves.

use minijinja::{Environment, context};

use crate::evaluation::EvaluationError;
use crate::evaluation::report::charts::{Curve, line_chart};
use crate::training::records::GanRecord;

const TEMPLATE_NAME: &str = "curves.html"; // the ending switches escaping on
const TEMPLATE: &str = include_str!("curves.html");

/// The page for the generators of a run: name and epochs of each.
///
/// # Errors
/// [`EvaluationError::Page`] if the template fails, which would be a bug in it.
pub fn render_curves(title: &str, runs: &[(String, Vec<GanRecord>)]) -> Result<String, EvaluationError> {
    let mut environment = Environment::new();
    environment.add_template(TEMPLATE_NAME, TEMPLATE)?;
    let runs = runs.iter().map(|(name, records)| {
        context! { name => name.as_str(), charts => charts(records) }
    });
    Ok(environment
        .get_template(TEMPLATE_NAME)?
        .render(context! { title, runs => runs.collect::<Vec<_>>() })?)
}

fn charts(records: &[GanRecord]) -> Vec<String> {
    let curve = |name: &'static str, class: &'static str, pick: fn(&GanRecord) -> Option<f64>| {
        let points = records.iter().filter_map(|record| Some((record.epoch, pick(record)?)));
        Curve { name, class, points: points.collect() }
    };
    let losses = [
        curve("discriminator loss", "a", |record| Some(record.discriminator_loss)),
        curve("generator loss", "b", |record| record.generator_loss),
    ];
    let difference =
        [curve("score of photographs less generated", "a", |record| Some(record.score_difference))];
    let penalty = [curve("gradient penalty", "c", |record| record.penalty)];
    let judgement = [curve("kernel distance to people held out", "b", |record| record.judgement)];
    let number = |value: f64| format!("{:.3}", value).trim_end_matches('0').trim_end_matches('.').to_owned();
    let mut charts = vec![
        line_chart("losses by epoch", &losses, None, number),
        line_chart("score difference by epoch", &difference, None, number),
    ];
    for (title, curves) in [("gradient penalty by epoch", penalty), ("kernel distance by epoch", judgement)] {
        if !curves[0].points.is_empty() {
            charts.push(line_chart(title, &curves, None, number));
        }
    }
    charts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generator_has_its_curves() {
        let record = |epoch, penalty| GanRecord {
            epoch,
            steps: 5,
            discriminator_loss: 1.0,
            generator_loss: (epoch > 1).then_some(2.0),
            score_difference: 0.5,
            penalty,
            judgement: None,
            seconds: 1.0,
        };
        let runs = [
            ("a<b".to_owned(), vec![record(1, None), record(2, None)]),
            ("c".to_owned(), vec![record(1, Some(0.1))]),
        ];
        let page = render_curves("runs", &runs).unwrap();
        assert_eq!(page.matches("<svg").count(), 5);
        assert!(page.contains("a&lt;b") && !page.contains("NaN"));
    }
}
