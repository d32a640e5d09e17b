//! How a picture file becomes a *sample*: decoded, its face cut out, brought to one size.

use crate::data::faces::picture::{Limits, Picture, PictureProblem};
use crate::data::faces::pixels::FacePixels as _;
use crate::data::faces::warnings::PictureWarning;

/// The way in which a picture comes to the data set's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizing {
    /// It must have this height and width, in pixels.
    Exactly(u32),
    /// It is scaled to this height and width (triangle filter); pictures that are not square are stretched.
    Scale(u32),
}

impl Sizing {
    /// The height and width of what comes out, in pixels.
    pub fn side(self) -> usize {
        match self {
            Sizing::Exactly(side) | Sizing::Scale(side) => side as usize,
        }
    }
}

/// Finds the face of a picture that shows more than one, for an import.
pub trait FaceCropper: Sync + std::fmt::Debug {
    /// The largest face, upright, of any size; `None` where no face is found.
    fn face(&self, picture: Picture) -> Option<Picture>;
}

/// How pictures become samples.
#[derive(Debug, Clone, Copy)]
pub struct Shaping<'a> {
    /// The way in which they come to one size.
    pub sizing: Sizing,
    /// Whether samples have three bytes a pixel, red, green and blue; else one, gray.
    pub color: bool,
    /// Where the face is cut out first; pictures without one are left out.
    pub cropper: Option<&'a dyn FaceCropper>,
}

/// A rectangle in a picture, in pixels from its left and upper edge; right and bottom are outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub left: i64,
    pub top: i64,
    pub right: i64,
    pub bottom: i64,
}

/// Why a picture cannot be a sample.
#[derive(Debug)]
pub(super) enum Unfit {
    Unreadable(PictureProblem),
    /// It has another size than it must, or no such part.
    Shape(String),
    Unfinished,
}

/// Decodes a picture file to the pixels of a sample, or tells why it cannot be one; nothing where a face is looked
/// for and none is found.
pub(super) fn sample(
    bytes: &[u8],
    bounds: Option<Bounds>,
    shaping: &Shaping<'_>,
) -> Result<Option<Vec<u8>>, Unfit> {
    let mut picture = Picture::decoded(bytes, &Limits::IMPORT).map_err(Unfit::Unreadable)?;
    if picture.warning() == Some(PictureWarning::CutOff) {
        return Err(Unfit::Unfinished);
    }
    if let Some(bounds) = bounds {
        picture = picture.part(inside(bounds, picture.width(), picture.height())?);
    }
    if let Some(cropper) = shaping.cropper {
        let face = cropper.face(picture);
        return Ok(face.map(|face| face.squared(shaping.sizing.side() as u32, shaping.color)));
    }
    let (width, height) = (picture.width(), picture.height());
    match shaping.sizing {
        Sizing::Exactly(side) if (width, height) != (side, side) => Err(Unfit::Shape(format!(
            "is {width}x{height} pixels, expected {side}x{side}; \
             `duchenne data import folder --size {side}` scales pictures"
        ))),
        Sizing::Exactly(side) | Sizing::Scale(side) => Ok(Some(picture.squared(side, shaping.color))),
    }
}

/// The part of `bounds` that lies in a picture, as left, top, width and height. Detectors' boxes reach a little over the
/// edge; one of which less than half lies in the picture belongs to another.
fn inside(bounds: Bounds, width: u32, height: u32) -> Result<[u32; 4], Unfit> {
    let Bounds { left, top, right, bottom } = bounds;
    let wrong = |problem: &str| {
        Err(Unfit::Shape(format!(
            "has a box from ({left}, {top}) to ({right}, {bottom}), {problem} ({width}x{height} pixels)"
        )))
    };
    if left >= right || top >= bottom {
        return wrong("which is empty");
    }
    let (from_x, to_x) = (left.max(0), right.min(i64::from(width)));
    let (from_y, to_y) = (top.max(0), bottom.min(i64::from(height)));
    let is_half_inside = to_x > from_x
        && to_y > from_y
        && 2 * i128::from(to_x - from_x) * i128::from(to_y - from_y)
            >= (i128::from(right) - i128::from(left)) * (i128::from(bottom) - i128::from(top));
    if !is_half_inside {
        return wrong("outside of the picture");
    }
    // All four lie between 0 and the picture's size.
    Ok([from_x, from_y, to_x - from_x, to_y - from_y].map(|value| value as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(sizing: Sizing) -> Shaping<'static> {
        Shaping { sizing, color: false, cropper: None }
    }

    fn png(side: u32, value: u8) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = image::GrayImage::from_pixel(side, side, image::Luma([value]));
        picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn sizes_are_exact_or_scaled() {
        let of = |side, sizing| sample(&png(side, 9), None, &whole(sizing));
        assert_eq!(of(48, Sizing::Exactly(48)).unwrap().unwrap(), vec![9; 48 * 48]);
        assert_eq!(of(64, Sizing::Scale(48)).unwrap().unwrap(), vec![9; 48 * 48]);
        let unfit = of(64, Sizing::Exactly(48)).unwrap_err();
        assert!(
            matches!(&unfit, Unfit::Shape(problem) if problem.contains("is 64x64 pixels, expected 48x48"))
        );
    }

    #[test]
    fn boxes_lie_in_the_picture_for_the_greater_part() {
        let of = |left, top, right, bottom| inside(Bounds { left, top, right, bottom }, 100, 50);
        assert_eq!(of(10, 20, 40, 50).unwrap(), [10, 20, 30, 30]);
        assert_eq!(of(-5, -5, 15, 15).unwrap(), [0, 0, 15, 15]);
        assert_eq!(of(90, 10, 110, 30).unwrap(), [90, 10, 10, 20]);
        for (left, top, right, bottom) in
            [(-10, 0, 5, 10), (100, 0, 120, 10), (0, 40, 20, 80), (i64::MIN, 0, i64::MAX, 10)]
        {
            let problem = of(left, top, right, bottom).unwrap_err();
            assert!(
                matches!(&problem, Unfit::Shape(text) if text.contains("outside of the picture (100x50"))
            );
        }
        for empty in [of(5, 5, 5, 9), of(9, 9, 8, 20)] {
            assert!(matches!(&empty.unwrap_err(), Unfit::Shape(text) if text.contains("which is empty")));
        }
    }

    #[test]
    fn what_is_not_a_picture_is_told() {
        let problem = |bytes: &[u8]| match sample(bytes, None, &whole(Sizing::Scale(48))).unwrap_err() {
            Unfit::Unreadable(problem) => problem,
            other => panic!("{other:?}"),
        };
        assert!(matches!(problem(b"hello"), PictureProblem::Format { .. }));
        assert!(matches!(problem(&png(48, 9)[..40]), PictureProblem::Damaged(_)));
    }
}
