//! An SVG document under construction: a few shapes, coordinates with one decimal, escaped text.

use minijinja::HtmlEscape;

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An SVG drawing; `class` arguments are names in the page's style sheet.
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
    title: String,
}

impl Svg {
    /// An empty drawing; screen readers read the title.
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        Self { body: String::new(), width, height, title: title.to_string() }
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.body += &format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"
        );
    }

    /// A line through several points.
    pub(super) fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.body += &format!("<polyline class=\"{class}\" points=\"{}\"/>\n", points.join(" "));
    }

    /// A dot.
    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        self.body += &format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>\n");
    }

    /// A filled rectangle with an opacity (`0..=1`), and the text shown when the pointer rests on it.
    pub(super) fn rectangle(
        &mut self,
        class: &str,
        corner: (f64, f64),
        size: (f64, f64),
        opacity: f64,
        hint: &str,
    ) {
        let ((x, y), (width, height)) = (corner, size);
        self.body += &format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill-opacity=\"{opacity:.3}\"><title>{}</title></rect>\n",
            HtmlEscape(hint)
        );
    }

    /// A text on its base line.
    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.body += &format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n",
            HtmlEscape(text)
        );
    }

    /// A coloured square with its meaning, for legends; returns where the next one may start.
    pub(super) fn legend(&mut self, class: &str, (x, y): (f64, f64), meaning: &str) -> f64 {
        self.rectangle(class, (x, y - 9.0), (10.0, 10.0), 1.0, meaning);
        self.text("label", (x + 15.0, y), Anchor::Start, meaning);
        // The average width of a letter at this size; legends are short, so an estimate does.
        x + 15.0 + 7.0 * meaning.chars().count() as f64 + 14.0
    }

    /// The finished element.
    pub(super) fn finish(self) -> String {
        format!(
            "<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\n\
             <title>{}</title>\n{}</svg>\n",
            self.width,
            self.height,
            HtmlEscape(&self.title),
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_drawing() {
        let mut svg = Svg::new(10.0, 10.0, "<a>");
        svg.text("label", (1.0, 2.0), Anchor::End, "</text><script>");
        svg.rectangle("a", (0.0, 0.0), (1.0, 1.0), 1.0, "x & \"y\"");
        let text = svg.finish();
        assert!(!text.contains("<script>") && !text.contains("<a>"), "{text}");
    }
}
