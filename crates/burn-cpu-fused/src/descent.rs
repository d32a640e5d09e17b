//! *Descent*: updates of weights in one pass over memory, by stochastic gradient descent and by Adam.

use pulp::Simd;

use crate::instructions::vectorized;
use crate::memory::parallel::{SharedBuffer, for_each_task, part, stream};
use crate::memory::unwritten::Unwritten;

/// Settings of one update, in PyTorch's form: `g += decay * w; v = momentum * v + g;
/// w -= rate * (nesterov ? g + momentum * v : v)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub rate: f32,
    /// Momentum, 0 for plain descent.
    pub momentum: f32,
    /// L2 penalty added to the gradient.
    pub decay: f32,
    /// Nesterov's form of momentum.
    pub nesterov: bool,
}

/// Settings of one update of Adam (Kingma & Ba 2015), in PyTorch's form: `m = b1 m + (1 - b1) g;
/// v = b2 v + (1 - b2) g^2; w -= rate * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f32,
    /// Decay b1 of the mean of gradients.
    pub beta1: f32,
    /// Decay b2 of the mean of squared gradients.
    pub beta2: f32,
    /// Epsilon, added to the root.
    pub epsilon: f32,
    /// Number t of this update, from 1.
    pub time: u32,
}

/// A step of descent that is taken where a gradient is found.
#[derive(Clone, Copy)]
pub(crate) struct Update<'a> {
    /// The weight, laid out as the gradient.
    pub weight: &'a [f32],
    /// The step, without momentum.
    pub step: SgdStep,
}

impl Update<'_> {
    /// The update of some of the weights.
    pub(crate) fn part(self, range: std::ops::Range<usize>) -> Self {
        Self { weight: &self.weight[range], ..self }
    }
}

/// Writes the gradients at `start`, or the weights after the step, to `out`; the latter past the caches, so
/// that the thread must call `end_stream` before another reads them.
#[inline(always)]
pub(crate) fn write<S: Simd>(
    simd: S,
    update: Option<Update<'_>>,
    start: usize,
    gradients: &[f32],
    out: &mut [Unwritten],
) {
    assert_eq!(gradients.len(), out.len(), "gradients and their place differ in size");
    let Some(Update { weight, step }) = update else {
        // A call of memcpy would cost more than these few floats.
        for (to, from) in out.iter_mut().zip(gradients) {
            to.write(*from);
        }
        return;
    };
    let weights = &weight[start..start + gradients.len()];
    let (rate, decay) = (simd.splat_f32s(step.rate), simd.splat_f32s(step.decay));
    let whole = out.len() / S::F32_LANES * S::F32_LANES;
    for at in (0..whole).step_by(S::F32_LANES) {
        let gradient = S::as_simd_f32s(&gradients[at..at + S::F32_LANES]).0[0];
        let weight = S::as_simd_f32s(&weights[at..at + S::F32_LANES]).0[0];
        let slope = simd.add_f32s(gradient, simd.mul_f32s(decay, weight));
        let stepped = simd.sub_f32s(weight, simd.mul_f32s(rate, slope));
        stream::<S>(stepped, &mut out[at..at + S::F32_LANES]);
    }
    for at in whole..out.len() {
        out[at].write(weights[at] - step.rate * (gradients[at] + step.decay * weights[at]));
    }
}

/// Elements of one task.
const TASK_LENGTH: usize = 65_536;

/// Cuts `length` elements into tasks.
fn for_each_part(length: usize, work: impl Fn(std::ops::Range<usize>) + Sync + Send) {
    let tasks = (length / TASK_LENGTH).clamp(1, 64);
    for_each_task(tasks, |task| work(part(length, tasks, task, 16)));
}

/// Updates `weight` and `velocity` in place.
pub(crate) fn sgd(weight: &mut [f32], velocity: &mut [f32], gradient: &[f32], step: SgdStep) {
    let length = weight.len();
    assert!(velocity.len() == length && gradient.len() == length, "sgd operands differ in size");
    // Nesterov's look ahead takes the gradient once more and momentum times the new velocity. Decided here:
    // in the vectorised part, the compiler tests the setting's bit in a word with padding, which valgrind
    // takes for a branch on unwritten memory.
    let shares = if step.nesterov { [1.0, step.momentum] } else { [0.0, 1.0] };
    let (weights, velocities) = (SharedBuffer::new(weight), SharedBuffer::new(velocity));
    for_each_part(length, |range| {
        // SAFETY: parts do not overlap.
        let (weight, velocity) = unsafe { (weights.slice(range.clone()), velocities.slice(range.clone())) };
        let gradient = &gradient[range];
        vectorized((weight, velocity, gradient, step, shares), sgd_part);
    });
}

#[inline(always)]
fn sgd_part(
    (weight, velocity, gradient, step, [by_slope, by_velocity]): (
        &mut [f32],
        &mut [f32],
        &[f32],
        SgdStep,
        [f32; 2],
    ),
) {
    for ((weight, velocity), gradient) in weight.iter_mut().zip(velocity).zip(gradient) {
        let slope = gradient + step.decay * *weight;
        *velocity = step.momentum * *velocity + slope;
        *weight -= step.rate * (by_slope * slope + by_velocity * *velocity);
    }
}

/// Updates `weight` in place by a step without momentum.
pub(crate) fn plain_sgd(weight: &mut [f32], gradient: &[f32], step: SgdStep) {
    assert!(weight.len() == gradient.len(), "sgd operands differ in size");
    let weights = SharedBuffer::new(weight);
    for_each_part(gradient.len(), |range| {
        // SAFETY: parts do not overlap.
        let weight = unsafe { weights.slice(range.clone()) };
        vectorized((weight, &gradient[range], step), plain_sgd_part);
    });
}

#[inline(always)]
fn plain_sgd_part((weight, gradient, step): (&mut [f32], &[f32], SgdStep)) {
    for (weight, gradient) in weight.iter_mut().zip(gradient) {
        *weight -= step.rate * (gradient + step.decay * *weight);
    }
}

/// Updates `weight`, `mean` (of gradients) and `square` (mean of squared gradients) in place.
pub(crate) fn adam(
    weight: &mut [f32],
    mean: &mut [f32],
    square: &mut [f32],
    gradient: &[f32],
    step: AdamStep,
) {
    let length = weight.len();
    let equal = [mean.len(), square.len(), gradient.len()].iter().all(|other| *other == length);
    assert!(equal, "adam operands differ in size");
    let weights = SharedBuffer::new(weight);
    let (means, squares) = (SharedBuffer::new(mean), SharedBuffer::new(square));
    for_each_part(length, |range| {
        // SAFETY: parts do not overlap.
        let (weight, mean, square) = unsafe {
            (weights.slice(range.clone()), means.slice(range.clone()), squares.slice(range.clone()))
        };
        let gradient = &gradient[range];
        vectorized((weight, mean, square, gradient, step), adam_part);
    });
}

#[inline(always)]
fn adam_part((weight, mean, square, gradient, step): (&mut [f32], &mut [f32], &mut [f32], &[f32], AdamStep)) {
    let (rate, root) = step.corrections();
    for (((weight, mean), square), gradient) in weight.iter_mut().zip(mean).zip(square).zip(gradient) {
        *mean = step.beta1 * *mean + (1.0 - step.beta1) * gradient;
        *square = step.beta2 * *square + (1.0 - step.beta2) * gradient * gradient;
        *weight -= rate * *mean / (square.sqrt() * root + step.epsilon);
    }
}

impl AdamStep {
    /// The learning rate over `1 - b1^t`, and `1 / sqrt(1 - b2^t)`.
    pub(crate) fn corrections(&self) -> (f32, f32) {
        let power = |beta: f32| 1.0 - f64::from(beta).powf(f64::from(self.time));
        ((f64::from(self.rate) / power(self.beta1)) as f32, (1.0 / power(self.beta2).sqrt()) as f32)
    }
}
