//! The recipe's input: how a face becomes what the network sees.

use serde::{Deserialize, Serialize};

use crate::data::faces::preprocessing::Preprocessing;

/// How a face becomes the network's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InputRecipe {
    /// Side that faces are resized to.
    pub resize: usize,
    /// Side of the centre that the network sees.
    pub crop: usize,
    /// 1, or 3: red, green and blue where the data set is in colour, else three equal ones.
    pub channels: usize,
    /// Mean pixel in 0..=1.
    pub mean: PerChannel,
    /// Deviation of pixels in 0..=1.
    pub deviation: PerChannel,
}

impl Default for InputRecipe {
    fn default() -> Self {
        Self {
            resize: 48,
            crop: 48,
            channels: 1,
            mean: PerChannel::All(0.5),
            deviation: PerChannel::All(0.25),
        }
    }
}

/// A number for all channels, or one for each of three.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerChannel {
    /// The same for all.
    All(f32),
    /// Red, green, blue: ImageNet's.
    Each([f32; 3]),
}

impl PerChannel {
    /// One value for each channel; a list keeps its three whatever `channels` says, so that the mistake is found.
    fn values(self, channels: usize) -> Vec<f32> {
        match self {
            PerChannel::All(value) => vec![value; channels],
            PerChannel::Each(values) => values.to_vec(),
        }
    }
}

impl InputRecipe {
    /// As models carry it.
    pub fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            resize: self.resize,
            crop: self.crop,
            mean: self.mean.values(self.channels),
            deviation: self.deviation.values(self.channels),
            // What the data has, training knows.
            color: false,
        }
    }
}
