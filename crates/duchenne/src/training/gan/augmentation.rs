//! *Differentiable augmentation* (Zhao et al. 2020): random changes of every image that the discriminator
//! sees, real or generated, through which gradients reach the generator; so a few hundred photographs last
//! longer before the discriminator knows them by heart.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Which changes, and how strong; zero for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DifferentiableAugmentation {
    /// Largest change of brightness, of the range of 2 from black to white; Zhao et al. take 0.5.
    pub brightness: f32,
    /// Largest change of contrast around the image's mean, as a factor 1 - c to 1 + c; theirs is 0.5.
    pub contrast: f32,
    /// Largest shift along either axis, of the image's side; theirs is 0.125. Gray comes in.
    pub translation: f32,
    /// Side of a gray square at a random place, of the image's side; theirs is 0.5.
    pub cutout: f32,
}

impl DifferentiableAugmentation {
    /// What is out of range, if anything.
    pub fn problem(&self) -> Option<String> {
        let values = [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("translation", self.translation),
            ("cutout", self.cutout),
        ];
        let wrong = values.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value));
        wrong.map(|(name, value)| format!("augmentation.{name} is {value}, expected 0 to 1"))
    }

    /// The changes of one batch of `batch` images of this side, drawn from `random`.
    pub fn draw(&self, batch: usize, side: usize, random: &mut impl Rng, device: &Device) -> Changes {
        let mut signed = |largest: f32| (random.random::<f32>() * 2.0 - 1.0) * largest;
        let mut brightness = Vec::with_capacity(batch);
        let mut contrast = Vec::with_capacity(batch);
        let mut rows = vec![0.0; batch * side * side];
        let mut columns = vec![0.0; batch * side * side];
        let mut mask = vec![1.0; batch * side * side];
        let length = side as f32;
        for image in 0..batch {
            let area = image * side * side..(image + 1) * side * side;
            brightness.push(signed(self.brightness));
            contrast.push(1.0 + signed(self.contrast));
            let shift = |share: f32| (share * length).round() as isize;
            write_shift(&mut rows[area.clone()], side, shift(signed(self.translation)));
            write_shift(&mut columns[area.clone()], side, shift(signed(self.translation)));
            let size = (self.cutout * length).round() as isize;
            let mut centre = || ((signed(1.0) + 1.0) / 2.0 * length) as isize;
            let (top, left) = (centre() - size / 2, centre() - size / 2);
            let inside = |at: usize, from: isize| (from..from + size).contains(&(at as isize));
            for (pixel, value) in mask[area].iter_mut().enumerate() {
                if inside(pixel / side, top) && inside(pixel % side, left) {
                    *value = 0.0;
                }
            }
        }
        let square =
            |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [batch, 1, side, side]), device);
        let number = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [batch, 1, 1, 1]), device);
        Changes {
            colour: (self.brightness > 0.0 || self.contrast > 0.0)
                .then(|| (number(brightness), number(contrast))),
            shift: (self.translation > 0.0).then(|| (square(rows), square(columns).transpose())),
            mask: (self.cutout > 0.0).then(|| square(mask)),
        }
    }
}

/// A matrix that moves what it multiplies from the left down by `shift`; nothing comes in.
fn write_shift(matrix: &mut [f32], side: usize, shift: isize) {
    for to in 0..side {
        if let Some(from) = to.checked_add_signed(-shift).filter(|from| *from < side) {
            matrix[to * side + from] = 1.0;
        }
    }
}

/// The changes of one batch.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Added, and a factor around the mean, `[batch, 1, 1, 1]` each.
    colour: Option<(Tensor<4>, Tensor<4>)>,
    /// Multiplied from the left and from the right, `[batch, 1, side, side]` each.
    shift: Option<(Tensor<4>, Tensor<4>)>,
    /// Multiplied pixel by pixel, `[batch, 1, side, side]`.
    mask: Option<Tensor<4>>,
}

impl Changes {
    /// Images `[batch, 1, side, side]`, changed.
    pub fn apply(&self, images: Tensor<4>) -> Tensor<4> {
        let mut images = images;
        if let Some((brightness, contrast)) = &self.colour {
            let mean = images.clone().mean_dim(2).mean_dim(3);
            images = (images - mean.clone()) * contrast.clone() + mean + brightness.clone();
        }
        if let Some((rows, columns)) = &self.shift {
            images = rows.clone().matmul(images).matmul(columns.clone());
        }
        match &self.mask {
            Some(mask) => images * mask.clone(),
            None => images,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn shifts_move_whole_pixels_and_let_gray_in() {
        let mut matrix = vec![0.0; 9];
        write_shift(&mut matrix, 3, 1);
        assert_eq!(matrix, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let device = Device::flex();
        let square =
            |values: &[f32]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 1, 3, 3]), &device);
        let image = square(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let shift = Some((square(&matrix), square(&matrix).transpose()));
        let moved = Changes { colour: None, shift, mask: None }.apply(image);
        assert_eq!(numbers(moved), [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0]);
    }

    #[test]
    fn gradients_pass_and_changes_differ_between_images() {
        let device = Device::flex().autodiff();
        let strong =
            DifferentiableAugmentation { brightness: 0.5, contrast: 0.5, translation: 0.2, cutout: 0.3 };
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let changes = strong.draw(2, 16, &mut random, &device);
        let images = Tensor::<4>::ones([2, 1, 16, 16], &device).require_grad();
        let changed = changes.apply(images.clone());
        let values = numbers(changed.clone().inner());
        assert_ne!(values[..256], values[256..]);
        let gradient = images.grad(&changed.sum().backward()).unwrap();
        // What was covered or moved out has no influence; the rest does.
        let influence = numbers(gradient);
        assert!(influence.iter().any(|value| *value > 0.5));
        let nothing = DifferentiableAugmentation::default().draw(2, 16, &mut random, &device);
        assert!(numbers(nothing.apply(images).inner()).iter().all(|value| *value == 1.0));
        assert!(DifferentiableAugmentation { cutout: 2.0, ..strong }.problem().unwrap().contains("cutout"));
    }
}
