//! The recipe's network: which one, what it begins from, what of it stays as it is.

use serde::{Deserialize, Serialize};

use crate::models::network::Architecture;
use crate::models::resnet::Stem;

/// Architecture and options of the network, and the weights that it asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkRecipe {
    /// Architecture by its name in the table.
    pub architecture: Architecture,
    /// `paper` or `small`, for ResNets.
    pub stem: Stem,
    /// Side of the map that a VGG's head sees.
    pub head: usize,
    /// Widening factor of compact.
    pub widen: usize,
    /// Dropout of VGG's and compact's heads; the architecture's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Whether the recipe needs weights of another program; see [`Initialization`].
    pub init: Initialization,
    /// Deviation of the normal distribution that layers are drawn from which pre-trained weights do not fill.
    pub new_layers: f32,
    /// Layers with weights, counted from the input, that stay as they are, with all that follows them up to the
    /// next: convolutions, then the hidden layers of a VGG's head. A residual block is frozen whole or not at
    /// all; projections are not counted.
    pub freeze: usize,
}

impl Default for NetworkRecipe {
    fn default() -> Self {
        Self {
            architecture: Architecture::Compact,
            stem: Stem::Paper,
            head: 1,
            widen: 1,
            dropout: None,
            init: Initialization::Scratch,
            new_layers: USUAL_DEVIATION,
            freeze: 0,
        }
    }
}

/// The paper's deviation of new layers.
const USUAL_DEVIATION: f32 = 0.1;

/// Which weights a recipe asks for. The file itself is not part of a recipe: `train --init` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialization {
    /// None: they are drawn by the seed. A model of this program may be given to continue from (the second stage of
    /// a training); it must have the same architecture and labels.
    Scratch,
    /// Weights under torchvision's names, usually ImageNet's, must be given; head layers of other shapes are drawn
    /// anew.
    Pretrained,
}
