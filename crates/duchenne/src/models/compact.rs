//! *Compact*: our own small residual network for shipping: a two-convolution stem to half the size, then
//! basic residual blocks (He et al. 2016) of widths 32, 64, 64, 120, 120, dropout, global average pooling, a
//! linear layer. 0.6 M parameters and below 50 M multiply-adds at 48x48; a *widening factor* k (Zagoruyko &
//! Komodakis 2016) multiplies all widths by k, and so parameters and multiply-adds by about k squared.

use std::ops::Range;

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;
use burn_cpu_fused::{Activation, FeatureMap};

use super::layers::{BatchNorm, ConvNorm, Convolution, Initializer, Linear};
use super::onnx::{Graph, Value};
use super::resnet::Block;

/// Settings of the compact network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactConfig {
    /// Input channels, 1 or 3.
    pub channels: usize,
    /// Output classes.
    pub classes: usize,
    /// Widening factor, at least 1.
    pub widen: usize,
    /// Dropout before the linear layer.
    pub dropout: f64,
}

/// Channels of the first convolution, before widening.
pub(super) const STEM: usize = 16;
/// (channels before widening, stride) of each residual block.
const BLOCKS: [(usize, usize); 5] = [(32, 1), (64, 2), (64, 1), (120, 2), (120, 1)];

impl CompactConfig {
    /// A network with random weights.
    pub fn init(&self, initializer: &mut Initializer) -> Compact {
        let stem = STEM * self.widen;
        let mut inputs = BLOCKS[0].0 * self.widen;
        let conv1 = Convolution::new([self.channels, stem], 3, 1, false, initializer);
        let bn1 = BatchNorm::new(stem, initializer);
        let conv2 = Convolution::new([stem, inputs], 3, 2, false, initializer);
        let bn2 = BatchNorm::new(inputs, initializer);
        let blocks = BLOCKS.map(|(width, stride)| {
            let width = width * self.widen;
            let block = Block::basic(inputs, width, stride, initializer);
            inputs = width;
            block
        });
        let fc = Linear::new([inputs, self.classes], initializer);
        let dropout = DropoutConfig::new(self.dropout).init();
        Compact { conv1, bn1, conv2, bn2, blocks: blocks.into(), dropout, fc }
    }
}

/// A compact network of [`CompactConfig`].
#[derive(Module, Debug)]
pub struct Compact {
    conv1: Convolution,
    bn1: BatchNorm,
    conv2: Convolution,
    bn2: BatchNorm,
    blocks: Vec<Block>,
    dropout: Dropout,
    fc: Linear,
}

impl Compact {
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head(self.convolve(FeatureMap::from_batch(images), 0..usize::MAX))
    }

    /// Activations before the last layer: `[batch, 120 * widen]`.
    pub fn deep_features(&self, images: Tensor<4>) -> Tensor<2> {
        self.convolve(FeatureMap::from_batch(images), 0..usize::MAX).global_average_pool()
    }

    /// Convolutions in each *section*: the first two convolutions, then each block; projections are not counted.
    pub fn sections(&self) -> Vec<usize> {
        [1, 1].into_iter().chain(self.blocks.iter().map(Block::convolutions)).collect()
    }

    /// The first `sections` sections alone: `[batch, channels, height, width]`.
    pub fn trunk(&self, images: Tensor<4>, sections: usize) -> Tensor<4> {
        self.convolve(FeatureMap::from_batch(images), 0..sections).into_batch()
    }

    /// What follows the first `sections` sections, to the logits.
    pub fn after_trunk(&self, maps: Tensor<4>, sections: usize) -> Tensor<2> {
        self.head(self.convolve(FeatureMap::from_batch(maps), sections..usize::MAX))
    }

    /// Maps after the given sections.
    fn convolve(&self, mut map: FeatureMap, sections: Range<usize>) -> FeatureMap {
        let stem = [(&self.conv1, &self.bn1), (&self.conv2, &self.bn2)];
        for (index, (convolution, norm)) in stem.into_iter().enumerate() {
            if sections.contains(&index) {
                map = ConvNorm { convolution, norm }.forward(map, Activation::Relu);
            }
        }
        let chosen = self.blocks.iter().enumerate().filter(|(index, _)| sections.contains(&(index + 2)));
        chosen.fold(map, |map, (_, block)| block.forward(map))
    }

    /// What follows the last section, to the logits.
    fn head(&self, map: FeatureMap) -> Tensor<2> {
        self.fc.forward(self.dropout.forward(map.global_average_pool()), Activation::Identity)
    }

    /// The forward pass at inference as operations of a graph: images to logits.
    pub fn onnx(&self, graph: &mut Graph, images: Value) -> Value {
        let map = graph.convolution(images, ("conv1", &self.conv1), Some(("bn1", &self.bn1)));
        let map = graph.relu(map);
        let map = graph.convolution(map, ("conv2", &self.conv2), Some(("bn2", &self.bn2)));
        let mut map = graph.relu(map);
        for (index, block) in self.blocks.iter().enumerate() {
            map = graph.within(format_args!("blocks.{index}"), |graph| block.onnx(graph, map));
        }
        let features = graph.global_average_pool(map);
        graph.linear(features, "fc", &self.fc)
    }

    /// Packs all weights for inference.
    pub fn prepare(&mut self) {
        self.conv1.prepare(Some(&self.bn1));
        self.conv2.prepare(Some(&self.bn2));
        self.blocks.iter_mut().for_each(Block::prepare);
        self.fc.prepare();
    }

    /// Multiply-adds for one image.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let mut total = self.conv1.multiply_adds(height, width) + self.conv2.multiply_adds(height, width);
        let mut size = [height, width].map(|length| self.conv2.output_size(length));
        for block in &self.blocks {
            let (count, output) = block.multiply_adds(size);
            total += count;
            size = output;
        }
        total + self.fc.multiply_adds()
    }
}
