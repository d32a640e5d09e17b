//! *Activations* in pooled memory: what flows between packed layers, outside Burn's tensors.

use burn::tensor::{Device, Tensor, TensorData};

use crate::memory::blocked;
use crate::memory::buffers::Buffer;

/// Blocked activations in a pooled buffer.
#[derive(Debug, Clone)]
pub(crate) struct Activations {
    pub buffer: Buffer,
    pub batch: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub device: Device,
}

impl Activations {
    /// The values as Burn's tensor `[batch, channels, height, width]`.
    pub(crate) fn to_batch(&self) -> Tensor<4> {
        let positions = self.height * self.width;
        let values = blocked::to_batch(self.buffer.values(), [self.batch, self.channels, positions]);
        let shape = [self.batch, self.channels, self.height, self.width];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.device)
    }

    /// From Burn's blocked tensor.
    pub(crate) fn from_blocked(values: Tensor<5>, channels: usize) -> Self {
        let device = values.device();
        let [_, height, width, batch, _] = values.dims();
        let data = values.into_data();
        let values = data.as_slice::<f32>().expect("fused tensors are f32");
        // SAFETY: the copy writes as many values as there are.
        let buffer = unsafe { Buffer::filled(values.len(), |out| _ = out.write_copy_of_slice(values)) };
        Self { buffer, batch, channels, height, width, device }
    }
}
