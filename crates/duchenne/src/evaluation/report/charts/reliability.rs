//! The reliability diagram: accuracy against confidence by bin, above the number of images in each bin.

use super::WIDTH;
use super::svg::{Anchor, Svg};
use crate::evaluation::Calibration;

const LEFT: f64 = 54.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 264.0;
const HISTOGRAM_TOP: f64 = 278.0;
const HISTOGRAM_BOTTOM: f64 = 326.0;
const HEIGHT: f64 = 364.0;

/// Draws the bins of one calibration. Bars below the dashed line mean that the model is surer than it is right.
pub(in crate::evaluation) fn reliability_diagram(calibration: &Calibration) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, "reliability diagram");
    let next = svg.legend("a", (LEFT, 16.0), "accuracy of the bin");
    svg.legend("b", (next, 16.0), "its mean confidence");
    let across = |confidence: f64| LEFT + confidence * (RIGHT - LEFT);
    let up = |share: f64| BOTTOM - share * (BOTTOM - TOP);
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        svg.line("grid", (LEFT, up(share)), (RIGHT, up(share)));
        svg.text("tick", (LEFT - 6.0, up(share) + 4.0), Anchor::End, &format!("{} %", 25 * quarter));
        // The last label would run over the edge.
        let anchor = if quarter == 4 { Anchor::End } else { Anchor::Middle };
        svg.text("tick", (across(share), HISTOGRAM_BOTTOM + 16.0), anchor, &format!("{} %", 25 * quarter));
    }
    let fullest = calibration.bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
    for bin in &calibration.bins {
        let (Some(accuracy), Some(confidence)) = (bin.accuracy, bin.confidence) else { continue };
        let (x, width) = (across(bin.low) + 1.0, across(bin.high) - across(bin.low) - 2.0);
        let hint = format!(
            "confidence {:.1} to {:.1} %: {} images, mean confidence {:.1} %, accuracy {:.1} %",
            100.0 * bin.low,
            100.0 * bin.high,
            bin.count,
            100.0 * confidence,
            100.0 * accuracy
        );
        svg.rectangle("a", (x, up(accuracy)), (width, BOTTOM - up(accuracy)), 0.85, &hint);
        let height = (HISTOGRAM_BOTTOM - HISTOGRAM_TOP) * bin.count as f64 / fullest;
        svg.rectangle("c", (x, HISTOGRAM_BOTTOM - height), (width, height), 0.85, &hint);
        svg.rectangle("b", (x, up(confidence) - 1.5), (width, 3.0), 1.0, &hint);
    }
    svg.line("diagonal", (across(0.0), up(0.0)), (across(1.0), up(1.0)));
    svg.line("grid", (LEFT, HISTOGRAM_BOTTOM), (RIGHT, HISTOGRAM_BOTTOM));
    svg.text("tick", (LEFT - 6.0, HISTOGRAM_TOP + 20.0), Anchor::End, "images");
    svg.text(
        "label",
        ((LEFT + RIGHT) / 2.0, HEIGHT - 4.0),
        Anchor::Middle,
        "largest probability (confidence)",
    );
    svg.finish()
}
