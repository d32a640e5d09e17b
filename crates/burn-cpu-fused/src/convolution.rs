//! *Convolution* and its two gradients over blocked activations, each by the way that takes least: minimal
//! filtering where it saves multiplications, the definition elsewhere.

use crate::descent::Update;
use crate::direct;
use crate::direct::geometry::Geometry;
use crate::direct::product::blocked_len;
use crate::epilogue::Epilogue;
use crate::filtering::Filtering;
use crate::memory::buffers::{Pooled, for_overwrite};

/// `y = epilogue(weight * x)`.
pub(crate) fn forward(geometry: &Geometry, input: &[f32], weight: &[f32], epilogue: Epilogue<'_>) -> Pooled {
    let length = blocked_len(geometry.output_channels, geometry.output_positions(), geometry.batch);
    let mut output = for_overwrite(length);
    match Filtering::of(geometry) {
        Some(filtering) => filtering.forward(geometry, weight, input, epilogue, &mut output),
        None => direct::convolution::forward(geometry, weight, input, epilogue, &mut output),
    }
    // SAFETY: either way writes all positions of all blocks of output channels.
    unsafe { output.assume_written() }
}

/// The gradient with respect to the input; also the transposed convolution, whose input is
/// `output_gradient`. It is added to `onto`, laid out like it.
pub(crate) fn input_gradient(
    geometry: &Geometry,
    output_gradient: &[f32],
    weight: &[f32],
    onto: Option<&[f32]>,
) -> Pooled {
    let epilogue = Epilogue { residual: onto, ..Epilogue::NONE };
    let length = blocked_len(geometry.input_channels, geometry.input_positions(), geometry.batch);
    let mut gradient = for_overwrite(length);
    match Filtering::of(geometry) {
        Some(filtering) => {
            filtering.input_gradient(geometry, weight, output_gradient, epilogue, &mut gradient);
        }
        None => {
            direct::convolution::input_gradient(geometry, weight, output_gradient, epilogue, &mut gradient);
        }
    }
    // SAFETY: either way writes all positions of all blocks of input channels; positions that no output reads
    // get zeros.
    unsafe { gradient.assume_written() }
}

/// The gradient with respect to the weight, `[output_channels, input_channels, kernel_height, kernel_width]`,
/// or the weight after `update` by it.
pub(crate) fn weight_gradient(
    geometry: &Geometry,
    input: &[f32],
    output_gradient: &[f32],
    update: Option<Update<'_>>,
) -> Pooled {
    let mut gradient = for_overwrite(geometry.output_channels * geometry.input_channels * geometry.taps());
    let operands = [input, output_gradient];
    match Filtering::of(geometry) {
        Some(filtering) => filtering.filter_gradient(geometry, operands, update, &mut gradient),
        None => direct::weight_gradient::sum_products(geometry, operands, update, &mut gradient),
    }
    // SAFETY: either way writes the weights of all pairs of channels under all kernel offsets.
    unsafe { gradient.assume_written() }
}
