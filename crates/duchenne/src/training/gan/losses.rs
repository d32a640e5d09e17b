//! *Adversarial losses* and the gradient penalties. Scores are `[batch, 1]`.

use burn::tensor::Tensor;
use burn::tensor::activation::softplus;
use serde::{Deserialize, Serialize};

use crate::models::gan::Discriminator;

/// What discriminator and generator minimise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdversarialLoss {
    /// Cross-entropy; the generator maximises the logarithm of the odds of being taken for real, which
    /// does not saturate (Goodfellow et al. 2014).
    NonSaturating,
    /// The critic estimates the Wasserstein distance (Arjovsky et al. 2017).
    Wasserstein,
}

impl AdversarialLoss {
    /// Of the discriminator; a number, smaller when it tells real from generated.
    pub fn of_discriminator(self, real: Tensor<2>, generated: Tensor<2>) -> Tensor<1> {
        match self {
            AdversarialLoss::NonSaturating => softplus(-real, 1.0).mean() + softplus(generated, 1.0).mean(),
            AdversarialLoss::Wasserstein => generated.mean() - real.mean(),
        }
    }

    /// Of the generator; smaller when its images are taken for real.
    pub fn of_generator(self, generated: Tensor<2>) -> Tensor<1> {
        match self {
            AdversarialLoss::NonSaturating => softplus(-generated, 1.0).mean(),
            AdversarialLoss::Wasserstein => -generated.mean(),
        }
    }
}

/// Where the discriminator's gradient is held down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradientPenalty {
    /// Nowhere.
    None,
    /// Towards length one, at points between real and generated images (Gulrajani et al. 2017).
    Between,
    /// Towards zero, at real images: R1 (Mescheder et al. 2018).
    Real,
}

/// Mean of `(|gradient| - 1)^2` over points between real and generated images, `[batch, 1, side, side]`
/// each; `shares` `[batch, 1, 1, 1]` in 0..=1 says how much of the real one (Gulrajani et al. 2017, eq. 3).
pub fn penalty_between(
    critic: &Discriminator,
    real: Tensor<4>,
    generated: Tensor<4>,
    shares: Tensor<4>,
    condition: Option<Tensor<2>>,
) -> Tensor<1> {
    let between = real * shares.clone() + generated * (-shares + 1.0);
    let gradient = critic.image_gradient(between, condition);
    // A root at zero has no derivative; the summand stays below the precision of any other gradient.
    let length = (squares(gradient) + 1e-12).sqrt();
    (length - 1.0).powi_scalar(2).mean()
}

/// Half the mean of `|gradient|^2` over real images `[batch, 1, side, side]` (Mescheder et al. 2018, eq. 9).
pub fn penalty_real(
    discriminator: &Discriminator,
    real: Tensor<4>,
    condition: Option<Tensor<2>>,
) -> Tensor<1> {
    squares(discriminator.image_gradient(real, condition)).mean() * 0.5
}

/// Sums of squares, `[batch, 1]`.
fn squares(gradient: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = gradient.dims();
    gradient.reshape([batch, channels * height * width]).powi_scalar(2).sum_dim(1)
}
