//! *Charts*: small SVG drawings that live inside the report page.
//!
//! They are made by hand rather than by a plotting library because the page's style sheet must colour them (light
//! and dark) and because text has to stay readable when a chart is scaled to the width of a phone. Each is
//! [`WIDTH`] units wide.

mod bars;
mod confusion;
mod curves;
mod reliability;
mod svg;

pub(super) use bars::per_class_bars;
pub(super) use confusion::confusion_heatmap;
pub(in crate::evaluation) use curves::{Curve, line_chart};
pub(super) use reliability::reliability_diagram;

/// The width of every chart in user units; text is 12 to 13 units high.
const WIDTH: f64 = 440.0;
