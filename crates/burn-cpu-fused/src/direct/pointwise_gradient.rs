//! The gradient of a 1x1 convolution's weight. With a row of sums for each output channel and input channels
//! in its lanes, the sums lie as the weight does and go to their place at once.

use super::geometry::Geometry;
use super::product::Width;
use super::tiles::{Kernels, OuterTile, Run, WithKernels, outer_rows};
use super::weights::{tile_channels, tiles};
use crate::descent::{Update, write};
use crate::instructions::Instructions;
use crate::memory::LANES;
use crate::memory::blocked::blocks;
use crate::memory::parallel::{SharedBuffer, end_stream, for_each_task, part};
use crate::memory::prefetch::prefetch;
use crate::memory::unwritten::Unwritten;

/// Tasks at the least, where the weight is large enough. A constant: bits do not depend on threads.
const TASKS: usize = 16;
/// The widest tile of any instructions.
const MOST_LANES: usize = 32;
/// The most rows of a tile.
const MOST_ROWS: usize = 8;

/// The gradient, or the weight after `update` by it; `lines` are those of input and output gradient that
/// meet.
pub(super) fn sum_by_rows(
    geometry: &Geometry,
    [input, output_gradient]: [&[f32]; 2],
    lines: &[Run],
    update: Option<Update<'_>>,
    gradient: &mut [Unwritten],
) {
    let instructions = Instructions::current();
    // Gradient and input change places.
    let exchange = |run: &Run| Run { source: run.target, target: run.source, length: run.length };
    let runs: Vec<Run> = lines.iter().map(exchange).collect();
    let input_tiles = tiles(geometry.input_channels, instructions.run(Width));
    let output_blocks = blocks(geometry.output_channels);
    let parts = TASKS.div_ceil(output_blocks).min(input_tiles);
    let shared = SharedBuffer::new(gradient);
    for_each_task(output_blocks * parts, |task| {
        let rows = Rows {
            geometry,
            input,
            output_gradient,
            runs: &runs,
            block: task / parts,
            input_tiles: part(input_tiles, parts, task % parts, 1),
            update,
            out: shared,
        };
        instructions.run(rows);
    });
}

/// The rows of one block of output channels, or a part of them.
struct Rows<'a> {
    geometry: &'a Geometry,
    input: &'a [f32],
    output_gradient: &'a [f32],
    /// Lines of the output gradient and of the input.
    runs: &'a [Run],
    block: usize,
    input_tiles: std::ops::Range<usize>,
    update: Option<Update<'a>>,
    out: SharedBuffer<'a, Unwritten>,
}

impl WithKernels for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Geometry { input_channels: inputs, output_channels: outputs, batch, .. } = *self.geometry;
        let input_plane = self.geometry.input_positions() * batch * LANES;
        let output_plane = self.geometry.output_positions() * batch * LANES;
        let present = (outputs - self.block * LANES).min(LANES);
        let mut sums = [Unwritten::uninit(); MOST_ROWS * MOST_LANES];
        for tile in self.input_tiles {
            let channels = tile_channels(inputs, K::WIDTH, tile);
            let (width, columns) = (channels.len(), channels.start..inputs.min(channels.end));
            let mut lane = 0;
            while lane < present {
                let rows = outer_rows(present - lane);
                let start = |row: usize| (self.block * LANES + lane + row) * inputs + columns.start;
                if let Some(update) = self.update {
                    for row in 0..rows {
                        for line in (0..width).step_by(LANES) {
                            prefetch::<false>(update.weight, start(row) + line);
                        }
                    }
                }
                let tile = OuterTile {
                    rows,
                    wide: width > LANES || K::WIDTH == LANES,
                    input: &self.output_gradient[self.block * output_plane + lane..],
                    output_gradient: &self.input[channels.start / LANES * input_plane..],
                    output_plane: input_plane,
                    runs: self.runs,
                    sums: &mut sums[..rows * width],
                    accumulate: false,
                };
                // SAFETY: the sums start from zero.
                unsafe { kernels.outer(tile) };
                // SAFETY: `outer` wrote all sums of the tile.
                let sums = unsafe { sums[..rows * width].assume_init_ref() };
                for (row, values) in sums.chunks_exact(width).enumerate() {
                    let values = &values[..columns.len()];
                    let start = start(row);
                    // SAFETY: every block and tile belongs to one task.
                    let out = unsafe { self.out.slice(start..start + columns.len()) };
                    write(kernels, self.update, start, values, out);
                }
                lane += rows;
            }
        }
        end_stream();
    }
}
