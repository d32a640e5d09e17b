//! *Annotation*: boxes and labels drawn onto a picture, legible at any of its sizes.

use ab_glyph::{Font as _, PxScale, ScaleFont as _};
use image::{Rgb, RgbImage};

use crate::inference::drawing::lettering::{draw_text, font, text_width};
use crate::inference::face_box::FaceBox;
use crate::inference::recognition::Face;

/// Letters are not drawn smaller than this many pixels from line to line.
const LEAST_TEXT: f32 = 11.0;

/// Draws a box and a label, such as "happy 93%", for every face.
pub fn annotate(picture: &mut RgbImage, faces: &[Face]) {
    // Boxes first: a neighbour's box must not strike through a label.
    for face in faces {
        draw_box(picture, face.bounds(), line_width(picture), color_of(face.expression()));
    }
    for face in faces {
        let text = format!("{} {:.0}%", face.expression(), face.confidence() * 100.0);
        draw_label(picture, face.bounds(), &text, color_of(face.expression()));
    }
}

/// The colour of an expression: from Paul Tol's "muted" scheme, told apart with any colour vision.
fn color_of(name: &str) -> Rgb<u8> {
    Rgb(match name {
        "angry" | "anger" => [204, 102, 119],
        "disgust" => [153, 153, 51],
        "fear" => [170, 68, 153],
        "happy" | "happiness" => [221, 204, 119],
        "sad" | "sadness" => [136, 204, 238],
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

/// Writes `text` on a bar of `colour`, above `area` or, where there is no room, inside it.
fn draw_label(picture: &mut RgbImage, area: FaceBox, text: &str, colour: Rgb<u8>) {
    let longest = picture.width().max(picture.height()) as f32;
    // In step with the face, but legible and not wider than the picture.
    let wanted =
        (area.width as f32 / 7.0).clamp((longest / 60.0).max(LEAST_TEXT), longest / 18.0 + LEAST_TEXT);
    let width_at = |size: f32| text_width(text, size) + size * 0.6;
    let size = wanted * (picture.width() as f32 / width_at(wanted)).min(1.0);
    let font = font();
    let scaled = font.as_scaled(PxScale::from(size));
    let (width, height) = (width_at(size).ceil() as i32, (size * 1.15).ceil() as i32);

    let left = area.x.min(picture.width() as i32 - width).max(0);
    let top = if area.y >= height { area.y - height } else { area.y.max(0) };
    for y in top..top + height {
        for x in left..left + width {
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
        annotate(&mut picture, &[face(bounds)]);
        assert_eq!(*picture.get_pixel(100, 200), color_of("happy"));
        assert_eq!(*picture.get_pixel(219, 219), color_of("happy"));
        assert_eq!(*picture.get_pixel(160, 160), Rgb([90, 90, 90]));
        assert!(changed(&ground, &picture) > 120 * 4);
    }

    #[test]
    fn the_label_holds_dark_letters_on_its_bar() {
        let mut picture = RgbImage::from_pixel(400, 300, Rgb([90, 90, 90]));
        let bounds = FaceBox { x: 100, y: 100, width: 120, height: 120 };
        annotate(&mut picture, &[face(bounds)]);
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
            annotate(&mut picture, &[face(FaceBox::whole(width, height))]);
            assert!(changed(&ground, &picture) > 0, "{width} x {height}");
        }
    }
}
