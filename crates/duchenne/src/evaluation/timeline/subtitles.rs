//! *Subtitles* (SubRip, `.srt`): what players show over the clip.

use std::fmt::Write as _;

use crate::inference::video::FrameFaces;

/// Collects what the faces of a clip show, a line for each face.
#[derive(Debug, Default)]
pub struct Subtitles {
    text: String,
    count: u32,
    /// What is shown, and since when, in seconds.
    shown: Option<(f64, String)>,
    time: f64,
    gap: f64,
}

impl Subtitles {
    /// Adds the next frame. Smoothed probabilities count where there are any.
    pub fn add(&mut self, frame: &FrameFaces) {
        self.gap = (frame.time - self.time).max(0.0);
        self.time = frame.time;
        let several = frame.faces.len() > 1 || frame.faces.iter().any(|face| face.track > 1);
        let lines: Vec<String> = frame
            .faces
            .iter()
            .map(|face| {
                let expression = face.shown().expression();
                if several { format!("{}: {expression}", face.track) } else { expression.to_owned() }
            })
            .collect();
        let lines = lines.join("\n");
        if self.shown.as_ref().is_none_or(|(_, shown)| *shown != lines) {
            let shown = self.shown.replace((frame.time, lines));
            self.cue(shown, frame.time);
        }
    }

    /// The file, the last frame shown for as long as the one before.
    pub fn finish(mut self) -> String {
        let shown = self.shown.take();
        self.cue(shown, self.time + self.gap);
        self.text
    }

    fn cue(&mut self, shown: Option<(f64, String)>, end: f64) {
        let Some((start, lines)) = shown.filter(|(_, lines)| !lines.is_empty()) else { return };
        self.count += 1;
        let (start, end) = (clock(start), clock(end));
        writeln!(self.text, "{}\n{start} --> {end}\n{lines}\n", self.count).expect("a text takes any text");
    }
}

/// A time as `.srt` writes it.
fn clock(seconds: f64) -> String {
    let thousandths = (seconds.max(0.0) * 1000.0).round() as u64;
    let (seconds, rest) = (thousandths / 1000, thousandths % 1000);
    format!("{:02}:{:02}:{:02},{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HAPPY, SAD, frame};
    use super::*;

    #[test]
    fn a_cue_lasts_as_long_as_nothing_changes() {
        let mut subtitles = Subtitles::default();
        subtitles.add(&frame(0, 0.0, &[(1, HAPPY)]));
        subtitles.add(&frame(1, 0.04, &[(1, HAPPY)]));
        subtitles.add(&frame(2, 0.08, &[(1, SAD), (2, HAPPY)]));
        subtitles.add(&frame(3, 0.12, &[]));
        subtitles.add(&frame(4, 3661.5, &[(2, SAD)]));
        insta::assert_snapshot!(subtitles.finish(), @r"
        1
        00:00:00,000 --> 00:00:00,080
        happy

        2
        00:00:00,080 --> 00:00:00,120
        1: sad
        2: happy

        3
        01:01:01,500 --> 02:02:02,880
        2: sad
        ");
    }
}
