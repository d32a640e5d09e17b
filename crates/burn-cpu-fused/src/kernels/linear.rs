//! Fully connected layers, `y = leaky(x weight^T + bias)`: matrix products cut into tasks along the
//! weight's larger side, so that the weight is read once.

use super::elementwise::leaky;
use super::matmul::{Matrix, multiply};
use super::parallel::{SharedBuffer, for_each_task, part};
use crate::buffers::{Pooled, for_overwrite};
use crate::instructions::vectorized;

/// Tasks at most.
const TASKS: usize = 16;

/// Sizes: inputs `[samples, inputs]`, weight `[outputs, inputs]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub samples: usize,
    pub inputs: usize,
    pub outputs: usize,
}

fn tasks(length: usize) -> usize {
    (length / 64).clamp(1, TASKS)
}

/// `[samples, outputs]`
pub(crate) fn forward(sizes: Sizes, input: &[f32], weight: &[f32], bias: &[f32], slope: f32) -> Pooled {
    let Sizes { samples, inputs, outputs } = sizes;
    let mut output = for_overwrite(samples * outputs);
    let shared = SharedBuffer::new(&mut output);
    let tasks = tasks(outputs);
    for_each_task(tasks, |task| {
        let range = part(outputs, tasks, task, 16);
        if range.is_empty() {
            return;
        }
        let weight = Matrix::rows(&weight[range.start * inputs..], inputs).transposed();
        let (size, input) = ([samples, range.len(), inputs], Matrix::rows(input, inputs));
        // SAFETY: tasks write distinct outputs.
        unsafe { multiply(size, shared, range.start, outputs, false, input, weight) };
        for sample in 0..samples {
            let start = sample * outputs;
            // SAFETY: as above.
            let row = unsafe { shared.slice(start + range.start..start + range.end) };
            vectorized((row, &bias[range.clone()], slope), bias_and_activation);
        }
    });
    output
}

#[inline(always)]
fn bias_and_activation((row, bias, slope): (&mut [f32], &[f32], f32)) {
    for (value, bias) in row.iter_mut().zip(bias) {
        *value = leaky(*value + bias, slope);
    }
}

/// The gradients of a layer.
pub(crate) struct Gradients {
    pub input: Pooled,
    pub weight: Pooled,
    pub bias: Vec<f32>,
}

/// Backward of [`forward`].
pub(crate) fn backward(
    sizes: Sizes,
    input: &[f32],
    weight: &[f32],
    output: &[f32],
    output_gradient: &[f32],
    slope: f32,
) -> Gradients {
    let Sizes { samples, inputs, outputs } = sizes;
    let before: Vec<f32> =
        output_gradient.iter().zip(output).map(|(dy, y)| if *y > 0.0 { *dy } else { dy * slope }).collect();
    let mut bias = vec![0.0_f32; outputs];
    for row in before.chunks_exact(outputs) {
        bias.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let mut input_gradient = for_overwrite(samples * inputs);
    let mut weight_gradient = for_overwrite(outputs * inputs);
    let (shared_input, shared_weight) =
        (SharedBuffer::new(&mut input_gradient), SharedBuffer::new(&mut weight_gradient));
    let (by_input, by_output) = (tasks(inputs), tasks(outputs));
    for_each_task(by_input + by_output, |task| {
        if let Some(task) = task.checked_sub(by_input) {
            let range = part(outputs, by_output, task, 16);
            if range.is_empty() {
                return;
            }
            let dz = Matrix::rows(&before[range.start..], outputs).transposed();
            let (size, x) = ([range.len(), inputs, samples], Matrix::rows(input, inputs));
            // SAFETY: tasks write distinct rows.
            unsafe { multiply(size, shared_weight, range.start * inputs, inputs, false, dz, x) };
        } else {
            let range = part(inputs, by_input, task, 16);
            if range.is_empty() {
                return;
            }
            let weight = Matrix::rows(&weight[range.start..], inputs);
            let (size, dz) = ([samples, range.len(), outputs], Matrix::rows(&before, outputs));
            // SAFETY: tasks write distinct columns.
            unsafe { multiply(size, shared_input, range.start, inputs, false, dz, weight) };
        }
    });
    Gradients { input: input_gradient, weight: weight_gradient, bias }
}
