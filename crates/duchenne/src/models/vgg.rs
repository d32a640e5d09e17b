//! VGG-11/13/16/19 (Simonyan & Zisserman 2015), with or without batch normalisation, in torchvision's
//! layout. We differ where asked to: one input channel, and a head that pools to 1x1 in place of
//! 7x7, since a 48-pixel face leaves the last block as 1x1.

use std::ops::Range;

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Relu};
use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;
use burn_cpu_fused::{Activation, FeatureMap};

use super::layers::{BatchNorm, ConvNorm, Convolution, Initializer, Linear};
use super::onnx::{Graph, Value};

/// A VGG variant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VggConfig {
    /// Convolutions in each of the five blocks.
    pub depths: [usize; 5],
    /// Batch normalisation after every convolution.
    pub batch_norm: bool,
    /// Input channels, 1 or 3.
    pub channels: usize,
    /// Output classes.
    pub classes: usize,
    /// Side of the map that the head sees: 7 in torchvision, 1 for 48-pixel faces.
    pub head: usize,
    /// Dropout in the head, 0.5 in the paper.
    pub dropout: f64,
}

/// Output channels of the five blocks.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];
/// Channels of the last map.
pub(super) const LAST_WIDTH: usize = WIDTHS[4];
/// Width of the hidden layers of the head; also the length of the deep features.
const HIDDEN: usize = 4096;
/// Stages of a hidden layer: linear, ReLU, dropout.
const HIDDEN_STAGES: usize = 3;

/// The stages of the first hidden layers. The last one's dropout is left to what follows: it acts on what a layer in
/// training sees.
fn hidden_stages(layers: usize) -> usize {
    (layers * HIDDEN_STAGES).saturating_sub(1)
}

impl VggConfig {
    /// With fresh weights, as torchvision draws them.
    pub fn init(&self, initializer: &mut Initializer) -> Vgg {
        let mut features = Vec::new();
        let mut inputs = self.channels;
        for (depth, outputs) in self.depths.into_iter().zip(WIDTHS) {
            for _ in 0..depth {
                features.push(Feature::Convolution(Convolution::new(
                    [inputs, outputs],
                    3,
                    1,
                    true,
                    initializer,
                )));
                if self.batch_norm {
                    features.push(Feature::BatchNorm(BatchNorm::new(outputs, initializer)));
                }
                features.push(Feature::Relu(Relu));
                inputs = outputs;
            }
            features.push(Feature::MaxPool(HalvingPool { kernel: 2 }));
        }
        let dropout = || Stage::Dropout(DropoutConfig::new(self.dropout).init());
        let mut linear = |sizes| Stage::Linear(Linear::normal(sizes, 0.01, initializer));
        let classifier = vec![
            linear([inputs * self.head * self.head, HIDDEN]),
            Stage::Relu(Relu),
            dropout(),
            linear([HIDDEN, HIDDEN]),
            Stage::Relu(Relu),
            dropout(),
            linear([HIDDEN, self.classes]),
        ];
        Vgg { features, classifier, head: self.head }
    }
}

/// 2x2 max pooling with stride 2.
#[derive(Module, Debug)]
pub struct HalvingPool {
    #[module(skip)]
    kernel: usize,
}

/// One entry of `features`; its index is part of the weights' names.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Feature {
    /// 3x3, padding 1.
    Convolution(Convolution),
    /// After a convolution.
    BatchNorm(BatchNorm),
    /// After either.
    Relu(Relu),
    /// At the end of a block.
    MaxPool(HalvingPool),
}

/// One entry of `classifier`; its index is part of the weights' names.
#[derive(Module, Debug)]
pub enum Stage {
    /// Fully connected.
    Linear(Linear),
    /// After the hidden layers.
    Relu(Relu),
    /// While training only.
    Dropout(Dropout),
}

/// A VGG network of [`VggConfig`].
#[derive(Module, Debug)]
pub struct Vgg {
    features: Vec<Feature>,
    classifier: Vec<Stage>,
    #[module(skip)]
    head: usize,
}

impl Vgg {
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, at least 32 pixels a side
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.after_trunk(images, 0)
    }

    /// Activations of the last hidden layer, after ReLU: `[batch, 4096]`.
    pub fn deep_features(&self, images: Tensor<4>) -> Tensor<2> {
        let map = self.convolve(FeatureMap::from_batch(images), 0..usize::MAX);
        self.classify(self.flat(map), 0..self.classifier.len() - 2)
    }

    /// Layers with weights in each *section*: a convolution with all that follows it up to the next, then the
    /// hidden layers of the head.
    pub fn sections(&self) -> Vec<usize> {
        vec![1; self.convolutions() + self.classifier.len() / HIDDEN_STAGES]
    }

    fn convolutions(&self) -> usize {
        self.features.iter().filter(|layer| matches!(layer, Feature::Convolution(_))).count()
    }

    /// The first `sections` sections alone: `[batch, channels, height, width]`, `[batch, 4096, 1, 1]` after a hidden
    /// layer.
    pub fn trunk(&self, images: Tensor<4>, sections: usize) -> Tensor<4> {
        let map = self.convolve(FeatureMap::from_batch(images), 0..sections);
        match sections.saturating_sub(self.convolutions()) {
            0 => map.into_batch(),
            hidden => self.classify(self.flat(map), 0..hidden_stages(hidden)).unsqueeze_dims(&[2, 3]),
        }
    }

    /// What follows the first `sections` sections, to the logits.
    pub fn after_trunk(&self, maps: Tensor<4>, sections: usize) -> Tensor<2> {
        let hidden = sections.saturating_sub(self.convolutions());
        let flat = match hidden {
            0 => self.flat(self.convolve(FeatureMap::from_batch(maps), sections..usize::MAX)),
            _ => maps.flatten(1, 3),
        };
        self.classify(flat, hidden_stages(hidden)..self.classifier.len())
    }

    /// Those of the given sections that are convolutions.
    fn convolve(&self, mut map: FeatureMap, sections: Range<usize>) -> FeatureMap {
        let mut begun = 0;
        let mut layers = self.features.iter().peekable();
        while let Some(layer) = layers.next() {
            begun += usize::from(matches!(layer, Feature::Convolution(_)));
            if !sections.contains(&(begun - 1)) {
                continue;
            }
            map = match layer {
                Feature::Convolution(convolution) => match layers.next() {
                    Some(Feature::BatchNorm(norm)) => {
                        ConvNorm { convolution, norm }.forward(map, Activation::Relu)
                    }
                    _ => convolution.forward(map, Activation::Relu),
                },
                Feature::MaxPool(pool) => map.max_pool2d(pool.kernel, pool.kernel, 0),
                // Fused into the convolution above.
                Feature::BatchNorm(_) | Feature::Relu(_) => map,
            };
        }
        map
    }

    fn flat(&self, map: FeatureMap) -> Tensor<2> {
        let [_, _, height, width] = map.dims();
        if self.head == 1 {
            return map.global_average_pool();
        }
        let map = map.into_batch();
        // torchvision pools adaptively; at the head's own size that changes nothing.
        let map =
            if [height, width] == [self.head; 2] { map } else { adaptive_avg_pool2d(map, [self.head; 2]) };
        map.flatten(1, 3)
    }

    fn classify(&self, flat: Tensor<2>, stages: Range<usize>) -> Tensor<2> {
        let mut values = flat;
        let mut stages = self.classifier[stages].iter().peekable();
        while let Some(stage) = stages.next() {
            values = match stage {
                Stage::Linear(linear) => {
                    let is_hidden = stages.next_if(|next| matches!(next, Stage::Relu(_))).is_some();
                    linear.forward(values, if is_hidden { Activation::Relu } else { Activation::Identity })
                }
                Stage::Relu(relu) => relu.forward(values),
                Stage::Dropout(dropout) => dropout.forward(values),
            };
        }
        values
    }

    /// The forward pass at inference as operations of a graph: images of `side x side` pixels to logits.
    pub fn onnx(&self, graph: &mut Graph, images: Value, mut side: usize) -> Value {
        let mut map = images;
        for (index, layer) in self.features.iter().enumerate() {
            map = match layer {
                Feature::Convolution(convolution) => {
                    let names = [index, index + 1].map(|index| format!("features.{index}"));
                    let norm = match self.features.get(index + 1) {
                        Some(Feature::BatchNorm(norm)) => Some((&*names[1], norm)),
                        _ => None,
                    };
                    graph.convolution(map, (&names[0], convolution), norm)
                }
                // With the convolution before.
                Feature::BatchNorm(_) => map,
                Feature::Relu(_) => graph.relu(map),
                Feature::MaxPool(pool) => {
                    side /= pool.kernel;
                    graph.max_pool(map, [pool.kernel as i64, pool.kernel as i64, 0])
                }
            };
        }
        let mut values = if self.head == 1 {
            graph.global_average_pool(map)
        } else {
            let pooled = graph.adaptive_average_pool(map, side, self.head);
            graph.flat(pooled)
        };
        for (index, stage) in self.classifier.iter().enumerate() {
            values = match stage {
                Stage::Linear(linear) => graph.linear(values, &format!("classifier.{index}"), linear),
                Stage::Relu(_) => graph.relu(values),
                Stage::Dropout(_) => values,
            };
        }
        values
    }

    /// Packs all weights for inference.
    pub fn prepare(&mut self) {
        let mut layers = self.features.iter_mut().peekable();
        while let Some(layer) = layers.next() {
            if let Feature::Convolution(convolution) = layer {
                match layers.peek() {
                    Some(Feature::BatchNorm(norm)) => convolution.prepare(Some(norm)),
                    _ => convolution.prepare(None),
                }
            }
        }
        for stage in &mut self.classifier {
            if let Stage::Linear(linear) = stage {
                linear.prepare();
            }
        }
    }

    /// Multiply-adds for one image.
    pub fn multiply_adds(&self, mut height: usize, mut width: usize) -> u64 {
        let mut total = 0;
        for layer in &self.features {
            match layer {
                Feature::Convolution(convolution) => total += convolution.multiply_adds(height, width),
                Feature::MaxPool(pool) => (height, width) = (height / pool.kernel, width / pool.kernel),
                Feature::BatchNorm(_) | Feature::Relu(_) => {}
            }
        }
        let linear = self.classifier.iter().map(|stage| match stage {
            Stage::Linear(linear) => linear.multiply_adds(),
            Stage::Relu(_) | Stage::Dropout(_) => 0,
        });
        total + linear.sum::<u64>()
    }
}
