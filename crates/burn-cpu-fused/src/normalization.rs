//! *Batch normalisation* (Ioffe & Szegedy 2015) fused with the residual addition and the activation that
//! follow it in residual networks: `y = leaky(gamma * (x - mean) / sqrt(variance + epsilon) + beta +
//! residual)`.
//!
//! Activations are blocked; statistics are per channel, the variance the biased one. Vectors over
//! channels (gamma, beta, mean, variance) are filled up to whole blocks.

use std::ops::Range;

use crate::elementwise::{Lines, add_parts, leaky, line_sums};
use crate::instructions::vectorized;
use crate::memory::LANES;
use crate::memory::buffers::{Pooled, for_overwrite};
use crate::memory::parallel::SharedBuffer;
use crate::memory::unwritten::Unwritten;
use crate::two_passes::two_passes;

/// What the forward pass returns.
pub(crate) struct Normalized {
    pub output: Pooled,
    pub mean: Vec<f32>,
    /// The biased variance (divided by the number of lines).
    pub variance: Vec<f32>,
}

/// One block's vector out of a vector over channels.
#[inline(always)]
fn lanes(vector: &[f32], block: usize) -> &[f32; LANES] {
    vector[block * LANES..].first_chunk().expect("vectors are filled up to whole blocks")
}

/// Number of lines, mean and sum of squared distances from it of one part of a block.
type Moments = (f64, [f64; LANES], [f64; LANES]);

/// Mean and biased variance of each channel: parts are taken around their own mean, so that nothing
/// cancels, and joined as by Chan et al. (1979).
fn join(parts: &[Moments]) -> [[f32; LANES]; 2] {
    let (mut count, mut center, mut squares) = parts[0];
    for (more, other, other_squares) in &parts[1..] {
        let total = count + more;
        for lane in 0..LANES {
            let distance = other[lane] - center[lane];
            center[lane] += distance * more / total;
            squares[lane] += other_squares[lane] + distance * distance * count * more / total;
        }
        count = total;
    }
    [center.map(|mean| mean as f32), squares.map(|squares| (squares / count).max(0.0) as f32)]
}

#[inline(always)]
fn moments_of(x: Lines<'_>) -> Moments {
    let count = x.len() as f64;
    let [sum] = line_sums(x.len(), |line, lane| [x[line][lane]]);
    let mut center = [0.0_f32; LANES];
    for lane in 0..LANES {
        center[lane] = (sum[lane] / count) as f32;
    }
    // Around the rounded mean, then corrected.
    let [squares, rest] = line_sums(x.len(), |line, lane| {
        let distance = x[line][lane] - center[lane];
        [distance * distance, distance]
    });
    let mut moments = (count, [0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        let rest = rest[lane] / count;
        moments.1[lane] = f64::from(center[lane]) + rest;
        moments.2[lane] = squares[lane] - rest * rest * count;
    }
    moments
}

/// Forward in training mode: statistics of this batch.
pub(crate) fn forward(
    input: &[f32],
    gamma: &[f32],
    beta: &[f32],
    residual: Option<&[f32]>,
    epsilon: f32,
    slope: f32,
) -> Normalized {
    let blocks = gamma.len() / LANES;
    let mut output = for_overwrite(input.len());
    let shared = SharedBuffer::new(&mut output);
    let statistics = two_passes(
        [blocks, input.len() / blocks / LANES],
        |_, range| vectorized(input[range].as_chunks::<LANES>().0, moments_of),
        |_, moments| join(moments),
        |block, range, [mean, variance]| {
            // SAFETY: ranges do not overlap.
            let (y, _) = unsafe { shared.slice(range.clone()) }.as_chunks_mut::<LANES>();
            let (x, _) = input[range.clone()].as_chunks::<LANES>();
            let residual = residual.map(|values| values[range].as_chunks::<LANES>().0);
            let scale = scale_of(lanes(gamma, block), variance, epsilon);
            vectorized((x, residual, y, [mean, &scale, lanes(beta, block)], slope), normalize_part);
        },
    );
    let [mean, variance] = [0, 1].map(|index| statistics.iter().flat_map(|both| both[index]).collect());
    // SAFETY: the second of the passes wrote every part of every block.
    Normalized { output: unsafe { output.assume_written() }, mean, variance }
}

/// Vectors of one block: mean, scale and shift.
type Affine<'a> = [&'a [f32; LANES]; 3];

#[inline(always)]
fn normalize_part(
    (x, residual, y, [mean, scale, shift], slope): (
        Lines<'_>,
        Option<Lines<'_>>,
        &mut [[Unwritten; LANES]],
        Affine<'_>,
        f32,
    ),
) {
    match residual {
        None => {
            for (y, x) in y.iter_mut().zip(x) {
                for lane in 0..LANES {
                    y[lane].write(leaky((x[lane] - mean[lane]) * scale[lane] + shift[lane], slope));
                }
            }
        }
        Some(residual) => {
            for ((y, x), residual) in y.iter_mut().zip(x).zip(residual) {
                for lane in 0..LANES {
                    let value = (x[lane] - mean[lane]) * scale[lane] + shift[lane];
                    y[lane].write(leaky(value + residual[lane], slope));
                }
            }
        }
    }
}

/// The input of the forward pass, and what tells on which side of the activation's kink a value was.
pub(crate) enum Side<'a> {
    /// The output: needed where there was a residual.
    Output { input: &'a mut [f32], output: &'a [f32] },
    /// Beta: without a residual the normalised value is computed again, which costs less than reading it.
    Beta { input: &'a [f32], beta: &'a [f32] },
}

/// Vectors of the forward pass.
pub(crate) struct Saved<'a> {
    pub gamma: &'a [f32],
    pub mean: &'a [f32],
    pub variance: &'a [f32],
}

/// Gamma over the deviation, as both passes compute it.
fn scale_of(gamma: &[f32; LANES], variance: &[f32; LANES], epsilon: f32) -> [f32; LANES] {
    let mut scale = [0.0_f32; LANES];
    for lane in 0..LANES {
        scale[lane] = gamma[lane] / (variance[lane] + epsilon).sqrt();
    }
    scale
}

/// Backward: with dz the gradient before the activation and h the normalised input,
/// `dx = gamma / sigma * (dz - mean(dz) - h * mean(dz * h))`. Returns the gradients of gamma and beta.
///
/// Nothing but the gradients is written, over what is read, for new memory would have to come to the caches
/// first: dx over the output's gradient, or, where there was a residual, dz, which is its gradient, over that
/// and dx over the input.
pub(crate) fn backward(
    saved: &Saved<'_>,
    side: Side<'_>,
    output_gradient: &mut [f32],
    epsilon: f32,
    slope: f32,
) -> [Vec<f32>; 2] {
    let blocks = saved.gamma.len() / LANES;
    let lines = output_gradient.len() / blocks / LANES;
    let gradient = SharedBuffer::new(output_gradient);
    // SAFETY: ranges do not overlap, and the first pass over one is through before the second.
    let gradient = |range| unsafe { gradient.slice(range) }.as_chunks_mut::<LANES>().0;
    let join = |block: usize, sums: &[Sums]| {
        let sum = add_parts(&sums.iter().map(|sums| sums[0]).collect::<Vec<_>>());
        let product = add_parts(&sums.iter().map(|sums| sums[1]).collect::<Vec<_>>());
        saved.totals(block, [sum, product], lines, epsilon)
    };
    let totals = match side {
        Side::Beta { input, beta } => {
            let affine = |block| (lanes(saved.mean, block), saved.scale(block, epsilon), lanes(beta, block));
            let first = |block: usize, range: Range<usize>| {
                let (x, dy) = (input[range.clone()].as_chunks::<LANES>().0, &*gradient(range));
                let (mean, scale, shift) = affine(block);
                vectorized(([x, dy], [mean, &scale, shift], slope), sums_by_input)
            };
            two_passes([blocks, lines], first, join, |block, range, totals| {
                let (x, dy) = (input[range.clone()].as_chunks::<LANES>().0, gradient(range));
                let (mean, scale, shift) = affine(block);
                vectorized((x, dy, [mean, &scale, shift], &totals.coefficients, slope), gradient_by_input);
            })
        }
        Side::Output { input, output } => {
            let input = SharedBuffer::new(input);
            // SAFETY: as above.
            let input = |range| unsafe { input.slice(range) }.as_chunks_mut::<LANES>().0;
            let first = |block: usize, range: Range<usize>| {
                let y = output[range.clone()].as_chunks::<LANES>().0;
                let (x, dy) = (&*input(range.clone()), gradient(range));
                vectorized(([x, y], dy, lanes(saved.mean, block), slope), sums_by_output)
            };
            two_passes([blocks, lines], first, join, |block, range, totals| {
                let (x, dz) = (input(range.clone()), &*gradient(range));
                vectorized((x, dz, lanes(saved.mean, block), &totals.coefficients), gradient_by_output);
            })
        }
    };
    let gamma = totals.iter().flat_map(|totals| totals.gamma).collect();
    let beta = totals.iter().flat_map(|totals| totals.beta).collect();
    [gamma, beta]
}

/// The sums of `dz` and of `dz * (x - mean)`.
type Sums = [[f64; LANES]; 2];

/// What comes of the sums over all lines of a block.
struct Totals {
    gamma: [f32; LANES],
    beta: [f32; LANES],
    coefficients: Coefficients,
}

impl Saved<'_> {
    fn scale(&self, block: usize, epsilon: f32) -> [f32; LANES] {
        scale_of(lanes(self.gamma, block), lanes(self.variance, block), epsilon)
    }

    fn totals(&self, block: usize, [sum, product]: Sums, lines: usize, epsilon: f32) -> Totals {
        let mut gamma = [0.0; LANES];
        let mut coefficients = [[0.0; LANES]; 3];
        for lane in 0..LANES {
            let variance = lanes(self.variance, block)[lane];
            let inverse = 1.0 / f64::from(variance + epsilon).sqrt();
            let scale = f64::from(lanes(self.gamma, block)[lane]) * inverse;
            gamma[lane] = (product[lane] * inverse) as f32;
            coefficients[0][lane] = scale as f32;
            coefficients[1][lane] = (-scale * inverse * inverse * product[lane] / lines as f64) as f32;
            coefficients[2][lane] = (-scale * sum[lane] / lines as f64) as f32;
        }
        Totals { gamma, beta: sum.map(|sum| sum as f32), coefficients }
    }
}

#[inline(always)]
fn sums_by_input(([x, dy], [mean, scale, shift], slope): ([Lines<'_>; 2], Affine<'_>, f32)) -> Sums {
    let dy = &dy[..x.len()];
    line_sums(x.len(), |line, lane| {
        let distance = x[line][lane] - mean[lane];
        let dz = dy[line][lane] * if distance * scale[lane] + shift[lane] > 0.0 { 1.0 } else { slope };
        [dz, dz * distance]
    })
}

/// Writes `dz` over `dy`.
#[inline(always)]
fn sums_by_output(
    ([x, y], dy, mean, slope): ([Lines<'_>; 2], &mut [[f32; LANES]], &[f32; LANES], f32),
) -> Sums {
    for (dy, y) in dy.iter_mut().zip(y) {
        for lane in 0..LANES {
            dy[lane] *= if y[lane] > 0.0 { 1.0 } else { slope };
        }
    }
    let dz = &dy[..x.len()];
    line_sums(x.len(), |line, lane| [dz[line][lane], dz[line][lane] * (x[line][lane] - mean[lane])])
}

/// Scale, factor of the input and constant of one block: `dx = dz * scale + (x - mean) * by_input +
/// constant`.
type Coefficients = [[f32; LANES]; 3];

/// Writes `dx` over `dy`.
#[inline(always)]
fn gradient_by_input(
    (x, dy, [mean, scale, shift], coefficients, slope): (
        Lines<'_>,
        &mut [[f32; LANES]],
        Affine<'_>,
        &Coefficients,
        f32,
    ),
) {
    let [by_gradient, by_input, constant] = coefficients;
    for (dy, x) in dy.iter_mut().zip(x) {
        for lane in 0..LANES {
            let distance = x[lane] - mean[lane];
            let dz = dy[lane] * if distance * scale[lane] + shift[lane] > 0.0 { 1.0 } else { slope };
            dy[lane] = dz * by_gradient[lane] + (distance * by_input[lane] + constant[lane]);
        }
    }
}

/// Writes `dx` over `x`.
#[inline(always)]
fn gradient_by_output(
    (x, dz, mean, [by_gradient, by_input, constant]): (
        &mut [[f32; LANES]],
        Lines<'_>,
        &[f32; LANES],
        &Coefficients,
    ),
) {
    for (x, dz) in x.iter_mut().zip(dz) {
        for lane in 0..LANES {
            let distance = x[lane] - mean[lane];
            x[lane] = dz[lane] * by_gradient[lane] + (distance * by_input[lane] + constant[lane]);
        }
    }
}
