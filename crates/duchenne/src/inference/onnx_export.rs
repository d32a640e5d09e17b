//! *Export*: a classifier, or the face detector, as one ONNX file, with all in its metadata that a program needs to give it
//! what it expects. `docs/onnx.md` has every entry.
//!
//! A classifier's graph begins at the face resized to the size that its preprocessing asks for, in gray levels (or red,
//! green and blue) of `0..=255`, and ends at calibrated probabilities: cropping, scaling, views and their mean, temperature
//! and softmax are in it, and so is the mean over an ensemble's members. What comes before, from a picture to a face of
//! that size, is not a network's work and stands in the metadata.

use serde_json::{Value as Json, json};

use super::alignment::{CROP_SCALE, UPRIGHT};
use super::error::InferenceError;
use super::face_detection;
use super::predictor::Predictor;
use crate::data::faces::preprocessing::Preprocessing;
use crate::data::faces::stretching;
use crate::data::faces::views::{View, Views};
use crate::models::checkpoint::Manifest;
use crate::models::network::Network;
use crate::models::onnx::{Graph, GraphOptions, Length, OnnxFile, Setting, Value};
use crate::models::provenance::PROGRAM;
use crate::models::tensors::Precision;
use crate::models::yunet;

/// Version of the metadata.
const FORMAT: &str = "1";

/// How views are called on the command line and in the metadata.
fn views_name(views: Views) -> &'static str {
    match views {
        Views::Centre => "single",
        Views::Mirrored => "mirrored",
        Views::TenCrop => "ten-crop",
    }
}

fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Full => "full",
        Precision::Half => "half",
    }
}

impl Predictor {
    /// The classifier as an ONNX file that averages over `views`: faces in, calibrated probabilities out.
    ///
    /// # Errors
    /// [`InferenceError::Onnx`] when a weight is not finite or too large for half precision,
    /// [`InferenceError::NoGraph`] for a linear SVM.
    pub fn to_onnx(&self, views: Views, options: GraphOptions) -> Result<OnnxFile, InferenceError> {
        let mut graph = Graph::new(options);
        let manifest = self.manifest();
        let preprocessing = &manifest.preprocessing;
        let side = Length::Fixed(preprocessing.resize);
        let channels = preprocessing.depth();
        let shape = [Length::Free("batch"), Length::Fixed(channels), side, side];
        let about = match preprocessing.color {
            true => "faces in red, green and blue, 0 to 255",
            false => "faces in gray levels, 0 to 255",
        };
        let faces = graph.input("images", &shape, about);
        let probabilities = self.onnx(&mut graph, faces, views)?;
        let shape = [Length::Free("batch"), Length::Fixed(manifest.label_set.len())];
        graph.output(probabilities, "probabilities", &shape, &manifest.label_set.names().join(", "));
        let members: Vec<&Manifest> = self.members();
        let temperatures: Vec<f64> = members.iter().map(|member| member.temperature).collect();
        let texts = [
            ("duchenne.format", FORMAT.to_owned()),
            ("duchenne.kind", "classifier".to_owned()),
            ("duchenne.program", PROGRAM.to_owned()),
            ("duchenne.labels", json!(manifest.label_set.names()).to_string()),
            ("duchenne.label_set", manifest.label_set.to_string()),
            ("duchenne.temperatures", json!(temperatures).to_string()),
            ("duchenne.views", views_name(views).to_owned()),
            ("duchenne.precision", precision_name(options.precision).to_owned()),
            ("duchenne.preprocessing", shortest(preprocessing_json(preprocessing)).to_string()),
            (
                "duchenne.models",
                serde_json::to_string(&members).expect("manifests are plain numbers and words"),
            ),
        ];
        let about = format!(
            "Probabilities of the expression that a face shows: {}. {} by {PROGRAM}.",
            manifest.label_set.names().join(", "),
            self.description()
        );
        Ok(OnnxFile::new(graph, "duchenne", &about, texts)?)
    }
}

/// The face detector as an ONNX file: pictures in, what its heads say out, before any sigmoid or exponential.
///
/// # Errors
/// None in a program that passes its tests.
pub fn detector_to_onnx(options: GraphOptions) -> Result<OnnxFile, InferenceError> {
    let mut graph = Graph::new(options);
    let (batch, colors) = (Length::Free("batch"), Length::Fixed(3));
    let shape = [batch, colors, Length::Free("height"), Length::Free("width")];
    let pictures = graph.input("images", &shape, "pictures in red, green and blue, 0 to 255");
    let heads = yunet::onnx(&mut graph, pictures);
    let names = [("stride_8", "rows_8", "columns_8"), ("stride_16", "rows_16", "columns_16")];
    let names = names.into_iter().chain([("stride_32", "rows_32", "columns_32")]);
    for (head, (name, rows, columns)) in heads.into_iter().zip(names) {
        let shape = [batch, Length::Fixed(yunet::VALUES), Length::Free(rows), Length::Free(columns)];
        graph.output(head, name, &shape, "face, object, box (x, y, width, height), five landmarks (x, y)");
    }
    let texts = [
        ("duchenne.format", FORMAT.to_owned()),
        ("duchenne.kind", "detector".to_owned()),
        ("duchenne.program", PROGRAM.to_owned()),
        ("duchenne.precision", precision_name(options.precision).to_owned()),
        ("duchenne.detection", shortest(face_detection::settings()).to_string()),
        (
            "duchenne.provenance",
            json!({
                "network": "YuNet (Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, 2023)",
                "weights": "libfacedetection (Shiqi Yu), trained on WIDER FACE",
                "licence": "BSD-3-Clause",
            })
            .to_string(),
        ),
    ];
    let about = format!("Where faces are in a picture, by YuNet. Written by {PROGRAM}.");
    Ok(OnnxFile::new(graph, "duchenne-detector", &about, texts)?)
}

/// Every number as it stands in the source: 1.1, and not the nearest 32-bit float in 17 digits.
fn shortest(json: Json) -> Json {
    match json {
        Json::Object(entries) => {
            Json::Object(entries.into_iter().map(|(key, value)| (key, shortest(value))).collect())
        }
        Json::Array(values) => Json::Array(values.into_iter().map(shortest).collect()),
        Json::Number(number) => match number.as_f64() {
            Some(value) if number.is_f64() => {
                json!((value as f32).to_string().parse::<f64>().unwrap_or(value))
            }
            _ => Json::Number(number),
        },
        other => other,
    }
}

/// From a picture to the graph's input.
fn preprocessing_json(preprocessing: &Preprocessing) -> Json {
    json!({
        "input": {
            "name": "images",
            "side": preprocessing.resize,
            "channels": preprocessing.depth(),
            "color": preprocessing.color,
            "range": [0, 255],
        },
        "gray": { "luma": [0.299, 0.587, 0.114] },
        "resize": { "filter": "triangle", "antialias": true },
        "stretching": stretching::settings(),
        "crop": {
            "scale": CROP_SCALE,
            "upright_above_degrees": UPRIGHT,
            "beyond_edge": "nearest",
        },
    })
}

/// The operations of one network, from faces of the size of `preprocessing.resize` in `0..=255` to calibrated
/// probabilities.
pub(super) fn probabilities(
    graph: &mut Graph,
    faces: Value,
    network: &Network,
    manifest: &Manifest,
    views: Views,
) -> Value {
    let preprocessing = &manifest.preprocessing;
    let images = scaled(graph, faces, preprocessing);
    let shown: Vec<Value> =
        views.list().iter().map(|shown| view(graph, images, *shown, preprocessing)).collect();
    let images = match shown[..] {
        [image] => image,
        _ => graph.node("Concat", &shown, &[("axis", Setting::Int(0))]),
    };
    let mut logits = network.onnx(graph, images, preprocessing.crop);
    if shown.len() > 1 {
        // The views of a face are a whole batch apart.
        let shape = [shown.len() as i64, -1, manifest.label_set.len() as i64];
        let shape = graph.indices("views", &shape);
        let apart = graph.node("Reshape", &[logits, shape], &[]);
        let axis = graph.indices("view_axis", &[0]);
        logits = graph.node("ReduceMean", &[apart, axis], &[("keepdims", Setting::Int(0))]);
    }
    let sharpness = graph.constant("inverse_temperature", &[], &[(1.0 / manifest.temperature) as f32]);
    let logits = graph.node("Mul", &[logits, sharpness], &[]);
    softmax(graph, logits)
}

fn softmax(graph: &mut Graph, logits: Value) -> Value {
    graph.node("Softmax", &[logits], &[("axis", Setting::Int(-1))])
}

/// The mean of the probabilities of several models.
pub(super) fn mean(graph: &mut Graph, members: &[Value]) -> Value {
    let sum = members.iter().copied().reduce(|sum, member| graph.add(sum, member)).expect("a model");
    let share = graph.constant("share", &[], &[1.0 / members.len() as f32]);
    graph.node("Mul", &[sum, share], &[])
}

/// `(value / 255 - mean) / deviation` of every channel, gray repeated where the network has three.
fn scaled(graph: &mut Graph, faces: Value, preprocessing: &Preprocessing) -> Value {
    let channels = preprocessing.channels();
    let scales =
        preprocessing.deviation.iter().map(|deviation| (1.0 / (255.0 * f64::from(*deviation))) as f32);
    let shifts = preprocessing.mean.iter().zip(&preprocessing.deviation);
    let shifts = shifts.map(|(mean, deviation)| (-f64::from(*mean) / f64::from(*deviation)) as f32);
    let shape = [1, channels, 1, 1];
    let scales = graph.constant("pixel_scale", &shape, &scales.collect::<Vec<_>>());
    let shifts = graph.constant("pixel_shift", &shape, &shifts.collect::<Vec<_>>());
    let images = graph.node("Mul", &[faces, scales], &[]);
    graph.add(images, shifts)
}

/// One crop of the faces, mirrored or not.
fn view(graph: &mut Graph, images: Value, view: View, preprocessing: &Preprocessing) -> Value {
    let (resize, crop) = (preprocessing.resize, preprocessing.crop);
    let mut images = images;
    if crop < resize {
        let start = view.start(resize, crop).map(|start| start as i64);
        let parts = [
            graph.indices("crop_starts", &start),
            graph.indices("crop_ends", &start.map(|start| start + crop as i64)),
            graph.indices("crop_axes", &[2, 3]),
        ];
        images = graph.node("Slice", &[images, parts[0], parts[1], parts[2]], &[]);
    }
    if view.mirrored {
        let columns: Vec<i64> = (0..crop as i64).rev().collect();
        let columns = graph.indices("mirrored_columns", &columns);
        images = graph.node("Gather", &[images, columns], &[("axis", Setting::Int(3))]);
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_as_they_are_written() {
        let json =
            shortest(json!({ "a": [1.1_f32, 0.6_f32, 3], "b": { "c": 0.01, "d": 8.0e5, "e": "1.10" } }));
        assert_eq!(json.to_string(), r#"{"a":[1.1,0.6,3],"b":{"c":0.01,"d":800000.0,"e":"1.10"}}"#);
    }
}
