//! *ONNX*: networks as graphs that other programs run (ONNX Runtime, in browsers too). Each network writes its graph
//! beside its forward pass; here are the graph in the making, the file's messages, and the file.
//!
//! The way out is one-way: this program runs networks by its own kernels only, from its own files.

mod graph;
mod layers;
pub mod messages;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use prost::Message as _;

use crate::files::atomic::{AtomicError, write_atomically};
use messages::{ModelProto, OperatorSetIdProto, StringStringEntryProto, ValueInfoProto};

pub use graph::{Graph, GraphOptions, Length, Setting, Value};

/// Version of the operators: ONNX 1.16's, which ONNX Runtime and onnxruntime-web take since their version 1.18. Later
/// versions change nothing in the operators used here, while WebGPU's kernels lag behind them.
pub const OPSET: i64 = 21;
/// Version of the file format that belongs to these operators.
const IR_VERSION: i64 = 10;

/// Why a network cannot be written as ONNX.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// A weight, after folding, is NaN or infinite.
    #[error("weight `{0}` holds a value that is not finite")]
    NotFinite(String),
    /// A weight is too large for half precision.
    #[error("weight `{0}` holds a value beyond half precision's range; export without --half")]
    Range(String),
}

/// Why an ONNX file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`: {problem}", path.display())]
pub struct OnnxReadError {
    /// The file.
    pub path: PathBuf,
    /// What the system says, or that it is not ONNX.
    pub problem: String,
}

/// An ONNX file in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxFile {
    model: ModelProto,
}

impl OnnxFile {
    /// Of a graph by name, with a sentence about it and texts by name.
    ///
    /// # Errors
    /// When a weight is not finite, or not in half precision.
    pub fn new(
        graph: Graph,
        name: &str,
        about: &str,
        texts: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Self, OnnxError> {
        let texts = texts
            .into_iter()
            .map(|(key, value)| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) });
        let operators = OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) };
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some(env!("CARGO_PKG_NAME").to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            doc_string: Some(about.to_owned()),
            graph: Some(graph.finish(name)?),
            opset_import: vec![operators],
            metadata_props: texts.collect(),
        };
        Ok(Self { model })
    }

    /// Reads a file, of whichever program, for what it says of itself.
    ///
    /// # Errors
    /// When it cannot be read or is not ONNX.
    pub fn open(path: &Path) -> Result<Self, OnnxReadError> {
        let refused = |problem: String| OnnxReadError { path: path.to_owned(), problem };
        let bytes = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        let model = ModelProto::decode(&*bytes).map_err(|error| refused(format!("not ONNX: {error}")))?;
        match model.graph {
            Some(_) => Ok(Self { model }),
            None => Err(refused("not ONNX: it holds no graph".to_owned())),
        }
    }

    /// The texts by name.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.model.metadata_props.iter().map(|entry| (entry.key(), entry.value()))
    }

    /// Names and shapes of the inputs and of the outputs, such as `images [batch, 1, 48, 48]`.
    pub fn ends(&self) -> [Vec<String>; 2] {
        let graph = self.model.graph.as_ref();
        let ends = graph.map_or([&[][..]; 2], |graph| [&graph.input[..], &graph.output[..]]);
        ends.map(|ends| ends.iter().map(described).collect())
    }

    /// The file's content as messages.
    pub fn model(&self) -> &ModelProto {
        &self.model
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), AtomicError> {
        let bytes = self.to_bytes();
        write_atomically(path, |out| out.write_all(&bytes).map_err(|error| AtomicError::system(path, error)))
    }
}

/// Name and shape of an input or output.
fn described(end: &ValueInfoProto) -> String {
    let shape = end.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
    let lengths =
        shape.into_iter().flat_map(|shape| &shape.dim).map(|dim| match (&dim.dim_param, dim.dim_value) {
            (Some(name), _) => name.clone(),
            (None, Some(length)) => length.to_string(),
            (None, None) => "?".to_owned(),
        });
    format!("{} [{}]", end.name(), lengths.collect::<Vec<_>>().join(", "))
}

/// Whether a file is called ONNX.
pub fn is_named_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// Whether a file is ONNX, by its name or by its content.
pub fn is_onnx(path: &Path, bytes: &[u8]) -> bool {
    // The field `ir_version` comes first in every writer's files.
    is_named_onnx(path)
        || bytes.first() == Some(&0x08) && ModelProto::decode(bytes).is_ok_and(|model| model.graph.is_some())
}
