//! *Random corruption*: corruptions as augmentation, so that a network learns from pictures as bad as those it will meet
//! (Rusak et al. 2020; for low resolution Massoli et al. 2021).
//!
//! The kinds are those of [`Corruption::TRAINABLE`]; strengths are drawn from ranges that go beyond most severities of the
//! evaluation.

use image::{GrayImage, imageops};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::data::faces::corruption::Corruption;

/// How often and how much training pictures are corrupted; a probability of 0 switches it off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCorruption {
    /// Probability that a picture's pixels are corrupted, by one kind drawn evenly of those below, 0 to 1.
    pub probability: f32,
    /// Of these pictures, the share that is corrupted by a second kind too, 0 to 1.
    pub second: f32,
    /// Standard deviation of noise in gray levels, least and largest (its logarithm is drawn evenly).
    pub noise: [f32; 2],
    /// Share of noisy pictures that have it in one patch of half the side only (Lopes et al. 2019), 0 to 1.
    pub patch: f32,
    /// Standard deviation of blur in pixels of 48.
    pub blur: [f32; 2],
    /// JPEG's quality, 1 to 100.
    pub jpeg: [f32; 2],
    /// Gray levels up or down.
    pub brightness: [f32; 2],
    /// Share of the contrast that is kept, 0 to 1.
    pub contrast: [f32; 2],
    /// Pixels of 48 that are left.
    pub low_resolution: [f32; 2],
    /// Share of the area under a gray square, 0 to 1.
    pub occlusion: [f32; 2],
    /// Probability of a turn, beside all else, 0 to 1.
    pub turned: f32,
    /// Largest turn to either side, in degrees.
    pub rotation: f32,
    /// Probability of a badly placed box, beside all else, 0 to 1.
    pub misplaced: f32,
    /// Largest error of the box, as a share of its side.
    pub box_jitter: f32,
    /// Share of the run, at its end, in which every probability is halved, 0 to 1.
    pub fade: f64,
}

impl Default for RandomCorruption {
    fn default() -> Self {
        Self {
            probability: 0.0,
            second: 0.3,
            noise: [3.0, 50.0],
            patch: 0.5,
            blur: [0.4, 2.6],
            jpeg: [8.0, 80.0],
            brightness: [0.0, 100.0],
            contrast: [0.2, 1.0],
            low_resolution: [10.0, 40.0],
            occlusion: [0.0, 0.25],
            turned: 0.0,
            rotation: 30.0,
            misplaced: 0.0,
            box_jitter: 0.15,
            fade: 0.1,
        }
    }
}

/// The kinds that change pixels where they are.
const KINDS: [Corruption; 7] = [
    Corruption::Noise,
    Corruption::Blur,
    Corruption::Jpeg,
    Corruption::Brightness,
    Corruption::Contrast,
    Corruption::LowResolution,
    Corruption::Occlusion,
];

impl RandomCorruption {
    /// The first setting out of its range, and the range, if any is.
    pub fn problem(&self) -> Option<String> {
        let range = |kind: Corruption| match kind {
            Corruption::Noise => (0.1, 255.0),
            Corruption::Blur => (0.1, 24.0),
            Corruption::Jpeg => (1.0, 100.0),
            Corruption::Brightness => (0.0, 255.0),
            Corruption::LowResolution => (1.0, 48.0),
            _ => (0.0, 1.0),
        };
        let ranges = KINDS.iter().flat_map(|kind| {
            let (low, high) = range(*kind);
            let name = kind.name().replace(' ', "_").to_lowercase();
            self.strengths(*kind).map(|value| (name.clone(), value, low, high))
        });
        let one = |name: &str, value: f32, high: f32| (name.to_owned(), value, 0.0, high);
        let others = [
            one("probability", self.probability, 1.0),
            one("second", self.second, 1.0),
            one("patch", self.patch, 1.0),
            one("turned", self.turned, 1.0),
            one("rotation", self.rotation, 180.0),
            one("misplaced", self.misplaced, 1.0),
            one("box_jitter", self.box_jitter, 0.9),
            one("fade", self.fade as f32, 1.0),
        ];
        let wrong = ranges.chain(others).find(|(_, value, low, high)| !(low..=high).contains(&value));
        if let Some((name, value, low, high)) = wrong {
            return Some(format!("corruption.{name} is {value}, expected {low} to {high}"));
        }
        let backwards = KINDS.iter().find(|kind| self.strengths(**kind)[0] > self.strengths(**kind)[1])?;
        Some(format!("corruption: the least strength of {} is above the largest", backwards.name()))
    }

    /// Whether every picture stays as it is.
    pub fn changes_nothing(&self) -> bool {
        self.probability == 0.0 && self.turned == 0.0 && self.misplaced == 0.0
    }

    /// The settings for an epoch, from 0, of a run of so many.
    #[must_use]
    pub fn at(self, epoch: usize, epochs: usize) -> Self {
        if (epoch as f64) < epochs as f64 * (1.0 - self.fade) {
            return self;
        }
        let [probability, turned, misplaced] =
            [self.probability, self.turned, self.misplaced].map(|probability| probability / 2.0);
        Self { probability, turned, misplaced, ..self }
    }

    fn strengths(&self, kind: Corruption) -> [f32; 2] {
        match kind {
            Corruption::Noise => self.noise,
            Corruption::Blur => self.blur,
            Corruption::Jpeg => self.jpeg,
            Corruption::Brightness => self.brightness,
            Corruption::Contrast => self.contrast,
            Corruption::LowResolution => self.low_resolution,
            Corruption::Occlusion => self.occlusion,
            Corruption::Rotation => [0.0, self.rotation],
            Corruption::BoxJitter => [self.box_jitter; 2],
            _ => [0.0; 2],
        }
    }

    /// The face moved as a tilted head or a badly placed box shows it: what a teacher sees too.
    pub fn moved(&self, mut face: GrayImage, random: &mut impl Rng) -> GrayImage {
        for (probability, kind) in
            [(self.turned, Corruption::Rotation), (self.misplaced, Corruption::BoxJitter)]
        {
            if random.random::<f32>() < probability {
                let [low, high] = self.strengths(kind);
                let strength = low + (high - low) * random.random::<f32>();
                face = kind.apply_strength(strength, &face, random);
            }
        }
        face
    }

    /// The face with its pixels corrupted by no kind, one or two: what the network sees.
    pub fn corrupted(&self, mut face: GrayImage, random: &mut impl Rng) -> GrayImage {
        if random.random::<f32>() >= self.probability {
            return face;
        }
        let first = KINDS[random.random_range(0..KINDS.len())];
        face = self.corrupted_by(first, face, random);
        if random.random::<f32>() < self.second {
            // Any of the others.
            let others: Vec<Corruption> = KINDS.into_iter().filter(|kind| *kind != first).collect();
            face = self.corrupted_by(others[random.random_range(0..others.len())], face, random);
        }
        face
    }

    fn corrupted_by(&self, kind: Corruption, face: GrayImage, random: &mut impl Rng) -> GrayImage {
        let [low, high] = self.strengths(kind);
        let share = random.random::<f32>();
        let strength = match kind {
            Corruption::Noise => low * (high / low).powf(share),
            _ => low + (high - low) * share,
        };
        let corrupted = kind.apply_strength(strength, &face, random);
        if kind != Corruption::Noise || random.random::<f32>() >= self.patch {
            return corrupted;
        }
        let [width, height] = [face.width().div_ceil(2), face.height().div_ceil(2)];
        let left = random.random_range(0..=face.width() - width);
        let top = random.random_range(0..=face.height() - height);
        let patch = imageops::crop_imm(&corrupted, left, top, width, height).to_image();
        let mut face = face;
        imageops::replace(&mut face, &patch, i64::from(left), i64::from(top));
        face
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn face() -> GrayImage {
        GrayImage::from_fn(44, 44, |x, y| Luma([(60 + x * 2 + (y % 7) * 9) as u8]))
    }

    const ALWAYS: RandomCorruption = RandomCorruption {
        probability: 1.0,
        second: 0.0,
        noise: [20.0, 20.0],
        patch: 1.0,
        blur: [1.0, 1.0],
        jpeg: [20.0, 20.0],
        brightness: [50.0, 50.0],
        contrast: [0.5, 0.5],
        low_resolution: [16.0, 16.0],
        occlusion: [0.2, 0.2],
        turned: 0.0,
        rotation: 30.0,
        misplaced: 0.0,
        box_jitter: 0.15,
        fade: 0.25,
    };

    #[test]
    fn probabilities_are_kept() {
        let share = |settings: RandomCorruption| {
            let changed = (0..400).filter(|seed| {
                let mut random = ChaCha8Rng::seed_from_u64(*seed);
                let moved = settings.moved(face(), &mut random);
                settings.corrupted(moved, &mut random) != face()
            });
            changed.count() as f64 / 400.0
        };
        assert_eq!(share(RandomCorruption { probability: 0.0, ..ALWAYS }), 0.0);
        assert_eq!(share(ALWAYS), 1.0);
        assert!((share(RandomCorruption { probability: 0.3, ..ALWAYS }) - 0.3).abs() < 0.08);
        assert!((share(RandomCorruption { probability: 0.0, turned: 0.5, ..ALWAYS }) - 0.5).abs() < 0.1);
        // The last quarter of the run has half of it.
        assert_eq!((ALWAYS.at(5, 8).probability, ALWAYS.at(6, 8).probability), (1.0, 0.5));
    }

    #[test]
    fn noise_in_a_patch_leaves_three_quarters_as_they_are() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let corrupted = ALWAYS.corrupted_by(Corruption::Noise, face(), &mut random);
        let same = face().pixels().zip(corrupted.pixels()).filter(|(a, b)| a == b).count();
        let share = same as f64 / (44.0 * 44.0);
        assert!((0.75..0.78).contains(&share), "{share}");
    }

    #[test]
    fn every_kind_is_met_and_two_change_more_than_one() {
        let distance = |settings: RandomCorruption| -> f64 {
            let each = (0..300).map(|seed| {
                let corrupted = settings.corrupted(face(), &mut ChaCha8Rng::seed_from_u64(seed));
                let pairs = corrupted.pixels().zip(face().pixels().copied().collect::<Vec<_>>());
                pairs.map(|(a, b)| (f64::from(a.0[0]) - f64::from(b.0[0])).abs()).sum::<f64>()
            });
            each.sum()
        };
        assert!(distance(RandomCorruption { second: 1.0, ..ALWAYS }) > 1.3 * distance(ALWAYS));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let problem = |settings: RandomCorruption| settings.problem().unwrap_or_default();
        assert_eq!(RandomCorruption::default().problem(), None);
        assert!(
            problem(RandomCorruption { jpeg: [0.0, 80.0], ..ALWAYS })
                .contains("corruption.jpeg is 0, expected 1 to 100")
        );
        assert!(
            problem(RandomCorruption { low_resolution: [40.0, 10.0], ..ALWAYS }).contains("low resolution")
        );
        assert!(problem(RandomCorruption { turned: 1.5, ..ALWAYS }).contains("corruption.turned"));
    }
}
