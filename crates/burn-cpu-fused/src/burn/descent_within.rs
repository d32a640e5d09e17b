//! *Descent within the backward pass*: a convolution whose weight is to be stepped as soon as its gradient is
//! known writes the new weight instead of the gradient, which then never goes through memory.
//!
//! What autodiff hands on as the gradient of such a weight is its new value; [`sgd_step`](crate::sgd_step)
//! knows it by its memory and returns it. Both happen within one call of [`with_descent`].

use std::cell::RefCell;

use burn::backend::Dispatch;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use super::extension::{FusedUpdates, is_fused};
use super::tensors::values;
use crate::descent::SgdStep;

/// The descent of the innermost [`with_descent`].
#[derive(Default)]
struct Descent {
    step: Option<SgdStep>,
    /// The weights that are not stepped yet. Not any weight: a thread that waits for the others may run a
    /// foreign backward pass meanwhile. They are held, so that no other weight comes to lie in the same
    /// place.
    weights: Vec<FlexTensor>,
    /// The new weights that no update has taken yet. Their memory is shared, so that nothing is added to it.
    stepped: Vec<FlexTensor>,
}

thread_local! {
    static CURRENT: RefCell<Descent> = RefCell::default();
}

/// Restores the descent around this one, also when `work` panics.
struct Outer(Option<Descent>);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.replace(self.0.take().unwrap_or_default());
    }
}

/// Runs `work`: a backward pass, then [`sgd_step`](crate::sgd_step) with this very `step` for every weight
/// that has a gradient. The results are those of the same calls without this function around them; on Flex in
/// f32 they take less time if there is no momentum. `weights` are weights of convolutions, each used once
/// since the last step.
///
/// # Panics
/// When the gradient of one of `weights` did not come to `sgd_step` as it was, which would be a wrong step: the weight
/// was used more than once, or the gradient was changed.
pub fn with_descent<R>(
    step: SgdStep,
    weights: impl IntoIterator<Item = Tensor<4>>,
    work: impl FnOnce() -> R,
) -> R {
    let _outer = Outer(Some(CURRENT.replace(Descent { step: Some(step), ..Descent::default() })));
    if step.momentum == 0.0 {
        for weight in weights {
            let weight = weight.without_autodiff();
            if is_fused(&weight.device(), weight.dtype()) {
                Dispatch::fused_admit(weight.into_dispatch());
            }
        }
    }
    let result = work();
    let left = CURRENT.with_borrow(|current| current.stepped.len());
    assert!(
        left == 0,
        "{left} weights were not updated after their step: is one of them used more than once?"
    );
    result
}

/// Takes the tensor out of `tensors` that lies where `tensor` does.
fn remove(tensors: &mut Vec<FlexTensor>, tensor: &FlexTensor) -> Option<FlexTensor> {
    let place = values(tensor).as_ptr();
    let index = tensors.iter().position(|other| std::ptr::eq(values(other).as_ptr(), place))?;
    Some(tensors.swap_remove(index))
}

/// Lets `weight` be stepped.
pub(crate) fn admit(weight: FlexTensor) {
    CURRENT.with_borrow_mut(|current| current.weights.push(weight));
}

/// The step that `weight` is to take in the backward pass, if it is. It is asked for once.
pub(crate) fn begin(weight: &FlexTensor) -> Option<SgdStep> {
    CURRENT.with_borrow_mut(|current| remove(&mut current.weights, weight).and(current.step))
}

/// Remembers a new weight.
pub(crate) fn end(weight: FlexTensor) {
    CURRENT.with_borrow_mut(|current| current.stepped.push(weight));
}

/// Whether `gradient` is a new weight; it is taken then.
///
/// # Panics
/// When it was stepped otherwise than by `step`.
pub(crate) fn take(gradient: &FlexTensor, step: SgdStep) -> bool {
    CURRENT.with_borrow_mut(|current| {
        if remove(&mut current.stepped, gradient).is_none() {
            return false;
        }
        assert_eq!(current.step, Some(step), "the backward pass took another step than the update");
        true
    })
}
