//! *Augmentation*: random changes to training images that keep their expression.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::data::faces::preprocessing::Preprocessing;

/// The changes and their largest extents; zero switches one off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Mirror left to right, half of the time.
    pub mirror: bool,
    /// Largest shift each way, in whole pixels, 0 to 64.
    pub shift: f32,
    /// Largest rotation each way, in degrees, 0 to 180.
    pub rotation: f32,
    /// Largest enlargement or reduction, as a fraction of the size, 0 to 0.9.
    pub scale: f32,
    /// Largest change of contrast around the middle gray, as a fraction, 0 to 0.99.
    pub contrast: f32,
    /// Largest change of brightness, as a fraction of the full range, 0 to 1.
    pub brightness: f32,
    /// Probability of erasing a rectangle to gray, 0 to 1 (Zhong et al. 2020).
    pub erasing: f32,
    /// Largest erased fraction of the area, 0 to 1.
    pub erased_area: f32,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            mirror: true,
            shift: 0.0,
            rotation: 0.0,
            scale: 0.0,
            contrast: 0.0,
            brightness: 0.0,
            erasing: 0.0,
            erased_area: 0.2,
        }
    }
}

/// The filling of an erased rectangle: the middle gray.
const ERASED: f32 = 127.5;

impl Augmentation {
    /// The first setting out of its range, and the range, if any is.
    pub fn problem(&self) -> Option<String> {
        let ranges = [
            ("shift", self.shift, 64.0),
            ("rotation", self.rotation, 180.0),
            ("scale", self.scale, 0.9),
            ("contrast", self.contrast, 0.99),
            ("brightness", self.brightness, 1.0),
            ("erasing", self.erasing, 1.0),
            ("erased_area", self.erased_area, 1.0),
        ];
        let (name, value, limit) =
            ranges.into_iter().find(|(_, value, limit)| !(0.0..=*limit).contains(value))?;
        Some(format!("augmentation.{name} is {value}, expected 0 to {limit}"))
    }

    /// Whether every picture stays as it is.
    pub fn changes_nothing(&self) -> bool {
        let nothing = Self { mirror: false, erased_area: self.erased_area, ..Self::default() };
        *self == nothing
    }

    /// Writes a changed copy of a resized face as the network's input `[channels, crop, crop]`.
    pub fn write(
        &self,
        preprocessing: &Preprocessing,
        pixels: &[u8],
        random: &mut impl Rng,
        out: &mut [f32],
    ) {
        preprocessing.write_scaled(self.changed(preprocessing, pixels, random), out);
    }

    /// A changed copy of a resized face: the value, 0 to 255, of each of `crop x crop` pixels, row by row, in each channel.
    /// Beyond its edge the face is continued by its last pixels.
    pub fn changed<'a, R: Rng>(
        &self,
        preprocessing: &Preprocessing,
        pixels: &'a [u8],
        random: &mut R,
    ) -> impl Fn(usize, usize) -> f32 + use<'a, R> {
        let (side, crop, depth) = (preprocessing.resize, preprocessing.crop, preprocessing.depth());
        assert_eq!(pixels.len(), side * side * depth, "face size differs from the preprocessing");
        let mut within = |limit: f32| (random.random::<f32>() * 2.0 - 1.0) * limit;
        let angle = within(self.rotation).to_radians();
        let zoom = 1.0 + within(self.scale);
        // Whole pixels: a shift by fractions would blur every image.
        let shift = [within(self.shift + 0.5).round(), within(self.shift + 0.5).round()];
        let contrast = 1.0 + within(self.contrast);
        let brightness = within(self.brightness) * 255.0;
        let mirrored = self.mirror && random.random::<bool>();
        let hole = self.hole(crop, random);

        let (sine, cosine) = (angle.sin() / zoom, angle.cos() / zoom);
        let (middle, source_middle) = ((crop as f32 - 1.0) / 2.0, (side as f32 - 1.0) / 2.0);
        // An odd difference would put the centre crop between pixels.
        let parity = if (side - crop) % 2 == 1 { 0.5 } else { 0.0 };
        move |index, channel| {
            let (row, column) = (index / crop, index % crop);
            if hole.is_some_and(|[top, left, height, width]| {
                (top..top + height).contains(&row) && (left..left + width).contains(&column)
            }) {
                return ERASED;
            }
            let column = if mirrored { crop - 1 - column } else { column };
            let (y, x) = (row as f32 - middle, column as f32 - middle);
            let source_y = source_middle - parity + y * cosine - x * sine + shift[0];
            let source_x = source_middle - parity + y * sine + x * cosine + shift[1];
            let value = sample(pixels, [side, side, depth], channel, source_y, source_x);
            ((value - 127.5) * contrast + 127.5 + brightness).clamp(0.0, 255.0)
        }
    }

    /// The rectangle to erase, if any: top, left, height, width.
    fn hole(&self, crop: usize, random: &mut impl Rng) -> Option<[usize; 4]> {
        if random.random::<f32>() >= self.erasing || self.erased_area < 0.02 {
            return None;
        }
        let area = random.random_range(0.02..=self.erased_area) * (crop * crop) as f32;
        let ratio = random.random_range(-1.0_f32..1.0).exp2();
        let length = |value: f32| (value.round() as usize).clamp(1, crop);
        let (height, width) = (length((area * ratio).sqrt()), length((area / ratio).sqrt()));
        let top = random.random_range(0..=crop - height);
        Some([top, random.random_range(0..=crop - width), height, width])
    }
}

/// Bilinear interpolation in a channel of a picture of `height` rows and `width` columns; beyond the edge the last pixel.
pub(crate) fn sample(
    pixels: &[u8],
    [height, width, channels]: [usize; 3],
    channel: usize,
    y: f32,
    x: f32,
) -> f32 {
    Between::new([height, width], y, x).value(pixels, channels, channel)
}

/// A place between four pixels of an image, the nearest ones where it lies beyond the edge.
pub(crate) struct Between {
    /// Upper left, upper right, lower left, lower right, in pixels from the first.
    corners: [usize; 4],
    down: f32,
    across: f32,
}

impl Between {
    /// The place `(y, x)`, in pixels from the middle of the first pixel.
    #[inline]
    pub(crate) fn new([height, width]: [usize; 2], y: f32, x: f32) -> Self {
        let (y, x) = (y.clamp(0.0, (height - 1) as f32), x.clamp(0.0, (width - 1) as f32));
        let (top, left) = (y as usize, x as usize);
        let (bottom, right) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
        let (upper, lower) = (top * width, bottom * width);
        Self {
            corners: [upper + left, upper + right, lower + left, lower + right],
            down: y - top as f32,
            across: x - left as f32,
        }
    }

    /// The interpolated value of a channel of `channels` interleaved ones.
    #[inline]
    pub(crate) fn value(&self, pixels: &[u8], channels: usize, channel: usize) -> f32 {
        self.mean(self.corners.map(|corner| pixels[corner * channels + channel]))
    }

    /// The interpolated values of all channels.
    #[inline]
    pub(crate) fn values<const CHANNELS: usize>(&self, pixels: &[[u8; CHANNELS]]) -> [f32; CHANNELS] {
        let corners = self.corners.map(|corner| pixels[corner]);
        std::array::from_fn(|channel| self.mean(corners.map(|corner| corner[channel])))
    }

    #[inline]
    fn mean(&self, corners: [u8; 4]) -> f32 {
        let [upper_left, upper_right, lower_left, lower_right] = corners.map(f32::from);
        let upper = upper_left * (1.0 - self.across) + upper_right * self.across;
        let lower = lower_left * (1.0 - self.across) + lower_right * self.across;
        upper * (1.0 - self.down) + lower * self.down
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::faces::views::View;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    const NOTHING: Augmentation = Augmentation {
        mirror: false,
        shift: 0.0,
        rotation: 0.0,
        scale: 0.0,
        contrast: 0.0,
        brightness: 0.0,
        erasing: 0.0,
        erased_area: 0.2,
    };

    fn face() -> Vec<u8> {
        (0..48 * 48).map(|index: usize| ((index * 37 + index / 48 * 11) % 251) as u8).collect()
    }

    #[test]
    fn no_augmentation_is_the_preprocessing() {
        for crop in [44, 47, 48] {
            let preprocessing = Preprocessing::gray(48, crop, 0.5, 0.25);
            let (mut plain, mut augmented) =
                (vec![0.0; preprocessing.input_len()], vec![0.0; preprocessing.input_len()]);
            preprocessing.write_view(&face(), View::CENTRE, &mut plain);
            NOTHING.write(&preprocessing, &face(), &mut ChaCha8Rng::seed_from_u64(1), &mut augmented);
            let furthest = plain.iter().zip(&augmented).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < 1e-4, "crop {crop}: {furthest}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let preprocessing = Preprocessing::gray(48, 44, 0.5, 0.25);
        let all = Augmentation { shift: 2.0, rotation: 10.0, scale: 0.1, erasing: 0.5, ..NOTHING };
        let run = |seed| {
            let mut out = vec![0.0; preprocessing.input_len()];
            all.write(&preprocessing, &face(), &mut ChaCha8Rng::seed_from_u64(seed), &mut out);
            out
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn every_setting_stays_in_range_and_changes_something() {
        let preprocessing = Preprocessing::gray(48, 44, 0.0, 1.0);
        let each = [
            Augmentation { mirror: true, ..NOTHING },
            Augmentation { shift: 3.0, ..NOTHING },
            Augmentation { rotation: 20.0, ..NOTHING },
            Augmentation { scale: 0.3, ..NOTHING },
            Augmentation { contrast: 0.5, ..NOTHING },
            Augmentation { brightness: 0.5, ..NOTHING },
            Augmentation { erasing: 1.0, ..NOTHING },
        ];
        let mut plain = vec![0.0; preprocessing.input_len()];
        preprocessing.write_view(&face(), View::CENTRE, &mut plain);
        for augmentation in each {
            let mut changed = 0;
            for seed in 0..8 {
                let mut out = vec![0.0; preprocessing.input_len()];
                augmentation.write(&preprocessing, &face(), &mut ChaCha8Rng::seed_from_u64(seed), &mut out);
                assert!(out.iter().all(|value| (0.0..=1.0).contains(value)));
                let furthest = plain.iter().zip(&out).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                changed += usize::from(furthest > 1e-3);
            }
            assert!(changed > 0, "{augmentation:?} never changed anything");
        }
    }
}
