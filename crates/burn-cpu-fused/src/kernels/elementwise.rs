//! Elementwise passes: bias and activation, and their backward.

use super::parallel::{SharedBuffer, for_each_task, for_overwrite};

/// Leaky ReLU of negative slope `slope`.
#[inline(always)]
pub(crate) fn leaky(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { value * slope }
}

/// `row = leaky(row + bias)`, in place.
pub(crate) fn activate(row: &mut [f32], bias: f32, slope: f32) {
    pulp::Arch::new().dispatch(|| {
        for value in row {
            *value = leaky(*value + bias, slope);
        }
    });
}

/// Sums `term(i)` for i in `0..length` with 16 accumulators, so that it vectorises; blocks of 4096
/// are carried over to f64, so that the error does not grow with the length.
// Indices, not iterators: `term` reads several slices at the same place.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
pub(crate) fn blocked_sum<const K: usize>(length: usize, term: impl Fn(usize) -> [f32; K]) -> [f64; K] {
    let mut totals = [0.0_f64; K];
    let mut start = 0;
    while start < length {
        let end = (start + 4096).min(length);
        let mut lanes = [[0.0_f32; 16]; K];
        let whole = (end - start) / 16;
        for step in 0..whole {
            for lane in 0..16 {
                let values = term(start + step * 16 + lane);
                for k in 0..K {
                    lanes[k][lane] += values[k];
                }
            }
        }
        for index in start + whole * 16..end {
            let values = term(index);
            for k in 0..K {
                lanes[k][0] += values[k];
            }
        }
        for k in 0..K {
            totals[k] += lanes[k].iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
        start = end;
    }
    totals
}

/// Backward of `y = leaky(z + bias)` for `[channels, plane]`: the gradients of `z` and of the bias.
pub(crate) fn activation_backward(
    channels: usize,
    output: &[f32],
    output_gradient: &[f32],
    slope: f32,
) -> (Vec<f32>, Vec<f32>) {
    let plane = output.len() / channels.max(1);
    let mut gradient = for_overwrite(output.len());
    let mut bias_gradient = for_overwrite(channels);
    let (shared, shared_bias) = (SharedBuffer::new(&mut gradient), SharedBuffer::new(&mut bias_gradient));
    for_each_task(channels, |channel| {
        let range = channel * plane..(channel + 1) * plane;
        // SAFETY: every channel belongs to one task.
        let (dz, db) = unsafe { (shared.slice(range.clone()), shared_bias.slice(channel..channel + 1)) };
        let (y, dy) = (&output[range.clone()], &output_gradient[range]);
        pulp::Arch::new().dispatch(|| {
            for ((dz, y), dy) in dz.iter_mut().zip(y).zip(dy) {
                *dz = if *y > 0.0 { *dy } else { *dy * slope };
            }
            let [sum] = blocked_sum(dz.len(), |i| [dz[i]]);
            db[0] = sum as f32;
        });
    });
    (gradient, bias_gradient)
}
