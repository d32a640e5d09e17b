//! *Face detection*: where in a picture the faces are, by [`YuNet`] at one or two scales. What it is unsure of is looked
//! at again, turned.

pub(super) mod second_look;

use super::face_box::{FaceBox, Landmarks};
use super::suppression::{Scored, suppress};
use crate::data::faces::picture::Picture;
use crate::data::faces::reshaping::Turn;
use crate::models::yunet::{GRANULE, STRIDES, VALUES, YuNet};

/// Detections below this score are dropped unless the caller says otherwise.
pub const DEFAULT_MIN_SCORE: f32 = 0.6;

/// The least `min_face` that is accepted, in pixels; below, there is nothing to recognise. It is also the smallest face
/// that the detector finds for certain in what it scans.
pub const LEAST_MIN_FACE: u32 = 12;

/// Without an explicit smallest face, larger pictures are scanned at this many pixels, so that time is bounded. The
/// smallest face found then grows with the picture: 12 pixels up to 0.8 megapixels, 46 (an 87th of the width) at
/// 4000 x 3000.
const DEFAULT_SCAN_PIXELS: f64 = 8.0e5;
/// With an explicit smallest face, a scan may take this many pixels; beyond, faces have to be larger.
const MAX_SCAN_PIXELS: f64 = 3.2e7;
/// Large faces are looked for at so many pixels where the scan for small ones has more: the network sees no more than
/// some hundred pixels around a place.
const COARSE_PIXELS: f64 = 3.0e5;
/// The side of the tiles of a large scan, and how far they overlap: as far as a face reaches that is not left to the
/// coarse scan.
const TILE: u32 = 1280;
const TILE_OVERLAP: u32 = 256;
/// A face this near to the edge of a tile is whole in the next one.
const TILE_EDGE: f32 = 6.0;
/// A picture without faces is tried at twice its size up to this many pixels, for faces smaller than usual.
const ENLARGED_PIXELS: f64 = 1.3e6;
/// The directions of a picture without upright faces are tried at this many pixels.
const TURN_PIXELS: f64 = 2.0e5;
/// Boxes of one face meet in more than this share of what they cover (libfacedetection's value).
pub(super) const OVERLAP: f32 = 0.45;

/// What a program needs that decodes the network's heads and scans pictures in the same way.
pub(super) fn settings() -> serde_json::Value {
    serde_json::json!({
        "strides": STRIDES,
        "granule": GRANULE,
        "values": ["face", "object", "x", "y", "width", "height", "right_eye_x", "right_eye_y", "left_eye_x", "left_eye_y",
            "nose_x", "nose_y", "right_mouth_x", "right_mouth_y", "left_mouth_x", "left_mouth_y"],
        "min_score": DEFAULT_MIN_SCORE,
        "overlap": OVERLAP,
        "least_min_face": LEAST_MIN_FACE,
        "scan_pixels": DEFAULT_SCAN_PIXELS,
        "most_scan_pixels": MAX_SCAN_PIXELS,
        "coarse_pixels": COARSE_PIXELS,
        "tile": { "side": TILE, "overlap": TILE_OVERLAP, "edge": TILE_EDGE },
        "enlarged_pixels": ENLARGED_PIXELS,
        "turn_pixels": TURN_PIXELS,
        "second_look": second_look::settings(),
    })
}

/// A face as the detector reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectedFace {
    /// The box that the detector drew, `[left, top, width, height]` in pixels of the picture; it may reach over the
    /// edge.
    pub area: [f32; 4],
    /// How sure the detector is, `0..=1`: not a calibrated probability.
    pub score: f32,
    /// Eyes, nose and mouth.
    pub landmarks: Landmarks,
}

impl DetectedFace {
    /// The box in whole pixels.
    pub fn bounds(&self) -> FaceBox {
        let [left, top, width, height] = self.area;
        FaceBox {
            x: left.round() as i32,
            y: top.round() as i32,
            width: width.round().max(1.0) as u32,
            height: height.round().max(1.0) as u32,
        }
    }

    /// The middle of its box.
    pub(super) fn centre(&self) -> [f32; 2] {
        let [left, top, width, height] = self.area;
        [left + width / 2.0, top + height / 2.0]
    }

    /// The same face elsewhere, `[right, down]` of here.
    pub(super) fn moved(&self, by: [f32; 2]) -> Self {
        self.scaled([1.0; 2], by)
    }

    /// The geometric mean of its width and height.
    pub(super) fn side(&self) -> f32 {
        (self.area[2] * self.area[3]).sqrt()
    }

    /// The face in a picture that is `across` times as wide and `down` times as high, and begins at `start`.
    fn scaled(&self, [across, down]: [f32; 2], start: [f32; 2]) -> Self {
        let point = |[x, y]: [f32; 2]| [start[0] + x * across, start[1] + y * down];
        let [left, top, width, height] = self.area;
        let [x, y] = point([left, top]);
        Self {
            area: [x, y, width * across, height * down],
            landmarks: Landmarks::from_points(self.landmarks.points().map(point)),
            ..*self
        }
    }

    /// The face in the picture of `[width, height]` that was turned to find it.
    fn turned_back(&self, turn: Turn, size: [f32; 2]) -> Self {
        let [left, top, width, height] = self.area;
        let corners = [[left, top], [left + width, top + height]].map(|point| turn.back(point, size));
        let low = [0, 1].map(|axis| corners[0][axis].min(corners[1][axis]));
        let length = [0, 1].map(|axis| (corners[0][axis] - corners[1][axis]).abs());
        Self {
            area: [low[0], low[1], length[0], length[1]],
            landmarks: Landmarks::from_points(self.landmarks.points().map(|point| turn.back(point, size))),
            ..*self
        }
    }
}

impl Scored for DetectedFace {
    fn edges(&self) -> [f32; 4] {
        let [left, top, width, height] = self.area;
        [left, top, left + width, top + height]
    }

    fn score(&self) -> f32 {
        self.score
    }
}

/// Finds faces in pictures. One detector serves several threads at once.
#[derive(Debug, Clone, Copy)]
pub struct FaceDetector {
    min_face: Option<u32>,
    min_score: f32,
}

impl FaceDetector {
    /// A detector of faces at least `min_face` pixels wide or high, not below [`LEAST_MIN_FACE`]. Without it, faces of
    /// that size are found in pictures up to 0.8 megapixels, and the limit grows with the square root of the pixels in
    /// larger ones.
    pub fn new(min_face: Option<u32>) -> Self {
        Self { min_face: min_face.map(|side| side.max(LEAST_MIN_FACE)), min_score: DEFAULT_MIN_SCORE }
    }

    /// Looks for faces of at least `pixels`, as [`new`](Self::new) says.
    #[must_use]
    pub fn min_face(self, pixels: u32) -> Self {
        Self { min_score: self.min_score, ..Self::new(Some(pixels)) }
    }

    /// Keeps faces of at least this score, `0..=1`, instead of [`DEFAULT_MIN_SCORE`].
    #[must_use]
    pub fn min_score(self, score: f32) -> Self {
        Self { min_score: score, ..self }
    }

    /// Keeps faces of this share of the least score.
    pub(super) fn scaled_min_score(self, share: f32) -> Self {
        self.min_score(self.min_score * share)
    }

    /// The faces in a picture, in reading order: row by row, from left to right. Where there is none, a small picture is
    /// tried enlarged, and any in the other three directions.
    pub fn detect(&self, picture: &Picture) -> Vec<DetectedFace> {
        if picture.width() == 0 || picture.height() == 0 {
            return Vec::new();
        }
        let upright = self.detect_upright(picture);
        if !upright.is_empty() {
            return in_reading_order(self.looked_at_again(picture, upright));
        }
        let size = [picture.width(), picture.height()];
        if 4.0 * f64::from(size[0]) * f64::from(size[1]) < ENLARGED_PIXELS {
            let enlarged = self.scan(&picture.resized(size.map(|side| 2 * side)));
            if !enlarged.is_empty() {
                let faces = enlarged.iter().map(|face| face.scaled([0.5; 2], [0.0; 2])).collect();
                return in_reading_order(self.looked_at_again(picture, self.wanted(faces, size)));
            }
        }
        let small = shrunk(picture, TURN_PIXELS);
        let turned = Turn::ALL.into_iter().map(|turn| {
            let sure: f32 = self.scan(&small.turned(turn)).iter().map(|face| face.score).sum();
            (turn, sure)
        });
        let best = turned.reduce(|best, other| if other.1 > best.1 { other } else { best });
        match best {
            Some((turn, sure)) if sure > 0.0 => {
                let size = [picture.width() as f32, picture.height() as f32];
                let turned = picture.turned(turn);
                let faces = self.looked_at_again(&turned, self.detect_upright(&turned));
                in_reading_order(faces.iter().map(|face| face.turned_back(turn, size)).collect())
            }
            _ => Vec::new(),
        }
    }

    /// The upright faces in a picture.
    pub(super) fn detect_upright(&self, picture: &Picture) -> Vec<DetectedFace> {
        let size = [picture.width(), picture.height()];
        let mut found = Vec::new();
        // The coarse scan shrinks what the fine one saw: a large picture is gone through once.
        let mut seen: Option<Picture> = None;
        for scanned in self.scan_sizes(size) {
            let factors = [0, 1].map(|axis| size[axis] as f32 / scanned[axis] as f32);
            if scanned != size {
                seen = Some(seen.as_ref().unwrap_or(picture).resized(scanned));
            }
            let at_scale = self.scan_in_tiles(seen.as_ref().unwrap_or(picture));
            found.extend(at_scale.iter().map(|face| face.scaled(factors, [0.0; 2])));
        }
        suppress(self.wanted(found, size), OVERLAP)
    }

    /// Faces that lie in a picture of `[width, height]` and are not smaller than what is looked for.
    fn wanted(&self, mut faces: Vec<DetectedFace>, size: [u32; 2]) -> Vec<DetectedFace> {
        // A regression may push a box out of the picture.
        faces.retain(|face| face.bounds().clipped(size[0], size[1]).is_some());
        if let Some(least) = self.min_face {
            faces.retain(|face| face.area[2].max(face.area[3]) >= least as f32);
        }
        faces
    }

    /// The sizes at which a picture is scanned: one where the smallest face is as small as the detector can find it,
    /// within the limits, and a coarse one for large faces where that is large.
    pub(super) fn scan_sizes(&self, [width, height]: [u32; 2]) -> Vec<[u32; 2]> {
        let pixels = f64::from(width) * f64::from(height);
        let (wanted, limit) = match self.min_face {
            Some(least) => (f64::from(LEAST_MIN_FACE) / f64::from(least), MAX_SCAN_PIXELS),
            None => (1.0, DEFAULT_SCAN_PIXELS),
        };
        let scaled =
            |scale: f64| [width, height].map(|side| (f64::from(side) * scale).round().max(1.0) as u32);
        let scale = wanted.min((limit / pixels).sqrt());
        let mut sizes = vec![scaled(scale)];
        if scale * scale * pixels > 2.0 * COARSE_PIXELS {
            sizes.push(scaled((COARSE_PIXELS / pixels).sqrt()));
        }
        sizes
    }

    /// The faces of a picture at its own size, large pictures in tiles.
    fn scan_in_tiles(&self, picture: &Picture) -> Vec<DetectedFace> {
        let size = [picture.width(), picture.height()];
        if size.iter().all(|side| *side <= TILE) {
            return self.scan(picture);
        }
        let mut found = Vec::new();
        for top in starts(size[1]) {
            for left in starts(size[0]) {
                let tile = [left, top, TILE.min(size[0] - left), TILE.min(size[1] - top)];
                let whole = |face: &DetectedFace| {
                    let [x, y, width, height] = face.area;
                    let low = [(left, x), (top, y)];
                    let high = [(left + tile[2], size[0], x + width), (top + tile[3], size[1], y + height)];
                    low.iter().all(|(start, edge)| *start == 0 || *edge > TILE_EDGE)
                        && high.iter().zip([left, top]).all(|((end, side, edge), start)| {
                            end == side || *edge < (*end - start) as f32 - TILE_EDGE
                        })
                };
                let faces = self.scan(&picture.part(tile));
                let start = [left as f32, top as f32];
                found
                    .extend(faces.iter().filter(|face| whole(face)).map(|face| face.scaled([1.0; 2], start)));
            }
        }
        suppress(found, OVERLAP)
    }

    /// The faces of a picture at its own size, the surest first.
    fn scan(&self, picture: &Picture) -> Vec<DetectedFace> {
        let size = [picture.height(), picture.width()].map(|side| side as usize);
        let heads = YuNet::shared().forward(picture.bytes(), size);
        let positions = |stride: usize| size.map(|side| side.next_multiple_of(GRANULE) / stride);
        let levels = STRIDES.into_iter().zip(&heads);
        let found = levels.flat_map(|(stride, values)| self.decoded(stride, positions(stride), values));
        suppress(found.collect(), OVERLAP)
    }

    /// The faces that a head tells of, `[VALUES, rows, columns]`.
    fn decoded(&self, stride: usize, [rows, columns]: [usize; 2], values: &[f32]) -> Vec<DetectedFace> {
        let positions = rows * columns;
        assert_eq!(values.len(), VALUES * positions, "a head of another size");
        let value = |which: usize, at: usize| values[which * positions + at];
        let sigmoid = |value: f32| 1.0 / (1.0 + (-value).exp());
        let scale = stride as f32;
        let face = |at: usize| {
            let score = (sigmoid(value(0, at)) * sigmoid(value(1, at))).sqrt();
            if score < self.min_score || score.is_nan() {
                return None;
            }
            let place = [(at % columns) as f32, (at / columns) as f32];
            let point = |first: usize| [0, 1].map(|axis| (place[axis] + value(first + axis, at)) * scale);
            let centre = point(2);
            let [width, height] = [4, 5].map(|which| value(which, at).exp() * scale);
            let points = [6, 8, 10, 12, 14].map(point);
            Some(DetectedFace {
                area: [centre[0] - width / 2.0, centre[1] - height / 2.0, width, height],
                score,
                landmarks: Landmarks::from_points(points),
            })
        };
        (0..positions).filter_map(face).collect()
    }
}

/// Where tiles begin along a side: each a step from the one before, the last at the end.
fn starts(side: u32) -> Vec<u32> {
    let last = side.saturating_sub(TILE);
    let step = (TILE - TILE_OVERLAP) as usize;
    (0..last).step_by(step).chain([last]).collect()
}

/// The picture at so many pixels at most.
fn shrunk(picture: &Picture, pixels: f64) -> Picture {
    let size = [picture.width(), picture.height()];
    let scale = (pixels / (f64::from(size[0]) * f64::from(size[1]))).sqrt().min(1.0);
    picture.resized(size.map(|side| (f64::from(side) * scale).round().max(1.0) as u32))
}

/// Sorts faces into rows from top to bottom, each from left to right. A row is made of the faces whose
/// centres lie above the lower edge of its highest face.
pub(super) fn in_reading_order(mut faces: Vec<DetectedFace>) -> Vec<DetectedFace> {
    faces.sort_by(|one, other| {
        one.area[1].total_cmp(&other.area[1]).then(one.area[0].total_cmp(&other.area[0]))
    });
    let mut rest = faces.as_mut_slice();
    while let Some(highest) = rest.first() {
        let bottom = highest.area[1] + highest.area[3];
        let centre = |face: &DetectedFace| face.area[1] + face.area[3] / 2.0;
        let length = rest.iter().take_while(|face| centre(face) < bottom).count();
        let (row, below) = rest.split_at_mut(length.max(1));
        row.sort_by(|one, other| one.area[0].total_cmp(&other.area[0]));
        rest = below;
    }
    faces
}

#[cfg(test)]
mod tests {
    use super::second_look::SURE;
    use super::*;
    use crate::data::faces::picture::Limits;
    use crate::inference::suppression::overlap;
    use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbImage};

    /// How many faces `examples/faces.png` shows.
    const EXAMPLE_FACES: usize = 6;

    fn example() -> Picture {
        Picture::open(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faces.png"))
            .unwrap()
    }

    fn picture(gray: GrayImage) -> Picture {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::from(gray).write_to(&mut bytes, ImageFormat::Png).unwrap();
        Picture::from_bytes(bytes.get_ref(), std::path::Path::new("test"), &Limits::RECOGNITION).unwrap()
    }

    #[test]
    fn every_face_of_the_example_is_found_once() {
        let faces = FaceDetector::new(None).detect(&example());
        assert_eq!(faces.len(), EXAMPLE_FACES, "{faces:?}");
        // Two rows of three panels.
        for (index, face) in faces.iter().enumerate() {
            let (column, row) = (face.bounds().x / 300, face.bounds().y / 340);
            assert_eq!((column, row), ((index % 3) as i32, (index / 3) as i32), "{faces:?}");
            assert!(face.score > SURE && face.landmarks.angle().abs() < 10.0, "{face:?}");
        }
    }

    #[test]
    fn a_scan_finds_what_libfacedetection_finds() {
        // Made by reference/yunet_goldens.py: score, box and landmarks of every face, cut to whole pixels.
        let goldens = include_str!("../../../tests/goldens/yunet.json");
        let goldens: Vec<serde_json::Value> = serde_json::from_str(goldens).unwrap();
        let mut compared = 0;
        for golden in &goldens {
            let part = numbers(&golden["part"]).iter().map(|number| *number as u32).collect::<Vec<_>>();
            compared += compare(&example().part(part.try_into().unwrap()), &golden["faces"]);
        }
        assert!(compared > 10, "only {compared} faces");
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_photograph_shows_what_libfacedetection_finds() {
        let Some(folder) = std::env::var_os("DUCHENNE_PICTURES") else {
            eprintln!("skipped: DUCHENNE_PICTURES is not set");
            return;
        };
        let picture = Picture::open(std::path::Path::new(&folder).join("astronaut.png")).unwrap().into_rgb();
        let goldens = include_str!("../../../tests/goldens/yunet_astronaut.json");
        let goldens: Vec<serde_json::Value> = serde_json::from_str(goldens).unwrap();
        let (width, height) = picture.dimensions();
        let half = RgbImage::from_fn(width / 2, height / 2, |x, y| *picture.get_pixel(2 * x, 2 * y));
        let twice = RgbImage::from_fn(2 * width, 2 * height, |x, y| *picture.get_pixel(x / 2, y / 2));
        for (size, golden) in [half, picture, twice].into_iter().zip(&goldens) {
            assert_ne!(compare(&size.into(), golden), 0);
        }
    }

    /// Scenes of FER-2013's and CK+'s faces, of many sizes, dark, turned, tilted and cut by the edge, at three sizes of
    /// pictures, made as reference/yunet_scenes.py makes them.
    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn scenes_of_the_data_set_show_what_libfacedetection_finds() {
        let Some(data) = std::env::var_os("DUCHENNE_DATA") else {
            eprintln!("skipped: DUCHENNE_DATA is not set");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let packed = folder.path().join("fer2013.safetensors");
        let source = std::path::Path::new(&data).join("fer2013.csv.xz");
        crate::data::import::fer2013::import(&source, None, &packed, &crate::data::no_progress).unwrap();
        let dataset = crate::data::PackedDataset::open(&packed).unwrap();
        let packed = folder.path().join("ck.safetensors");
        let source = std::path::Path::new(&data).join("CK+48.zip");
        crate::data::import::ckplus::import(&source, &Default::default(), &packed, &crate::data::no_progress)
            .unwrap();
        let ck = crate::data::PackedDataset::open(&packed).unwrap();
        let goldens = include_str!("../../../tests/goldens/yunet_scenes.json");
        let goldens: Vec<serde_json::Value> = serde_json::from_str(goldens).unwrap();
        let mut compared = 0;
        for (index, golden) in goldens.iter().enumerate() {
            let (width, height) = [(320, 240), (640, 480), (961, 721)][index % 3];
            let mut scene = GrayImage::from_pixel(width, height, Luma([110]));
            for place in 0..4 {
                let factor = [1, 2, 3, 4, 6][(index + place) % 5];
                let source = if index >= 24 && index % 2 == 0 { &ck } else { &dataset };
                let face = source.image((37 * index + 11 * place) % 400);
                let place = place as u32;
                let left = place * width / 4 + if place == 3 { width / 8 } else { 0 };
                let top = place % 2 * (height / 2);
                for (y, x) in (0..48 * factor).flat_map(|y| (0..48 * factor).map(move |x| (y, x))) {
                    if left + x < width && top + y < height {
                        let pixel = face[(y / factor * 48 + x / factor) as usize];
                        scene.put_pixel(left + x, top + y, Luma([pixel]));
                    }
                }
            }
            let scene = match golden["kind"].as_str().unwrap() {
                "dark" => {
                    picture(GrayImage::from_fn(width, height, |x, y| Luma([scene.get_pixel(x, y)[0] / 8])))
                }
                "turned" => picture(scene).turned(Turn::Right),
                "tilted" => picture(tilted(&scene, [[12, 5, 13], [4, 3, 5], [5, 12, 13]][index / 3 % 3])),
                _ => picture(scene),
            };
            compared += compare(&scene, &golden["faces"]);
        }
        assert!(compared > 90, "only {compared} faces");
    }

    /// Turned about its middle by the angle of a triangle with whole sides; gray where nothing was.
    fn tilted(scene: &GrayImage, [cosine, sine, whole]: [i32; 3]) -> GrayImage {
        let (width, height) = (scene.width() as i32, scene.height() as i32);
        GrayImage::from_fn(scene.width(), scene.height(), |x, y| {
            let (across, along) = (x as i32 - width / 2, y as i32 - height / 2);
            let column = (across * cosine + along * sine).div_euclid(whole) + width / 2;
            let row = (along * cosine - across * sine).div_euclid(whole) + height / 2;
            let inside = (0..width).contains(&column) && (0..height).contains(&row);
            if inside { *scene.get_pixel(column as u32, row as u32) } else { Luma([110]) }
        })
    }

    fn numbers(value: &serde_json::Value) -> Vec<f32> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
    }

    /// Compares what a scan finds with the golden faces, surest first: how many there are.
    fn compare(picture: &Picture, golden: &serde_json::Value) -> usize {
        // The library's own threshold.
        let found = FaceDetector::new(None).min_score(0.2).scan(picture);
        let expected = golden.as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{found:?} {golden}");
        for (face, expected) in found.iter().zip(expected) {
            assert!((face.score - expected["score"].as_f64().unwrap() as f32).abs() < 1e-4, "{face:?}");
            let ours = face.area.into_iter().chain(face.landmarks.points().into_iter().flatten());
            let theirs = [numbers(&expected["box"]), numbers(&expected["landmarks"])].concat();
            for (ours, theirs) in ours.zip(theirs) {
                // They cut the fraction off.
                assert!((ours - theirs).abs() < 1.01, "{face:?} {expected}");
            }
        }
        found.len()
    }

    #[test]
    fn a_turned_picture_gives_the_same_faces_turned() {
        let (upright, size) = (FaceDetector::new(None).detect(&example()), [900.0, 680.0]);
        for (turn, angle) in [(Turn::Right, 90.0), (Turn::Left, -90.0), (Turn::Half, 180.0_f32)] {
            let mut turned = FaceDetector::new(None).detect(&example().turned(turn));
            assert_eq!(turned.len(), EXAMPLE_FACES, "{turn:?}");
            turned.iter_mut().for_each(|face| {
                let off = (face.landmarks.angle() - angle).rem_euclid(360.0);
                assert!(!(12.0..348.0).contains(&off), "{turn:?} {face:?}");
                *face = face.turned_back(turn, size);
            });
            for (face, expected) in in_reading_order(turned).iter().zip(&upright) {
                let common = overlap(face.edges(), expected.edges());
                assert!(common > 0.65, "{turn:?} {face:?} {expected:?}");
            }
        }
    }

    #[test]
    fn boxes_scale_with_the_picture_and_large_pictures_are_scanned_in_tiles() {
        let small = FaceDetector::new(None).detect(&example());
        let large = FaceDetector::new(Some(24)).detect(&example().resized([2700, 2040]));
        assert_eq!(large.len(), EXAMPLE_FACES, "{large:?}");
        for (small, large) in small.iter().zip(&large) {
            // The fine scan sees other sizes than the plain one.
            let common = overlap(small.scaled([3.0; 2], [0.0; 2]).edges(), large.edges());
            assert!(common > 0.65, "{small:?} {large:?}");
        }
    }

    #[test]
    fn faces_below_the_wanted_size_or_score_are_left_out() {
        assert!(FaceDetector::new(Some(1000)).detect(&example()).is_empty());
        assert!(FaceDetector::new(None).min_score(0.99).detect(&example()).is_empty());
    }

    #[test]
    fn there_is_no_face_in_noise_or_in_nothing() {
        let detector = FaceDetector::new(None);
        let mut state = 1_u32;
        let noise = GrayImage::from_fn(200, 150, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Luma([(state >> 24) as u8])
        });
        assert!(detector.detect(&picture(noise)).is_empty());
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (19, 21)] {
            assert!(detector.detect(&picture(GrayImage::new(width, height))).is_empty());
        }
    }

    #[test]
    fn tiles_cover_a_side_and_overlap() {
        for side in [1, TILE, TILE + 1, 3000, 10_000] {
            let starts = starts(side);
            assert_eq!((starts[0], starts[starts.len() - 1]), (0, side.saturating_sub(TILE)));
            assert!(
                starts.windows(2).all(|pair| pair[1] > pair[0] && pair[1] - pair[0] <= TILE - TILE_OVERLAP)
            );
        }
    }

    #[test]
    fn the_scan_is_bounded() {
        let automatic = FaceDetector::new(None);
        assert_eq!(automatic.scan_sizes([480, 240]), [[480, 240]]);
        let pixels = |[width, height]: [u32; 2]| f64::from(width) * f64::from(height);
        let sizes = automatic.scan_sizes([12_000, 9_000]);
        assert!(sizes.len() == 2 && pixels(sizes[0]) < DEFAULT_SCAN_PIXELS * 1.01, "{sizes:?}");
        assert_eq!(FaceDetector::new(Some(24)).scan_sizes([4000, 3000])[0], [2000, 1500]);
        assert!(pixels(FaceDetector::new(Some(0)).scan_sizes([12_000, 9_000])[0]) < MAX_SCAN_PIXELS * 1.01);
    }
}
