//! *Corruptions* of a face as cameras, files and detectors make them, at five severities. How far accuracy falls under
//! them is a recogniser's robustness: the kinds and the idea are those of Hendrycks & Dietterich (2019), the
//! strengths are chosen for gray faces of about 48 pixels.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, blur, resize};
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal, Poisson};

use crate::data::FACE_SIDE;
use crate::data::faces::augmentation::sample;

/// One kind of corruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// Gaussian noise.
    Noise,
    /// Gaussian blur.
    Blur,
    /// JPEG compression.
    Jpeg,
    /// Brighter or darker.
    Brightness,
    /// Less contrast, around the picture's mean.
    Contrast,
    /// Fewer pixels, enlarged again.
    LowResolution,
    /// A square of one gray somewhere.
    Occlusion,
    /// Turned to one side or the other.
    Rotation,
    /// The box of a detector that is off.
    BoxJitter,
    /// Noise of few photons: stronger where it is brighter.
    ShotNoise,
    /// Blur along a line, as of a moving head or camera.
    MotionBlur,
    /// Fewer pixels, shown as squares.
    Pixelation,
    /// Darker or brighter in the middle tones.
    Gamma,
}

/// The number of severities of a corruption, counted from 1.
pub const SEVERITIES: usize = 5;
/// The side of a picture, in pixels, for which strengths in pixels hold; others are in proportion.
const SIDE: f32 = FACE_SIDE as f32;

impl Corruption {
    /// The kinds that recipes may train on, in the order of reports.
    pub const TRAINABLE: [Self; 9] = [
        Self::Noise,
        Self::Blur,
        Self::Jpeg,
        Self::Brightness,
        Self::Contrast,
        Self::LowResolution,
        Self::Occlusion,
        Self::Rotation,
        Self::BoxJitter,
    ];

    /// The kinds that nothing here trains on: augmentation helps against corruptions that look like it (Mintun et al.
    /// 2021), so these tell what it is worth against others.
    pub const NEVER_TRAINED: [Self; 4] = [Self::ShotNoise, Self::MotionBlur, Self::Pixelation, Self::Gamma];

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        self.description().0
    }

    /// The unit of [`strengths`](Self::strengths), in words.
    pub fn unit(self) -> &'static str {
        self.description().1
    }

    /// The strength at each severity, rising; JPEG's quality, contrast and pixels fall.
    pub fn strengths(self) -> [f32; SEVERITIES] {
        self.description().2
    }

    fn description(self) -> (&'static str, &'static str, [f32; SEVERITIES]) {
        match self {
            Self::Noise => ("noise", "standard deviation, gray levels", [8.0, 16.0, 26.0, 40.0, 60.0]),
            Self::Blur => ("blur", "standard deviation, pixels of 48", [0.6, 1.0, 1.5, 2.0, 2.8]),
            Self::Jpeg => ("JPEG", "quality", [60.0, 35.0, 20.0, 12.0, 6.0]),
            Self::Brightness => ("brightness", "gray levels up or down", [25.0, 50.0, 75.0, 100.0, 125.0]),
            Self::Contrast => ("contrast", "share kept", [0.7, 0.5, 0.35, 0.25, 0.15]),
            Self::LowResolution => ("low resolution", "pixels of 48", [32.0, 24.0, 18.0, 14.0, 10.0]),
            Self::Occlusion => ("occlusion", "share of the area", [0.05, 0.1, 0.15, 0.2, 0.3]),
            Self::Rotation => ("rotation", "degrees to either side", [6.0, 12.0, 18.0, 24.0, 32.0]),
            Self::BoxJitter => (
                "box jitter",
                "at most this share of the side, place and size",
                [0.04, 0.08, 0.12, 0.16, 0.2],
            ),
            Self::ShotNoise => ("shot noise", "gray levels per photon", [1.0, 3.0, 7.0, 14.0, 28.0]),
            Self::MotionBlur => ("motion blur", "length, pixels of 48", [3.0, 5.0, 7.0, 10.0, 14.0]),
            Self::Pixelation => ("pixelation", "pixels of 48", [32.0, 24.0, 18.0, 14.0, 10.0]),
            Self::Gamma => ("gamma", "exponent, or one over it", [1.3, 1.7, 2.2, 2.8, 3.6]),
        }
    }

    /// A corrupted copy of a face, of the same size; its random part is drawn from `random`.
    ///
    /// # Panics
    /// If the severity is not 1 to 5.
    pub fn apply(self, severity: usize, face: &GrayImage, random: &mut impl Rng) -> GrayImage {
        assert!((1..=SEVERITIES).contains(&severity), "severities are 1 to {SEVERITIES}");
        self.apply_strength(self.strengths()[severity - 1], face, random)
    }

    /// The same at any strength in the kind's [`unit`](Self::unit), which training draws from a range.
    pub fn apply_strength(self, strength: f32, face: &GrayImage, random: &mut impl Rng) -> GrayImage {
        let side = if random.random::<bool>() { 1.0 } else { -1.0 };
        match self {
            Self::Noise => {
                let noise = Normal::new(0.0, strength).expect("a positive deviation");
                each_pixel(face, |value| value + noise.sample(random))
            }
            Self::Blur => blur(face, strength * face.width().min(face.height()) as f32 / SIDE),
            Self::Jpeg => compressed(face, strength as u8),
            Self::Brightness => each_pixel(face, |value| value + side * strength),
            Self::Contrast => {
                let sum: f64 = face.pixels().map(|pixel| f64::from(pixel.0[0])).sum();
                let mean = (sum / f64::from(face.width() * face.height())) as f32;
                each_pixel(face, |value| mean + (value - mean) * strength)
            }
            Self::LowResolution => {
                let [width, height] = [face.width(), face.height()];
                let fewer = |length: u32| ((length as f32 * strength / SIDE).round() as u32).max(1);
                let small = resize(face, fewer(width), fewer(height), FilterType::Triangle);
                resize(&small, width, height, FilterType::Triangle)
            }
            Self::Occlusion => occluded(face, strength, random),
            Self::Rotation => warped(face, side * strength.to_radians(), 1.0, [0.0; 2]),
            Self::BoxJitter => {
                let mut within = || (random.random::<f32>() * 2.0 - 1.0) * strength;
                let (shift, zoom) = ([within(), within()], 1.0 + within());
                warped(face, 0.0, zoom, [shift[0] * face.height() as f32, shift[1] * face.width() as f32])
            }
            Self::ShotNoise => each_pixel(face, |value| {
                let photons = (value / strength).max(1e-3);
                let counted = Poisson::new(photons).expect("a positive mean");
                counted.sample(random) * strength
            }),
            Self::MotionBlur => {
                let angle = random.random_range(0.0..std::f32::consts::PI);
                moved_while_seen(face, strength * face.width().min(face.height()) as f32 / SIDE, angle)
            }
            Self::Pixelation => {
                let [width, height] = [face.width(), face.height()];
                let fewer = |length: u32| ((length as f32 * strength / SIDE).round() as u32).max(1);
                let small = resize(face, fewer(width), fewer(height), FilterType::Triangle);
                resize(&small, width, height, FilterType::Nearest)
            }
            Self::Gamma => {
                let exponent = strength.powf(side);
                each_pixel(face, |value| 255.0 * (value / 255.0).powf(exponent))
            }
        }
    }
}

fn each_pixel(face: &GrayImage, mut change: impl FnMut(f32) -> f32) -> GrayImage {
    let mut face = face.clone();
    face.pixels_mut().for_each(|pixel| pixel.0[0] = change(f32::from(pixel.0[0])).round() as u8);
    face
}

fn compressed(face: &GrayImage, quality: u8) -> GrayImage {
    let mut file = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut file, quality).encode_image(face).expect("memory takes any picture");
    image::load_from_memory_with_format(file.get_ref(), ImageFormat::Jpeg)
        .map(DynamicImage::into_luma8)
        .expect("what was encoded can be decoded")
}

/// The mean of the picture along a line of `length` pixels at `angle`.
fn moved_while_seen(face: &GrayImage, length: f32, angle: f32) -> GrayImage {
    // Two samples a pixel, so that none is passed over.
    let count = (2.0 * length).ceil().max(1.0);
    let size = [face.height() as usize, face.width() as usize, 1];
    GrayImage::from_fn(face.width(), face.height(), |column, row| {
        let seen = (0..count as usize).map(|step| {
            let along = ((step as f32 + 0.5) / count - 0.5) * length;
            sample(
                face.as_raw(),
                size,
                0,
                row as f32 + along * angle.sin(),
                column as f32 + along * angle.cos(),
            )
        });
        Luma([(seen.sum::<f32>() / count).round() as u8])
    })
}

fn occluded(face: &GrayImage, share: f32, random: &mut impl Rng) -> GrayImage {
    let length = |side: u32| ((side as f32 * share.sqrt()).round() as u32).clamp(1, side);
    let (width, height) = (length(face.width()), length(face.height()));
    let left = random.random_range(0..=face.width() - width);
    let top = random.random_range(0..=face.height() - height);
    let gray = Luma([random.random::<u8>()]);
    let mut face = face.clone();
    for (y, x) in (top..top + height).flat_map(|y| (left..left + width).map(move |x| (y, x))) {
        face.put_pixel(x, y, gray);
    }
    face
}

/// Seen through a box that is turned by `angle`, `zoom` times as large and moved by rows and columns; beyond the
/// face's edge its last pixels are repeated.
fn warped(face: &GrayImage, angle: f32, zoom: f32, [down, across]: [f32; 2]) -> GrayImage {
    let (sine, cosine) = (angle.sin() * zoom, angle.cos() * zoom);
    let [middle_y, middle_x] = [face.height(), face.width()].map(|length| (length as f32 - 1.0) / 2.0);
    let size = [face.height() as usize, face.width() as usize, 1];
    GrayImage::from_fn(face.width(), face.height(), |column, row| {
        let (y, x) = (row as f32 - middle_y, column as f32 - middle_x);
        let (source_y, source_x) = (y * cosine - x * sine, y * sine + x * cosine);
        let value = sample(face.as_raw(), size, 0, middle_y + source_y + down, middle_x + source_x + across);
        Luma([value.round() as u8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// Smooth shapes with edges, as a face has.
    fn face() -> GrayImage {
        GrayImage::from_fn(48, 48, |x, y| {
            let (across, down) = (x as f32 - 20.0, y as f32 - 26.0);
            let eye = ((12..16).contains(&y) && ((12..18).contains(&x) || (30..36).contains(&x))) as u8;
            Luma([(200.0 - (across * across + down * down) / 8.0).max(20.0) as u8 / (1 + eye * 3)])
        })
    }

    fn all() -> impl Iterator<Item = Corruption> {
        Corruption::TRAINABLE.into_iter().chain(Corruption::NEVER_TRAINED)
    }

    fn distance(one: &GrayImage, other: &GrayImage) -> f64 {
        let pairs = one.as_raw().iter().zip(other.as_raw());
        pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn every_corruption_grows_with_its_severity_and_keeps_the_size() {
        for corruption in all() {
            // Over many draws: single ones of jitter and occlusion may fall either way.
            let mean = |severity: usize| -> f64 {
                let each = (0..60).map(|seed| {
                    let mut random = ChaCha8Rng::seed_from_u64(seed);
                    let corrupted = corruption.apply(severity, &face(), &mut random);
                    assert_eq!(corrupted.dimensions(), (48, 48));
                    distance(&face(), &corrupted)
                });
                each.sum::<f64>() / 60.0
            };
            let by_severity: Vec<f64> = (1..=SEVERITIES).map(mean).collect();
            assert!(by_severity[0] > 1.0 && by_severity.is_sorted(), "{corruption:?} {by_severity:?}");
        }
    }

    #[test]
    fn the_seed_decides() {
        for corruption in all() {
            let run = |seed| corruption.apply(3, &face(), &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(run(1), run(1));
        }
        let noise = |seed| Corruption::Noise.apply(3, &face(), &mut ChaCha8Rng::seed_from_u64(seed));
        assert_ne!(noise(1), noise(2));
    }

    #[test]
    fn what_is_measured_is_what_happens() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let gray = GrayImage::from_pixel(48, 48, Luma([120]));
        let corrupted = Corruption::Noise.apply(2, &gray, &mut random);
        let squares = corrupted.pixels().map(|pixel| (f64::from(pixel.0[0]) - 120.0).powi(2));
        let deviation = (squares.sum::<f64>() / (48.0 * 48.0)).sqrt();
        assert!((deviation - 16.0).abs() < 1.0, "{deviation}");
        let brighter = Corruption::Brightness.apply(1, &gray, &mut random);
        assert!([95, 145].contains(&brighter.get_pixel(3, 3).0[0]));
        // A Poisson count has the variance of its mean: 120 gray levels are 120 / 14 photons of 14 levels.
        let counted = Corruption::ShotNoise.apply(4, &gray, &mut random);
        let squares = counted.pixels().map(|pixel| (f64::from(pixel.0[0]) - 120.0).powi(2));
        let deviation = (squares.sum::<f64>() / (48.0 * 48.0)).sqrt();
        assert!((deviation - (120.0_f64 * 14.0).sqrt()).abs() < 2.5, "{deviation}");
        // A white line across the way of the movement is spread over its length, one along it is not.
        let line = GrayImage::from_fn(48, 48, |x, _| Luma([if x == 24 { 200 } else { 0 }]));
        assert_eq!(moved_while_seen(&line, 8.0, 0.0).get_pixel(24, 24).0[0], 25);
        assert_eq!(moved_while_seen(&line, 8.0, std::f32::consts::FRAC_PI_2), line);
        let black = GrayImage::new(48, 48);
        let mut covered = 0;
        while covered == 0 {
            // A black square on black shows nothing.
            let corrupted = Corruption::Occlusion.apply(5, &black, &mut random);
            covered = corrupted.pixels().filter(|pixel| pixel.0[0] > 0).count();
        }
        assert!((covered as f64 / (48.0 * 48.0) - 0.3).abs() < 0.02, "{covered}");
        // A wide picture is turned about its own middle.
        let mut wide = GrayImage::new(61, 31);
        wide.put_pixel(30, 15, Luma([255]));
        assert_eq!(warped(&wide, 1.0, 1.0, [0.0; 2]).get_pixel(30, 15).0[0], 255);
        assert_eq!(warped(&wide, 0.0, 1.0, [2.0, -3.0]).get_pixel(33, 13).0[0], 255);
    }
}
