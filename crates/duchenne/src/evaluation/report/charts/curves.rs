//! Line charts over epochs: the training curves.

use super::WIDTH;
use super::svg::{Anchor, Svg};

const HEIGHT: f64 = 250.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = HEIGHT - 40.0;

/// One line of a chart.
pub(in crate::evaluation) struct Curve<'a> {
    /// Its meaning, for the legend.
    pub name: &'a str,
    /// Its colour class in the page's style sheet.
    pub class: &'a str,
    /// Epoch and value; values that are not finite are left out.
    pub points: Vec<(usize, f64)>,
}

/// Draws curves over epochs, with `format` for the numbers on the vertical axis and, where given, a mark at the
/// selected epoch.
pub(in crate::evaluation) fn line_chart(
    title: &str,
    curves: &[Curve<'_>],
    selected: Option<usize>,
    format: impl Fn(f64) -> String,
) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, title);
    let mut x = LEFT;
    for curve in curves {
        x = svg.legend(curve.class, (x, 16.0), curve.name);
    }
    let finite = || curves.iter().flat_map(|curve| &curve.points).filter(|(_, value)| value.is_finite());
    let Some((first, last)) = bounds(finite().map(|&(epoch, _)| epoch as f64)) else {
        svg.text("label", (WIDTH / 2.0, HEIGHT / 2.0), Anchor::Middle, "no finite values");
        return svg.finish();
    };
    let (low, high) = bounds(finite().map(|&(_, value)| value)).unwrap_or((0.0, 1.0));
    let ticks = ticks(low, high, 5);
    let (low, high) = (low.min(ticks[0]), high.max(ticks[ticks.len() - 1]));
    let across = |epoch: f64| {
        if last > first {
            LEFT + (epoch - first) / (last - first) * (RIGHT - LEFT)
        } else {
            (LEFT + RIGHT) / 2.0
        }
    };
    let up = |value: f64| BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP);

    for &tick in &ticks {
        svg.line("grid", (LEFT, up(tick)), (RIGHT, up(tick)));
        svg.text("tick", (LEFT - 6.0, up(tick) + 4.0), Anchor::End, &format(tick));
    }
    // Whole epochs only.
    let mut epochs: Vec<f64> = super::curves::ticks(first, last, 6)
        .into_iter()
        .filter(|epoch| epoch.fract() == 0.0 && (first..=last).contains(epoch))
        .collect();
    if epochs.is_empty() {
        epochs.push(first);
    }
    for epoch in epochs {
        svg.text("tick", (across(epoch), BOTTOM + 16.0), Anchor::Middle, &format!("{epoch:.0}"));
    }
    svg.text("label", ((LEFT + RIGHT) / 2.0, HEIGHT - 6.0), Anchor::Middle, "epoch");
    if let Some(epoch) = selected {
        let x = across(epoch as f64);
        svg.line("mark", (x, TOP), (x, BOTTOM));
    }
    for curve in curves {
        // A gap where a value is missing would need several lines; runs stop at the first such value.
        let points: Vec<(f64, f64)> = curve
            .points
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|&(epoch, value)| (across(epoch as f64), up(value)))
            .collect();
        svg.polyline(&format!("curve {}", curve.class), &points);
        if points.len() <= 30 {
            points.iter().for_each(|&point| svg.dot(curve.class, point, 2.2));
        }
    }
    svg.finish()
}

/// The smallest and the largest value, if there is one.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| match bounds {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// About `wanted` round numbers that enclose `low..=high`: multiples of 1, 2 or 5 times a power of ten.
fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    // A constant curve still needs an axis with length.
    let span = if high > low { high - low } else { low.abs().max(1e-6) };
    let rough = span / wanted as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
    (first..=last.max(first + 1)).map(|index| index as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        assert_eq!(ticks(0.7, 2.3, 4), [0.5, 1.0, 1.5, 2.0, 2.5]);
        assert_eq!(ticks(1.0, 24.0, 6), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        for (low, high) in [(0.0, 0.0), (5.0, 5.0), (1e-4, 0.15), (-3.0, 1e9)] {
            let ticks = ticks(low, high, 5);
            assert!(ticks.len() > 1 && ticks[0] <= low && ticks[ticks.len() - 1] >= high, "{ticks:?}");
        }
    }

    #[test]
    fn a_single_epoch_and_a_diverged_run_can_be_drawn() {
        let curve = |points| [Curve { name: "training", class: "b", points }];
        for points in [vec![(1, 0.5)], vec![(1, 0.5), (2, f64::NAN)], vec![(1, f64::INFINITY)], vec![]] {
            let svg = line_chart("loss", &curve(points), Some(1), |value| format!("{value:.1}"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
