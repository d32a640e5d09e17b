//! The *second look*: faces of which the network is unsure, or that were found before, seen in a patch of their own that may
//! be turned.

use super::{DetectedFace, FaceDetector, OVERLAP};
use crate::data::faces::picture::Picture;
use crate::data::faces::reshaping::Window;
use crate::inference::face_box::Landmarks;
use crate::inference::suppression::suppress;

/// Faces less sure than this are looked at again in other directions: of 100 upright faces in scenes made of FER-2013's
/// and CK+'s, 95 score above 0.87; of those turned by 45 degrees 5 above 0.84, by 180 degrees 5 above 0.81. Drawn faces
/// that stand upside down reach 0.89.
pub(in crate::inference) const SURE: f32 = 0.9;
/// At most so many of a picture, the surest: crowds of tiny faces would take seconds.
const MOST_LOOKED_AT_AGAIN: usize = 24;
/// The side of the patch in which a face is looked at again, in pixels and in sides of the face.
const PATCH: u32 = 160;
const PATCH_FACES: f32 = 2.2;
/// The patch in which a face is surest is turned by the landmarks found in it at most so often, until they say no more
/// than so many degrees: of a head turned by 45 degrees they tell half at first.
const TURNS: usize = 4;
const SETTLED: f32 = 4.0;

/// What a program needs that looks again in the same way.
pub(super) fn settings() -> serde_json::Value {
    serde_json::json!({
        "below_score": SURE, "most_faces": MOST_LOOKED_AT_AGAIN, "patch": PATCH, "patch_faces": PATCH_FACES,
        "turns": TURNS, "settled_degrees": SETTLED,
    })
}

impl FaceDetector {
    /// The faces with those that are not sure seen in the direction in which the network is surest of them: it finds
    /// heads that lie or stand upside down, but then takes their chins for foreheads.
    pub(super) fn looked_at_again(&self, picture: &Picture, faces: Vec<DetectedFace>) -> Vec<DetectedFace> {
        let mut left = MOST_LOOKED_AT_AGAIN;
        let faces = faces.into_iter().map(|face| {
            if face.score >= SURE || left == 0 {
                return face;
            }
            left -= 1;
            self.surest_view(picture, face)
        });
        suppress(faces.collect(), OVERLAP)
    }

    /// A face as it is seen in the direction in which the network is surest of it.
    pub(in crate::inference) fn surest_view(&self, picture: &Picture, face: DetectedFace) -> DetectedFace {
        let surest_of = |first: f32| {
            let angles = (0..4).map(|quarter| first + 90.0 * quarter as f32);
            let seen = angles.filter_map(|angle| Some((angle, self.in_patch(picture, &face, angle)?)));
            seen.reduce(|one, other| if other.1.score > one.1.score { other } else { one })
        };
        // Between two quarters a head looks most upright to the network where it stands on its forehead.
        let quarter = surest_of(0.0);
        let diagonal = quarter.filter(|(_, seen)| seen.score < SURE).and_then(|_| surest_of(45.0));
        let views = quarter.into_iter().chain(diagonal);
        let Some((mut angle, mut seen)) =
            views.reduce(|one, other| if other.1.score > one.1.score { other } else { one })
        else {
            return face;
        };
        let mut best = if seen.score > face.score { seen } else { face };
        for _ in 0..TURNS {
            let told = seen.landmarks.angle();
            let off = (told - angle + 180.0).rem_euclid(360.0) - 180.0;
            if off.abs() < SETTLED {
                break;
            }
            angle = told;
            let Some(found) = self.in_patch(picture, &seen, angle) else { break };
            seen = found;
            if seen.score > best.score {
                best = seen;
            }
        }
        best
    }

    /// The face in the middle of a patch around an earlier one, turned so that a head turned by `angle` degrees
    /// clockwise is upright.
    fn in_patch(&self, picture: &Picture, face: &DetectedFace, angle: f32) -> Option<DetectedFace> {
        let centre = face.centre();
        let near = |found: &DetectedFace| {
            let [x, y] = found.centre();
            // In the patch's own directions, in which it was found.
            let (sine, cosine) = angle.to_radians().sin_cos();
            let (x, y) = (x - centre[0], y - centre[1]);
            let off = [x * cosine + y * sine, y * cosine - x * sine];
            off[0].abs().max(off[1].abs()) < found.side() / 2.0
        };
        let found = self.around(picture, face, angle, PATCH);
        found.into_iter().filter(near).max_by(|one, other| one.score.total_cmp(&other.score))
    }

    /// The faces in a patch around an earlier one, seen in `pixels x pixels` and turned so that a head turned by `angle`
    /// degrees clockwise is upright. A face at the edge of the patch may be cut.
    pub(in crate::inference) fn around(
        &self,
        picture: &Picture,
        face: &DetectedFace,
        angle: f32,
        pixels: u32,
    ) -> Vec<DetectedFace> {
        let window = Window { centre: face.centre(), side: face.side() * PATCH_FACES, angle };
        let point = |point: [f32; 2]| window.point(point, pixels);
        let in_picture = |found: &DetectedFace| {
            let [left, top, width, height] = found.area;
            let centre = point([left + width / 2.0, top + height / 2.0]);
            let [mut width, mut height] = [width, height].map(|length| length * window.side / pixels as f32);
            let landmarks = Landmarks::from_points(found.landmarks.points().map(point));
            // The box stands upright in the picture however the head lies.
            if (45.0..135.0).contains(&landmarks.angle().abs()) {
                (width, height) = (height, width);
            }
            DetectedFace {
                area: [centre[0] - width / 2.0, centre[1] - height / 2.0, width, height],
                score: found.score,
                landmarks,
            }
        };
        self.scan(&picture.window(&window, pixels)).iter().map(in_picture).collect()
    }
}
