//! The gradient of a convolution with respect to its weight by its definition: for every kernel offset a sum
//! of outer products of input and output-gradient lines.

use super::geometry::{Geometry, NOWHERE, Stencil};
use super::outer_sum::{OuterSum, OuterTask, chunks, identity_passes};
use super::product::Width;
use super::tiles::Run;
use super::weights::{UnpackTile, WeightView, tile_channels, tiles, unpack};
use super::{patches, pointwise_gradient};
use crate::descent::Update;
use crate::instructions::Instructions;
use crate::memory::blocked::{apart, blocks};
use crate::memory::buffers::with_scratch;
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::unwritten::Unwritten;

/// From this many weights on, the packed sums do not stay in any cache.
const MANY_WEIGHTS: usize = 200_000;
/// Tasks at the least, where the weight is large enough. A constant: bits do not depend on threads.
const TASKS: usize = 16;

/// The gradient, `[output_channels, input_channels, kernel_height, kernel_width]`, or the weight after
/// `update` by it.
pub(crate) fn sum_products(
    geometry: &Geometry,
    [input, output_gradient]: [&[f32]; 2],
    update: Option<Update<'_>>,
    gradient: &mut [Unwritten],
) {
    let stencil = Stencil::forward(geometry);
    if patches::pay(geometry) {
        return patches::with_patches(geometry, &stencil, input, |geometry, patches| {
            sum_products(geometry, [patches, output_gradient], update, gradient);
        });
    }
    let view = WeightView::forward(geometry);
    let instructions = Instructions::current();
    let width = instructions.run(Width);
    let passes = passes(geometry, &stencil);
    let sum = OuterSum::new(geometry, input, output_gradient, &passes);
    match &passes[..] {
        [pass] if view.taps == 1 => {
            let operands = [input, output_gradient];
            pointwise_gradient::sum_by_rows(geometry, operands, &pass[0], update, gradient);
        }
        _ if tiles(view.outputs, width) >= TASKS / 2 && gradient.len() >= MANY_WEIGHTS => {
            by_channel_tiles(&sum, &view, update, gradient);
        }
        _ => with_scratch(view.packed_len(), |packed| {
            by_all_tiles(&sum, packed);
            // SAFETY: `by_all_tiles` wrote the sums of all channels under all kernel offsets.
            unpack(unsafe { packed.assume_init_ref() }, &view, width, update, gradient);
        }),
    }
}

/// For large weights: each task sums up a tile of output channels and writes it to its place at once, so
/// that only the result goes through memory.
fn by_channel_tiles(
    sum: &OuterSum<'_>,
    view: &WeightView,
    update: Option<Update<'_>>,
    gradient: &mut [Unwritten],
) {
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
            // SAFETY: the sum above wrote all channels of the tile under all kernel offsets.
            instructions.run(unsafe { UnpackTile::new(packed, plane, view, width, update, out) });
        });
    });
}

/// For few weights: the sums of all tiles, packed, come first.
fn by_all_tiles(sum: &OuterSum<'_>, packed: &mut [Unwritten]) {
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
