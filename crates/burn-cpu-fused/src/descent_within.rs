//! *Descent within the backward pass*: a convolution whose weight is to be stepped as soon as its gradient is known
//! writes the new weight in place of the gradient, which then never goes through memory.
//!
//! What autodiff hands on as the gradient of such a weight is its new value; [`sgd_step`](crate::sgd_step) knows it by
//! its memory and returns it. Both happen within one call of [`with_descent`].

use std::cell::RefCell;

use burn::backend::flex::FlexTensor;

use crate::SgdStep;
use crate::extension::values;

/// The descent of the innermost [`with_descent`].
#[derive(Default)]
struct Descent {
    step: Option<SgdStep>,
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

/// Runs `work`: a backward pass, then [`sgd_step`](crate::sgd_step) with this very `step` for every weight that has a
/// gradient. Each weight must have been used once since the last step. The results are those of the same calls
/// without this function around them; on Flex in f32 they take less time, if there is no momentum.
///
/// # Panics
/// When a weight's gradient did not come to `sgd_step` as it was, which would be a wrong step: the weight was used
/// more than once, or the gradient was changed.
pub fn with_descent<R>(step: SgdStep, work: impl FnOnce() -> R) -> R {
    let step = (step.momentum == 0.0).then_some(step);
    let _outer = Outer(Some(CURRENT.replace(Descent { step, stepped: Vec::new() })));
    let result = work();
    let left = CURRENT.with_borrow(|current| current.stepped.len());
    assert!(
        left == 0,
        "{left} weights were not updated after their step: is one of them used more than once?"
    );
    result
}

/// The step that the backward pass takes, if it does.
pub(crate) fn current() -> Option<SgdStep> {
    CURRENT.with_borrow(|current| current.step)
}

/// Remembers a new weight.
pub(crate) fn note(weight: FlexTensor) {
    CURRENT.with_borrow_mut(|current| current.stepped.push(weight));
}

/// Whether `gradient` is a new weight; it is taken then.
///
/// # Panics
/// When it was stepped otherwise than by `step`.
pub(crate) fn take(gradient: &FlexTensor, step: SgdStep) -> bool {
    CURRENT.with_borrow_mut(|current| {
        let same = |weight: &FlexTensor| std::ptr::eq(values(weight).as_ptr(), values(gradient).as_ptr());
        let Some(index) = current.stepped.iter().position(same) else { return false };
        assert_eq!(current.step, Some(step), "the backward pass took another step than the update");
        current.stepped.swap_remove(index);
        true
    })
}
