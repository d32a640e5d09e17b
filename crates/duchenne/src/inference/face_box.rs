//! Where a face is in a picture: its *box*, and the *landmarks* in it.

use serde::Serialize;

/// A rectangle in pixels of the upright picture, the origin at its top left.
///
/// ```
/// use duchenne::FaceBox;
///
/// let face = FaceBox { x: -10, y: 5, width: 40, height: 40 };
/// assert_eq!(face.clipped(100, 100), Some(FaceBox { x: 0, y: 5, width: 30, height: 40 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FaceBox {
    /// The left edge; negative where the box begins outside the picture.
    pub x: i32,
    /// The top edge; negative where the box begins outside the picture.
    pub y: i32,
    /// The width, at least 1.
    pub width: u32,
    /// The height, at least 1.
    pub height: u32,
}

impl FaceBox {
    /// The box around a whole picture.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// The part of the box inside a picture of this size, or `None` where there is none.
    pub fn clipped(self, width: u32, height: u32) -> Option<Self> {
        let (left, right) = clip(self.x, self.width, width)?;
        let (top, bottom) = clip(self.y, self.height, height)?;
        Some(Self { x: left as i32, y: top as i32, width: right - left, height: bottom - top })
    }
}

/// The part of `start..start + length` inside `0..limit`.
fn clip(start: i32, length: u32, limit: u32) -> Option<(u32, u32)> {
    let end = (i64::from(start) + i64::from(length)).clamp(0, i64::from(limit)) as u32;
    let start = i64::from(start).clamp(0, i64::from(limit)) as u32;
    (start < end).then_some((start, end))
}

/// Five points of a face, `[x, y]` in pixels of the upright picture; "right" is the person's right, which a camera
/// shows on the left.
///
/// ```
/// use duchenne::{Picture, Recognizer};
///
/// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
/// let faces = Recognizer::built_in()?.recognize(&Picture::open("examples/faces.png")?)?;
/// let landmarks = faces[0].landmarks().unwrap();
/// assert!(landmarks.right_eye[0] < landmarks.left_eye[0] && landmarks.left_eye[1] < landmarks.nose[1]);
/// assert!(landmarks.angle().abs() < 10.0);
/// # Ok::<(), duchenne::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Landmarks {
    /// The middle of the person's right eye.
    pub right_eye: [f32; 2],
    /// The middle of the person's left eye.
    pub left_eye: [f32; 2],
    /// The tip of the nose.
    pub nose: [f32; 2],
    /// The corner of the mouth on the person's right.
    pub right_mouth: [f32; 2],
    /// The corner of the mouth on the person's left.
    pub left_mouth: [f32; 2],
}

impl Landmarks {
    /// The points in the order of the fields.
    pub fn points(&self) -> [[f32; 2]; 5] {
        [self.right_eye, self.left_eye, self.nose, self.right_mouth, self.left_mouth]
    }

    /// Every coordinate through `change`.
    #[must_use]
    pub fn map(&self, change: impl Fn(f32) -> f32) -> Self {
        Self::from_points(self.points().map(|point| point.map(&change)))
    }

    /// From points in the order of the fields.
    pub(crate) fn from_points([right_eye, left_eye, nose, right_mouth, left_mouth]: [[f32; 2]; 5]) -> Self {
        Self { right_eye, left_eye, nose, right_mouth, left_mouth }
    }

    /// How far the head is turned in the picture's plane, in degrees clockwise, `-180..=180`: 0 where it is upright.
    pub fn angle(&self) -> f32 {
        let [right, down] = self.axis();
        down.atan2(right).to_degrees()
    }

    /// The direction from the person's right to the left, of length one: the mean of the line through the eyes, the
    /// line through the corners of the mouth, and the line across that from the eyes to the mouth.
    pub(crate) fn axis(&self) -> [f32; 2] {
        let (eyes, mouth) = (self.between_eyes(), self.between_corners());
        let sum = [0, 1].map(|at| {
            let across = self.left_eye[at] - self.right_eye[at] + self.left_mouth[at] - self.right_mouth[at];
            // A quarter turn of the way down the face.
            let turned = if at == 0 { mouth[1] - eyes[1] } else { eyes[0] - mouth[0] };
            across + turned
        });
        let length = sum[0].hypot(sum[1]);
        if length > 0.0 { sum.map(|value| value / length) } else { [1.0, 0.0] }
    }

    /// The point between the eyes.
    pub(crate) fn between_eyes(&self) -> [f32; 2] {
        middle(self.right_eye, self.left_eye)
    }

    /// The point between the corners of the mouth.
    pub(crate) fn between_corners(&self) -> [f32; 2] {
        middle(self.right_mouth, self.left_mouth)
    }
}

fn middle(one: [f32; 2], other: [f32; 2]) -> [f32; 2] {
    [(one[0] + other[0]) / 2.0, (one[1] + other[1]) / 2.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_clipped_to_the_picture() {
        let area = FaceBox { x: -5, y: 90, width: 20, height: 20 };
        assert_eq!(area.clipped(100, 100), Some(FaceBox { x: 0, y: 90, width: 15, height: 10 }));
        assert_eq!(FaceBox { x: 100, y: 0, width: 5, height: 5 }.clipped(100, 100), None);
    }

    #[test]
    fn the_angle_is_the_turn_of_the_head() {
        let upright = [[30.0, 40.0], [70.0, 40.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]];
        for degrees in [-170.0_f32, -90.0, -20.0, 0.0, 45.0, 120.0] {
            let (sine, cosine) = degrees.to_radians().sin_cos();
            // Clockwise as seen, with rows downwards.
            let turned = upright.map(|[x, y]| [x * cosine - y * sine, x * sine + y * cosine]);
            let angle = Landmarks::from_points(turned).angle();
            assert!((angle - degrees).abs() < 1e-3, "{degrees}: {angle}");
        }
    }
}
