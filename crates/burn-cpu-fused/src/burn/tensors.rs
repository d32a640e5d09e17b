//! Flex's *tensors* as the slices that the operations work on, and slices in pooled memory as such tensors.

use burn::backend::TensorMetadata;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{DType, Shape};

use crate::memory::LANES;
use crate::memory::blocked;
use crate::memory::buffers::Pooled;

pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("fused operations run on contiguous f32 tensors only")
}

/// Whose memory is its values and nothing else, to be updated in place; a part of a larger tensor and memory
/// that is in use elsewhere are copied.
pub(super) fn writable(tensor: FlexTensor) -> FlexTensor {
    let tensor = contiguous(tensor);
    let count = values(&tensor).len();
    if tensor.is_unique() && tensor.storage::<f32>().len() == count {
        return tensor;
    }
    self::tensor(Pooled::from(values(&tensor)), tensor.shape().clone())
}

pub(super) fn tensor(values: Pooled, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(values.into_bytes(), Layout::contiguous(shape.into()), DType::F32)
}

pub(super) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.shape().dims()
}

/// A blocked tensor of `channels` channels.
pub(super) fn map(values: Pooled, [batch, channels, height, width]: [usize; 4]) -> FlexTensor {
    tensor(values, [blocked::blocks(channels), height, width, batch, LANES])
}

/// The first `channels` of a vector of whole blocks.
pub(super) fn vector(values: &[f32], channels: usize) -> FlexTensor {
    tensor(Pooled::from(&values[..channels]), [channels])
}
