//! The confusion matrix as a heat map.

use super::WIDTH;
use super::svg::{Anchor, Svg};
use crate::evaluation::ConfusionMatrix;

const LEFT: f64 = 72.0;
const TOP: f64 = 46.0;

/// Draws the matrix with true classes in rows; shade and percentage are shares of the row, the number below is
/// the count.
pub(in crate::evaluation) fn confusion_heatmap(classes: &[String], matrix: &ConfusionMatrix) -> String {
    let cell = (WIDTH - LEFT) / classes.len() as f64;
    let mut svg = Svg::new(WIDTH, TOP + cell * classes.len() as f64 + 4.0, "confusion matrix");
    svg.text("label", (LEFT + (WIDTH - LEFT) / 2.0, 14.0), Anchor::Middle, "predicted class");
    svg.text("label", (0.0, TOP - 10.0), Anchor::Start, "true class");
    for (truth, (name, counts)) in classes.iter().zip(matrix.rows()).enumerate() {
        let y = TOP + cell * truth as f64;
        svg.text("tick", (LEFT + cell * (truth as f64 + 0.5), TOP - 10.0), Anchor::Middle, name);
        svg.text("label", (LEFT - 8.0, y + cell / 2.0 + 4.0), Anchor::End, name);
        let support: u64 = counts.iter().sum();
        for (predicted, &count) in counts.iter().enumerate() {
            let x = LEFT + cell * predicted as f64;
            let share = if support == 0 { 0.0 } else { count as f64 / support as f64 };
            let hint =
                format!("{name} as {}: {count} of {support} ({:.1} %)", classes[predicted], 100.0 * share);
            // Never darker than the text on it stays readable, in light and dark.
            let shade = 0.04 + 0.56 * share;
            svg.rectangle("a", (x, y), (cell - 2.0, cell - 2.0), shade, &hint);
            let middle = x + (cell - 2.0) / 2.0;
            let percent = if support == 0 { "-".into() } else { format!("{:.0} %", 100.0 * share) };
            svg.text("share", (middle, y + cell / 2.0 - 1.0), Anchor::Middle, &percent);
            svg.text("count", (middle, y + cell / 2.0 + 13.0), Anchor::Middle, &count.to_string());
        }
    }
    svg.finish()
}
