//! *Sums of outer products*: what every gradient of a weight is made of. For each kernel offset, lines of the
//! input meet lines of the output gradient; the outer products of those that meet are summed up in register
//! tiles.

use std::ops::Range;

use super::geometry::Geometry;
use super::tiles::{Kernels, OuterTile, Run, WithKernels, outer_rows};
use super::weights::tile_channels;
use crate::memory::LANES;
use crate::memory::parallel::{SharedBuffer, part};
use crate::memory::unwritten::Unwritten;

/// Lines that one pass over the weight takes: their channels of one register tile stay in the
/// first-level cache.
const LINES_AT_ONCE: usize = 256;
/// Up to this many lines, one pass takes all.
const LINES_IN_ONE: usize = 640;

/// Passes over `lines` lines that each meet themselves.
pub(crate) fn identity_passes(lines: usize) -> Vec<Vec<Vec<Run>>> {
    chunks(lines)
        .map(|chunk| vec![vec![Run { source: chunk.start, target: chunk.start, length: chunk.len() }]])
        .collect()
}

/// Nearly equal ranges of `lines`.
pub(super) fn chunks(lines: usize) -> impl Iterator<Item = Range<usize>> {
    let count = if lines <= LINES_IN_ONE { 1 } else { lines.div_ceil(LINES_AT_ONCE) };
    (0..count).map(move |index| part(lines, count, index, 1))
}

/// A sum of outer products for every kernel offset.
pub(crate) struct OuterSum<'a> {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Blocks of input channels.
    pub input: &'a [f32],
    /// Distance between blocks of input channels.
    pub input_plane: usize,
    /// Blocks of output channels.
    pub output_gradient: &'a [f32],
    /// Distance between blocks of output channels.
    pub output_plane: usize,
    /// For each pass and kernel offset, the lines that meet.
    pub passes: &'a [Vec<Vec<Run>>],
    /// Kernel offsets.
    pub taps: usize,
    /// The sums, laid out as packed weights.
    pub packed: SharedBuffer<'a, Unwritten>,
    /// Floats of packed weights before the first of `packed`.
    pub packed_start: usize,
    /// Floats between those of one kernel offset and of the next.
    pub gap: usize,
    /// Whether the sums continue from what an earlier sum wrote there.
    pub go_on: bool,
}

impl<'a> OuterSum<'a> {
    /// The sums of a convolution, without a place for them yet.
    pub(super) fn new(
        geometry: &Geometry,
        input: &'a [f32],
        output_gradient: &'a [f32],
        passes: &'a [Vec<Vec<Run>>],
    ) -> Self {
        Self {
            inputs: geometry.input_channels,
            outputs: geometry.output_channels,
            input,
            input_plane: geometry.input_positions() * geometry.batch * LANES,
            output_gradient,
            output_plane: geometry.output_positions() * geometry.batch * LANES,
            passes,
            taps: geometry.taps(),
            packed: SharedBuffer::new(&mut []),
            packed_start: 0,
            gap: 0,
            go_on: false,
        }
    }
}

/// The part of a sum that one task computes.
pub(crate) struct OuterTask<'a> {
    pub sum: &'a OuterSum<'a>,
    pub channel_tiles: Range<usize>,
    pub input_blocks: Range<usize>,
    pub taps: Range<usize>,
}

impl WithKernels for OuterTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let sum = self.sum;
        for (pass, taps) in sum.passes.iter().enumerate() {
            for tile in self.channel_tiles.clone() {
                let channels = tile_channels(sum.outputs, K::WIDTH, tile);
                let width = channels.len();
                let output_gradient = &sum.output_gradient[channels.start / LANES * sum.output_plane..];
                for block in self.input_blocks.clone() {
                    let present = (sum.inputs - block * LANES).min(LANES);
                    for tap in self.taps.clone() {
                        let start = channels.start * sum.taps * sum.inputs - sum.packed_start
                            + tap * (sum.inputs * width + sum.gap)
                            + block * LANES * width;
                        let mut lane = 0;
                        while lane < present {
                            let rows = outer_rows(present - lane);
                            let at = start + lane * width..start + (lane + rows) * width;
                            let tile = OuterTile {
                                rows,
                                wide: width > LANES || K::WIDTH == LANES,
                                input: &sum.input[block * sum.input_plane + lane..],
                                output_gradient,
                                output_plane: sum.output_plane,
                                runs: &taps[tap],
                                // SAFETY: tasks take distinct channels or kernel offsets.
                                sums: unsafe { sum.packed.slice(at) },
                                accumulate: sum.go_on || pass > 0,
                            };
                            // SAFETY: the first pass writes all of the task's sums; where it continues
                            // itself, an earlier sum of the same channels and kernel offsets has written
                            // them, as `go_on` says.
                            unsafe { kernels.outer(tile) };
                            lane += rows;
                        }
                    }
                }
            }
        }
    }
}
