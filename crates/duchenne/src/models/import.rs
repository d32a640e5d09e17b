//! Weights of other programs: PyTorch's `.pth` and plain `.safetensors`, under torchvision's names.

use std::path::{Path, PathBuf};

use pytorch_reader::{DType, PytorchReader};

use super::onnx::is_onnx;
use super::tensors::{BATCH_COUNTER, NamedTensor, StoredFloat, StoredNumber, TensorsError, read_tensors};

/// Why weights cannot be imported.
#[derive(Debug, thiserror::Error)]
#[error("cannot import `{}`: {problem}", path.display())]
pub struct ImportError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: ImportProblem,
}

/// What is wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
pub enum ImportProblem {
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// It is too short to be of any format.
    #[error("the file is empty or cut off")]
    Empty,
    /// It begins like PyTorch's files, but is none, or holds no weights.
    #[error("not a PyTorch file, or no weights in it")]
    NoWeights,
    /// PyTorch's reader cannot make sense of a weight.
    #[error("weight `{name}`: {reason}")]
    Damaged {
        /// Name of the weight.
        name: String,
        /// What the reader says.
        reason: String,
    },
    /// It is another program's form of a network.
    #[error(
        "it is ONNX, whose names and shapes are not torchvision's; save the network's state_dict instead"
    )]
    Onnx,
    /// It is neither of the two formats.
    #[error("not safetensors or PyTorch: {0}")]
    UnknownFormat(String),
    /// A weight holds numbers that are not floats.
    #[error("{0}")]
    Type(TensorsError),
}

impl From<TensorsError> for ImportProblem {
    fn from(error: TensorsError) -> Self {
        match error {
            TensorsError::Format(reason) => ImportProblem::UnknownFormat(reason),
            other @ TensorsError::Type { .. } => ImportProblem::Type(other),
        }
    }
}

/// Reads all float weights of a file; which of the two formats it has is told by its content.
///
/// # Errors
/// If the file cannot be read, is neither format, or holds a weight that is not a float tensor.
pub fn read_weights(path: &Path) -> Result<Vec<NamedTensor>, ImportError> {
    read_any(path).map_err(|problem| ImportError { path: path.to_owned(), problem })
}

fn read_any(path: &Path) -> Result<Vec<NamedTensor>, ImportProblem> {
    let mut start = [0; 4];
    let mut file = std::fs::File::open(path)?;
    std::io::Read::read_exact(&mut file, &mut start).map_err(|_| ImportProblem::Empty)?;
    // A zip archive, or the pickle of PyTorch before 1.6.
    if start.starts_with(b"PK") || start[0] == 0x80 {
        read_pytorch(path)
    } else {
        let bytes = std::fs::read(path)?;
        match read_tensors(&bytes) {
            Err(TensorsError::Format(_)) if is_onnx(path, &bytes) => Err(ImportProblem::Onnx),
            file => Ok(file?.tensors),
        }
    }
}

fn read_pytorch(path: &Path) -> Result<Vec<NamedTensor>, ImportProblem> {
    // A checkpoint of a training program often holds the weights under a key of its own.
    let reader = ["", "state_dict", "model_state_dict", "model"]
        .into_iter()
        .map(|key| match key {
            "" => PytorchReader::new(path),
            key => PytorchReader::with_top_level_key(path, key),
        })
        .filter_map(Result::ok)
        .find(|reader| reader.keys().iter().any(|key| key.ends_with(".weight")))
        .ok_or(ImportProblem::NoWeights)?;
    let mut names = reader.keys();
    names.sort();
    let mut weights = Vec::new();
    for name in names {
        if name.ends_with(BATCH_COUNTER) {
            continue;
        }
        let damaged = |reason: String| ImportProblem::Damaged { name: name.clone(), reason };
        let tensor = reader.get(&name).ok_or_else(|| damaged("it vanished".to_owned()))?;
        let bytes = tensor.read().map_err(|error| damaged(error.to_string()))?;
        let stored = match tensor.dtype() {
            DType::F32 => StoredFloat::F32,
            DType::F16 => StoredFloat::F16,
            DType::BF16 => StoredFloat::Bf16,
            other => {
                let (got, expected) = (format!("{other:?}"), f32::EXPECTED);
                return Err(TensorsError::Type { name, got, expected }.into());
            }
        };
        let values = stored.decode(&bytes);
        let shape = tensor.shape().to_vec();
        if shape.iter().product::<usize>() != values.len() {
            return Err(damaged(format!("{} values, expected shape {shape:?}", values.len())));
        }
        weights.push(NamedTensor { name, shape, values });
    }
    Ok(weights)
}

/// Why a first layer cannot be summed over its input channels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The weights have no first layer of a known name.
    #[error("no first layer `conv1.weight` or `features.0.weight`")]
    NoFirstLayer,
    /// The first layer, of this shape, has other than three input channels.
    #[error("first layer has shape {0:?}, expected three input channels")]
    Channels(Vec<usize>),
}

/// Sums a first layer over its three input channels, in place: on three equal channels the network
/// then computes the same from one.
///
/// # Errors
/// If the first layer has other than three input channels.
pub fn fold_channels(weights: &mut [NamedTensor]) -> Result<(), FoldError> {
    let first = weights
        .iter_mut()
        .find(|tensor| tensor.name == "conv1.weight" || tensor.name == "features.0.weight")
        .ok_or(FoldError::NoFirstLayer)?;
    let [outputs, 3, height, width] = first.shape[..] else {
        return Err(FoldError::Channels(first.shape.clone()));
    };
    let area = height * width;
    first.values = first
        .values
        .chunks_exact(3 * area)
        .flat_map(|filter| (0..area).map(move |at| filter[at] + filter[area + at] + filter[2 * area + at]))
        .collect();
    first.shape = vec![outputs, 1, height, width];
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_sums_the_channels() {
        let values = (0..2 * 3 * 4).map(|value| value as f32).collect();
        let mut weights = [NamedTensor { name: "conv1.weight".into(), shape: vec![2, 3, 2, 2], values }];
        fold_channels(&mut weights).unwrap();
        assert_eq!(weights[0].shape, [2, 1, 2, 2]);
        assert_eq!(weights[0].values[0], 0.0 + 4.0 + 8.0);
        assert_eq!(weights[0].values[7], 15.0 + 19.0 + 23.0);
        assert!(fold_channels(&mut weights).is_err());
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in
            [("empty.pth", &b""[..]), ("text.pth", b"hello there"), ("zip.pth", b"PK\x03\x04zzzz")]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            assert!(read_weights(&path).is_err(), "{name}");
        }
    }
}
