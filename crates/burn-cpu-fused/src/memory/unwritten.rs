//! *Unwritten* memory: floats that may not have been written yet, and so may not be read. Zeroing them first
//! would cost one more pass over memory for every operation.
//!
//! What is written is known to those who wrote it: whoever reads says so, in an `unsafe` block that names the
//! writer.

use std::mem::MaybeUninit;

/// A float that may not have been written yet.
pub(crate) type Unwritten = MaybeUninit<f32>;

/// Writes `value` to every element.
#[inline(always)]
pub(crate) fn fill(memory: &mut [Unwritten], value: f32) -> &mut [f32] {
    for element in memory.iter_mut() {
        element.write(value);
    }
    // SAFETY: the loop wrote every element.
    unsafe { memory.assume_init_mut() }
}

/// Values as what is stored in unwritten memory.
#[inline(always)]
pub(crate) fn stored<const N: usize>(values: &[f32; N]) -> [Unwritten; N] {
    // SAFETY: both arrays are laid out alike, and any float may be one that may not have been written.
    unsafe { *std::ptr::from_ref(values).cast() }
}

/// Written memory as memory that may not have been written.
#[inline(always)]
pub(crate) fn of_written(values: &[f32]) -> &[Unwritten] {
    // SAFETY: as above; nothing can be stored through a shared reference.
    unsafe { &*(std::ptr::from_ref(values) as *const [Unwritten]) }
}

/// Written memory, to be written again.
///
/// # Safety
/// Only values may be stored, so that all of it stays written.
#[inline(always)]
pub(crate) unsafe fn to_write_again(values: &mut [f32]) -> &mut [Unwritten] {
    // SAFETY: both slices are laid out alike, and the caller stores values only.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [Unwritten]) }
}

/// A line of memory that is written by now.
///
/// # Safety
/// All of its elements must have been written.
#[inline(always)]
pub(crate) unsafe fn written<const N: usize>(line: &[Unwritten; N]) -> &[f32; N] {
    // SAFETY: both arrays are laid out alike, and the caller says that all elements are written.
    unsafe { &*std::ptr::from_ref(line).cast() }
}
