//! The *timeline* of a clip: how long each person showed each expression, curves over time, the moments that show it best.

mod curve;
mod page;
mod subtitles;

use std::collections::BTreeMap;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};

use crate::expression::LabelSet;
use crate::inference::video::{FrameFaces, TrackedFace};
use curve::Curve;

pub use page::render_timeline;
pub use subtitles::Subtitles;

/// The side of the picture at a peak, in pixels.
const PEAK_SIDE: u32 = 96;
/// A higher peak is taken where it is higher by this much: pictures are not made for a thousandth.
const HIGHER: f32 = 0.01;

/// Collects a clip's frames; the memory that it takes grows with the number of people, not of frames.
#[derive(Debug)]
pub struct Timeline {
    labels: LabelSet,
    frames: u64,
    size: [u32; 2],
    end: f64,
    /// What was shown in the frame before, for as long as this lasts: person and place of the expression.
    shown: Vec<(u64, usize)>,
    time: Option<f64>,
    gap: f64,
    people: BTreeMap<u64, Person>,
}

/// A person over time. "Person" stands for a face that was followed under one number.
#[derive(Debug)]
pub struct Person {
    /// When it was seen first, in seconds.
    pub first: f64,
    /// When it was seen last, in seconds.
    pub last: f64,
    /// Seconds in which it showed each expression as the likeliest, in the label set's order.
    pub seconds: Vec<f64>,
    curve: Curve,
    peaks: Vec<Option<Peak>>,
}

/// The moment at which a person showed an expression most clearly.
#[derive(Debug)]
struct Peak {
    time: f64,
    probability: f32,
    /// JPEG.
    picture: Vec<u8>,
}

impl Person {
    /// Seconds in which it was seen.
    pub fn seen(&self) -> f64 {
        self.seconds.iter().sum()
    }

    /// The expressions with their shares of the time in which it was seen, `0..=1`, the largest first.
    pub fn shares(&self) -> Vec<(usize, f64)> {
        let seen = self.seen();
        let share = |seconds: &f64| if seen > 0.0 { seconds / seen } else { 0.0 };
        let mut shares: Vec<(usize, f64)> = self.seconds.iter().map(share).enumerate().collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }
}

impl Timeline {
    /// An empty timeline of expressions out of `labels`.
    pub fn new(labels: LabelSet) -> Self {
        Self {
            labels,
            frames: 0,
            size: [0; 2],
            end: 0.0,
            shown: Vec::new(),
            time: None,
            gap: 0.0,
            people: BTreeMap::new(),
        }
    }

    /// Adds the next frame. Smoothed probabilities count where there are any.
    pub fn add(&mut self, frame: &FrameFaces) {
        if let Some(earlier) = self.time {
            self.gap = (frame.time - earlier).max(0.0);
            self.lasts(self.gap);
        }
        self.frames += 1;
        self.size = frame.size;
        self.time = Some(frame.time);
        self.end = frame.time;
        for face in &frame.faces {
            let labels = self.labels;
            let person = self.people.entry(face.track).or_insert_with(|| Person {
                first: frame.time,
                last: frame.time,
                seconds: vec![0.0; labels.len()],
                curve: Curve::default(),
                peaks: (0..labels.len()).map(|_| None).collect(),
            });
            person.last = frame.time;
            let (likeliest, _) = face.shown().ranked()[0];
            self.shown.push((face.track, likeliest));
            person.curve.add(frame.time, face.shown().probabilities().map(|(_, probability)| probability));
            person.peak(frame.time, likeliest, face);
        }
    }

    /// Ends the timeline: the last frame lasts as long as the one before.
    pub fn finish(&mut self) {
        self.lasts(self.gap);
        self.end += self.gap;
    }

    /// What was shown last lasted so many seconds.
    fn lasts(&mut self, seconds: f64) {
        for (track, expression) in self.shown.drain(..) {
            if let Some(person) = self.people.get_mut(&track) {
                person.seconds[expression] += seconds;
            }
        }
    }

    /// The people by their numbers.
    pub fn people(&self) -> &BTreeMap<u64, Person> {
        &self.people
    }

    /// The expressions.
    pub fn label_set(&self) -> LabelSet {
        self.labels
    }

    /// How many frames were added.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Width and height of the frames, in pixels.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// The end of the last frame, in seconds.
    pub fn end(&self) -> f64 {
        self.end
    }
}

impl Person {
    /// Keeps the moment if no other shows the expression as clearly.
    fn peak(&mut self, time: f64, expression: usize, face: &TrackedFace) {
        let probability = face.shown().confidence();
        let kept = &mut self.peaks[expression];
        if kept.as_ref().is_some_and(|kept| probability < kept.probability + HIGHER) {
            return;
        }
        let crop = face.crop.clone().into_rgb();
        let small = resize(&crop, PEAK_SIDE, PEAK_SIDE, FilterType::Triangle);
        let mut picture = Vec::new();
        // Into memory, and of a size that JPEG has: nothing can fail.
        if small.write_with_encoder(JpegEncoder::new_with_quality(&mut picture, 85)).is_ok() {
            *kept = Some(Peak { time, probability, picture });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::face_box::FaceBox;
    use crate::inference::recognition::Face;
    use image::RgbImage;

    pub(super) fn frame(index: u64, time: f64, faces: &[(u64, [f32; 7])]) -> FrameFaces {
        let face = |(track, probabilities): &(u64, [f32; 7])| TrackedFace {
            track: *track,
            face: Face::new(FaceBox::whole(20, 20), Some(0.9), LabelSet::Fer2013, probabilities.to_vec()),
            smoothed: None,
            crop: RgbImage::from_pixel(20, 20, image::Rgb([90, 120, 60])).into(),
        };
        FrameFaces { index, time, size: [40, 30], faces: faces.iter().map(face).collect(), picture: None }
    }

    pub(super) const HAPPY: [f32; 7] = [0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0];
    pub(super) const SAD: [f32; 7] = [0.0, 0.0, 0.1, 0.1, 0.8, 0.0, 0.0];

    #[test]
    fn time_is_counted_by_how_long_frames_last() {
        let mut timeline = Timeline::new(LabelSet::Fer2013);
        // Uneven frames: happy for 0.5 s, sad for 0.1 and 0.1 s.
        timeline.add(&frame(0, 1.0, &[(1, HAPPY), (2, SAD)]));
        timeline.add(&frame(1, 1.5, &[(1, SAD)]));
        timeline.add(&frame(2, 1.6, &[(1, SAD)]));
        timeline.finish();
        let people = timeline.people();
        let (happy, sad) = (people[&1].seconds[3], people[&1].seconds[4]);
        assert!((happy - 0.5).abs() < 1e-9 && (sad - 0.2).abs() < 1e-9, "{happy} {sad}");
        assert!((people[&2].seen() - 0.5).abs() < 1e-9);
        assert_eq!((people[&1].first, people[&1].last), (1.0, 1.6));
        assert_eq!(people[&1].shares()[0].0, 3);
        assert!((timeline.end() - 1.7).abs() < 1e-9);
        assert!(people[&1].peaks[3].as_ref().is_some_and(|peak| peak.time == 1.0));
        assert!(people[&1].peaks[0].is_none());
    }
}
