//! The timeline as one self-contained page: curves by person, pictures at the peaks, zoom.

use base64::Engine as _;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

use super::{Person, Timeline};
use crate::evaluation::EvaluationError;
use crate::inference::drawing::annotation::color_of;

const TEMPLATE_NAME: &str = "page.html"; // the ending switches escaping on
const TEMPLATE: &str = include_str!("page.html");
/// The most people that the page shows: those that were seen longest.
const MOST_PEOPLE: usize = 40;
/// Expressions with a smaller share of a person's time have no picture.
const LEAST_SHARE: f64 = 0.01;

#[derive(Serialize)]
struct PersonOnPage {
    number: u64,
    first: f64,
    last: f64,
    seen: f64,
    shares: Vec<Share>,
    /// Seconds.
    times: Vec<f64>,
    /// For each point the probability of each class, in percent.
    probabilities: Vec<Vec<u8>>,
    peaks: Vec<PeakOnPage>,
}

#[derive(Serialize)]
struct Share {
    expression: usize,
    name: &'static str,
    color: String,
    percent: String,
}

#[derive(Serialize)]
struct PeakOnPage {
    name: &'static str,
    color: String,
    time: f64,
    clock: String,
    percent: String,
    picture: String,
}

#[derive(Serialize)]
struct Class {
    name: &'static str,
    color: String,
}

/// The page of a finished timeline: `title`, and what it was made with, line by line.
///
/// # Errors
/// [`EvaluationError::Page`] if the template fails, which would be a bug in it.
pub fn render_timeline(
    title: &str,
    made_with: &[String],
    timeline: &Timeline,
) -> Result<String, EvaluationError> {
    let names = timeline.labels.names();
    let classes: Vec<Class> = names.iter().map(|name| Class { name, color: color(name) }).collect();
    let mut longest: Vec<(&u64, &Person)> = timeline.people.iter().collect();
    longest.sort_by(|one, other| other.1.seen().total_cmp(&one.1.seen()));
    let left_out = longest.len().saturating_sub(MOST_PEOPLE);
    longest.truncate(MOST_PEOPLE);
    longest.sort_by_key(|(number, _)| **number);
    let people: Vec<PersonOnPage> =
        longest.into_iter().map(|(number, person)| on_page(*number, person, names)).collect();
    let mut environment = Environment::new();
    environment.add_template(TEMPLATE_NAME, TEMPLATE)?;
    Ok(environment.get_template(TEMPLATE_NAME)?.render(context! {
        title,
        made_with => made_with.to_vec(),
        left_out,
        frames => timeline.frames,
        end => rounded(timeline.end),
        clock => clock(timeline.end),
        size => timeline.size.to_vec(),
        classes => Serde(&classes),
        people => Serde(&people),
    })?)
}

fn on_page(number: u64, person: &Person, names: &[&'static str]) -> PersonOnPage {
    let shares = person.shares();
    let shown = shares.iter().filter(|(_, share)| *share > 0.0).map(|(expression, share)| Share {
        expression: *expression,
        name: names[*expression],
        color: color(names[*expression]),
        percent: percent(*share),
    });
    let of_expression = |(expression, share): &(usize, f64)| {
        let peak = person.peaks[*expression].as_ref().filter(|_| *share >= LEAST_SHARE)?;
        Some(PeakOnPage {
            name: names[*expression],
            color: color(names[*expression]),
            time: rounded(peak.time),
            clock: clock(peak.time),
            percent: percent(f64::from(peak.probability)),
            picture: base64::engine::general_purpose::STANDARD.encode(&peak.picture),
        })
    };
    let points = person.curve.points();
    PersonOnPage {
        number,
        first: rounded(person.first),
        last: rounded(person.last),
        seen: rounded(person.seen()),
        peaks: shares.iter().filter_map(of_expression).collect(),
        shares: shown.collect(),
        times: points.iter().map(|point| rounded(point.time)).collect(),
        probabilities: points
            .iter()
            .map(|point| point.means().map(|mean| (100.0 * mean).round() as u8).collect())
            .collect(),
    }
}

fn color(name: &str) -> String {
    let [red, green, blue] = color_of(name).0;
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// To thousandths.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// Minutes and seconds, hours where there are any.
fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let (seconds, tenth) = (rest / 10, rest % 10);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}.{tenth}")
    } else {
        format!("{minutes}:{seconds:02}.{tenth}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HAPPY, SAD, frame};
    use super::*;
    use crate::expression::LabelSet;

    #[test]
    fn the_page_holds_people_peaks_and_nothing_from_elsewhere() {
        let mut timeline = Timeline::new(LabelSet::Fer2013);
        for index in 0..50 {
            let first = if index < 20 { HAPPY } else { SAD };
            timeline.add(&frame(index, index as f64 / 25.0, &[(1, first), (7, SAD)]));
        }
        timeline.finish();
        let made_with = ["built-in".to_owned()];
        let page = render_timeline("a </script><b>.mp4", &made_with, &timeline).unwrap();
        assert!(page.contains("Person 1") && page.contains("Person 7"), "{page}");
        assert!(page.contains("data:image/jpeg;base64,"));
        // A name cannot break out, and nothing is fetched.
        assert!(!page.contains("</script><b>"));
        assert!(!page.contains("http://") && !page.contains("https://"));
    }
}
