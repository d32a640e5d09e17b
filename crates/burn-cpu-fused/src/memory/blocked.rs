//! The *blocked* memory format: channels in blocks of 16, `[channels / 16, height, width, batch, 16]`.
//!
//! The sixteen channels of a block lie together, so a vector register holds channels and no operation
//! needs a transpose; the images of a batch lie next to each other at every position, so a register
//! tile takes several images at one position and kernel offsets that fall over the edge are
//! skipped, not masked. (oneDNN's `nChw16c` is the nearest relative; there the batch comes first.)
//! Channels that fill up the last block are zero.

use super::LANES;
use super::buffers::{Pooled, for_overwrite};
use super::parallel::{SharedBuffer, for_each_task, part};
use super::unwritten::{Unwritten, fill};

/// Positions that are brought into blocks at once: their lines stay in the cache.
const POSITIONS_AT_ONCE: usize = 16;

/// Blocks that hold `channels`.
pub(crate) fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// Distance between stretches of `length` floats that are read or written side by side: a multiple of 4096
/// bytes apart, as they mostly would be, they would meet in one set of the first-level cache.
pub(crate) fn apart(length: usize) -> usize {
    length + LANES
}

/// From `[batch, channels, positions]`.
pub(crate) fn from_batch(values: &[f32], [batch, channels, positions]: [usize; 3]) -> Pooled {
    let mut blocked = for_overwrite(blocks(channels) * positions * batch * LANES);
    write_from_batch(values, [batch, channels, positions], &mut blocked);
    // SAFETY: `write_from_batch` wrote every line of every block, zeros where it holds no channel.
    unsafe { blocked.assume_written() }
}

/// [`from_batch`] into a buffer of the right size.
pub(crate) fn write_from_batch(
    values: &[f32],
    [batch, channels, positions]: [usize; 3],
    blocked: &mut [Unwritten],
) {
    let plane = positions * batch * LANES;
    assert_eq!(blocked.len(), blocks(channels) * plane, "blocked buffer of the wrong size");
    let shared = SharedBuffer::new(blocked);
    let groups = positions.div_ceil(POSITIONS_AT_ONCE);
    for_each_task(blocks(channels) * groups, |task| {
        let (block, group) = (task / groups, task % groups);
        let positions_here = part(positions, groups, group, 1);
        let line = |position: usize| block * plane + position * batch * LANES;
        // SAFETY: every block and position belongs to one task.
        let out = unsafe { shared.slice(line(positions_here.start)..line(positions_here.end)) };
        let present = (channels - block * LANES).min(LANES);
        if present < LANES {
            fill(out, 0.0);
        }
        for image in 0..batch {
            for lane in 0..present {
                let channel = image * channels + block * LANES + lane;
                let source = &values[channel * positions..][positions_here.clone()];
                let targets = out[image * LANES + lane..].iter_mut().step_by(batch * LANES);
                targets.zip(source).for_each(|(to, from)| _ = to.write(*from));
            }
        }
    });
}

/// To `[batch, channels, positions]`.
pub(crate) fn to_batch(blocked: &[f32], [batch, channels, positions]: [usize; 3]) -> Pooled {
    let plane = positions * batch * LANES;
    let mut values = for_overwrite(batch * channels * positions);
    let shared = SharedBuffer::new(&mut values);
    for_each_task(batch, |image| {
        let length = channels * positions;
        // SAFETY: every image belongs to one task.
        let out = unsafe { shared.slice(image * length..(image + 1) * length) };
        for (channel, out) in out.chunks_exact_mut(positions).enumerate() {
            let start = channel / LANES * plane + image * LANES + channel % LANES;
            let source = blocked[start..].iter().step_by(batch * LANES);
            out.iter_mut().zip(source).for_each(|(to, from)| _ = to.write(*from));
        }
    });
    // SAFETY: the task of each image wrote all its channels.
    unsafe { values.assume_written() }
}

/// A vector over channels, filled up with zeros to whole blocks.
pub(crate) fn padded(vector: &[f32]) -> Vec<f32> {
    let mut values = vector.to_vec();
    values.resize(blocks(vector.len()) * LANES, 0.0);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_changes_nothing_and_pads_with_zeros() {
        for shape in [[1, 1, 6], [3, 5, 4], [2, 16, 3], [4, 33, 2]] {
            let count: usize = shape.iter().product();
            let values: Vec<f32> = (1..=count).map(|value| value as f32).collect();
            let blocked = from_batch(&values, shape);
            assert_eq!(*to_batch(&blocked, shape), values);
            assert_eq!(blocked.iter().filter(|value| **value != 0.0).count(), count);
        }
    }
}
