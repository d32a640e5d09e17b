//! *Face detection*: where in a gray picture the faces are, and the square around each that looks like
//! the crops the classifiers were trained on.
//!
//! The detector is SeetaFace's funnel-structured cascade (Wu et al., "Funnel-structured cascade for
//! multi-view face detection with alignment awareness", Neurocomputing 2017) for frontal faces, in the
//! pure Rust port `rustface`, with the model that its authors published.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{GrayImage, Luma};
use rustface::ImageData;
use serde::Serialize;

/// SeetaFace's frontal model, BSD 2-clause (licence beside it).
const DETECTOR_MODEL: &[u8] = include_bytes!("../../assets/seetaface/seeta_fd_frontal_v1.0.bin");

/// The side in pixels of the detector's window: the smallest face it sees in the picture it scans.
const WINDOW: u32 = 40;

/// Detections below this raw score are dropped. Upstream's examples use 2.0; on two photographs without
/// faces, scanned at three times their size, false alarms scored up to 1.8, while nine of ten FER-2013 training
/// images (enlarged, on a flat ground) score above 4.5 when found at all.
const SCORE_THRESHOLD: f64 = 2.5;

/// The smallest face, in pixels of the picture, that is looked for unless the caller says otherwise.
/// A face of 24 pixels has half the resolution of the 48-pixel crops the classifiers are trained on;
/// with less, an expression is guessed from the few pixels of a mouth. Also, looking for smaller faces
/// means enlarging the picture, and the time grows with the square.
pub const DEFAULT_MIN_FACE: u32 = 24;

/// The least `min_face` that is accepted; below, there is nothing to recognise.
pub const LEAST_MIN_FACE: u32 = 12;

/// Without an explicit smallest face, larger pictures are scanned at this many pixels, so that time and
/// memory are bounded (about a second on one slow core). The smallest face found then grows with the
/// picture: at 4000 x 3000 it is 96 pixels, a fortieth of the width.
const DEFAULT_SCAN_PIXELS: f64 = 2.0e6;

/// With an explicit smallest face, the scan may take this many pixels; beyond, faces have to be larger.
const MAX_SCAN_PIXELS: f64 = 3.2e7;

/// The picture is framed by this many copies of its edge pixels before the scan (half the window), which
/// finds faces cut by the edge: of 400 tight 48-pixel FER-2013 crops, enlarged four times, 333 score
/// above 3.85 with the frame, 309 without.
const FRAME: u32 = WINDOW / 2;

/// The side of the square crop, in sides of the detector's box, centred on the box.
///
/// Measured: 400 FER-2013 training images, enlarged four times, in the middle of a flat ground; 350 were
/// found with a score above 3. The detector's box is 43.4 pixels wide in the median (quartiles 39.0 and
/// 46.8) of the 48 that the data set's crops have, its centre less than 0.2 pixels from theirs: so
/// 48 / 43.4, and no shift.
pub const CROP_SCALE: f32 = 1.11;

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

/// A face as the detector reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectedFace {
    /// The square the detector drew; it may reach over the edge of the picture.
    pub bounds: FaceBox,
    /// The detector's raw score: at least 2.5, seldom above 50, growing with certainty and with the
    /// resolution of the face. Not a probability.
    pub score: f32,
}

/// Finds frontal faces in gray pictures. One detector serves several threads at once.
pub struct FaceDetector {
    model: rustface::Model,
    min_face: Option<u32>,
}

impl std::fmt::Debug for FaceDetector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FaceDetector").field("min_face", &self.min_face).finish_non_exhaustive()
    }
}

impl FaceDetector {
    /// A detector of faces at least `min_face` pixels wide, not below [`LEAST_MIN_FACE`]. Without it,
    /// faces of [`DEFAULT_MIN_FACE`] pixels are found in pictures up to 0.7 megapixels, and the limit
    /// grows with the square root of the pixels in larger ones.
    pub fn new(min_face: Option<u32>) -> Self {
        let model =
            rustface::read_model(Cursor::new(DETECTOR_MODEL)).expect("the built-in model is well formed");
        Self { model, min_face: min_face.map(|side| side.max(LEAST_MIN_FACE)) }
    }

    /// The faces in `gray`, in reading order: row by row, from left to right.
    pub fn detect(&self, gray: &GrayImage) -> Vec<DetectedFace> {
        if gray.width() == 0 || gray.height() == 0 {
            return Vec::new();
        }
        let (width, height) = self.scan_size(gray.width(), gray.height());
        let scanned = framed(&resized(gray, width, height));
        // The detector keeps scratch buffers, so each scan has its own; the model's copy takes under a
        // thousandth of a scan.
        let mut detector = rustface::create_detector_with_model(self.model.clone());
        detector.set_score_thresh(SCORE_THRESHOLD);
        let found = detector.detect(&ImageData::new(&scanned, scanned.width(), scanned.height()));

        let across = f64::from(gray.width()) / f64::from(width);
        let down = f64::from(gray.height()) / f64::from(height);
        let faces = found
            .iter()
            .map(|face| {
                let area = face.bbox();
                let bounds = FaceBox {
                    x: (f64::from(area.x() - FRAME as i32) * across).round() as i32,
                    y: (f64::from(area.y() - FRAME as i32) * down).round() as i32,
                    width: (f64::from(area.width()) * across).round().max(1.0) as u32,
                    height: (f64::from(area.height()) * down).round().max(1.0) as u32,
                };
                DetectedFace { bounds, score: face.score() as f32 }
            })
            // The detector's regression may push a box into the frame.
            .filter(|face| face.bounds.clipped(gray.width(), gray.height()).is_some())
            .filter(|face| {
                self.min_face.is_none_or(|least| face.bounds.width.max(face.bounds.height) >= least)
            })
            .collect();
        in_reading_order(faces)
    }

    /// The size at which a picture is scanned: so that the smallest face fills the detector's window,
    /// but no larger than the limits, and never upscaled for faces larger than the window.
    fn scan_size(&self, width: u32, height: u32) -> (u32, u32) {
        let (least, limit) = match self.min_face {
            Some(least) => (least, MAX_SCAN_PIXELS),
            None => (DEFAULT_MIN_FACE, DEFAULT_SCAN_PIXELS),
        };
        let wanted = f64::from(WINDOW) / f64::from(least);
        let affordable = (limit / (f64::from(width) * f64::from(height))).sqrt();
        let scale = wanted.min(affordable);
        let scaled = |side: u32| (f64::from(side) * scale).round().max(1.0) as u32;
        (scaled(width), scaled(height))
    }
}

/// Sorts faces into rows from top to bottom, each from left to right. A row is made of the faces whose
/// centres lie above the lower edge of its highest face.
fn in_reading_order(mut faces: Vec<DetectedFace>) -> Vec<DetectedFace> {
    faces.sort_by_key(|face| (face.bounds.y, face.bounds.x));
    let mut rest = faces.as_mut_slice();
    while let Some(highest) = rest.first() {
        let bottom = highest.bounds.y + highest.bounds.height as i32;
        let centre = |face: &DetectedFace| face.bounds.y + face.bounds.height as i32 / 2;
        let length = rest.iter().take_while(|face| centre(face) < bottom).count();
        let (row, below) = rest.split_at_mut(length.max(1));
        row.sort_by_key(|face| face.bounds.x);
        rest = below;
    }
    faces
}

/// `gray` at another size: averaged where it shrinks, interpolated where it grows.
fn resized(gray: &GrayImage, width: u32, height: u32) -> GrayImage {
    if width <= gray.width() && height <= gray.height() {
        // Integer box averaging: `resize` would hold a float copy of a large picture.
        imageops::thumbnail(gray, width, height)
    } else {
        imageops::resize(gray, width, height, FilterType::Triangle)
    }
}

/// `gray` with [`FRAME`] copies of its edge pixels on every side.
fn framed(gray: &GrayImage) -> GrayImage {
    let area = FaceBox {
        x: -(FRAME as i32),
        y: -(FRAME as i32),
        width: gray.width() + 2 * FRAME,
        height: gray.height() + 2 * FRAME,
    };
    cut(gray, area)
}

/// The square of `gray` that shows a detected face as FER-2013's images do: [`CROP_SCALE`] times the
/// detector's box around the same centre. Beyond the edge of the picture the edge pixels go on.
pub fn crop_face(gray: &GrayImage, bounds: FaceBox) -> GrayImage {
    let side = (bounds.width.max(bounds.height) as f32 * CROP_SCALE).round().max(1.0);
    let centre_x = bounds.x as f32 + bounds.width as f32 / 2.0;
    let centre_y = bounds.y as f32 + bounds.height as f32 / 2.0;
    let area = FaceBox {
        x: (centre_x - side / 2.0).round() as i32,
        y: (centre_y - side / 2.0).round() as i32,
        width: side as u32,
        height: side as u32,
    };
    cut(gray, area)
}

/// The pixels of `area`; outside of the picture, the nearest pixel of its edge.
fn cut(gray: &GrayImage, area: FaceBox) -> GrayImage {
    let nearest = |start: i32, offset: u32, size: u32| {
        (i64::from(start) + i64::from(offset)).clamp(0, i64::from(size) - 1) as u32
    };
    GrayImage::from_fn(area.width, area.height, |x, y| -> Luma<u8> {
        *gray.get_pixel(nearest(area.x, x, gray.width()), nearest(area.y, y, gray.height()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::faces::picture::Picture;

    fn example() -> GrayImage {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faces.png");
        Picture::open(&path).unwrap().to_gray()
    }

    #[test]
    fn every_face_of_the_example_is_found_once() {
        let picture = example();
        let faces = FaceDetector::new(None).detect(&picture);
        assert_eq!(faces.len(), EXAMPLE_FACES, "{faces:?}");
        // Two rows of three panels.
        for (index, face) in faces.iter().enumerate() {
            let (column, row) = (face.bounds.x / 300, face.bounds.y / 340);
            assert_eq!((column, row), ((index % 3) as i32, (index / 3) as i32), "{faces:?}");
        }
    }

    #[test]
    fn faces_are_read_row_by_row() {
        let face = |x, y| DetectedFace { bounds: FaceBox { x, y, width: 40, height: 40 }, score: 3.0 };
        let sorted = in_reading_order(vec![face(50, 110), face(200, 0), face(10, 15), face(0, 100)]);
        let places: Vec<(i32, i32)> = sorted.iter().map(|face| (face.bounds.x, face.bounds.y)).collect();
        assert_eq!(places, [(10, 15), (200, 0), (0, 100), (50, 110)]);
        assert!(in_reading_order(Vec::new()).is_empty());
    }

    #[test]
    fn boxes_scale_with_the_picture() {
        let picture = example();
        let small =
            imageops::resize(&picture, picture.width() / 2, picture.height() / 2, FilterType::Triangle);
        let large = FaceDetector::new(None).detect(&picture);
        let small = FaceDetector::new(None).detect(&small);
        assert_eq!(small.len(), large.len());
        for (small, large) in small.iter().zip(&large) {
            let tolerance = large.bounds.width as f32 * 0.15;
            assert!((small.bounds.x as f32 * 2.0 - large.bounds.x as f32).abs() < tolerance);
            assert!((small.bounds.width as f32 * 2.0 - large.bounds.width as f32).abs() < tolerance);
        }
    }

    #[test]
    fn faces_below_the_wanted_size_are_left_out() {
        assert!(FaceDetector::new(Some(1000)).detect(&example()).is_empty());
    }

    #[test]
    fn there_is_no_face_in_noise_or_in_nothing() {
        let detector = FaceDetector::new(None);
        let mut state = 1_u32;
        let noise = GrayImage::from_fn(200, 150, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Luma([(state >> 24) as u8])
        });
        assert!(detector.detect(&noise).is_empty());
        for (width, height) in [(0, 0), (1, 1), (1, 5000), (5000, 1), (19, 21)] {
            assert!(detector.detect(&GrayImage::new(width, height)).is_empty());
        }
    }

    #[test]
    fn the_scan_is_bounded() {
        let automatic = FaceDetector::new(None);
        assert_eq!(automatic.scan_size(480, 240), (800, 400));
        let (width, height) = automatic.scan_size(12_000, 9_000);
        assert!(f64::from(width) * f64::from(height) < DEFAULT_SCAN_PIXELS * 1.01);
        assert_eq!(FaceDetector::new(Some(80)).scan_size(4000, 3000), (2000, 1500));
        let (width, height) = FaceDetector::new(Some(0)).scan_size(12_000, 9_000);
        assert!(f64::from(width) * f64::from(height) < MAX_SCAN_PIXELS * 1.01);
    }

    #[test]
    fn crops_are_square_and_continue_the_edge() {
        let ramp = GrayImage::from_fn(100, 100, |x, _| Luma([x as u8]));
        let inside = crop_face(&ramp, FaceBox { x: 30, y: 30, width: 40, height: 40 });
        assert_eq!(inside.dimensions(), (44, 44));
        assert_eq!((inside.get_pixel(0, 0)[0], inside.get_pixel(43, 43)[0]), (28, 71));
        let outside = crop_face(&ramp, FaceBox { x: -20, y: 80, width: 40, height: 40 });
        assert_eq!(outside.get_pixel(0, 43)[0], 0);
        assert_eq!(outside.get_pixel(43, 43)[0], 21);
    }

    #[test]
    fn boxes_are_clipped_to_the_picture() {
        let area = FaceBox { x: -5, y: 90, width: 20, height: 20 };
        assert_eq!(area.clipped(100, 100), Some(FaceBox { x: 0, y: 90, width: 15, height: 10 }));
        assert_eq!(FaceBox { x: 100, y: 0, width: 5, height: 5 }.clipped(100, 100), None);
    }

    /// How many faces `examples/faces.png` shows.
    const EXAMPLE_FACES: usize = 6;
}
