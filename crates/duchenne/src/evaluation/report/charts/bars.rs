//! Precision, recall and F1 of every class as bars.

use super::WIDTH;
use super::svg::{Anchor, Svg};
use crate::evaluation::ClassFigures;

const LEFT: f64 = 78.0;
const RIGHT: f64 = WIDTH - 44.0;
const TOP: f64 = 32.0;
const BAR: f64 = 12.0;
const GROUP: f64 = 3.0 * BAR + 12.0;

/// Draws three bars per class, in label order, with the number of images below the class's name.
pub(in crate::evaluation) fn per_class_bars(classes: &[ClassFigures]) -> String {
    let height = TOP + GROUP * classes.len() as f64 + 18.0;
    let mut svg = Svg::new(WIDTH, height, "precision, recall and F1 per class");
    let mut x = LEFT;
    for (class, name) in [("a", "precision"), ("b", "recall"), ("c", "F1")] {
        x = svg.legend(class, (x, 16.0), name);
    }
    for quarter in 0..=4 {
        let x = LEFT + (RIGHT - LEFT) * f64::from(quarter) / 4.0;
        svg.line("grid", (x, TOP - 4.0), (x, height - 20.0));
        svg.text("tick", (x, height - 5.0), Anchor::Middle, &format!("{} %", 25 * quarter));
    }
    for (index, figures) in classes.iter().enumerate() {
        let y = TOP + GROUP * index as f64;
        svg.text("label", (LEFT - 8.0, y + 17.0), Anchor::End, &figures.class);
        svg.text("tick", (LEFT - 8.0, y + 32.0), Anchor::End, &format!("n = {}", figures.support));
        let bars =
            [("a", "precision", figures.precision), ("b", "recall", figures.recall), ("c", "F1", figures.f1)];
        for (place, (class, name, share)) in bars.into_iter().enumerate() {
            let y = y + BAR * place as f64;
            let length = (RIGHT - LEFT) * share;
            let hint = format!("{}: {name} {:.2} %", figures.class, 100.0 * share);
            svg.rectangle(class, (LEFT, y), (length, BAR - 1.5), 1.0, &hint);
            svg.text(
                "tick",
                (LEFT + length + 4.0, y + BAR - 2.5),
                Anchor::Start,
                &format!("{:.1}", 100.0 * share),
            );
        }
    }
    svg.finish()
}
