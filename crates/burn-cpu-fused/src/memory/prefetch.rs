//! *Software prefetch*: memory is asked for before it is needed, so that it waits in a cache.

use super::LANES;

/// Prefetches the memory at `index`, if there is such an element: into the first-level cache, or
/// the second-level one if it is wanted `LATER`.
#[inline(always)]
pub(crate) fn prefetch<const LATER: bool>(values: &[f32], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(value) = values.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        let address = std::ptr::from_ref(value).cast();
        // SAFETY: a prefetch reads nothing, and the address is one of the slice's.
        unsafe {
            if LATER { _mm_prefetch::<_MM_HINT_T1>(address) } else { _mm_prefetch::<_MM_HINT_T0>(address) }
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, index);
}

/// Memory that is prefetched while a tile is computed, in lines of 16 floats.
#[derive(Clone, Copy)]
pub(crate) struct Ahead<'a> {
    /// The slice that the memory lies in.
    values: &'a [f32],
    /// The first float to prefetch.
    start: usize,
    /// Lines of a row.
    row: usize,
    /// Distance between rows.
    stride: usize,
    /// The line to continue from.
    first: usize,
    /// Lines for each block of input channels.
    lines: usize,
}

/// The most lines prefetched for each block of input channels: more wait for each other.
const MOST_LINES: usize = 32;

impl<'a> Ahead<'a> {
    /// Nothing to prefetch.
    pub(crate) const NONE: Ahead<'static> =
        Ahead { values: &[], start: 0, row: 1, stride: 0, first: 0, lines: 0 };

    /// Prefetches `rows` rows of `length` floats, `stride` apart, from `start` on, within `steps` blocks of
    /// input channels.
    pub(crate) fn new(
        values: &'a [f32],
        start: usize,
        [rows, length, stride]: [usize; 3],
        steps: usize,
    ) -> Self {
        let row = length.div_ceil(LANES);
        let lines = (rows * row).div_ceil(steps.max(1)).min(MOST_LINES);
        Self { values, start, row, stride, first: 0, lines }
    }

    /// What is left after sums over `inputs` channels at `taps` kernel offsets.
    #[inline(always)]
    pub(crate) fn after(self, taps: usize, inputs: usize) -> Self {
        Self { first: self.first + taps * inputs / LANES * self.lines, ..self }
    }

    /// Asks for the lines of a block of input channels.
    #[inline(always)]
    pub(crate) fn fetch(&self, block: usize) {
        for line in self.first + block * self.lines..self.first + (block + 1) * self.lines {
            // 32 bits: a division of 64 takes several times as long.
            let row = (line as u32 / self.row as u32) as usize;
            prefetch::<true>(self.values, self.start + row * self.stride + (line - row * self.row) * LANES);
        }
    }
}
