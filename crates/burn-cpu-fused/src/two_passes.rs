//! *Two passes* over a map, block by block, where the second needs what the first found in all lines of the
//! block. A block that fits in a cache gets both from one task, and comes from memory once.

use std::ops::Range;

use crate::elementwise::line_parts;
use crate::memory::LANES;
use crate::memory::parallel::{for_each_task, map_tasks, part};

/// Bytes of one operand's block up to which a second-level cache keeps all operands between the passes.
const BLOCK_BYTES: usize = 320 << 10;
/// From this many blocks on, there is work for every thread without cutting blocks. A constant: bits do not
/// depend on threads.
const MANY_BLOCKS: usize = 4;
/// Lines of one task at the least.
const LEAST_LINES: usize = 128;

/// Calls `first` for every part of every block, `join` with what came of a block's parts, and `second` with
/// that for every part again. Parts are ranges of the map's values; returns what `join` did, block by block.
pub(crate) fn two_passes<T: Send + Sync, J: Send + Sync>(
    [blocks, lines]: [usize; 2],
    first: impl Fn(usize, Range<usize>) -> T + Send + Sync,
    join: impl Fn(usize, &[T]) -> J + Send + Sync,
    second: impl Fn(usize, Range<usize>, &J) + Send + Sync,
) -> Vec<J> {
    if blocks >= MANY_BLOCKS && lines * LANES * size_of::<f32>() <= BLOCK_BYTES {
        return map_tasks(blocks, LEAST_LINES.div_ceil(lines.max(1)), |block| {
            let all = block * lines * LANES..(block + 1) * lines * LANES;
            let joined = join(block, &[first(block, all.clone())]);
            second(block, all, &joined);
            joined
        });
    }
    let parts = line_parts(lines);
    let place = |task: usize| {
        let (block, here) = (task / parts, part(lines, parts, task % parts, 1));
        (block, (block * lines + here.start) * LANES..(block * lines + here.end) * LANES)
    };
    let found = map_tasks(blocks * parts, 1, |task| {
        let (block, range) = place(task);
        first(block, range)
    });
    let joined: Vec<J> =
        found.chunks_exact(parts).enumerate().map(|(block, found)| join(block, found)).collect();
    for_each_task(blocks * parts, |task| {
        let (block, range) = place(task);
        second(block, range, &joined[block]);
    });
    joined
}
