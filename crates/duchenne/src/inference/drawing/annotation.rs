//! *Annotation*: boxes and labels drawn onto a picture, legible at any of its sizes.

use ab_glyph::{Font as _, PxScale, ScaleFont as _};
use image::{Rgb, RgbImage};

use crate::inference::drawing::lettering::{draw_text, font, text_width};
use crate::inference::face_box::FaceBox;
use crate::inference::recognition::Face;
use crate::inference::video::TrackedFace;

/// Letters are not drawn smaller than this many pixels from line to line.
const LEAST_TEXT: f32 = 11.0;

/// What is drawn beside boxes and labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Dots on eyes, nose and corners of the mouth.
    pub landmarks: bool,
}

/// Draws a box and a label, such as "happy 93%", for every face. Labels stand where they cover no face and no other
/// label, smaller where there is little room.
pub fn annotate(picture: &mut RgbImage, faces: &[Face], marks: Marks) {
    let label = |face: &Face| format!("{} {:.0}%", face.expression(), face.confidence() * 100.0);
    draw(picture, &faces.iter().map(|face| (face, label(face))).collect::<Vec<_>>(), marks);
}

/// As [`annotate`] for the faces of a clip's frame: labels begin with the face's number, such as "2 happy 93%".
pub fn annotate_frame(picture: &mut RgbImage, faces: &[TrackedFace], marks: Marks) {
    let label = |face: &TrackedFace| {
        let shown = face.shown();
        format!("{} {} {:.0}%", face.track, shown.expression(), shown.confidence() * 100.0)
    };
    draw(picture, &faces.iter().map(|face| (face.shown(), label(face))).collect::<Vec<_>>(), marks);
}

fn draw(picture: &mut RgbImage, faces: &[(&Face, String)], marks: Marks) {
    // Boxes first: a neighbour's box must not strike through a label.
    let width = line_width(picture);
    for (face, _) in faces {
        draw_box(picture, face.bounds(), width, color_of(face.expression()));
        if let (true, Some(landmarks)) = (marks.landmarks, face.landmarks()) {
            let radius = (face.bounds().width as f32 / 40.0).max(width as f32);
            landmarks.points().into_iter().for_each(|point| draw_dot(picture, point, radius));
        }
    }
    let boxes: Vec<FaceBox> = faces.iter().map(|(face, _)| face.bounds()).collect();
    let mut labels: Vec<FaceBox> = Vec::new();
    for (face, text) in faces {
        let (place, size) = place_of_label(picture, face.bounds(), text, &boxes, &labels);
        draw_label(picture, place, size, text, color_of(face.expression()));
        labels.push(place);
    }
}

/// The colour of an expression, on pictures and pages alike: from Paul Tol's "muted" scheme, told apart with any colour vision.
pub(crate) fn color_of(name: &str) -> Rgb<u8> {
    Rgb(match name {
        "angry" => [204, 102, 119],
        "disgust" => [153, 153, 51],
        "fear" => [170, 68, 153],
        "happy" => [221, 204, 119],
        "sad" => [136, 204, 238],
        "surprise" => [68, 170, 153],
        "contempt" => [51, 34, 136],
        _ => [221, 221, 221],
    })
}

/// The thickness of a box: a 300th of the picture, so that it survives scaling to a screen.
fn line_width(picture: &RgbImage) -> u32 {
    (picture.width().max(picture.height()) / 300).max(1)
}

/// A frame just inside `area`, with a thin dark outline so that it shows on any ground.
fn draw_box(picture: &mut RgbImage, area: FaceBox, width: u32, colour: Rgb<u8>) {
    let dark = Rgb([20, 20, 20]);
    for x in 0..area.width {
        for y in 0..area.height {
            let edge = x.min(y).min(area.width - 1 - x).min(area.height - 1 - y);
            if edge > width {
                continue;
            }
            let outline = width > 1 && edge == width;
            blend(picture, area.x + x as i32, area.y + y as i32, if outline { dark } else { colour }, 1.0);
        }
    }
}

/// A light dot with a dark outline.
fn draw_dot(picture: &mut RgbImage, [x, y]: [f32; 2], radius: f32) {
    let reach = radius.ceil() as i32 + 1;
    for down in -reach..=reach {
        for across in -reach..=reach {
            let (column, row) = (x.floor() as i32 + across, y.floor() as i32 + down);
            let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
            let colour = if distance > radius * 0.7 { Rgb([20, 20, 20]) } else { Rgb([255, 255, 255]) };
            blend(picture, column, row, colour, radius + 0.5 - distance);
        }
    }
}

/// Where the label of the face in `area` stands, and the size of its letters: above, below or beside the box, where it
/// covers no face and no label; smaller if need be; where nothing helps, over the upper edge of its own face.
fn place_of_label(
    picture: &RgbImage,
    area: FaceBox,
    text: &str,
    faces: &[FaceBox],
    labels: &[FaceBox],
) -> (FaceBox, f32) {
    let (across, down) = (picture.width() as i32, picture.height() as i32);
    let longest = across.max(down) as f32;
    // In step with the face, but legible and not wider than the picture.
    let wanted =
        (area.width as f32 / 7.0).clamp((longest / 60.0).max(LEAST_TEXT), longest / 18.0 + LEAST_TEXT);
    let width_at = |size: f32| text_width(text, size) + size * 0.6;
    let largest = wanted * (across as f32 / width_at(wanted)).min(1.0);
    let bar = |size: f32| (width_at(size).ceil() as i32, (size * 1.15).ceil() as i32);
    let (right, bottom) = (area.x + area.width as i32, area.y + area.height as i32);
    let mut size = largest;
    loop {
        let (width, height) = bar(size);
        let left = area.x.min(across - width).max(0);
        let level = area.y.min(down - height).max(0);
        let places = [
            (left, area.y - height),
            (left, bottom),
            (right, level),
            (area.x - width, level),
            ((right - width).max(0), area.y - height),
            ((right - width).max(0), bottom),
        ];
        for (x, y) in places {
            let place = FaceBox { x, y, width: width as u32, height: height as u32 };
            let inside = x >= 0 && y >= 0 && x + width <= across && y + height <= down;
            let others = faces.iter().chain(labels);
            if inside && others.into_iter().all(|other| !meets(place, *other)) {
                return (place, size);
            }
        }
        let least = LEAST_TEXT.min(largest);
        if size <= least {
            break;
        }
        size = (size * 0.8).max(least);
    }
    let size = LEAST_TEXT.min(largest);
    let (width, height) = bar(size);
    let place = FaceBox {
        x: area.x.min(across - width).max(0),
        y: area.y.max(0),
        width: width as u32,
        height: height as u32,
    };
    (place, size)
}

/// Whether two rectangles have a pixel in common.
fn meets(one: FaceBox, other: FaceBox) -> bool {
    let apart = |start: i32, length: u32, other_start: i32, other_length: u32| {
        start + length as i32 <= other_start || other_start + other_length as i32 <= start
    };
    !apart(one.x, one.width, other.x, other.width) && !apart(one.y, one.height, other.y, other.height)
}

/// Writes `text` on a bar of `colour`.
fn draw_label(picture: &mut RgbImage, place: FaceBox, size: f32, text: &str, colour: Rgb<u8>) {
    let font = font();
    let scaled = font.as_scaled(PxScale::from(size));
    let (left, top, height) = (place.x, place.y, place.height as i32);
    for y in top..top + height {
        for x in left..left + place.width as i32 {
            blend(picture, x, y, colour, 1.0);
        }
    }
    let ink = ink_on(colour);
    let baseline = top as f32 + (height as f32 + scaled.ascent() + scaled.descent()) / 2.0;
    draw_text(text, (left as f32 + size * 0.3, baseline), size, |x, y, coverage| {
        blend(picture, x, y, ink, coverage);
    });
}

/// Black on light colours, white on dark ones.
fn ink_on(Rgb([red, green, blue]): Rgb<u8>) -> Rgb<u8> {
    let luma = 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
    if luma > 110.0 { Rgb([0; 3]) } else { Rgb([255; 3]) }
}

/// Lays `colour` over the pixel with this opacity, `0..=1`; outside of the picture nothing happens.
fn blend(picture: &mut RgbImage, x: i32, y: i32, colour: Rgb<u8>, opacity: f32) {
    let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
    let Some(pixel) = picture.get_pixel_mut_checked(x, y) else { return };
    let opacity = opacity.clamp(0.0, 1.0);
    for (old, new) in pixel.0.iter_mut().zip(colour.0) {
        *old = (f32::from(*old) * (1.0 - opacity) + f32::from(new) * opacity).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::LabelSet;

    fn face(bounds: FaceBox) -> Face {
        let probabilities = vec![0.02, 0.0, 0.0, 0.93, 0.0, 0.05, 0.0];
        Face::new(bounds, Some(9.0), LabelSet::Fer2013, probabilities)
    }

    fn changed(before: &RgbImage, after: &RgbImage) -> usize {
        before.pixels().zip(after.pixels()).filter(|(before, after)| before != after).count()
    }

    #[test]
    fn the_box_is_drawn_and_the_face_left_visible() {
        let ground = RgbImage::from_pixel(400, 300, Rgb([90, 90, 90]));
        let mut picture = ground.clone();
        let bounds = FaceBox { x: 100, y: 100, width: 120, height: 120 };
        annotate(&mut picture, &[face(bounds)], Marks::default());
        assert_eq!(*picture.get_pixel(100, 200), color_of("happy"));
        assert_eq!(*picture.get_pixel(219, 219), color_of("happy"));
        assert_eq!(*picture.get_pixel(160, 160), Rgb([90, 90, 90]));
        assert!(changed(&ground, &picture) > 120 * 4);
    }

    #[test]
    fn the_label_holds_dark_letters_on_its_bar() {
        let mut picture = RgbImage::from_pixel(400, 300, Rgb([90, 90, 90]));
        let bounds = FaceBox { x: 100, y: 100, width: 120, height: 120 };
        annotate(&mut picture, &[face(bounds)], Marks::default());
        let ink = (100..260)
            .flat_map(|x| (70..100).map(move |y| (x, y)))
            .filter(|&(x, y)| picture.get_pixel(x, y).0.iter().all(|&value| value < 30))
            .count();
        assert!(ink > 150, "{ink} dark pixels in the label");
    }

    #[test]
    fn tiny_pictures_and_boxes_at_the_edge_are_drawn_without_panic() {
        for (width, height) in [(1, 1), (9, 40), (48, 48), (3000, 30)] {
            let ground = RgbImage::new(width, height);
            let mut picture = ground.clone();
            annotate(&mut picture, &[face(FaceBox::whole(width, height))], Marks::default());
            assert!(changed(&ground, &picture) > 0, "{width} x {height}");
        }
    }

    #[test]
    fn labels_of_a_dense_group_cover_no_face_and_no_label() {
        let picture = RgbImage::new(600, 420);
        let grid = (0..12).map(|index| (10 + index % 4 * 145, 20 + index / 4 * 130));
        let boxes: Vec<FaceBox> = grid.map(|(x, y)| FaceBox { x, y, width: 110, height: 100 }).collect();
        let mut labels = Vec::new();
        for area in &boxes {
            let (place, size) = place_of_label(&picture, *area, "surprise 100%", &boxes, &labels);
            assert!(size >= LEAST_TEXT);
            assert!(boxes.iter().chain(&labels).all(|other| !meets(place, *other)), "{area:?} {place:?}");
            labels.push(place);
        }
    }

    #[test]
    fn landmarks_are_drawn_on_request() {
        let ground = RgbImage::from_pixel(400, 300, Rgb([90, 90, 90]));
        let bounds = FaceBox { x: 100, y: 100, width: 120, height: 120 };
        let points = [[130.0, 140.0], [190.0, 140.0], [160.0, 160.0], [140.0, 190.0], [180.0, 190.0]];
        let drawn = |marks: Marks| {
            let mut picture = ground.clone();
            annotate(&mut picture, &[face(bounds).with_landmarks(points)], marks);
            points.map(|[x, y]| *picture.get_pixel(x as u32, y as u32))
        };
        assert_eq!(drawn(Marks::default()), [Rgb([90, 90, 90]); 5]);
        assert_eq!(drawn(Marks { landmarks: true }), [Rgb([255, 255, 255]); 5]);
    }
}
