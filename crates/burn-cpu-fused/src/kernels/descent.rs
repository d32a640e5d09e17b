//! Stochastic gradient descent in one pass over memory.

use super::parallel::{SharedBuffer, for_each_task, part};

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

/// Updates `weight` and `velocity` in place.
pub(crate) fn sgd(weight: &mut [f32], velocity: &mut [f32], gradient: &[f32], step: SgdStep) {
    let length = weight.len();
    assert!(velocity.len() == length && gradient.len() == length, "sgd operands differ in size");
    let (weights, velocities) = (SharedBuffer::new(weight), SharedBuffer::new(velocity));
    let tasks = (length / 65_536).clamp(1, 64);
    for_each_task(tasks, |task| {
        let range = part(length, tasks, task, 16);
        // SAFETY: parts do not overlap.
        let (weight, velocity) = unsafe { (weights.slice(range.clone()), velocities.slice(range.clone())) };
        let gradient = &gradient[range];
        pulp::Arch::new().dispatch(|| {
            for ((weight, velocity), gradient) in weight.iter_mut().zip(velocity).zip(gradient) {
                let slope = gradient + step.decay * *weight;
                *velocity = step.momentum * *velocity + slope;
                let direction = if step.nesterov { slope + step.momentum * *velocity } else { *velocity };
                *weight -= step.rate * direction;
            }
        });
    });
}
