//! Batch normalisation (Ioffe & Szegedy 2015) fused with the residual addition and the activation that
//! follow it in residual networks: `y = leaky(gamma * (x - mean) / sqrt(variance + epsilon) + beta + residual)`.
//!
//! Tensors are `[channels, plane]`, a plane being batch x height x width; statistics are per channel,
//! the variance the biased one.

use super::elementwise::{blocked_sum, leaky};
use super::parallel::{SharedBuffer, for_each_task, for_overwrite};

/// What the forward pass returns.
pub(crate) struct Normalized {
    pub output: Vec<f32>,
    pub mean: Vec<f32>,
    /// Biased (divided by the plane's size).
    pub variance: Vec<f32>,
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
    let channels = gamma.len();
    let plane = input.len() / channels;
    let mut output = for_overwrite(input.len());
    let (mut mean, mut variance) = (for_overwrite(channels), for_overwrite(channels));
    let shared = SharedBuffer::new(&mut output);
    let (means, variances) = (SharedBuffer::new(&mut mean), SharedBuffer::new(&mut variance));
    for_each_task(channels, |channel| {
        let range = channel * plane..(channel + 1) * plane;
        // SAFETY: every channel belongs to one task.
        let (y, mean, variance) = unsafe {
            (
                shared.slice(range.clone()),
                &mut means.slice(channel..channel + 1)[0],
                &mut variances.slice(channel..channel + 1)[0],
            )
        };
        let x = &input[range.clone()];
        let residual = residual.map(|values| &values[range]);
        pulp::Arch::new().dispatch(|| {
            let [sum] = blocked_sum(plane, |i| [x[i]]);
            let center = (sum / plane as f64) as f32;
            // Around the rounded mean, then corrected: no cancellation.
            let [squares, rest] = blocked_sum(plane, |i| {
                let distance = x[i] - center;
                [distance * distance, distance]
            });
            let rest = rest / plane as f64;
            *mean = (f64::from(center) + rest) as f32;
            *variance = (squares / plane as f64 - rest * rest).max(0.0) as f32;
            let scale = gamma[channel] / (*variance + epsilon).sqrt();
            let (mean, shift) = (*mean, beta[channel]);
            match residual {
                None => {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = leaky((x - mean) * scale + shift, slope);
                    }
                }
                Some(residual) => {
                    for ((y, x), residual) in y.iter_mut().zip(x).zip(residual) {
                        *y = leaky((x - mean) * scale + shift + residual, slope);
                    }
                }
            }
        });
    });
    Normalized { output, mean, variance }
}

/// What the backward pass returns.
pub(crate) struct Gradients {
    pub input: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    /// Present if there was a residual.
    pub residual: Option<Vec<f32>>,
}

/// What the backward pass needs of the forward pass.
pub(crate) struct Saved<'a> {
    pub input: &'a [f32],
    pub output: &'a [f32],
    pub gamma: &'a [f32],
    pub mean: &'a [f32],
    pub variance: &'a [f32],
}

/// Backward: with dz the gradient before the activation and h the normalised input,
/// `dx = gamma / sigma * (dz - mean(dz) - h * mean(dz * h))`.
pub(crate) fn backward(
    saved: &Saved<'_>,
    output_gradient: &[f32],
    epsilon: f32,
    slope: f32,
    with_residual: bool,
) -> Gradients {
    let channels = saved.gamma.len();
    let plane = saved.input.len() / channels;
    let mut input = for_overwrite(saved.input.len());
    let mut residual = with_residual.then(|| for_overwrite(saved.input.len()));
    let (mut gamma, mut beta) = (for_overwrite(channels), for_overwrite(channels));
    let shared_input = SharedBuffer::new(&mut input);
    let shared_residual = residual.as_mut().map(|values| SharedBuffer::new(values));
    let (gammas, betas) = (SharedBuffer::new(&mut gamma), SharedBuffer::new(&mut beta));
    for_each_task(channels, |channel| {
        let range = channel * plane..(channel + 1) * plane;
        // SAFETY: every channel belongs to one task.
        let (dx, dgamma, dbeta, dresidual) = unsafe {
            (
                shared_input.slice(range.clone()),
                &mut gammas.slice(channel..channel + 1)[0],
                &mut betas.slice(channel..channel + 1)[0],
                shared_residual.map(|shared| shared.slice(range.clone())),
            )
        };
        let (x, y) = (&saved.input[range.clone()], &saved.output[range.clone()]);
        let dy = &output_gradient[range];
        pulp::Arch::new().dispatch(|| {
            let mean = saved.mean[channel];
            let [sum, product] = blocked_sum(plane, |i| {
                let dz = if y[i] > 0.0 { dy[i] } else { dy[i] * slope };
                [dz, dz * (x[i] - mean)]
            });
            let inverse = 1.0 / f64::from(saved.variance[channel] + epsilon).sqrt();
            *dbeta = sum as f32;
            *dgamma = (product * inverse) as f32;
            let scale = f64::from(saved.gamma[channel]) * inverse;
            let by_input = (-scale * inverse * inverse * product / plane as f64) as f32;
            let constant = (-scale * sum / plane as f64) as f32;
            let scale = scale as f32;
            for i in 0..plane {
                let dz = if y[i] > 0.0 { dy[i] } else { dy[i] * slope };
                dx[i] = dz * scale + (x[i] - mean) * by_input + constant;
            }
            if let Some(dresidual) = dresidual {
                for i in 0..plane {
                    dresidual[i] = if y[i] > 0.0 { dy[i] } else { dy[i] * slope };
                }
            }
        });
    });
    Gradients { input, gamma, beta, residual }
}
