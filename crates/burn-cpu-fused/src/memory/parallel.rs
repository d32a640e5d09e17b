//! *Parallel* work: fixed-size tasks over Rayon, and shared output buffers.
//!
//! Tasks are cut by the shape of the work, never by the number of threads, so results have the same
//! bits on any number of threads.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::unwritten::Unwritten;

/// Runs `task(0..tasks)`, in parallel when there is more than one.
pub(crate) fn for_each_task(tasks: usize, task: impl Fn(usize) + Sync + Send) {
    match tasks {
        0 => {}
        1 => task(0),
        _ => (0..tasks).into_par_iter().with_max_len(1).for_each(task),
    }
}

/// What `task` returns for `0..tasks`; a thread takes at least `at_once` of them at once.
pub(crate) fn map_tasks<T: Send>(
    tasks: usize,
    at_once: usize,
    task: impl Fn(usize) -> T + Sync + Send,
) -> Vec<T> {
    if tasks <= at_once {
        return (0..tasks).map(task).collect();
    }
    (0..tasks).into_par_iter().with_min_len(at_once).with_max_len(at_once).map(task).collect()
}

/// The `index`-th of `parts` nearly equal ranges of `0..length`, cut at multiples of `granule`.
pub(crate) fn part(length: usize, parts: usize, index: usize, granule: usize) -> Range<usize> {
    let granules = length.div_ceil(granule);
    let edge = |at: usize| (granules * at / parts * granule).min(length);
    edge(index)..edge(index + 1)
}

/// A buffer that several tasks write at once, each to elements of its own.
pub(crate) struct SharedBuffer<'a, T> {
    pointer: *mut T,
    length: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<T> Clone for SharedBuffer<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedBuffer<'_, T> {}

// SAFETY: `SharedBuffer::slice` demands that tasks do not overlap, as if each owned its elements.
unsafe impl<T: Send> Send for SharedBuffer<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedBuffer<'_, T> {}

impl<'a, T> SharedBuffer<'a, T> {
    /// Shares `buffer` for as long as it is borrowed.
    pub(crate) fn new(buffer: &'a mut [T]) -> Self {
        Self { pointer: buffer.as_mut_ptr(), length: buffer.len(), lifetime: PhantomData }
    }

    /// The elements `range`, for writing.
    ///
    /// # Safety
    /// No other task may access an element of `range` while the slice lives.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.length, "shared slice out of bounds");
        // SAFETY: in bounds by the assertion; exclusive by this function's contract.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(range.start), range.len()) }
    }
}

/// Writes what will not be read soon to `to`, as many floats as `values`, past the caches where the processor
/// can and `to` is aligned like a vector. The thread must call [`end_stream`] before another reads it.
#[inline(always)]
pub(crate) fn stream<S: Simd>(values: S::f32s, to: &mut [Unwritten]) {
    #[cfg(target_arch = "x86_64")]
    if S::F32_LANES >= 4 && to.as_ptr().addr().is_multiple_of(size_of::<S::f32s>()) {
        use std::arch::x86_64::{_mm_loadu_ps, _mm_stream_ps};
        let values: &[[f32; 4]] = pulp::bytemuck::cast_slice(std::slice::from_ref(&values));
        for (values, to) in values.iter().zip(to.as_chunks_mut::<4>().0) {
            // SAFETY: both are four floats, the target is aligned, and every x86-64 processor has SSE.
            unsafe { _mm_stream_ps(to.as_mut_ptr().cast(), _mm_loadu_ps(values.as_ptr())) };
        }
        return;
    }
    S::as_uninit_mut_simd_f32s(to).0[0].write(values);
}

/// Makes what was written past the caches visible like any other write.
#[inline(always)]
pub(crate) fn end_stream() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a fence touches no memory, and every x86-64 processor has it.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_length_once() {
        for length in [0, 1, 15, 16, 17, 1000] {
            for parts in [1, 2, 3, 8] {
                let mut next = 0;
                for index in 0..parts {
                    let range = part(length, parts, index, 16);
                    assert_eq!(range.start, next);
                    next = range.end;
                }
                assert_eq!(next, length);
            }
        }
    }
}
