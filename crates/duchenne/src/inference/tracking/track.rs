//! A *track*: a face over time.

use super::appearance::Appearance;
use super::distance;
use crate::inference::face_detection::DetectedFace;

/// Motion is averaged over so many seconds, and believed for so many.
const MOTION: f64 = 0.1;
const BELIEVED: f64 = 0.5;
/// How far, in sides of the face, a face may be from where its motion leads; and how much farther with each second in
/// which it was not seen.
const REACH: f32 = 0.5;
const REACH_PER_SECOND: f32 = 2.5;
/// How much its size may change, as a logarithm, and how much more with each second.
const GROWTH: f32 = 0.4;
const GROWTH_PER_SECOND: f32 = 0.5;
/// How different it may look from frame to frame, or where a part of it may be hidden; and where it was not seen for
/// longer than [`SHORT`] seconds or the picture was cut.
const DIFFERENCE: f32 = 0.8;
const DIFFERENCE_AFTER_A_GAP: f32 = 0.45;
const SHORT: f64 = 0.25;
/// What a difference in looks weighs against a distance of one side of the face.
const LOOKS: f32 = 1.5;

/// A face that was seen, and will be looked for.
#[derive(Debug)]
pub(super) struct Track {
    /// Its number, from 1.
    pub(super) number: u64,
    /// When it was seen last, in seconds.
    pub(super) seen: f64,
    /// What was seen then.
    pub(super) face: DetectedFace,
    /// Pixels a second, right and down.
    motion: [f32; 2],
    look: Appearance,
}

/// How a candidate looks.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) look: Appearance,
    /// Whether a part of it may be hidden: another face is near, or the edge of the picture.
    pub(super) is_hidden: bool,
}

/// A track, a candidate, and how ill they go together.
#[derive(Debug)]
pub(super) struct Pair {
    /// The track's place.
    pub(super) track: usize,
    /// The candidate's place.
    pub(super) candidate: usize,
    /// The smaller, the better.
    pub(super) cost: f32,
}

impl Track {
    /// A face that is seen for the first time.
    pub(super) fn new(number: u64, time: f64, face: DetectedFace, look: Appearance) -> Self {
        Self { number, seen: time, face, motion: [0.0; 2], look }
    }

    /// The face where its motion has led it until `time`: the longer it is not seen, the less that is believed.
    pub(super) fn expected(&self, time: f64) -> DetectedFace {
        let seconds = (BELIEVED * (1.0 - (-(time - self.seen) / BELIEVED).exp())) as f32;
        self.face.moved(self.motion.map(|speed| speed * seconds))
    }

    /// How ill a candidate goes with this track; `None` where it cannot be the same face.
    pub(super) fn cost(&self, time: f64, is_cut: bool, face: &DetectedFace, seen: &Look) -> Option<f32> {
        let gap = time - self.seen;
        // Who leaves at the edge comes back there, whatever the motion was.
        let [expected, last] = [self.expected(time).centre(), self.face.centre()];
        let away = distance(face.centre(), expected).min(distance(face.centre(), last)) / self.face.side();
        let growth = (face.side() / self.face.side()).ln().abs();
        let difference = self.look.difference(&seen.look);
        let most =
            if (is_cut || gap > SHORT) && !seen.is_hidden { DIFFERENCE_AFTER_A_GAP } else { DIFFERENCE };
        let is_possible = away <= REACH + REACH_PER_SECOND * gap as f32
            && growth <= GROWTH + GROWTH_PER_SECOND * gap as f32
            && difference <= most;
        is_possible.then_some(away + growth + LOOKS * difference)
    }

    /// The face was seen again; `look` where nothing hid a part of it.
    pub(super) fn update(&mut self, time: f64, face: DetectedFace, look: Option<&Appearance>) {
        let seconds = time - self.seen;
        if seconds > 0.0 {
            let weight = (1.0 - (-seconds / MOTION).exp()) as f32;
            let (from, to) = (self.face.centre(), face.centre());
            for axis in [0, 1] {
                let speed = (to[axis] - from[axis]) / seconds as f32;
                self.motion[axis] += weight * (speed - self.motion[axis]);
            }
        }
        self.seen = time;
        self.face = face;
        if let Some(look) = look {
            self.look.renew(look);
        }
    }
}
