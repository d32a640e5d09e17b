//! *YuNet*: a small network that finds faces (Wu, Peng and Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine
//! Intelligence Research 2023), with the weights of its authors' libfacedetection, trained on WIDER FACE.
//!
//! After a first convolution it is made of *separable* units alone: 1x1 convolution, depthwise 3x3 convolution, ReLU.
//! Six stages halve the picture down to a 32nd; a feature pyramid hands what the deep ones see down to the finer; at
//! strides 8, 16 and 32 a head tells for every position whether a face is there, its box and five landmarks.

use std::collections::HashMap;
use std::sync::LazyLock;

use burn::tensor::{Device, Tensor, TensorData};
use burn_cpu_fused::{Activation, FeatureMap, PackedConvolution, PackedDepthwise, PixelConvolution};

use super::tensors::{NamedTensor, read_tensors};

/// The weights that `reference/yunet_weights.py` writes (BSD 3-clause, licence beside them).
const WEIGHTS: &[u8] = include_bytes!("../../assets/yunet/yunet.safetensors");

/// Pictures are filled up to multiples of this, the largest stride.
pub const GRANULE: usize = 32;
/// Pixels between the positions of the three heads.
pub const STRIDES: [usize; 3] = [8, 16, 32];
/// Values of a head at every position: face, object, box (x, y, width, height), five landmarks (x, y).
pub const VALUES: usize = 16;

/// The network with its weights, packed for the CPU.
#[derive(Debug)]
pub struct YuNet {
    first: PixelConvolution,
    /// Of the first stage, at half of the picture's size.
    entry: Separable,
    stages: [[Separable; 2]; 5],
    /// From the finest to the coarsest, as the heads.
    laterals: [Separable; 3],
    heads: [Separable; 3],
}

/// A 1x1 convolution and a depthwise 3x3 one.
#[derive(Debug)]
struct Separable {
    pointwise: PackedConvolution,
    depthwise: PackedDepthwise,
    activation: Activation,
}

impl Separable {
    fn forward(&self, map: FeatureMap) -> FeatureMap {
        let map = map.packed_conv2d(&self.pointwise, None, Activation::Identity);
        map.packed_depthwise(&self.depthwise, self.activation)
    }
}

/// Weights by name, on a device.
struct Weights<'a> {
    tensors: HashMap<String, NamedTensor>,
    device: &'a Device,
}

impl Weights<'_> {
    /// Of several layers of one kind, joined along their output channels.
    fn tensor<const D: usize>(&self, layers: &[String], part: &str) -> Tensor<D> {
        let parts: Vec<&NamedTensor> =
            layers.iter().map(|layer| &self.tensors[&format!("{layer}.{part}")]).collect();
        let mut shape = parts[0].shape.clone();
        shape[0] = parts.iter().map(|part| part.shape[0]).sum();
        let values: Vec<f32> = parts.iter().flat_map(|part| part.values.iter().copied()).collect();
        Tensor::from_data(TensorData::new(values, shape), self.device)
    }

    fn separable_of(&self, layers: &[String], activation: Activation) -> Separable {
        let pointwise = (self.tensor(layers, "pw.weight"), self.tensor(layers, "pw.bias"));
        let depthwise = (self.tensor(layers, "dw.weight"), self.tensor(layers, "dw.bias"));
        Separable {
            pointwise: PackedConvolution::new(pointwise.0, pointwise.1, 1, 0),
            depthwise: PackedDepthwise::new(depthwise.0, depthwise.1),
            activation,
        }
    }

    fn separable(&self, layer: &str) -> Separable {
        self.separable_of(&[layer.to_owned()], Activation::Relu)
    }
}

impl YuNet {
    /// The one network of the process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<YuNet> = LazyLock::new(|| YuNet::new(&Device::flex()));
        &SHARED
    }

    fn new(device: &Device) -> Self {
        let file = read_tensors::<f32>(WEIGHTS).expect("the built-in weights are a safetensors file");
        let tensors = file.tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        let weights = Weights { tensors, device };
        let first = [String::from("backbone.model0")];
        let head = |level: usize| {
            // One unit for the four of a level: they see the same map.
            let kinds =
                ["cls", "obj", "bbox", "kps"].map(|kind| format!("bbox_head.multi_level_{kind}.{level}"));
            weights.separable_of(&kinds, Activation::Identity)
        };
        Self {
            // From blue, green, red to the order of pictures.
            first: PixelConvolution::new(
                weights.tensor::<4>(&first, "pw.weight").flip([1]),
                weights.tensor(&first, "pw.bias"),
            ),
            entry: weights.separable("backbone.model0.dp"),
            stages: [1, 2, 3, 4, 5].map(|stage| {
                [1, 2].map(|unit| weights.separable(&format!("backbone.model{stage}.dp{unit}")))
            }),
            laterals: [0, 1, 2].map(|level| weights.separable(&format!("neck.lateral_convs.{level}"))),
            heads: [0, 1, 2].map(head),
        }
    }

    /// What the heads say of a picture of `height x width` pixels, each of red, green and blue or of one byte where these
    /// are equal: for each of [`STRIDES`] the values `[VALUES, rows, columns]`, row-major, before any sigmoid or
    /// exponential. Rows and columns are those of the picture filled up to multiples of [`GRANULE`].
    ///
    /// # Panics
    /// If there are no pixels, or another number of bytes.
    pub fn forward(&self, pixels: &[u8], [height, width]: [usize; 2]) -> [Vec<f32>; 3] {
        let filled = [height, width].map(|side| side.next_multiple_of(GRANULE));
        let stage = |index: usize, map: FeatureMap| {
            self.stages[index].iter().fold(map, |map, unit| unit.forward(map))
        };
        let halved = |map: FeatureMap| map.max_pool2d(2, 2, 0);
        let map = self.first.forward(pixels, [height, width], filled, Activation::Relu);
        let map = stage(1, stage(0, halved(self.entry.forward(map))));
        let fine = stage(2, halved(map));
        let middle = stage(3, halved(fine.clone()));
        let coarse = self.laterals[2].forward(stage(4, halved(middle.clone())));
        let middle = self.laterals[1].forward(middle.add_enlarged(coarse.clone()));
        let fine = self.laterals[0].forward(fine.add_enlarged(middle.clone()));
        let maps = [fine, middle, coarse];
        let mut heads = self.heads.iter();
        maps.map(|map| {
            let head = heads.next().expect("a head for each of three maps");
            head.forward(map).into_batch().into_data().try_into_vec::<f32>().expect("maps are f32")
        })
    }
}
