//! *Buffers*: memory for activations in inference, taken from a pool and given back to it, so that after
//! the first image nothing is allocated.

use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that nothing uses at the moment.
static POOL: Mutex<Vec<Arc<Vec<f32>>>> = Mutex::new(Vec::new());
/// At most this many wait in the pool.
const MOST_BUFFERS: usize = 64;

/// A buffer of floats; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Buffer {
    /// Taken out when the buffer goes back.
    values: Option<Arc<Vec<f32>>>,
    length: usize,
}

impl Buffer {
    /// A buffer of `length` floats that `write` fills in; their contents before are arbitrary.
    pub(crate) fn filled(length: usize, write: impl FnOnce(&mut [f32])) -> Self {
        let mut values = take(length);
        let storage = Arc::get_mut(&mut values).expect("pooled buffers are not shared");
        if storage.len() < length {
            storage.resize(length, 0.0);
        }
        write(&mut storage[..length]);
        Self { values: Some(values), length }
    }

    /// The floats.
    pub(crate) fn values(&self) -> &[f32] {
        let values = self.values.as_ref().expect("a buffer has its values until it is dropped");
        &values[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(mut values) = self.values.take() else { return };
        // Only the last user gives it back.
        if Arc::get_mut(&mut values).is_some() {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.len() < MOST_BUFFERS {
                pool.push(values);
            }
        }
    }
}

/// The smallest waiting buffer that is long enough, or else a new one.
fn take(length: usize) -> Arc<Vec<f32>> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.capacity() < MOST_BUFFERS {
        pool.reserve(MOST_BUFFERS);
    }
    let fitting = pool.iter().enumerate().filter(|(_, values)| values.len() >= length);
    match fitting.min_by_key(|(_, values)| values.len()).map(|(index, _)| index) {
        Some(index) => pool.swap_remove(index),
        None => Arc::new(Vec::new()),
    }
}

/// Frees the memory that inference keeps for the next image.
pub fn release_buffers() {
    POOL.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
