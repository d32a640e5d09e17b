//! *ONNX*: networks as graphs that other programs run (ONNX Runtime, in browsers too). Each network writes its graph
//! beside its forward pass; here are the graph in the making, the file's messages, and the file.
//!
//! The way out is one-way: this program runs networks by its own kernels only, from its own files.

mod graph;
mod layers;
pub mod messages;

use std::io::Write as _;
use std::path::Path;

use prost::Message as _;

use crate::files::atomic::{AtomicError, write_atomically};
use messages::{ModelProto, OperatorSetIdProto, StringStringEntryProto};

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

/// Whether a file is ONNX, by its name or by its content.
pub fn is_onnx(path: &Path, bytes: &[u8]) -> bool {
    let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"));
    // The field `ir_version` comes first in every writer's files.
    named
        || bytes.first() == Some(&0x08) && ModelProto::decode(bytes).is_ok_and(|model| model.graph.is_some())
}
