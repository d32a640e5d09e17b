//! The gradient of a convolution with respect to its weight: for every kernel offset a sum of outer
//! products of input and output-gradient lines.

use std::ops::Range;

use super::geometry::{Geometry, NOWHERE, Stencil};
use super::product::Width;
use super::tiles::{Kernels, OuterTile, Run, outer_rows};
use super::weights::{UnpackTile, WeightView, tile_channels, tiles, unpack};
use super::{patches, pointwise_gradient};
use crate::descent::Update;
use crate::filtering::Filtering;
use crate::instructions::{Instructions, WithKernels};
use crate::memory::blocked::{LANES, apart, blocks};
use crate::memory::buffers::{Pooled, for_overwrite};
use crate::memory::parallel::{SharedBuffer, for_each_task, part, with_scratch};

/// Lines that one pass over the weight takes: their channels of one register tile stay in the
/// first-level cache.
const LINES_AT_ONCE: usize = 256;
/// Up to this many lines, one pass takes all.
const LINES_IN_ONE: usize = 640;
/// From this many weights on, the packed sums do not stay in any cache.
const MANY_WEIGHTS: usize = 200_000;
/// Tasks at the least, where the weight is large enough. A constant: bits do not depend on threads.
const TASKS: usize = 16;

/// The gradient, `[output_channels, input_channels, kernel_height, kernel_width]`, or the weight after `update` by it.
pub(crate) fn weight_gradient(
    geometry: &Geometry,
    input: &[f32],
    output_gradient: &[f32],
    update: Option<Update<'_>>,
) -> Pooled {
    if patches::pay(geometry) {
        return patches::with_patches(geometry, &Stencil::forward(geometry), input, |geometry, patches| {
            weight_gradient(geometry, patches, output_gradient, update)
        });
    }
    let view = WeightView::forward(geometry);
    let mut gradient = for_overwrite(view.outputs * view.inputs * view.taps);
    if let Some(filtering) = Filtering::of(geometry) {
        filtering.weight_gradient(geometry, [input, output_gradient], update, &mut gradient);
        return gradient;
    }
    let instructions = Instructions::current();
    let width = instructions.run(Width);
    let passes = passes(geometry, &Stencil::forward(geometry));
    let sum = OuterSum::new(geometry, input, output_gradient, &passes);
    match &passes[..] {
        [pass] if view.taps == 1 => {
            let operands = [input, output_gradient];
            pointwise_gradient::weight_gradient(geometry, operands, &pass[0], update, &mut gradient);
        }
        _ if tiles(view.outputs, width) >= TASKS / 2 && gradient.len() >= MANY_WEIGHTS => {
            by_channel_tiles(&sum, &view, update, &mut gradient);
        }
        _ => with_scratch(view.packed_len(), |packed| {
            direct(&sum, packed);
            unpack(packed, &view, width, update, &mut gradient);
        }),
    }
    gradient
}

/// For large weights: each task sums up a tile of output channels and writes it to its place at once, so
/// that only the result goes through memory.
fn by_channel_tiles(sum: &OuterSum<'_>, view: &WeightView, update: Option<Update<'_>>, gradient: &mut [f32]) {
    let instructions = Instructions::current();
    let width = instructions.run(Width);
    let depth = view.taps * view.inputs;
    let shared = SharedBuffer::new(gradient);
    for_each_task(tiles(view.outputs, width), |tile| {
        let channels = tile_channels(view.outputs, width, tile);
        let length = channels.len() * view.inputs;
        let plane = apart(length);
        with_scratch(view.taps * plane, |packed| {
            let (packed_start, gap) = (channels.start * depth, plane - length);
            let sum = OuterSum { packed: SharedBuffer::new(packed), packed_start, gap, ..*sum };
            instructions.run(OuterTask {
                sum: &sum,
                channel_tiles: tile..tile + 1,
                input_blocks: 0..blocks(view.inputs),
                taps: 0..view.taps,
            });
            let present = channels.start..view.outputs.min(channels.end);
            // SAFETY: every tile belongs to one task.
            let out = unsafe { shared.slice(present.start * depth..present.end * depth) };
            let update = update.map(|update| update.part(present.start * depth..present.end * depth));
            let width = channels.len();
            instructions.run(UnpackTile { packed, plane, view, width, update, out });
        });
    });
}

fn direct(sum: &OuterSum<'_>, packed: &mut [f32]) {
    let instructions = Instructions::current();
    let sum = OuterSum { packed: SharedBuffer::new(packed), ..*sum };
    let channel_tiles = tiles(sum.outputs, instructions.run(Width));
    let input_blocks = blocks(sum.inputs);
    let tile_parts = channel_tiles.min(4);
    let block_parts = TASKS.div_ceil(tile_parts).min(input_blocks);
    let tap_parts = TASKS.div_ceil(tile_parts * block_parts).min(sum.taps);
    for_each_task(tile_parts * block_parts * tap_parts, |task| {
        let (rest, tile) = (task / tile_parts, task % tile_parts);
        instructions.run(OuterTask {
            sum: &sum,
            channel_tiles: part(channel_tiles, tile_parts, tile, 1),
            input_blocks: part(input_blocks, block_parts, rest % block_parts, 1),
            taps: part(sum.taps, tap_parts, rest / block_parts, 1),
        });
    });
}

/// The lines that meet, pass by pass and, in each pass, for each kernel offset.
fn passes(geometry: &Geometry, stencil: &Stencil) -> Vec<Vec<Vec<Run>>> {
    let batch = geometry.batch;
    let positions = geometry.output_positions();
    if geometry.input_positions() == positions && stencil.is_identity(positions) {
        return identity_passes(batch * positions);
    }
    let run = |source: u32, target: usize| {
        (source != NOWHERE).then_some(Run {
            source: source as usize * batch,
            target: target * batch,
            length: batch,
        })
    };
    let count = chunks(positions * batch).count().min(positions);
    (0..count)
        .map(|pass| {
            let targets = part(positions, count, pass, 1);
            let runs = |sources: &[u32]| targets.clone().filter_map(|at| run(sources[at], at)).collect();
            stencil.sources.chunks(positions).map(runs).collect()
        })
        .collect()
}

/// Passes over `lines` lines that each meet themselves.
pub(crate) fn identity_passes(lines: usize) -> Vec<Vec<Vec<Run>>> {
    chunks(lines)
        .map(|chunk| vec![vec![Run { source: chunk.start, target: chunk.start, length: chunk.len() }]])
        .collect()
}

/// Nearly equal ranges of `lines`.
fn chunks(lines: usize) -> impl Iterator<Item = Range<usize>> {
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
    /// Distance between them.
    pub input_plane: usize,
    /// Blocks of output channels.
    pub output_gradient: &'a [f32],
    /// Distance between them.
    pub output_plane: usize,
    /// For each pass and kernel offset, the lines that meet.
    pub passes: &'a [Vec<Vec<Run>>],
    /// Kernel offsets.
    pub taps: usize,
    /// The sums, laid out as packed weights.
    pub packed: SharedBuffer<'a, f32>,
    /// Floats of packed weights before the first of `packed`.
    pub packed_start: usize,
    /// Floats between those of one kernel offset and of the next.
    pub gap: usize,
    /// Whether they go on from what is there.
    pub go_on: bool,
}

impl<'a> OuterSum<'a> {
    /// Of a convolution, without a place for the sums yet.
    fn new(
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
                            kernels.outer(OuterTile {
                                rows,
                                wide: width > LANES || K::WIDTH == LANES,
                                input: &sum.input[block * sum.input_plane + lane..],
                                output_gradient,
                                output_plane: sum.output_plane,
                                runs: &taps[tap],
                                // SAFETY: tasks take distinct channels or kernel offsets.
                                sums: unsafe { sum.packed.slice(at) },
                                accumulate: sum.go_on || pass > 0,
                            });
                            lane += rows;
                        }
                    }
                }
            }
        }
    }
}
