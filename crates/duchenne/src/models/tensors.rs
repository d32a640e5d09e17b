//! *Named tensors* in safetensors files: the one place that reads and writes them for models.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::files::atomic::{AtomicError, write_atomically};

/// PyTorch's count of the batches a batch normalisation has seen; this program needs none.
pub const BATCH_COUNTER: &str = "num_batches_tracked";

/// One parameter or running statistic.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor<T = f32> {
    /// torchvision's name, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// Lengths of the dimensions.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<T>,
}

/// The float types that weights of networks are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredFloat {
    /// 32 bits.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of 32 bits.
    Bf16,
}

impl StoredFloat {
    /// The values of little-endian bytes.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        let pairs = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        match self {
            StoredFloat::F32 => {
                bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            StoredFloat::F16 => pairs.map(|pair| f16::from_le_bytes(pair).to_f32()).collect(),
            StoredFloat::Bf16 => pairs.map(|pair| bf16::from_le_bytes(pair).to_f32()).collect(),
        }
    }
}

/// Precision of stored weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits; 64 of a linear SVM.
    Full,
    /// 16 bits (IEEE half), for shipping; a linear SVM has no such form and stays as it is.
    Half,
}

/// A number type of tensors in memory, with the types that it is stored in.
pub trait StoredNumber: Copy {
    /// For messages: what a tensor should be.
    const EXPECTED: &'static str;

    /// The values of a stored tensor, or `None` where it is of another type.
    fn decode(view: &TensorView<'_>) -> Option<Vec<Self>>;

    /// Type and bytes to store.
    fn encode(values: &[Self], precision: Precision) -> (Dtype, Vec<u8>);
}

impl StoredNumber for f32 {
    const EXPECTED: &'static str = "a 16- or 32-bit float";

    fn decode(view: &TensorView<'_>) -> Option<Vec<Self>> {
        let stored = match view.dtype() {
            Dtype::F32 => StoredFloat::F32,
            Dtype::F16 => StoredFloat::F16,
            Dtype::BF16 => StoredFloat::Bf16,
            _ => return None,
        };
        Some(stored.decode(view.data()))
    }

    fn encode(values: &[Self], precision: Precision) -> (Dtype, Vec<u8>) {
        match precision {
            Precision::Full => (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Precision::Half => {
                (Dtype::F16, values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect())
            }
        }
    }
}

impl StoredNumber for f64 {
    const EXPECTED: &'static str = "a 64-bit float";

    fn decode(view: &TensorView<'_>) -> Option<Vec<Self>> {
        let values =
            || view.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        (view.dtype() == Dtype::F64).then(values)
    }

    fn encode(values: &[Self], _: Precision) -> (Dtype, Vec<u8>) {
        (Dtype::F64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }
}

/// Why tensors cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorsError {
    /// The bytes are not a safetensors file, or it is damaged.
    #[error("it is not a whole safetensors file ({0})")]
    Format(String),
    /// A tensor holds numbers of another type.
    #[error("weight `{name}` is {got}, expected {expected}")]
    Type {
        /// Name of the tensor.
        name: String,
        /// Its type.
        got: String,
        /// The types that can be read.
        expected: &'static str,
    },
}

/// The texts and the tensors of a safetensors file.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorFile<T = f32> {
    /// The file's metadata.
    pub texts: HashMap<String, String>,
    /// All tensors but batch counters, which are integers.
    pub tensors: Vec<NamedTensor<T>>,
}

/// Reads the bytes of a safetensors file.
///
/// # Errors
/// When they are not one, or a tensor is of another type than `T` is stored in.
pub fn read_tensors<T: StoredNumber>(bytes: &[u8]) -> Result<TensorFile<T>, TensorsError> {
    let format = |error: safetensors::SafeTensorError| TensorsError::Format(error.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(format)?;
    let tensors = tensors.tensors().into_iter().filter(|(name, _)| !name.ends_with(BATCH_COUNTER));
    let named = tensors.map(|(name, view)| match T::decode(&view) {
        Some(values) => Ok(NamedTensor { name, shape: view.shape().to_vec(), values }),
        None => Err(TensorsError::Type { name, got: format!("{:?}", view.dtype()), expected: T::EXPECTED }),
    });
    let tensors = named.collect::<Result<_, _>>()?;
    Ok(TensorFile { texts: metadata.metadata().clone().unwrap_or_default(), tensors })
}

/// Writes named tensors as safetensors, whole or not at all; `counters` are written as the 64-bit
/// integer 0.
///
/// # Errors
/// When the file cannot be written.
///
/// # Panics
/// If two tensors have one name, or a tensor other than as many values as its shape says.
pub fn write_tensors<T: StoredNumber>(
    tensors: &[NamedTensor<T>],
    counters: &[String],
    texts: HashMap<String, String>,
    precision: Precision,
    path: &Path,
) -> Result<(), AtomicError> {
    let encoded: Vec<(Dtype, Vec<u8>)> =
        tensors.iter().map(|tensor| T::encode(&tensor.values, precision)).collect();
    let views = tensors.iter().zip(&encoded).map(|(tensor, (dtype, bytes))| {
        let view = TensorView::new(*dtype, tensor.shape.clone(), bytes)
            .expect("a named tensor has as many values as its shape says");
        (tensor.name.as_str(), view)
    });
    let zeros = counters.iter().map(|name| {
        let view = TensorView::new(Dtype::I64, Vec::new(), &[0; 8]).expect("a scalar of 64 bits has 8 bytes");
        (name.as_str(), view)
    });
    let file = safetensors::serialize(views.chain(zeros), Some(texts)).expect("tensor names are unique");
    write_atomically(path, |out| out.write_all(&file).map_err(|error| AtomicError::system(path, error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_survive_the_disk_and_counters_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensor =
            NamedTensor { name: "bn.weight".to_owned(), shape: vec![2], values: vec![0.1_f64, -3.0] };
        let texts = HashMap::from([("about".to_owned(), "this".to_owned())]);
        let counters = [format!("bn.{BATCH_COUNTER}")];
        write_tensors(std::slice::from_ref(&tensor), &counters, texts.clone(), Precision::Half, &path)
            .unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(read_tensors(&bytes), Ok(TensorFile { texts, tensors: vec![tensor] }));
        let error = read_tensors::<f32>(&bytes).unwrap_err().to_string();
        assert_eq!(error, "weight `bn.weight` is F64, expected a 16- or 32-bit float");
        let error = read_tensors::<f32>(&bytes[..bytes.len() / 2]).unwrap_err().to_string();
        assert!(error.contains("not a whole safetensors file"), "{error}");
    }
}
