//! *Elementwise* passes over blocked activations, and sums over all lines of a block.

use crate::instructions::vectorized;
use crate::memory::LANES;
use crate::memory::buffers::{Pooled, for_overwrite};
use crate::memory::parallel::{SharedBuffer, for_each_task, part};
use crate::memory::unwritten::Unwritten;

/// Lines summed in single precision before the sum is carried over to double, so that the error does
/// not grow with their number.
const LINES_AT_ONCE: usize = 128;
/// Lines of one task.
const TASK_LINES: usize = 2048;

/// How many tasks share the lines of one block.
pub(crate) fn line_parts(lines: usize) -> usize {
    lines.div_ceil(TASK_LINES).max(1)
}

/// Leaky ReLU of negative slope `slope`.
#[inline(always)]
pub(crate) fn leaky(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { value * slope }
}

/// `K` sums over `lines` lines for each channel of a block; `term(line, lane)` gives the summands.
// Indices, not iterators: `term` reads several slices at the same place.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
pub(crate) fn line_sums<const K: usize>(
    lines: usize,
    term: impl Fn(usize, usize) -> [f32; K],
) -> [[f64; LANES]; K] {
    let mut totals = [[0.0_f64; LANES]; K];
    let mut start = 0;
    while start < lines {
        let end = (start + LINES_AT_ONCE).min(lines);
        let mut sums = [[0.0_f32; LANES]; K];
        for line in start..end {
            for lane in 0..LANES {
                let values = term(line, lane);
                for k in 0..K {
                    sums[k][lane] += values[k];
                }
            }
        }
        for k in 0..K {
            for lane in 0..LANES {
                totals[k][lane] += f64::from(sums[k][lane]);
            }
        }
        start = end;
    }
    totals
}

/// Adds up what the tasks of one block found, in their order.
pub(crate) fn add_parts(parts: &[[f64; LANES]]) -> [f64; LANES] {
    let mut sum = [0.0; LANES];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    sum
}

/// `values` plus a map of half the height and width, every position of which counts for four, into a buffer of the
/// right size; rows have so many positions, and positions so many floats.
pub(crate) fn add_enlarged(
    values: &[f32],
    half: &[f32],
    [width, line]: [usize; 2],
    output: &mut [Unwritten],
) {
    let (row, half_row) = (width * line, width / 2 * line);
    assert_eq!((values.len(), output.len()), (4 * half.len(), 4 * half.len()), "a map of half the size");
    let shared = SharedBuffer::new(output);
    for_each_task(half.len() / half_row.max(1), |task| {
        // The rows of all blocks in one list: two of them for each of the half map's.
        let rows = 2 * task * row..2 * (task + 1) * row;
        // SAFETY: every pair of rows belongs to one task.
        let out = unsafe { shared.slice(rows.clone()) };
        let half = &half[task * half_row..(task + 1) * half_row];
        vectorized((&values[rows], half, [row, line], out), add_enlarged_rows);
    });
}

#[inline(always)]
fn add_enlarged_rows((values, half, [row, line], out): (&[f32], &[f32], [usize; 2], &mut [Unwritten])) {
    for (values, out) in values.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
        for (column, half) in half.chunks_exact(line).enumerate() {
            let pair = 2 * column * line;
            for at in [pair, pair + line] {
                for ((out, value), half) in
                    out[at..at + line].iter_mut().zip(&values[at..at + line]).zip(half)
                {
                    out.write(value + half);
                }
            }
        }
    }
}

/// Backward of `y = leaky(z + bias)`: the gradients of `z` (blocked) and of the bias (whole blocks).
pub(crate) fn activation_backward(
    blocks: usize,
    output: &[f32],
    output_gradient: &[f32],
    slope: f32,
) -> (Pooled, Vec<f32>) {
    assert_eq!(output.len(), output_gradient.len(), "gradient of another size");
    let mut gradient = for_overwrite(output.len());
    let lines = output.len() / blocks.max(1) / LANES;
    let parts = line_parts(lines);
    let mut sums = vec![[0.0_f64; LANES]; blocks * parts];
    let (shared, shared_sums) = (SharedBuffer::new(&mut gradient), SharedBuffer::new(&mut sums));
    for_each_task(blocks * parts, |task| {
        let lines_here = part(lines, parts, task % parts, 1);
        let start = (task / parts * lines + lines_here.start) * LANES;
        let range = start..start + lines_here.len() * LANES;
        // SAFETY: every part of every block belongs to one task.
        let (dz, sum) = unsafe { (shared.slice(range.clone()), shared_sums.slice(task..task + 1)) };
        let (y, _) = output[range.clone()].as_chunks::<LANES>();
        let (dy, _) = output_gradient[range].as_chunks::<LANES>();
        let (dz, _) = dz.as_chunks_mut::<LANES>();
        sum[0] = vectorized((y, dy, dz, slope), activation_backward_part);
    });
    let bias = sums.chunks_exact(parts).flat_map(|parts| add_parts(parts).map(|sum| sum as f32)).collect();
    // SAFETY: the tasks wrote the parts of every block.
    (unsafe { gradient.assume_written() }, bias)
}

/// Lines of one block.
pub(crate) type Lines<'a> = &'a [[f32; LANES]];

#[inline(always)]
fn activation_backward_part(
    (y, dy, dz, slope): (Lines<'_>, Lines<'_>, &mut [[Unwritten; LANES]], f32),
) -> [f64; LANES] {
    for ((dz, y), dy) in dz.iter_mut().zip(y).zip(dy) {
        for lane in 0..LANES {
            dz[lane].write(dy[lane] * if y[lane] > 0.0 { 1.0 } else { slope });
        }
    }
    // SAFETY: the loop wrote every line: the three slices are equally long.
    let dz = unsafe { dz.as_flattened().assume_init_ref() }.as_chunks::<LANES>().0;
    let [sum] = line_sums(dz.len(), |line, lane| [dz[line][lane]]);
    sum
}

/// `values` times 1 where `by` is positive and times `slope` elsewhere: a leaky ReLU's derivative.
pub(crate) fn gate(values: &[f32], by: &[f32], slope: f32) -> Pooled {
    assert_eq!(values.len(), by.len(), "gate of another size");
    let mut gated = for_overwrite(values.len());
    let shared = SharedBuffer::new(&mut gated);
    let parts = (values.len() / 65_536).clamp(1, 64);
    for_each_task(parts, |task| {
        let range = part(values.len(), parts, task, 16);
        // SAFETY: parts do not overlap.
        let out = unsafe { shared.slice(range.clone()) };
        let (values, by) = (&values[range.clone()], &by[range]);
        vectorized((out, values, by, slope), gate_part);
    });
    // SAFETY: the tasks wrote every part.
    unsafe { gated.assume_written() }
}

#[inline(always)]
fn gate_part((out, values, by, slope): (&mut [Unwritten], &[f32], &[f32], f32)) {
    for ((out, value), by) in out.iter_mut().zip(values).zip(by) {
        out.write(*value * if *by > 0.0 { 1.0 } else { slope });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_many_lines_keep_their_precision() {
        let lines = 300_000;
        let value = |line: usize, lane: usize| 0.1 + (line % 3) as f32 * lane as f32;
        let [sums] = line_sums(lines, |line, lane| [value(line, lane)]);
        for (lane, sum) in sums.iter().enumerate() {
            let expected: f64 = (0..lines).map(|line| f64::from(value(line, lane))).sum();
            // 128 equal steps in single precision may all round the same way.
            assert!((sum - expected).abs() < 4e-6 * expected, "{sum} against {expected}");
        }
    }
}
