//! ResNet-18/34/50 (He et al. 2016) in torchvision's layout: the stride of a bottleneck sits in its
//! 3x3 convolution. We differ where asked to: one input channel, and a stem for 48-pixel faces
//! (3x3, stride 1, no pooling) that keeps 16 times as many positions as the paper's.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;
use burn_cpu_fused::{Activation, FeatureMap};
use serde::{Deserialize, Serialize};

use super::layers::{BatchNorm, ConvNorm, Convolution, Initializer, Linear};
use super::onnx::{Graph, Value};

/// How a residual network begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// 7x7, stride 2, then 3x3 max pooling, stride 2.
    Paper,
    /// 3x3, stride 1, no pooling.
    Small,
}

/// A ResNet variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Blocks in each of the four stages.
    pub depths: [usize; 4],
    /// Bottleneck blocks (ResNet-50) or basic ones (18, 34).
    pub bottleneck: bool,
    /// First layers: the paper's, or those for small inputs.
    pub stem: Stem,
    /// Input channels, 1 or 3.
    pub channels: usize,
    /// Output classes.
    pub classes: usize,
}

impl ResNetConfig {
    /// With fresh weights, as torchvision draws them.
    pub fn init(&self, initializer: &mut Initializer) -> ResNet {
        let (kernel, stride) = match self.stem {
            Stem::Paper => (7, 2),
            Stem::Small => (3, 1),
        };
        let conv1 = Convolution::new([self.channels, 64], kernel, stride, false, initializer);
        let bn1 = BatchNorm::new(64, initializer);
        let mut inputs = 64;
        let mut stage = |index: usize| -> Vec<Block> {
            let width = 64 << index;
            (0..self.depths[index])
                .map(|block| {
                    let stride = if block == 0 && index > 0 { 2 } else { 1 };
                    let block = if self.bottleneck {
                        Block::bottleneck(inputs, width, stride, initializer)
                    } else {
                        Block::basic(inputs, width, stride, initializer)
                    };
                    inputs = if self.bottleneck { width * EXPANSION } else { width };
                    block
                })
                .collect()
        };
        let (layer1, layer2, layer3, layer4) = (stage(0), stage(1), stage(2), stage(3));
        let fc = Linear::new([inputs, self.classes], initializer);
        ResNet { conv1, bn1, layer1, layer2, layer3, layer4, fc, stem: self.stem }
    }
}

/// A bottleneck's output channels over its width.
const EXPANSION: usize = 4;

/// A residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 around a bottleneck; the input, projected
/// where its shape changes, is added before the last activation.
#[derive(Module, Debug)]
pub struct Block {
    conv1: Convolution,
    bn1: BatchNorm,
    conv2: Convolution,
    bn2: BatchNorm,
    conv3: Option<Convolution>,
    bn3: Option<BatchNorm>,
    downsample: Option<(Convolution, BatchNorm)>,
}

impl Block {
    /// 3x3 with the stride, 3x3.
    pub fn basic(inputs: usize, width: usize, stride: usize, initializer: &mut Initializer) -> Self {
        Self {
            conv1: Convolution::new([inputs, width], 3, stride, false, initializer),
            bn1: BatchNorm::new(width, initializer),
            conv2: Convolution::new([width, width], 3, 1, false, initializer),
            bn2: BatchNorm::new(width, initializer),
            conv3: None,
            bn3: None,
            downsample: projection(inputs, width, stride, initializer),
        }
    }

    fn bottleneck(inputs: usize, width: usize, stride: usize, initializer: &mut Initializer) -> Self {
        let outputs = width * EXPANSION;
        Self {
            conv1: Convolution::new([inputs, width], 1, 1, false, initializer),
            bn1: BatchNorm::new(width, initializer),
            conv2: Convolution::new([width, width], 3, stride, false, initializer),
            bn2: BatchNorm::new(width, initializer),
            conv3: Some(Convolution::new([width, outputs], 1, 1, false, initializer)),
            bn3: Some(BatchNorm::new(outputs, initializer)),
            downsample: projection(inputs, outputs, stride, initializer),
        }
    }

    /// `[batch, inputs, h, w]` to `[batch, outputs, ceil(h / stride), ceil(w / stride)]`.
    pub fn forward(&self, input: FeatureMap) -> FeatureMap {
        let residual = match &self.downsample {
            Some((convolution, norm)) => {
                ConvNorm { convolution, norm }.forward(input.clone(), Activation::Identity)
            }
            None => input.clone(),
        };
        let first = ConvNorm { convolution: &self.conv1, norm: &self.bn1 };
        let second = ConvNorm { convolution: &self.conv2, norm: &self.bn2 };
        let map = first.forward(input, Activation::Relu);
        match (&self.conv3, &self.bn3) {
            (Some(convolution), Some(norm)) => {
                let map = second.forward(map, Activation::Relu);
                ConvNorm { convolution, norm }.with_residual(map, Some(residual), Activation::Relu)
            }
            _ => second.with_residual(map, Some(residual), Activation::Relu),
        }
    }

    /// The forward pass at inference as operations of a graph.
    pub fn onnx(&self, graph: &mut Graph, input: Value) -> Value {
        let residual = match &self.downsample {
            Some((convolution, norm)) => graph.within("downsample", |graph| {
                graph.convolution(input, ("0", convolution), Some(("1", norm)))
            }),
            None => input,
        };
        let map = graph.convolution(input, ("conv1", &self.conv1), Some(("bn1", &self.bn1)));
        let map = graph.relu(map);
        let mut map = graph.convolution(map, ("conv2", &self.conv2), Some(("bn2", &self.bn2)));
        if let (Some(conv3), Some(bn3)) = (&self.conv3, &self.bn3) {
            map = graph.relu(map);
            map = graph.convolution(map, ("conv3", conv3), Some(("bn3", bn3)));
        }
        let sum = graph.add(map, residual);
        graph.relu(sum)
    }

    /// How many convolutions it has, the projection not counted.
    pub fn convolutions(&self) -> usize {
        2 + usize::from(self.conv3.is_some())
    }

    /// Packs all weights for inference.
    pub fn prepare(&mut self) {
        if let Some((convolution, norm)) = &mut self.downsample {
            convolution.prepare(Some(norm));
        }
        self.conv1.prepare(Some(&self.bn1));
        self.conv2.prepare(Some(&self.bn2));
        if let (Some(conv3), Some(bn3)) = (&mut self.conv3, &self.bn3) {
            conv3.prepare(Some(bn3));
        }
    }

    /// Multiply-adds for one image, and the output's height and width.
    pub fn multiply_adds(&self, [height, width]: [usize; 2]) -> (u64, [usize; 2]) {
        let mut total = self.downsample.as_ref().map_or(0, |(conv, _)| conv.multiply_adds(height, width));
        let mut size = [height, width];
        for conv in [Some(&self.conv1), Some(&self.conv2), self.conv3.as_ref()].into_iter().flatten() {
            total += conv.multiply_adds(size[0], size[1]);
            size = size.map(|length| conv.output_size(length));
        }
        (total, size)
    }
}

fn projection(
    inputs: usize,
    outputs: usize,
    stride: usize,
    initializer: &mut Initializer,
) -> Option<(Convolution, BatchNorm)> {
    (stride != 1 || inputs != outputs).then(|| {
        let convolution = Convolution::new([inputs, outputs], 1, stride, false, initializer);
        (convolution, BatchNorm::new(outputs, initializer))
    })
}

/// A residual network of [`ResNetConfig`].
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Convolution,
    bn1: BatchNorm,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Linear,
    #[module(skip)]
    stem: Stem,
}

impl ResNet {
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head(self.convolve(FeatureMap::from_batch(images), 0..usize::MAX))
    }

    /// Activations before the last layer: `[batch, 512]`, `[batch, 2048]` for ResNet-50.
    pub fn deep_features(&self, images: Tensor<4>) -> Tensor<2> {
        self.convolve(FeatureMap::from_batch(images), 0..usize::MAX).global_average_pool()
    }

    /// Convolutions in each *section*: the stem, then each block; projections are not counted.
    pub fn sections(&self) -> Vec<usize> {
        std::iter::once(1).chain(self.blocks().map(Block::convolutions)).collect()
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
        if sections.contains(&0) {
            let first = ConvNorm { convolution: &self.conv1, norm: &self.bn1 };
            map = first.forward(map, Activation::Relu);
            if self.stem == Stem::Paper {
                map = map.max_pool2d(3, 2, 1);
            }
        }
        let chosen = self.blocks().enumerate().filter(|(index, _)| sections.contains(&(index + 1)));
        chosen.fold(map, |map, (_, block)| block.forward(map))
    }

    /// What follows the last section, to the logits.
    fn head(&self, map: FeatureMap) -> Tensor<2> {
        self.fc.forward(map.global_average_pool(), Activation::Identity)
    }

    /// The forward pass at inference as operations of a graph: images to logits.
    pub fn onnx(&self, graph: &mut Graph, images: Value) -> Value {
        let map = graph.convolution(images, ("conv1", &self.conv1), Some(("bn1", &self.bn1)));
        let mut map = graph.relu(map);
        if self.stem == Stem::Paper {
            map = graph.max_pool(map, [3, 2, 1]);
        }
        for (number, layer) in (1..).zip([&self.layer1, &self.layer2, &self.layer3, &self.layer4]) {
            for (index, block) in layer.iter().enumerate() {
                map = graph.within(format_args!("layer{number}.{index}"), |graph| block.onnx(graph, map));
            }
        }
        let features = graph.global_average_pool(map);
        graph.linear(features, "fc", &self.fc)
    }

    /// Packs all weights for inference.
    pub fn prepare(&mut self) {
        self.conv1.prepare(Some(&self.bn1));
        let stages = [&mut self.layer1, &mut self.layer2, &mut self.layer3, &mut self.layer4];
        stages.into_iter().flatten().for_each(Block::prepare);
        self.fc.prepare();
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().flatten()
    }

    /// Multiply-adds for one image.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let mut total = self.conv1.multiply_adds(height, width);
        let mut size = [height, width].map(|length| self.conv1.output_size(length));
        if self.stem == Stem::Paper {
            size = size.map(|length| length.div_ceil(2));
        }
        for block in self.blocks() {
            let (count, output) = block.multiply_adds(size);
            total += count;
            size = output;
        }
        total + self.fc.multiply_adds()
    }
}
