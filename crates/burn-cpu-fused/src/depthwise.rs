//! *Depthwise* convolution over blocked activations: every channel is filtered by its own 3x3 weights, stride 1, one
//! line of zeros around the map. With a 1x1 convolution it makes a *separable* one (Sifre 2014), at about a ninth of
//! the arithmetic of a full one.

use pulp::{Simd, WithSimd};

use crate::elementwise::Lines;
use crate::instructions::{Instructions, vectorized, with_token};
use crate::memory::LANES;
use crate::memory::blocked::blocks;
use crate::memory::buffers::{Pooled, for_overwrite};
use crate::memory::parallel::{SharedBuffer, for_each_task, map_tasks, part};
use crate::memory::unwritten::Unwritten;

/// Weights of one channel.
pub(crate) const TAPS: usize = 9;
/// Results that are summed side by side, in as many registers: enough to hide the time of an addition.
const SIDE_BY_SIDE: usize = 8;
/// Floats of the results of one task.
const TASK_FLOATS: usize = 1 << 15;

/// Sizes of a map `[blocks, height, width, batch, 16]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub blocks: usize,
    pub height: usize,
    pub width: usize,
    pub batch: usize,
}

impl Sizes {
    /// Floats of all images at one row.
    fn row(&self) -> usize {
        self.width * self.batch * LANES
    }

    fn plane(&self) -> usize {
        self.height * self.row()
    }

    /// Parts into which the rows of a block are cut.
    fn bands(&self) -> usize {
        self.plane().div_ceil(TASK_FLOATS).clamp(1, self.height.max(1))
    }
}

/// Weights `[blocks, 9, 16]` of `[channels, 1, 3, 3]`; zeros where a block holds no channel.
pub(crate) fn pack(weight: &[f32]) -> Vec<f32> {
    let channels = weight.len() / TAPS;
    let mut packed = vec![0.0; blocks(channels) * TAPS * LANES];
    for (channel, taps) in weight.chunks_exact(TAPS).enumerate() {
        let (block, lane) = (channel / LANES, channel % LANES);
        let out = packed[block * TAPS * LANES + lane..].iter_mut().step_by(LANES);
        out.zip(taps).for_each(|(to, from)| *to = *from);
    }
    packed
}

/// Weights turned by half a turn: those of the gradient of the input.
fn turned(packed: &[f32]) -> Vec<f32> {
    let (lines, _) = packed.as_chunks::<LANES>();
    lines.chunks_exact(TAPS).flat_map(|taps| taps.iter().rev().copied().flatten()).collect()
}

/// `leaky(bias + sum over the window)`, negative slope `slope`; weights as [`pack`] makes them, bias in whole blocks.
pub(crate) fn forward(
    sizes: &Sizes,
    input: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
    slope: f32,
) -> Pooled {
    let mut output = for_overwrite(sizes.blocks * sizes.plane());
    forward_into(sizes, input, weights, bias, slope, &mut output);
    // SAFETY: `forward_into` wrote every row of every block.
    unsafe { output.assume_written() }
}

/// [`forward`] into a buffer of the right size.
pub(crate) fn forward_into(
    sizes: &Sizes,
    input: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
    slope: f32,
    output: &mut [Unwritten],
) {
    let (row, plane, bands) = (sizes.row(), sizes.plane(), sizes.bands());
    assert_eq!(
        (input.len(), output.len()),
        (sizes.blocks * plane, sizes.blocks * plane),
        "a map of other sizes"
    );
    assert_eq!(weights.len(), sizes.blocks * TAPS * LANES, "weights of other channels");
    let shared = SharedBuffer::new(output);
    for_each_task(sizes.blocks * bands, |task| {
        let (block, band) = (task / bands, task % bands);
        let rows = part(sizes.height, bands, band, 1);
        // SAFETY: every band of every block belongs to one task.
        let out = unsafe { shared.slice(block * plane + rows.start * row..block * plane + rows.end * row) };
        let none = [0.0; LANES];
        let work = Band {
            input: &input[block * plane..(block + 1) * plane],
            weights: weights[block * TAPS * LANES..].as_chunks::<LANES>().0,
            bias: bias.map_or(&none, |bias| &bias.as_chunks::<LANES>().0[block]),
            slope,
            sizes: *sizes,
            first_row: rows.start,
            out,
        };
        with_token!(Instructions::current(), |token| Simd::vectorize(token, work));
    });
}

/// Some rows of one block.
struct Band<'a> {
    /// The block.
    input: &'a [f32],
    weights: &'a [[f32; LANES]],
    bias: &'a [f32; LANES],
    slope: f32,
    sizes: Sizes,
    first_row: usize,
    out: &'a mut [Unwritten],
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { input, weights, bias, slope, sizes, first_row, out } = self;
        let (row_floats, batch) = (sizes.row(), sizes.batch);
        let vectors = sizes.width * batch;
        for (index, out) in out.chunks_exact_mut(row_floats).enumerate() {
            let row = first_row + index;
            let near = |down: usize| (row + down).checked_sub(1).filter(|row| *row < sizes.height);
            let (out, _) = out.as_chunks_mut::<LANES>();
            let source = |row: usize| input[row * row_floats..][..row_floats].as_chunks::<LANES>().0;
            let rows: [Option<&[[f32; LANES]]>; 3] = [0, 1, 2].map(|down| near(down).map(source));
            let sum = Sum { simd, rows, weights, bias, slope, batch };
            // At the sides a column of the window lies beyond the edge.
            let (left, right) = (batch.min(vectors), vectors.saturating_sub(batch).max(batch.min(vectors)));
            let mut at = left;
            while at + SIDE_BY_SIDE <= right {
                sum.write::<SIDE_BY_SIDE>(at, [0, 3], &mut out[at..at + SIDE_BY_SIDE]);
                at += SIDE_BY_SIDE;
            }
            for at in at..right {
                sum.write::<1>(at, [0, 3], &mut out[at..=at]);
            }
            let is_narrow = vectors == left;
            for at in 0..left {
                sum.write::<1>(at, [1, if is_narrow { 2 } else { 3 }], &mut out[at..=at]);
            }
            for at in right..vectors {
                sum.write::<1>(at, [0, 2], &mut out[at..=at]);
            }
        }
    }
}

/// What a row's results are made of.
struct Sum<'a, S> {
    simd: S,
    rows: [Option<&'a [[f32; LANES]]>; 3],
    weights: &'a [[f32; LANES]],
    bias: &'a [f32; LANES],
    slope: f32,
    batch: usize,
}

impl<S: Simd> Sum<'_, S> {
    /// `COUNT` vectors from the `at`-th of the row on, from the window's columns `start..end`.
    #[inline(always)]
    fn write<const COUNT: usize>(&self, at: usize, [start, end]: [usize; 2], out: &mut [[Unwritten; LANES]]) {
        let simd = self.simd;
        let slope = simd.splat_f32s(self.slope);
        let out: &mut [[Unwritten; LANES]; COUNT] = out.try_into().expect("as many vectors as are written");
        for lane in 0..LANES / S::F32_LANES {
            let mut sums = [S::as_simd_f32s(self.bias).0[lane]; COUNT];
            for (down, row) in self.rows.iter().enumerate() {
                let Some(row) = row else { continue };
                for across in start..end {
                    let weight = S::as_simd_f32s(&self.weights[down * 3 + across]).0[lane];
                    let source = &row[at + across * self.batch - self.batch..][..COUNT];
                    for (sum, source) in sums.iter_mut().zip(source) {
                        *sum = simd.mul_add_f32s(S::as_simd_f32s(source).0[lane], weight, *sum);
                    }
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                let value = simd.max_f32s(sum, simd.mul_f32s(sum, slope));
                S::as_uninit_mut_simd_f32s(out).0[lane].write(value);
            }
        }
    }
}

/// The gradient of the input; weights as [`pack`] makes them.
pub(crate) fn input_gradient(sizes: &Sizes, output_gradient: &[f32], weights: &[f32]) -> Pooled {
    forward(sizes, output_gradient, &turned(weights), None, 1.0)
}

/// The gradient of the weights `[channels, 1, 3, 3]`.
pub(crate) fn weight_gradient(
    sizes: &Sizes,
    input: &[f32],
    output_gradient: &[f32],
    channels: usize,
) -> Vec<f32> {
    let (row, plane, bands) = (sizes.row(), sizes.plane(), sizes.bands());
    assert_eq!(
        (input.len(), output_gradient.len()),
        (sizes.blocks * plane, sizes.blocks * plane),
        "other sizes"
    );
    let sums = map_tasks(sizes.blocks * bands, 1, |task| {
        let (block, band) = (task / bands, task % bands);
        let of_block = block * plane..(block + 1) * plane;
        let (input, gradient) = (&input[of_block.clone()], &output_gradient[of_block]);
        let mut total = [[0.0_f64; LANES]; TAPS];
        for at in part(sizes.height, bands, band, 1) {
            let mut sums = [[0.0_f32; LANES]; TAPS];
            for (down, sums) in sums.chunks_exact_mut(3).enumerate() {
                let Some(source) = (at + down).checked_sub(1).filter(|row| *row < sizes.height) else {
                    continue;
                };
                let (source, gradient) = (&input[source * row..][..row], &gradient[at * row..][..row]);
                let (source, gradient) = (source.as_chunks::<LANES>().0, gradient.as_chunks::<LANES>().0);
                vectorized((source, gradient, sizes.batch, sums), add_products);
            }
            let lanes = total.as_flattened_mut().iter_mut().zip(sums.as_flattened());
            lanes.for_each(|(total, sum)| *total += f64::from(*sum));
        }
        total
    });
    let mut gradient = vec![0.0; channels * TAPS];
    for (channel, taps) in gradient.chunks_exact_mut(TAPS).enumerate() {
        let (block, lane) = (channel / LANES, channel % LANES);
        for (tap, value) in taps.iter_mut().enumerate() {
            *value =
                sums[block * bands..(block + 1) * bands].iter().map(|sum| sum[tap][lane]).sum::<f64>() as f32;
        }
    }
    gradient
}

/// Adds the products of a row's gradient with a row of the input under each of three columns of the window.
#[inline(always)]
fn add_products((source, gradient, batch, sums): (Lines<'_>, Lines<'_>, usize, &mut [[f32; LANES]])) {
    let vectors = gradient.len();
    for (across, sum) in sums.iter_mut().enumerate() {
        // The column left of, at, or right of the result's.
        let (from, to) = match across {
            0 => (0, batch.min(vectors)),
            1 => (0, 0),
            _ => (batch.min(vectors), 0),
        };
        for (x, g) in source[from..].iter().zip(&gradient[to..]) {
            for lane in 0..LANES {
                sum[lane] += x[lane] * g[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition, over `[batch, channels, height, width]`.
    fn plain(
        input: &[f32],
        weight: &[f32],
        bias: &[f32],
        slope: f32,
        [_, channels, height, width]: [usize; 4],
    ) -> Vec<f32> {
        let mut out = vec![0.0; input.len()];
        for (index, out) in out.iter_mut().enumerate() {
            let (image, channel) = (index / (channels * height * width), index / (height * width) % channels);
            let (row, column) = (index / width % height, index % width);
            let mut sum = bias[channel];
            for tap in 0..TAPS {
                let (y, x) = ((row + tap / 3).wrapping_sub(1), (column + tap % 3).wrapping_sub(1));
                if y < height && x < width {
                    let at = ((image * channels + channel) * height + y) * width + x;
                    sum += input[at] * weight[channel * TAPS + tap];
                }
            }
            *out = sum.max(sum * slope);
        }
        out
    }

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn it_equals_its_definition_at_every_size() {
        use crate::memory::blocked::{from_batch, padded, to_batch};
        for shape in
            [[1, 16, 5, 7], [1, 20, 1, 1], [2, 3, 4, 1], [3, 33, 2, 19], [1, 16, 40, 30], [1, 64, 3, 2]]
        {
            let [batch, channels, height, width] = shape;
            let (input, weight, bias) =
                (numbers(shape.iter().product(), 1), numbers(channels * TAPS, 2), numbers(channels, 3));
            let sizes = Sizes { blocks: blocks(channels), height, width, batch };
            let blocked = from_batch(&input, [batch, channels, height * width]);
            let out = forward(&sizes, &blocked, &pack(&weight), Some(&padded(&bias)), 0.1);
            let got = to_batch(&out, [batch, channels, height * width]);
            for (got, expected) in got.iter().zip(plain(&input, &weight, &bias, 0.1, shape)) {
                assert!((got - expected).abs() < 1e-5, "{shape:?}: {got} {expected}");
            }
        }
    }
}
