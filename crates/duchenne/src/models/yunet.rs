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

use super::onnx::{Graph, Setting, Value};
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

/// The weights of the file by name.
struct File(HashMap<String, NamedTensor>);

impl File {
    fn read() -> Self {
        let file = read_tensors::<f32>(WEIGHTS).expect("the built-in weights are a safetensors file");
        Self(file.tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect())
    }

    /// Shape and values of a part of several layers of one kind, joined along their output channels.
    fn joined(&self, layers: &[String], part: &str) -> (Vec<usize>, Vec<f32>) {
        let parts: Vec<&NamedTensor> =
            layers.iter().map(|layer| &self.0[&format!("{layer}.{part}")]).collect();
        let mut shape = parts[0].shape.clone();
        shape[0] = parts.iter().map(|part| part.shape[0]).sum();
        (shape, parts.iter().flat_map(|part| part.values.iter().copied()).collect())
    }
}

/// The four parts of a head at one level: they see the same map, so that one unit does for all.
fn head(level: usize) -> [String; 4] {
    ["cls", "obj", "bbox", "kps"].map(|kind| format!("bbox_head.multi_level_{kind}.{level}"))
}

/// The first layer.
const FIRST: &str = "backbone.model0";

/// The weights on a device.
struct Weights<'a> {
    file: File,
    device: &'a Device,
}

impl Weights<'_> {
    fn tensor<const D: usize>(&self, layers: &[String], part: &str) -> Tensor<D> {
        let (shape, values) = self.file.joined(layers, part);
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
        let weights = Weights { file: File::read(), device };
        let first = [FIRST.to_owned()];
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
            heads: [0, 1, 2].map(|level| weights.separable_of(&head(level), Activation::Identity)),
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

/// The network as operations of a graph.
struct Drawing<'a> {
    graph: &'a mut Graph,
    file: File,
}

impl Drawing<'_> {
    /// A convolution of several layers, joined along their outputs, in so many groups of channels.
    fn convolve(
        &mut self,
        input: Value,
        layers: &[String],
        part: &str,
        geometry: [i64; 3],
        groups: usize,
    ) -> Value {
        let (shape, weight) = self.file.joined(layers, &format!("{part}.weight"));
        let (_, bias) = self.file.joined(layers, &format!("{part}.bias"));
        let name = format!("{}.{part}", layers[0]);
        self.graph
            .within(name, |graph| graph.convolve(input, (&shape, &weight), Some(&bias), geometry, groups))
    }

    /// Without its activation.
    fn separable_of(&mut self, input: Value, layers: &[String]) -> Value {
        let map = self.convolve(input, layers, "pw", [1, 1, 0], 1);
        let channels = self.file.joined(layers, "dw.bias").1.len();
        self.convolve(map, layers, "dw", [3, 1, 1], channels)
    }

    fn separable(&mut self, input: Value, layer: &str) -> Value {
        let map = self.separable_of(input, &[layer.to_owned()]);
        self.graph.relu(map)
    }

    fn stage(&mut self, input: Value, stage: usize) -> Value {
        let map = self.separable(input, &format!("backbone.model{stage}.dp1"));
        self.separable(map, &format!("backbone.model{stage}.dp2"))
    }

    fn halved(&mut self, input: Value) -> Value {
        self.graph.max_pool(input, [2, 2, 0])
    }

    /// A map plus another of half its height and width.
    fn add_enlarged(&mut self, map: Value, other: Value) -> Value {
        let graph = &mut *self.graph;
        let scales = graph.constant("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
        // The second input, the region of interest, is for another mode; only its place counts.
        let none = graph.nothing();
        let settings = [
            ("mode", Setting::Text("nearest")),
            ("coordinate_transformation_mode", Setting::Text("asymmetric")),
            ("nearest_mode", Setting::Text("floor")),
        ];
        let enlarged = graph.node("Resize", &[other, none, scales], &settings);
        graph.add(map, enlarged)
    }

    /// The picture with zeros on the right and below up to multiples of [`GRANULE`].
    fn filled(&mut self, images: Value) -> Value {
        let graph = &mut *self.graph;
        let size = graph.node("Shape", &[images], &[("start", Setting::Int(2)), ("end", Setting::Int(4))]);
        let missing = graph.node("Neg", &[size], &[]);
        let granule = graph.indices("granule", &[GRANULE as i64]);
        // ONNX's remainder has the sign of the divisor.
        let missing = graph.node("Mod", &[missing, granule], &[]);
        let before = graph.indices("before", &[0; 6]);
        let pads = graph.node("Concat", &[before, missing], &[("axis", Setting::Int(0))]);
        graph.node("Pad", &[images, pads], &[("mode", Setting::Text("constant"))])
    }
}

/// The network as operations of a graph, from pictures `[batch, 3, height, width]` of any size, of red, green and blue in
/// `0..=255`, to what the heads say at each of [`STRIDES`]: `[batch, VALUES, rows, columns]`, as [`YuNet::forward`] does.
pub fn onnx(graph: &mut Graph, images: Value) -> [Value; 3] {
    let mut drawing = Drawing { graph, file: File::read() };
    let images = drawing.filled(images);
    // From blue, green, red to the order of pictures.
    let (_, first) = drawing.file.joined(&[FIRST.to_owned()], "pw.weight");
    let (_, bias) = drawing.file.joined(&[FIRST.to_owned()], "pw.bias");
    let flipped: Vec<f32> =
        first.chunks_exact(27).flat_map(|filter| filter.chunks_exact(9).rev().flatten().copied()).collect();
    let map = drawing.graph.within(format_args!("{FIRST}.pw"), |graph| {
        graph.convolve(images, (&[bias.len(), 3, 3, 3], &flipped), Some(&bias), [3, 2, 1], 1)
    });
    let map = drawing.graph.relu(map);
    let map = drawing.separable(map, &format!("{FIRST}.dp"));
    let map = drawing.halved(map);
    let map = drawing.stage(map, 1);
    let map = drawing.stage(map, 2);
    let map = drawing.halved(map);
    let fine = drawing.stage(map, 3);
    let map = drawing.halved(fine);
    let middle = drawing.stage(map, 4);
    let map = drawing.halved(middle);
    let map = drawing.stage(map, 5);
    let coarse = drawing.separable(map, "neck.lateral_convs.2");
    let map = drawing.add_enlarged(middle, coarse);
    let middle = drawing.separable(map, "neck.lateral_convs.1");
    let map = drawing.add_enlarged(fine, middle);
    let fine = drawing.separable(map, "neck.lateral_convs.0");
    let mut level = 0..;
    [fine, middle, coarse].map(|map| {
        let level = level.next().expect("levels do not end");
        drawing.separable_of(map, &head(level))
    })
}
