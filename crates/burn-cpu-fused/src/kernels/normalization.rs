//! Batch normalisation (Ioffe & Szegedy 2015) fused with the residual addition and the activation that
//! follow it in residual networks: `y = leaky(gamma * (x - mean) / sqrt(variance + epsilon) + beta + residual)`.
//!
//! Activations are blocked; statistics are per channel, the variance the biased one. Vectors over
//! channels (gamma, beta, mean, variance) are filled up to whole blocks.

use super::blocked::LANES;
use super::elementwise::{Lines, add_parts, leaky, line_parts, line_sums};
use super::parallel::{SharedBuffer, for_each_task, part};
use crate::buffers::for_overwrite;
use crate::instructions::vectorized;

/// What the forward pass returns.
pub(crate) struct Normalized {
    pub output: Vec<f32>,
    pub mean: Vec<f32>,
    /// Biased (divided by the number of lines).
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
fn statistics(input: &[f32], blocks: usize) -> (Vec<f32>, Vec<f32>) {
    let lines = input.len() / blocks / LANES;
    let parts = line_parts(lines);
    let mut moments: Vec<Moments> = vec![(0.0, [0.0; LANES], [0.0; LANES]); blocks * parts];
    let shared = SharedBuffer::new(&mut moments);
    for_each_task(blocks * parts, |task| {
        let here = part(lines, parts, task % parts, 1);
        let start = (task / parts * lines + here.start) * LANES;
        let (x, _) = input[start..start + here.len() * LANES].as_chunks::<LANES>();
        // SAFETY: every part of every block belongs to one task.
        let moments = unsafe { &mut shared.slice(task..task + 1)[0] };
        *moments = vectorized(x, moments_of);
    });
    let (mut mean, mut variance) = (Vec::new(), Vec::new());
    for parts in moments.chunks_exact(parts) {
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
        mean.extend(center.map(|mean| mean as f32));
        variance.extend(squares.map(|squares| (squares / count).max(0.0) as f32));
    }
    (mean, variance)
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
    let (mean, variance) = statistics(input, blocks);
    let mut output = for_overwrite(input.len());
    let lines = input.len() / blocks / LANES;
    let parts = line_parts(lines);
    let shared = SharedBuffer::new(&mut output);
    for_each_task(blocks * parts, |task| {
        let here = part(lines, parts, task % parts, 1);
        let block = task / parts;
        let start = (block * lines + here.start) * LANES;
        let range = start..start + here.len() * LANES;
        // SAFETY: every part of every block belongs to one task.
        let (y, _) = unsafe { shared.slice(range.clone()) }.as_chunks_mut::<LANES>();
        let (x, _) = input[range.clone()].as_chunks::<LANES>();
        let residual = residual.map(|values| values[range].as_chunks::<LANES>().0);
        let (mean, shift, variance) = (lanes(&mean, block), lanes(beta, block), lanes(&variance, block));
        let gamma = lanes(gamma, block);
        let scale = scale_of(gamma, variance, epsilon);
        vectorized((x, residual, y, [mean, &scale, shift], slope), normalize_part);
    });
    Normalized { output, mean, variance }
}

/// Vectors of one block: mean, scale and shift.
type Affine<'a> = [&'a [f32; LANES]; 3];

#[inline(always)]
fn normalize_part(
    (x, residual, y, [mean, scale, shift], slope): (
        Lines<'_>,
        Option<Lines<'_>>,
        &mut [[f32; LANES]],
        Affine<'_>,
        f32,
    ),
) {
    match residual {
        None => {
            for (y, x) in y.iter_mut().zip(x) {
                for lane in 0..LANES {
                    y[lane] = leaky((x[lane] - mean[lane]) * scale[lane] + shift[lane], slope);
                }
            }
        }
        Some(residual) => {
            for ((y, x), residual) in y.iter_mut().zip(x).zip(residual) {
                for lane in 0..LANES {
                    let value = (x[lane] - mean[lane]) * scale[lane] + shift[lane];
                    y[lane] = leaky(value + residual[lane], slope);
                }
            }
        }
    }
}

/// What the backward pass returns.
pub(crate) struct Gradients {
    pub input: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    /// Present if there was a residual.
    pub residual: Option<Vec<f32>>,
}

/// What tells on which side of the activation's kink a value was.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    /// The output: needed where there was a residual, whose gradient is then returned too.
    Output(&'a [f32]),
    /// Beta: without a residual the normalised value is computed again, which costs less than reading it.
    Beta(&'a [f32]),
}

/// What the backward pass needs of the forward pass.
pub(crate) struct Saved<'a> {
    pub input: &'a [f32],
    pub side: Side<'a>,
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
/// `dx = gamma / sigma * (dz - mean(dz) - h * mean(dz * h))`.
pub(crate) fn backward(saved: &Saved<'_>, output_gradient: &[f32], epsilon: f32, slope: f32) -> Gradients {
    let blocks = saved.gamma.len() / LANES;
    let lines = saved.input.len() / blocks / LANES;
    let parts = line_parts(lines);
    let range = |task: usize| {
        let here = part(lines, parts, task % parts, 1);
        let start = (task / parts * lines + here.start) * LANES;
        start..start + here.len() * LANES
    };
    let mut residual = match saved.side {
        Side::Output(_) => Some(for_overwrite(saved.input.len())),
        Side::Beta(_) => None,
    };
    let shared_residual = residual.as_mut().map(|values| SharedBuffer::new(values));
    let mut sums = vec![[[0.0_f64; LANES]; 2]; blocks * parts];
    let shared = SharedBuffer::new(&mut sums);
    let scales: Vec<[f32; LANES]> = (0..blocks)
        .map(|block| scale_of(lanes(saved.gamma, block), lanes(saved.variance, block), epsilon))
        .collect();
    for_each_task(blocks * parts, |task| {
        let (block, range) = (task / parts, range(task));
        let (x, _) = saved.input[range.clone()].as_chunks::<LANES>();
        let (dy, _) = output_gradient[range.clone()].as_chunks::<LANES>();
        let mean = lanes(saved.mean, block);
        // SAFETY: every part of every block belongs to one task.
        let sums = unsafe { &mut shared.slice(task..task + 1)[0] };
        *sums = match saved.side {
            Side::Beta(beta) => {
                let affine = [mean, &scales[block], lanes(beta, block)];
                vectorized(([x, dy], affine, slope), sums_by_input)
            }
            Side::Output(output) => {
                let (y, _) = output[range.clone()].as_chunks::<LANES>();
                let shared = shared_residual.expect("made for this side");
                // SAFETY: as above.
                let (dz, _) = unsafe { shared.slice(range) }.as_chunks_mut::<LANES>();
                vectorized(([x, y, dy], dz, mean, slope), sums_by_output)
            }
        };
    });
    let (mut gamma, mut beta) = (Vec::new(), Vec::new());
    // The coefficients of `dx = dz * scale + (x - mean) * by_input + constant`.
    let mut coefficients = Vec::new();
    for (block, sums) in sums.chunks_exact(parts).enumerate() {
        let sum = add_parts(&sums.iter().map(|sums| sums[0]).collect::<Vec<_>>());
        let product = add_parts(&sums.iter().map(|sums| sums[1]).collect::<Vec<_>>());
        let mut block_coefficients = [[0.0_f32; LANES]; 3];
        for lane in 0..LANES {
            let variance = lanes(saved.variance, block)[lane];
            let inverse = 1.0 / f64::from(variance + epsilon).sqrt();
            let scale = f64::from(lanes(saved.gamma, block)[lane]) * inverse;
            gamma.push((product[lane] * inverse) as f32);
            beta.push(sum[lane] as f32);
            block_coefficients[0][lane] = scale as f32;
            block_coefficients[1][lane] = (-scale * inverse * inverse * product[lane] / lines as f64) as f32;
            block_coefficients[2][lane] = (-scale * sum[lane] / lines as f64) as f32;
        }
        coefficients.push(block_coefficients);
    }
    let mut input = for_overwrite(saved.input.len());
    let shared_input = SharedBuffer::new(&mut input);
    let by_output = residual.as_deref();
    for_each_task(blocks * parts, |task| {
        let (block, range) = (task / parts, range(task));
        let (x, _) = saved.input[range.clone()].as_chunks::<LANES>();
        let mean = lanes(saved.mean, block);
        // SAFETY: every part of every block belongs to one task.
        let (dx, _) = unsafe { shared_input.slice(range.clone()) }.as_chunks_mut::<LANES>();
        match (saved.side, by_output) {
            (Side::Output(_), Some(dz)) => {
                let (dz, _) = dz[range].as_chunks::<LANES>();
                vectorized(([x, dz], dx, mean, &coefficients[block]), gradient_by_output);
            }
            (Side::Beta(beta), _) => {
                let (dy, _) = output_gradient[range].as_chunks::<LANES>();
                let affine = [mean, &scales[block], lanes(beta, block)];
                vectorized(([x, dy], dx, affine, &coefficients[block], slope), gradient_by_input);
            }
            (Side::Output(_), None) => unreachable!("made for this side"),
        }
    });
    Gradients { input, gamma, beta, residual }
}

#[inline(always)]
fn sums_by_input(
    ([x, dy], [mean, scale, shift], slope): ([Lines<'_>; 2], Affine<'_>, f32),
) -> [[f64; LANES]; 2] {
    let dy = &dy[..x.len()];
    line_sums(x.len(), |line, lane| {
        let distance = x[line][lane] - mean[lane];
        let dz = dy[line][lane] * if distance * scale[lane] + shift[lane] > 0.0 { 1.0 } else { slope };
        [dz, dz * distance]
    })
}

/// Writes `dz`, too.
#[inline(always)]
fn sums_by_output(
    ([x, y, dy], dz, mean, slope): ([Lines<'_>; 3], &mut [[f32; LANES]], &[f32; LANES], f32),
) -> [[f64; LANES]; 2] {
    for ((dz, y), dy) in dz.iter_mut().zip(y).zip(dy) {
        for lane in 0..LANES {
            dz[lane] = dy[lane] * if y[lane] > 0.0 { 1.0 } else { slope };
        }
    }
    let dz = &dz[..x.len()];
    line_sums(x.len(), |line, lane| [dz[line][lane], dz[line][lane] * (x[line][lane] - mean[lane])])
}

/// Scale, factor of the input and constant of one block.
type Coefficients = [[f32; LANES]; 3];

#[inline(always)]
fn gradient_by_input(
    ([x, dy], dx, [mean, scale, shift], coefficients, slope): (
        [Lines<'_>; 2],
        &mut [[f32; LANES]],
        Affine<'_>,
        &Coefficients,
        f32,
    ),
) {
    let [by_gradient, by_input, constant] = coefficients;
    for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
        for lane in 0..LANES {
            let distance = x[lane] - mean[lane];
            let dz = dy[lane] * if distance * scale[lane] + shift[lane] > 0.0 { 1.0 } else { slope };
            dx[lane] = dz * by_gradient[lane] + (distance * by_input[lane] + constant[lane]);
        }
    }
}

#[inline(always)]
fn gradient_by_output(
    ([x, dz], dx, mean, [by_gradient, by_input, constant]): (
        [Lines<'_>; 2],
        &mut [[f32; LANES]],
        &[f32; LANES],
        &Coefficients,
    ),
) {
    for ((dx, x), dz) in dx.iter_mut().zip(x).zip(dz) {
        for lane in 0..LANES {
            let distance = x[lane] - mean[lane];
            dx[lane] = dz[lane] * by_gradient[lane] + (distance * by_input[lane] + constant[lane]);
        }
    }
}
