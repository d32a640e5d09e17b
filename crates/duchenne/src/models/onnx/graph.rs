//! A *graph* in the making: named tensors and the operations between them, in the order of the data flow.

use half::f16;

use super::OnnxError;
use super::messages::{
    AttributeProto, AttributeType, DataType, DimensionProto, GraphProto, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::models::tensors::Precision;

/// A tensor of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(usize);

/// The length of a dimension of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Always the same.
    Fixed(usize),
    /// By name, where it differs from call to call.
    Free(&'static str),
}

/// A setting of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting<'a> {
    /// A whole number.
    Int(i64),
    /// Whole numbers.
    Ints(&'a [i64]),
    /// A number.
    Float(f32),
    /// A word.
    Text(&'a str),
}

/// How weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphOptions {
    /// Of the weights of convolutions and linear layers. Half-precision ones are converted to 32 bits by the graph itself,
    /// which ONNX Runtime does once when it loads the file: half the size, and the arithmetic is that of 32 bits.
    pub precision: Precision,
    /// Whether batch normalisations stay operations of their own instead of being folded into the convolution before.
    pub keep_batch_norm: bool,
}

/// An operation; names are given at the end.
#[derive(Debug)]
struct Node {
    operator: &'static str,
    inputs: Vec<Value>,
    output: Value,
    attributes: Vec<AttributeProto>,
}

/// A graph in the making.
#[derive(Debug)]
pub struct Graph {
    options: GraphOptions,
    names: Vec<String>,
    scope: String,
    nodes: Vec<Node>,
    initializers: Vec<TensorProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    problem: Option<OnnxError>,
}

impl Graph {
    /// An empty one.
    pub fn new(options: GraphOptions) -> Self {
        Self {
            options,
            names: Vec::new(),
            scope: String::new(),
            nodes: Vec::new(),
            initializers: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            problem: None,
        }
    }

    /// How weights are written.
    pub fn options(&self) -> GraphOptions {
        self.options
    }

    /// A part whose names begin with `scope` and a dot, after those of the parts around it.
    pub fn within<T>(&mut self, scope: impl std::fmt::Display, part: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.scope.len();
        self.scope += &format!("{scope}.");
        let result = part(self);
        self.scope.truncate(outside);
        result
    }

    /// What is given at every call: 32-bit floats.
    pub fn input(&mut self, name: &str, shape: &[Length], about: &str) -> Value {
        self.inputs.push(info(name, shape, about));
        self.value(name.to_owned())
    }

    /// Makes a tensor of 32-bit floats an output of this name.
    pub fn output(&mut self, value: Value, name: &str, shape: &[Length], about: &str) {
        self.outputs.push(info(name, shape, about));
        self.names[value.0] = name.to_owned();
    }

    /// Weights of a convolution or linear layer, in the graph's precision.
    pub fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        match self.options.precision {
            Precision::Full => self.constant(name, shape, values),
            Precision::Half => {
                let halves: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
                if halves.iter().any(|value| !value.is_finite()) {
                    let name = format!("{}{name}", self.scope);
                    self.problem.get_or_insert(OnnxError::Range(name));
                }
                let bytes = halves.iter().flat_map(|value| value.to_le_bytes()).collect();
                let stored = self.initializer(name, DataType::Float16, shape, bytes);
                self.node("Cast", &[stored], &[("to", Setting::Int(DataType::Float as i64))])
            }
        }
    }

    /// Few numbers whose precision matters: always 32 bits.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        if values.iter().any(|value| !value.is_finite()) {
            let name = format!("{}{name}", self.scope);
            self.problem.get_or_insert(OnnxError::NotFinite(name));
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, DataType::Float, shape, bytes)
    }

    /// Whole numbers, such as places along an axis.
    pub fn indices(&mut self, name: &str, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, DataType::Int64, &[values.len()], bytes)
    }

    /// Stands in the place of an input that is left out.
    pub fn nothing(&mut self) -> Value {
        self.value(String::new())
    }

    /// An operation of one output.
    pub fn node(
        &mut self,
        operator: &'static str,
        inputs: &[Value],
        settings: &[(&str, Setting<'_>)],
    ) -> Value {
        let output = self.value(format!("{}{operator}_{}", self.scope, self.nodes.len()));
        let attributes = settings.iter().map(|(name, setting)| attribute(name, setting)).collect();
        self.nodes.push(Node { operator, inputs: inputs.to_vec(), output, attributes });
        output
    }

    fn value(&mut self, name: String) -> Value {
        self.names.push(name);
        Value(self.names.len() - 1)
    }

    fn initializer(&mut self, name: &str, kind: DataType, shape: &[usize], bytes: Vec<u8>) -> Value {
        let mut name = format!("{}{name}", self.scope);
        if self.names.contains(&name) {
            name += &format!("_{}", self.initializers.len());
        }
        self.initializers.push(TensorProto {
            dims: shape.iter().map(|length| *length as i64).collect(),
            data_type: Some(kind as i32),
            name: Some(name.clone()),
            raw_data: Some(bytes),
        });
        self.value(name)
    }

    /// The finished graph.
    ///
    /// # Errors
    /// When a weight is not finite, or not in half precision.
    pub(super) fn finish(self, name: &str) -> Result<GraphProto, OnnxError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let names = &self.names;
        let node = self.nodes.into_iter().map(|node| {
            let output = names[node.output.0].clone();
            NodeProto {
                input: node.inputs.iter().map(|value| names[value.0].clone()).collect(),
                output: vec![output.clone()],
                name: Some(output),
                op_type: Some(node.operator.to_owned()),
                attribute: node.attributes,
            }
        });
        Ok(GraphProto {
            node: node.collect(),
            name: Some(name.to_owned()),
            initializer: self.initializers,
            input: self.inputs,
            output: self.outputs,
        })
    }
}

fn attribute(name: &str, setting: &Setting<'_>) -> AttributeProto {
    let empty = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let of = |kind: AttributeType| Some(kind as i32);
    match setting {
        Setting::Int(value) => AttributeProto { i: Some(*value), r#type: of(AttributeType::Int), ..empty },
        Setting::Ints(values) => {
            AttributeProto { ints: values.to_vec(), r#type: of(AttributeType::Ints), ..empty }
        }
        Setting::Float(value) => {
            AttributeProto { f: Some(*value), r#type: of(AttributeType::Float), ..empty }
        }
        Setting::Text(text) => {
            let s = Some(text.as_bytes().to_vec());
            AttributeProto { s, r#type: of(AttributeType::String), ..empty }
        }
    }
}

fn info(name: &str, shape: &[Length], about: &str) -> ValueInfoProto {
    let dim = shape.iter().map(|length| match length {
        Length::Fixed(length) => {
            DimensionProto { dim_value: Some(*length as i64), ..DimensionProto::default() }
        }
        Length::Free(name) => {
            DimensionProto { dim_param: Some((*name).to_owned()), ..DimensionProto::default() }
        }
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor = TensorTypeProto { elem_type: Some(DataType::Float as i32), shape };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
        doc_string: Some(about.to_owned()),
    }
}
