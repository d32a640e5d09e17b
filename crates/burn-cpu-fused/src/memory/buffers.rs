//! *Buffers*: the memory of activations and gradients. A training step frees hundreds of megabytes and
//! asks for the same again; given back to the system and taken anew, every page would be cleared by the
//! kernel once per step. So buffers wait in a pool for their next use, in training and in inference.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

use super::LANES;
use super::unwritten::Unwritten;

/// Floats of the shortest buffer that is worth keeping.
const SHORTEST: usize = 4096;
/// Floats that may wait in any case: a small network's buffers are of many sizes.
const SPARE: usize = 4 << 20;

/// Sixteen floats in a line of the cache, written or not: allocators that align buffers less, as glibc's
/// does, would have every vector read and written across two lines.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([Unwritten; LANES]);

/// Whether buffers wait for their next use.
static KEEPING: AtomicBool = AtomicBool::new(true);

/// Buffers that nothing uses at the moment, and how much memory is in use.
#[derive(Debug)]
struct Pool {
    waiting: Vec<Vec<Line>>,
    waiting_floats: usize,
    used_floats: usize,
    most_used_floats: usize,
}

/// The buffers of tensors.
static POOL: Mutex<Pool> = Mutex::new(Pool::NEW);
/// The buffers that an operation needs for a short while: a pool of their own, so that it is found where it
/// lay for the operation before, in the cache.
static SCRATCH: Mutex<Pool> = Mutex::new(Pool::NEW);

impl Pool {
    const NEW: Self = Self { waiting: Vec::new(), waiting_floats: 0, used_floats: 0, most_used_floats: 0 };

    /// A waiting buffer of `length` floats and a quarter more, the tightest.
    fn tightest(&mut self, length: usize) -> Option<Vec<Line>> {
        let fits = length..=length + length / 4;
        let waiting = self.waiting.iter().enumerate();
        let fitting = waiting.filter(|(_, buffer)| fits.contains(&floats(buffer)));
        let (index, _) = fitting.min_by_key(|(_, buffer)| buffer.capacity())?;
        Some(self.take(index))
    }

    /// A waiting buffer of `length` floats up to four times as many, the one used last.
    fn latest(&mut self, length: usize) -> Option<Vec<Line>> {
        let fits = length..=4 * length;
        let index = self.waiting.iter().rposition(|buffer| fits.contains(&floats(buffer)))?;
        Some(self.take(index))
    }

    fn take(&mut self, index: usize) -> Vec<Line> {
        let buffer = self.waiting.remove(index);
        self.waiting_floats -= floats(&buffer);
        buffer
    }

    fn use_more(&mut self, floats: usize) {
        self.used_floats += floats;
        self.most_used_floats = self.most_used_floats.max(self.used_floats);
    }

    fn put(&mut self, buffer: Vec<Line>) {
        self.used_floats = self.used_floats.saturating_sub(floats(&buffer));
        if !KEEPING.load(Ordering::Relaxed) {
            return;
        }
        self.waiting_floats += floats(&buffer);
        self.waiting.push(buffer);
        // Little more memory than a quarter above what was ever in use at once; the oldest go first.
        let most = self.most_used_floats + self.most_used_floats / 4 + SPARE;
        let mut surplus = 0;
        while self.used_floats + self.waiting_floats > most && surplus < self.waiting.len() {
            self.waiting_floats -= floats(&self.waiting[surplus]);
            surplus += 1;
        }
        self.waiting.drain(..surplus);
    }
}

fn locked(pool: &'static Mutex<Pool>) -> MutexGuard<'static, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Floats that a buffer holds.
fn floats(buffer: &Vec<Line>) -> usize {
    buffer.capacity() * LANES
}

/// Memory for the `length` values of a tensor.
pub(crate) fn for_overwrite(length: usize) -> PooledUninit {
    from_pool(&POOL, length, Pool::tightest)
}

/// Memory for `length` values that an operation needs for a short while.
pub(crate) fn scratch(length: usize) -> PooledUninit {
    from_pool(&SCRATCH, length, Pool::latest)
}

/// Calls `work` with [`scratch`] memory.
pub(crate) fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [Unwritten]) -> R) -> R {
    work(&mut scratch(length))
}

/// A buffer that `find` finds waiting, or a new one.
fn from_pool(
    pool: &'static Mutex<Pool>,
    length: usize,
    find: fn(&mut Pool, usize) -> Option<Vec<Line>>,
) -> PooledUninit {
    let count = length.div_ceil(LANES);
    let mut lines = if count * LANES < SHORTEST {
        Vec::with_capacity(count)
    } else {
        let waiting = find(&mut locked(pool), length);
        let lines = waiting.unwrap_or_else(|| Vec::with_capacity(count));
        locked(pool).use_more(floats(&lines));
        lines
    };
    // SAFETY: capacity is at least `count`, and lines need not be written.
    unsafe {
        lines.set_len(count);
    }
    PooledUninit { lines, length, pool }
}

/// Floats that may not be written yet, in memory that goes back to the pool.
#[derive(Debug)]
pub(crate) struct PooledUninit {
    lines: Vec<Line>,
    length: usize,
    pool: &'static Mutex<Pool>,
}

impl Deref for PooledUninit {
    type Target = [Unwritten];

    fn deref(&self) -> &[Unwritten] {
        // SAFETY: the lines are floats without gaps, at least `length` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for PooledUninit {
    fn deref_mut(&mut self) -> &mut [Unwritten] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

impl PooledUninit {
    /// The floats.
    ///
    /// # Safety
    /// Every one of them must have been written.
    pub(crate) unsafe fn assume_written(self) -> Pooled {
        Pooled(self)
    }
}

impl Drop for PooledUninit {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if floats(&lines) >= SHORTEST {
            locked(self.pool).put(lines);
        }
    }
}

/// Floats in memory that goes back to the pool; all of them are written.
#[derive(Debug)]
pub(crate) struct Pooled(PooledUninit);

impl Deref for Pooled {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `assume_written`'s caller has said so.
        unsafe { self.0.assume_init_ref() }
    }
}

impl From<&[f32]> for Pooled {
    fn from(values: &[f32]) -> Self {
        let mut pooled = for_overwrite(values.len());
        pooled.write_copy_of_slice(values);
        // SAFETY: the copy wrote as many values as there are.
        unsafe { pooled.assume_written() }
    }
}

impl Pooled {
    /// The floats as the bytes of a tensor.
    pub(crate) fn into_bytes(self) -> Bytes {
        let length = size_of_val(&*self);
        // SAFETY: all of the floats are written, and they are as many bytes.
        unsafe { Bytes::from_controller(Box::new(self), length) }
    }
}

impl AllocationController for Pooled {
    fn alloc_align(&self) -> usize {
        align_of::<Line>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let length = size_of_val(&**self);
        // SAFETY: the floats as bytes; the caller promises to store values only.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let length = size_of_val(&**self);
        // SAFETY: the floats as bytes.
        Ok(unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), length) })
    }
}

/// A buffer of floats outside Burn's tensors; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Buffer(Arc<Pooled>);

impl Buffer {
    /// A buffer of `length` floats that `write` fills in.
    ///
    /// # Safety
    /// `write` must write every one of them.
    pub(crate) unsafe fn filled(length: usize, write: impl FnOnce(&mut [Unwritten])) -> Self {
        let mut values = for_overwrite(length);
        write(&mut values);
        // SAFETY: by the contract of this function.
        Self(Arc::new(unsafe { values.assume_written() }))
    }

    /// The floats.
    pub(crate) fn values(&self) -> &[f32] {
        &self.0
    }
}

/// Keeps no memory for a next use from now on in this process. For memory checkers: in kept memory they see
/// neither what this use has not written nor where it ends.
#[doc(hidden)]
pub fn keep_no_buffers() {
    KEEPING.store(false, Ordering::Relaxed);
    release_buffers();
}

/// Gives the memory that waits for its next use back to the system: after training, say.
pub fn release_buffers() {
    for pool in [&POOL, &SCRATCH] {
        let mut pool = locked(pool);
        pool.waiting_floats = 0;
        pool.most_used_floats = pool.used_floats;
        let waiting = std::mem::take(&mut pool.waiting);
        // Others need not wait while memory is given back.
        drop(pool);
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::super::unwritten::fill;
    use super::*;

    #[test]
    fn nested_scratch_buffers_are_distinct() {
        with_scratch(4, |outer| {
            let outer = fill(outer, 1.0);
            with_scratch(4, |inner| fill(inner, 2.0).len());
            assert_eq!(outer, [1.0; 4]);
        });
    }
}
