//! ONNX files: their structure, what cannot be written, and that none is taken for a model. Whether ONNX Runtime computes
//! from them what this program does is `reference/onnx_check.py`'s to say (`.ci/onnx`).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use burn::module::Module as _;
use burn::tensor::Device;
use duchenne::files::checksum::checksum;
use duchenne::inference::InferenceError;
use duchenne::inference::onnx_export::detector_to_onnx;
use duchenne::models::checkpoint::{Checkpoint, Precision};
use duchenne::models::import::read_weights;
use duchenne::models::linear_svm::{FeatureNetwork, LinearSvm};
use duchenne::models::network::{Architecture, NetworkConfig};
use duchenne::models::onnx::messages::{DataType, GraphProto, ModelProto};
use duchenne::models::onnx::{Graph, GraphOptions, Length, OnnxError, OnnxFile};
use duchenne::models::tensors::{NamedTensor, write_tensors};
use duchenne::models::yunet::YuNet;
use duchenne::{BuiltInModel, Picture, Predictor, Views};
use prost::Message as _;

const FULL: GraphOptions = GraphOptions { precision: Precision::Full, keep_batch_norm: false };
const HALF: GraphOptions = GraphOptions { precision: Precision::Half, ..FULL };
const KEPT: GraphOptions = GraphOptions { keep_batch_norm: true, ..FULL };

/// A network's graph alone, of 48-pixel faces.
fn graph_of(config: &NetworkConfig, options: GraphOptions) -> GraphProto {
    let mut graph = Graph::new(options);
    let lengths =
        [Length::Free("batch"), Length::Fixed(config.channels), Length::Fixed(48), Length::Fixed(48)];
    let images = graph.input("images", &lengths, "");
    let logits = config.blank(&Device::flex()).onnx(&mut graph, images, 48);
    graph.output(logits, "logits", &[Length::Free("batch"), Length::Fixed(config.classes)], "");
    OnnxFile::new(graph, "test", "", []).unwrap().model().graph.clone().unwrap()
}

/// How often each operator occurs in a graph whose every name is made before it is used, once, and for a use.
fn operators(graph: &GraphProto) -> BTreeMap<&str, usize> {
    let mut known: HashSet<&str> = HashSet::new();
    let given = graph.input.iter().map(|input| input.name());
    for name in given.chain(graph.initializer.iter().map(|tensor| tensor.name())) {
        assert!(known.insert(name), "`{name}` twice");
    }
    let mut used: HashSet<&str> = graph.output.iter().map(|output| output.name()).collect();
    let mut counts = BTreeMap::new();
    for node in &graph.node {
        for input in node.input.iter().filter(|input| !input.is_empty()) {
            assert!(known.contains(input.as_str()), "`{input}` is used before it is made");
            used.insert(input);
        }
        node.output.iter().for_each(|output| assert!(known.insert(output), "`{output}` twice"));
        *counts.entry(node.op_type()).or_default() += 1;
    }
    assert_eq!(known, used, "something is made and never used");
    for tensor in &graph.initializer {
        let values: i64 = tensor.dims.iter().product();
        let width = match tensor.data_type() {
            DataType::Float => 4,
            DataType::Float16 => 2,
            DataType::Int64 => 8,
            DataType::Undefined => unreachable!(),
        };
        assert_eq!(tensor.raw_data().len() as i64, values * width, "`{}`", tensor.name());
    }
    counts
}

fn values(graph: &GraphProto, kind: DataType) -> usize {
    let of_kind = graph.initializer.iter().filter(|tensor| tensor.data_type() == kind);
    of_kind.map(|tensor| tensor.dims.iter().product::<i64>() as usize).sum()
}

#[test]
fn every_architecture_is_a_whole_graph_of_its_own_parameters() {
    for (name, architecture) in Architecture::TABLE {
        let config = NetworkConfig::new(architecture, 1, 7);
        let parameters = config.blank(&Device::flex()).num_params();
        let kept = graph_of(&config, KEPT);
        assert_eq!(values(&kept, DataType::Float), parameters, "{name}");
        let kept = operators(&kept);
        let with_norm = !name.starts_with("vgg") || name.ends_with("_bn");
        assert_eq!(kept.contains_key("BatchNormalization"), with_norm, "{name}");

        let folded = graph_of(&config, FULL);
        let counts = operators(&folded);
        assert_eq!(counts.get("BatchNormalization"), None, "{name}");
        assert_eq!((counts["Conv"], counts["Gemm"]), (kept["Conv"], kept["Gemm"]), "{name}");
        // Every convolution has a bias then: weights, scale, shift and two statistics became weights and bias.
        let norms = kept.get("BatchNormalization").copied().unwrap_or(0);
        let convolutions = folded.node.iter().filter(|node| node.op_type() == "Conv");
        assert!(convolutions.clone().all(|node| node.input.len() == 3), "{name}");
        assert!(norms == 0 || norms == convolutions.count(), "{name}");

        let half = graph_of(&config, HALF);
        let counts = operators(&half);
        assert_eq!(counts["Cast"], counts["Conv"] + counts["Gemm"], "{name}");
        assert_eq!(
            values(&half, DataType::Float16) + values(&half, DataType::Float),
            values(&folded, DataType::Float)
        );
        let size = |graph: &GraphProto| graph.encoded_len() as f64;
        assert!((0.49..0.53).contains(&(size(&half) / size(&folded))), "{name}");
    }
}

#[test]
fn a_head_of_another_side_than_the_map_pools_by_two_products() {
    let config = NetworkConfig { head: 7, ..NetworkConfig::new(Architecture::Vgg11, 1, 7) };
    assert_eq!(operators(&graph_of(&config, FULL))["MatMul"], 2);
    let config = NetworkConfig { head: 1, ..config };
    assert_eq!(operators(&graph_of(&config, FULL)).get("MatMul"), None);
}

fn built_in(model: BuiltInModel) -> (String, Predictor) {
    (model.name().to_owned(), Predictor::built_in(model, &Device::flex()).unwrap())
}

#[test]
fn a_file_says_what_goes_in_and_what_comes_out() {
    let (_, model) = built_in(BuiltInModel::RatersCompact);
    let file = model.to_onnx(Views::Mirrored, FULL).unwrap();
    let bytes = file.to_bytes();
    assert_eq!(ModelProto::decode(&*bytes).unwrap(), *file.model());
    let [inputs, outputs] = file.ends();
    assert_eq!(inputs, ["images [batch, 1, 48, 48]"]);
    assert_eq!(outputs, ["probabilities [batch, 8]"]);
    let texts: BTreeMap<&str, &str> = file.texts().collect();
    let json = |key: &str| serde_json::from_str::<serde_json::Value>(texts[key]).unwrap();
    assert_eq!(json("duchenne.labels"), serde_json::json!(model.label_set().names()));
    assert_eq!(json("duchenne.temperatures"), serde_json::json!([model.manifest().temperature]));
    assert_eq!((texts["duchenne.label_set"], texts["duchenne.views"]), ("ferplus", "mirrored"));
    assert_eq!(json("duchenne.models")[0], serde_json::to_value(model.manifest()).unwrap());
    let preprocessing = json("duchenne.preprocessing");
    assert_eq!(preprocessing["crop"]["scale"], 1.1);
    assert_eq!(preprocessing["input"]["side"], 48);
    assert_eq!(preprocessing["stretching"]["below_levels"], 80);
    operators(file.model().graph.as_ref().unwrap());
}

#[test]
fn views_and_members_are_parts_of_one_graph() {
    let (name, compact) = built_in(BuiltInModel::Fer2013Compact);
    let counts = |predictor: &Predictor, views| {
        let file = predictor.to_onnx(views, FULL).unwrap();
        let graph = file.model().graph.clone().unwrap();
        operators(&graph)
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect::<BTreeMap<_, _>>()
    };
    let single = counts(&compact, Views::Centre);
    assert_eq!((single.get("Concat"), single.get("Gather"), single["Slice"]), (None, None, 1));
    let ten = counts(&compact, Views::TenCrop);
    assert_eq!((ten["Concat"], ten["Gather"], ten["Slice"], ten["Conv"]), (1, 5, 10, single["Conv"]));
    let both = Predictor::ensemble(vec![(name, compact), built_in(BuiltInModel::Fer2013)]).unwrap();
    let both_counts = counts(&both, Views::Centre);
    assert_eq!((both_counts["Softmax"], both_counts["Conv"]), (2, 2 * single["Conv"]));
    let file = both.to_onnx(Views::Centre, FULL).unwrap();
    let texts: BTreeMap<&str, &str> = file.texts().collect();
    let models: Vec<serde_json::Value> = serde_json::from_str(texts["duchenne.models"]).unwrap();
    assert_eq!(models.len(), 2);
    assert_ne!(models[0]["network"]["widen"], models[1]["network"]["widen"]);
}

#[test]
fn weights_that_are_no_numbers_in_the_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.safetensors");
    let damaged = |name: &str, value: f32| {
        let mut model = Checkpoint::from_bytes(BuiltInModel::RatersCompact.bytes(), &path).unwrap();
        model.weights.iter_mut().find(|tensor| tensor.name == name).unwrap().values[0] = value;
        model.write(&path, Precision::Full).unwrap();
        Predictor::load(&path, &Device::flex()).unwrap()
    };
    let problem = |predictor: &Predictor, options| match predictor.to_onnx(Views::Centre, options) {
        Err(InferenceError::Onnx(problem)) => problem,
        other => panic!("{other:?}"),
    };
    // A variance below zero has no root.
    let model = damaged("bn1.running_var", -1.0);
    assert_eq!(problem(&model, FULL), OnnxError::NotFinite("conv1.weight".to_owned()));
    let model = damaged("fc.weight", 1e6);
    assert_eq!(problem(&model, HALF), OnnxError::Range("fc.weight".to_owned()));
    assert!(model.to_onnx(Views::Centre, FULL).is_ok());
}

#[test]
fn an_svm_on_a_built_in_network_works_and_has_no_graph() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("svm.safetensors");
    let model = BuiltInModel::Fer2013Compact;
    let (_, network) = built_in(model);
    let mut svm = LinearSvm::new(vec![0.5; 7 * 120], vec![0.0; 7], Some(network.label_set()));
    svm.manifest.networks =
        vec![FeatureNetwork { path: model.name().into(), checksum: checksum(model.bytes()) }];
    svm.write(&path).unwrap();
    let svm = Predictor::load(&path, &Device::flex()).unwrap();
    assert_eq!(svm.description(), format!("linear SVM on {}", network.description()));
    let refusal = svm.to_onnx(Views::Centre, FULL).unwrap_err();
    assert!(matches!(refusal, InferenceError::NoGraph), "{refusal}");
}

#[test]
fn onnx_is_refused_by_name_and_by_content_where_a_model_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (_, model) = built_in(BuiltInModel::RatersCompact);
    let file = model.to_onnx(Views::Centre, FULL).unwrap();
    let named = folder.path().join("model.onnx");
    let renamed = folder.path().join("model.safetensors");
    let cut_off = folder.path().join("cut.ONNX");
    file.write(&named).unwrap();
    assert_eq!(OnnxFile::open(&named).unwrap(), file);
    std::fs::write(&renamed, file.to_bytes()).unwrap();
    std::fs::write(&cut_off, &file.to_bytes()[..1000]).unwrap();
    for path in [&named, &renamed, &cut_off] {
        let refusal = Predictor::load(path, &Device::flex()).unwrap_err().to_string();
        for part in ["is not a duchenne model: it is ONNX", "one engine, its own", "`duchenne model import`"]
        {
            assert!(refusal.contains(part), "{refusal}");
        }
        let refusal = read_weights(path).unwrap_err().to_string();
        assert!(refusal.contains("it is ONNX, whose names and shapes are not torchvision's"), "{refusal}");
    }
    let refusal = OnnxFile::open(&cut_off).unwrap_err().to_string();
    assert!(refusal.contains("not ONNX: "), "{refusal}");
    std::fs::write(&renamed, b"something else").unwrap();
    let refusal = Predictor::load(&renamed, &Device::flex()).unwrap_err().to_string();
    assert!(refusal.contains("not a whole safetensors file"), "{refusal}");
    let refusal = Predictor::named(Path::new("built-in-detector"), &Device::flex()).unwrap_err();
    assert!(matches!(refusal, InferenceError::Detector), "{refusal}");
}

#[test]
fn the_detector_is_a_whole_graph_of_any_size() {
    let file = detector_to_onnx(FULL).unwrap();
    let [inputs, outputs] = file.ends();
    assert_eq!(inputs, ["images [batch, 3, height, width]"]);
    assert_eq!(outputs[1], "stride_16 [batch, 16, rows_16, columns_16]");
    let counts = operators(file.model().graph.as_ref().unwrap());
    assert_eq!((counts["Resize"], counts["MaxPool"], counts["Pad"]), (2, 4, 1));
    let texts: BTreeMap<&str, &str> = file.texts().collect();
    let settings: serde_json::Value = serde_json::from_str(texts["duchenne.detection"]).unwrap();
    assert_eq!(settings["min_score"], 0.6);
    assert_eq!(settings["strides"], serde_json::json!([8, 16, 32]));
    assert_eq!(settings["values"].as_array().unwrap().len(), 16);
}

/// With `DUCHENNE_ONNX` set to a folder, pictures of several sizes and what the detector's heads say of them, for
/// `reference/onnx_check.py`.
#[test]
fn heads_of_the_detector_for_onnx_runtime() {
    let Some(folder) = std::env::var_os("DUCHENNE_ONNX") else {
        eprintln!("skipped: DUCHENNE_ONNX names no folder for the detector's outputs");
        return;
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faces.png");
    let picture = Picture::open(&example).unwrap().into_rgb();
    let mut tensors: Vec<NamedTensor> = Vec::new();
    // As it is, a part of multiples of the granule, an odd one, and one below a granule.
    for (number, [left, top, width, height]) in
        [[0, 0, 900, 680], [0, 0, 640, 480], [37, 21, 321, 333], [120, 90, 31, 17]].into_iter().enumerate()
    {
        let part = image::imageops::crop_imm(&picture, left, top, width, height).to_image();
        let size = [height as usize, width as usize];
        let shape = [size[0], size[1], 3].to_vec();
        let values = part.as_raw().iter().map(|value| f32::from(*value)).collect();
        tensors.push(NamedTensor { name: format!("{number}.picture"), shape, values });
        let heads = YuNet::shared().forward(part.as_raw(), size);
        for (stride, values) in [8, 16, 32].into_iter().zip(heads) {
            let filled = size.map(|side| side.next_multiple_of(32) / stride);
            let shape = [16, filled[0], filled[1]].to_vec();
            tensors.push(NamedTensor { name: format!("{number}.stride_{stride}"), shape, values });
        }
    }
    let path = Path::new(&folder).join("detector.safetensors");
    write_tensors(&tensors, &[], std::collections::HashMap::new(), Precision::Full, &path).unwrap();
}
