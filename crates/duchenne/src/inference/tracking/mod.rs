//! *Tracking*: each face of a clip keeps a number for as long as it is seen.
//!
//! The whole picture is searched a few times a second. Between, every known face is looked for in a patch around the place
//! where its motion leads, by the same network: that is faster, and at the scale and turn at which the network sees it best.
//! What is found is given to the known faces by place, size and appearance, the best pair first; a face that is not found
//! is remembered for a second.

mod appearance;
mod track;

use rayon::prelude::*;

use super::face_detection::second_look::SURE;
use super::face_detection::{DetectedFace, FaceDetector, in_reading_order};
use super::recognition::{FaceFinder, FoundFace};
use super::suppression::{Scored as _, overlap, suppress};
use crate::data::faces::picture::Picture;
use appearance::Appearance;
use track::{Look, Pair, Track};

/// Seconds between two searches of the whole picture, unless the caller says otherwise: so late may a face be found that
/// enters.
pub const DEFAULT_SEARCH_EVERY: f64 = 0.2;

/// A face that is not seen is remembered for so many seconds.
const MEMORY: f64 = 1.0;
/// It is looked for in a patch for so many seconds, and by searches of the whole picture after that.
const LOOKED_FOR: f64 = 0.3;
/// A face that gets lost brings a search forward, but not sooner after the last than this, in seconds.
const SOONEST_SEARCH: f64 = 0.08;
/// The side of a patch, in pixels.
const PATCH: u32 = 128;
/// A known face may be as unsure as this share of the least score of new ones.
const KNOWN_FACE_SCORE: f32 = 0.75;
/// Where the patches have more pixels than this share of the picture, the picture is searched instead.
const CROWD: f64 = 0.8;
/// Boxes that meet in more than this share of what they cover are one face.
const SAME_FACE: f32 = 0.3;
/// Heads turned by fewer degrees are looked for upright.
const UPRIGHT: f32 = 15.0;
/// A head that turns away from the direction in which it is looked for is found less and less surely, while its landmarks
/// tell little of the turn: then patches turned by so many degrees more and less are looked at, too, but not more often than
/// every so many seconds.
const TILT: f32 = 20.0;
const TILT_EVERY: f64 = 0.08;
/// The picture is compared with the one before at so many points on a side; a mean difference of more levels is a cut.
const POINTS: u32 = 48;
const CUT: f32 = 40.0;

/// Follows the faces of one clip, whose frames come in order.
///
/// ```
/// use duchenne::inference::tracking::Tracker;
/// use duchenne::{Picture, Recognizer};
///
/// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
/// let recognizer = Recognizer::built_in()?;
/// let mut tracker = Tracker::new(recognizer.finder());
/// let picture = Picture::open("examples/faces.png")?;
/// let numbers = |faces: Vec<(u64, _)>| faces.into_iter().map(|(number, _)| number).collect::<Vec<_>>();
/// assert_eq!(numbers(tracker.next(0.00, &picture)), [1, 2, 3, 4, 5, 6]);
/// assert_eq!(numbers(tracker.next(0.04, &picture)), [1, 2, 3, 4, 5, 6]);
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug)]
pub struct Tracker {
    finder: FaceFinder,
    search_every: f64,
    tracks: Vec<Track>,
    given: u64,
    searched: Option<f64>,
    tilted: Option<f64>,
    earlier: Option<(f64, Vec<u8>)>,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(finder: FaceFinder) -> Self {
        let tracks = Vec::new();
        let search_every = DEFAULT_SEARCH_EVERY;
        Self { finder, search_every, tracks, given: 0, searched: None, tilted: None, earlier: None }
    }

    /// Searches the whole picture every so many seconds instead of [`DEFAULT_SEARCH_EVERY`]; in every frame with 0.
    #[must_use]
    pub fn search_every(self, seconds: f64) -> Self {
        Self { search_every: seconds, ..self }
    }

    /// The faces of the next frame, which is shown at `time` in seconds, each with its number, from 1; in the order of the
    /// numbers. Numbers are never given again.
    pub fn next(&mut self, time: f64, picture: &Picture) -> Vec<(u64, FoundFace)> {
        match self.finder {
            FaceFinder::WholePicture => self.finder.find(picture).into_iter().map(|face| (1, face)).collect(),
            FaceFinder::Detector(detector) => {
                let stretched = picture.stretched();
                let picture = stretched.as_ref().unwrap_or(picture);
                self.follow(detector, time, picture);
                let seen = self.tracks.iter().filter(|track| track.seen == time);
                let found =
                    seen.filter_map(|track| Some((track.number, FoundFace::cut_out(picture, &track.face)?)));
                found.collect()
            }
        }
    }

    /// Brings the tracks to `time`.
    fn follow(&mut self, detector: FaceDetector, time: f64, picture: &Picture) {
        let is_cut = self.is_cut(time, picture);
        self.tracks.retain(|track| time - track.seen <= MEMORY && time >= track.seen);
        let known = detector.scaled_min_score(KNOWN_FACE_SCORE);
        let tilts = self.tilted.is_none_or(|tilted| time < tilted || time - tilted >= TILT_EVERY);
        if tilts {
            self.tilted = Some(time);
        }
        let near = self.in_patches(known, time, tilts, picture);
        let is_due = self
            .searched
            .is_none_or(|searched| is_cut || time < searched || time - searched + 1e-6 >= self.search_every);
        let mut searched = is_due || near.is_none();
        let mut candidates = near.unwrap_or_default();
        let patched = candidates.len();
        if searched {
            self.search(detector, time, picture, &mut candidates);
        }
        let mut looks = looks(picture, &candidates, 0);
        let mut pairs = self.pairs(time, is_cut, &candidates, &looks);
        let is_lost = |tracks: &[Track], pairs: &[Option<usize>]| {
            let last_seen = tracks.iter().map(|track| track.seen).fold(f64::NEG_INFINITY, f64::max);
            tracks.iter().zip(pairs).any(|(track, pair)| pair.is_none() && track.seen == last_seen)
        };
        if !searched
            && is_lost(&self.tracks, &pairs)
            && self.searched.is_none_or(|searched| time - searched >= SOONEST_SEARCH)
        {
            searched = true;
            self.search(detector, time, picture, &mut candidates);
            looks.extend(self::looks(picture, &candidates, patched));
            pairs = self.pairs(time, is_cut, &candidates, &looks);
        }
        for (track, pair) in self.tracks.iter_mut().zip(&pairs) {
            let Some(place) = *pair else { continue };
            let seen = &looks[place];
            track.update(time, candidates[place], (!seen.is_hidden).then_some(&seen.look));
        }
        if searched {
            let is_free = |place: &usize| !pairs.contains(&Some(*place));
            let new = (patched..candidates.len()).filter(is_free).map(|place| candidates[place]).collect();
            self.begin(detector, time, picture, new);
        }
    }

    /// What is found in patches around the known faces, unsure ones also in patches that are turned where `tilts`; `None` where
    /// the faces are so many that searching the picture is less work.
    fn in_patches(
        &self,
        detector: FaceDetector,
        time: f64,
        tilts: bool,
        picture: &Picture,
    ) -> Option<Vec<DetectedFace>> {
        let looked_for: Vec<&Track> =
            self.tracks.iter().filter(|track| time - track.seen <= LOOKED_FOR).collect();
        let [width, height] = detector.scan_sizes([picture.width(), picture.height()])[0];
        let pixels = looked_for.len() as f64 * f64::from(PATCH * PATCH);
        // A single face is followed in any picture: a picture smaller than a patch is quickly done.
        if looked_for.len() > 1 && pixels > CROWD * f64::from(width) * f64::from(height) {
            return None;
        }
        let around = |track: &&Track| {
            let expected = track.expected(time);
            let angle = track.face.landmarks.angle();
            let angle = if angle.abs() < UPRIGHT { 0.0 } else { angle };
            // Beside the face there may be parts of others, cut by the patch.
            let reach = 0.75 * expected.side();
            let is_near = |face: &DetectedFace| distance(face.centre(), expected.centre()) < reach;
            let seen_at = |angle: f32| -> Vec<DetectedFace> {
                let found = detector.around(picture, &expected, angle, PATCH);
                found.into_iter().filter(is_near).collect()
            };
            let surest = |found: &[DetectedFace]| found.iter().map(|face| face.score).fold(0.0, f32::max);
            let straight = seen_at(angle);
            if !tilts || surest(&straight) >= SURE {
                return straight;
            }
            let views = [seen_at(angle - TILT), seen_at(angle + TILT)].into_iter();
            views.fold(straight, |best, view| if surest(&view) > surest(&best) { view } else { best })
        };
        let found: Vec<Vec<DetectedFace>> = looked_for.par_iter().map(around).collect();
        Some(suppress(found.into_iter().flatten().collect(), SAME_FACE))
    }

    /// Adds the faces of the whole picture that are not among the candidates.
    fn search(
        &mut self,
        detector: FaceDetector,
        time: f64,
        picture: &Picture,
        candidates: &mut Vec<DetectedFace>,
    ) {
        self.searched = Some(time);
        // Where every known head lies on its side, the others do, too.
        let is_upright = |track: &Track| track.face.landmarks.angle().abs() < 60.0;
        let found = if self.tracks.iter().any(is_upright) {
            detector.detect_upright(picture)
        } else {
            detector.detect(picture)
        };
        for face in found {
            if !is_among(candidates, &face) {
                candidates.push(face);
            }
        }
    }

    /// For each track the place of the candidate that it becomes: pairs are made from the best on.
    fn pairs(
        &self,
        time: f64,
        is_cut: bool,
        candidates: &[DetectedFace],
        looks: &[Look],
    ) -> Vec<Option<usize>> {
        let mut pairs: Vec<Pair> = Vec::new();
        for (place, track) in self.tracks.iter().enumerate() {
            let found = candidates.iter().zip(looks).enumerate();
            pairs.extend(found.filter_map(|(candidate, (face, look))| {
                let cost = track.cost(time, is_cut, face, look)?;
                Some(Pair { track: place, candidate, cost })
            }));
        }
        pairs.sort_by(|one, other| one.cost.total_cmp(&other.cost));
        let mut of_tracks = vec![None; self.tracks.len()];
        for Pair { track, candidate, .. } in pairs {
            if of_tracks[track].is_none() && !of_tracks.contains(&Some(candidate)) {
                of_tracks[track] = Some(candidate);
            }
        }
        of_tracks
    }

    /// Begins tracks of faces that belong to none.
    fn begin(&mut self, detector: FaceDetector, time: f64, picture: &Picture, new: Vec<DetectedFace>) {
        let seen = new
            .into_iter()
            .map(|face| if face.score < SURE { detector.surest_view(picture, face) } else { face });
        let mut fresh: Vec<DetectedFace> = Vec::new();
        for face in seen {
            let followed = self.tracks.iter().filter(|track| track.seen == time);
            let is_known = followed.into_iter().any(|track| is_among(&[track.face], &face));
            let is_inside = face.bounds().clipped(picture.width(), picture.height()).is_some();
            if is_inside && !is_known && !is_among(&fresh, &face) {
                fresh.push(face);
            }
        }
        for face in in_reading_order(fresh) {
            self.given += 1;
            self.tracks.push(Track::new(self.given, time, face, Appearance::of(picture, &face)));
        }
    }

    /// Whether a picture has little to do with the one before.
    fn is_cut(&mut self, time: f64, picture: &Picture) -> bool {
        let points = picture.samples(POINTS);
        let earlier = self.earlier.replace((time, points));
        let (_, points) = self.earlier.as_ref().expect("it was just put there");
        earlier.is_some_and(|(_, earlier)| {
            let differences = earlier.iter().zip(points).map(|(one, other)| u64::from(one.abs_diff(*other)));
            earlier.len() != points.len()
                || differences.sum::<u64>() as f32 > CUT * points.len().max(1) as f32
        })
    }
}

/// How the faces from place `first` on look.
fn looks(picture: &Picture, faces: &[DetectedFace], first: usize) -> Vec<Look> {
    let size = [picture.width() as f32, picture.height() as f32];
    let of_face = |place: usize| {
        let face = &faces[place];
        let hides = |other: usize| other != place && meet(face, &faces[other]);
        let reach = Appearance::FACES * face.side() / 2.0;
        let is_cut = [0, 1].into_iter().any(|axis| {
            let centre = face.centre()[axis];
            centre - reach < 0.0 || centre + reach > size[axis]
        });
        let is_hidden = is_cut || (0..faces.len()).any(hides);
        Look { look: Appearance::of(picture, face), is_hidden }
    };
    (first..faces.len()).map(of_face).collect()
}

/// Whether what is seen of two faces, hair and collar included, meets.
fn meet(one: &DetectedFace, other: &DetectedFace) -> bool {
    let reach = Appearance::FACES * (one.side() + other.side()) / 2.0;
    let (here, there) = (one.centre(), other.centre());
    [0, 1].into_iter().all(|axis| (here[axis] - there[axis]).abs() < reach)
}

fn is_among(faces: &[DetectedFace], face: &DetectedFace) -> bool {
    faces.iter().any(|other| overlap(other.edges(), face.edges()) > SAME_FACE)
}

fn distance(one: [f32; 2], other: [f32; 2]) -> f32 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}
