//! *Buffers*: the memory of activations and gradients. A training step frees hundreds of megabytes and
//! asks for the same again; given back to the system and taken anew, every page would be cleared by the
//! kernel once per step. So buffers wait in a pool for their next use, in training and in inference.

use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// Shorter buffers are not worth keeping.
const SHORTEST: usize = 4096;

/// Buffers that nothing uses at the moment, and how much memory is in use.
struct Pool {
    waiting: Vec<Vec<f32>>,
    waiting_floats: usize,
    used_floats: usize,
    most_used_floats: usize,
}

static POOL: Mutex<Pool> =
    Mutex::new(Pool { waiting: Vec::new(), waiting_floats: 0, used_floats: 0, most_used_floats: 0 });

impl Pool {
    /// A waiting buffer of `length` to `most` floats, the tightest.
    fn find(&mut self, length: usize, most: usize) -> Option<Vec<f32>> {
        let fitting = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, buffer)| (length..=most).contains(&buffer.capacity()));
        let (index, _) = fitting.min_by_key(|(_, buffer)| buffer.capacity())?;
        let buffer = self.waiting.swap_remove(index);
        self.waiting_floats -= buffer.capacity();
        Some(buffer)
    }

    fn use_more(&mut self, floats: usize) {
        self.used_floats += floats;
        self.most_used_floats = self.most_used_floats.max(self.used_floats);
    }

    fn put(&mut self, buffer: Vec<f32>) {
        self.used_floats = self.used_floats.saturating_sub(buffer.capacity());
        self.waiting_floats += buffer.capacity();
        self.waiting.push(buffer);
        // No more memory than a quarter above what was ever in use at once; the oldest go first.
        let most = self.most_used_floats + self.most_used_floats / 4;
        let mut surplus = 0;
        while self.used_floats + self.waiting_floats > most && surplus < self.waiting.len() {
            self.waiting_floats -= self.waiting[surplus].capacity();
            surplus += 1;
        }
        self.waiting.drain(..surplus);
    }
}

fn with_pool<R>(work: impl FnOnce(&mut Pool) -> R) -> R {
    work(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A vector of `length` values that the caller writes in full before reading any.
///
/// Zeroing would cost one more pass over memory for every operation.
pub(crate) fn for_overwrite(length: usize) -> Vec<f32> {
    within(length, length + length / 4)
}

/// The same for a short while, so that it may waste more.
pub(crate) fn scratch(length: usize) -> Pooled {
    Pooled::new(within(length, 4 * length))
}

/// From a buffer of at most `most` floats, if one is waiting.
fn within(length: usize, most: usize) -> Vec<f32> {
    let mut values = if length < SHORTEST {
        Vec::with_capacity(length)
    } else {
        let waiting = with_pool(|pool| pool.find(length, most));
        let values = waiting.unwrap_or_else(|| Vec::with_capacity(length));
        with_pool(|pool| pool.use_more(values.capacity()));
        values
    };
    // SAFETY: capacity is at least `length`, every bit pattern is a valid f32, and the kernels write every
    // element before anything reads it.
    #[allow(clippy::uninit_vec)]
    unsafe {
        values.set_len(length);
    }
    values
}

/// A vector of [`for_overwrite`] that will not come back to the pool: it counts as in use no longer.
pub(crate) fn taken_away(values: Vec<f32>) -> Vec<f32> {
    if values.capacity() >= SHORTEST {
        with_pool(|pool| pool.used_floats = pool.used_floats.saturating_sub(values.capacity()));
    }
    values
}

/// Memory that goes back to the pool.
#[derive(Debug)]
pub(crate) struct Pooled(Vec<f32>);

impl Pooled {
    /// Takes a vector of [`for_overwrite`] over.
    pub(crate) fn new(values: Vec<f32>) -> Self {
        Self(values)
    }

    /// The values, for writing.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }

    /// As the bytes of a tensor.
    pub(crate) fn into_bytes(self) -> Bytes {
        let length = size_of_val(self.0.as_slice());
        // SAFETY: all of the vector's elements are written.
        unsafe { Bytes::from_controller(Box::new(self), length) }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        if values.capacity() >= SHORTEST {
            with_pool(|pool| pool.put(values));
        }
    }
}

impl AllocationController for Pooled {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let length = size_of_val(self.0.as_slice());
        // SAFETY: the vector's elements, as bytes; the caller writes initialised data only.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let length = size_of_val(self.0.as_slice());
        // SAFETY: the vector's elements, as bytes.
        Ok(unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), length) })
    }
}

/// A buffer of floats outside Burn's tensors; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Buffer(Arc<Pooled>);

impl Buffer {
    /// A buffer of `length` floats that `write` fills in; their contents before are arbitrary.
    pub(crate) fn filled(length: usize, write: impl FnOnce(&mut [f32])) -> Self {
        let mut values = for_overwrite(length);
        write(&mut values);
        Self(Arc::new(Pooled::new(values)))
    }

    /// The floats.
    pub(crate) fn values(&self) -> &[f32] {
        &self.0.0
    }
}

/// Gives the memory that waits for its next use back to the system: after training, say.
pub fn release_buffers() {
    let waiting = with_pool(|pool| {
        pool.waiting_floats = 0;
        pool.most_used_floats = pool.used_floats;
        std::mem::take(&mut pool.waiting)
    });
    drop(waiting);
}
