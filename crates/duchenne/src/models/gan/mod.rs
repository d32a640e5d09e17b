//! *Generative adversarial networks* (Goodfellow et al. 2014) of Radford et al.'s (2016) family: a
//! [`Generator`] of faces from noise, and the [`Discriminator`] that trains it, its mirror.

mod checkpoint;
mod discriminator;
mod generator;

pub use checkpoint::{GeneratorCheckpoint, GeneratorManifest};
pub use discriminator::{Discriminator, DiscriminatorConfig};
pub use generator::{Generator, GeneratorConfig};

use serde::{Deserialize, Serialize};

/// Radford et al. draw all initial weights from N(0, 0.02).
const DEVIATION: f32 = 0.02;

/// Slope of the discriminator's leaky ReLUs for negative values (Radford et al. 2016).
const SLOPE: f32 = 0.2;

/// How often the generator doubles, and the discriminator halves, its maps.
const DOUBLINGS: u32 = 4;

/// How the class joins the networks. In the generator it always joins the noise, as one number per class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It does not: one network per class.
    None,
    /// In the discriminator as one constant map per class beside the image (Mirza & Osindero 2014).
    Concatenated,
    /// In the discriminator by the inner product of class and last features, added to the score that does
    /// not depend on the class (Miyato & Koyama 2018).
    Projection,
}

/// Side of the smallest map for images of this side: 4 for 64 pixels, 3 for 48.
///
/// # Errors
/// If the side is not 16 times a number from 2 to 8.
pub fn seed_side(side: usize) -> Result<usize, String> {
    let seed = side >> DOUBLINGS;
    if side.is_multiple_of(1 << DOUBLINGS) && (2..=8).contains(&seed) {
        Ok(seed)
    } else {
        Err(format!("side is {side}, expected a multiple of 16 from 32 to 128"))
    }
}
