//! Convolution and the gradient with respect to its input by their definition: which product each of them is.

use super::geometry::{Geometry, Stencil};
use super::patches;
use super::product::{ConvolutionProduct, Values, Weights, Width};
use super::weights::{WeightView, pack};
use crate::epilogue::Epilogue;
use crate::instructions::Instructions;
use crate::memory::buffers::with_scratch;
use crate::memory::parallel::SharedBuffer;
use crate::memory::unwritten::Unwritten;

/// From this many weights on, packing them all first costs more than the products wait for it.
const MANY_WEIGHTS: usize = 200_000;
/// Up to this many floats, the input is worth reading again for every tile of output channels.
const FEW_INPUTS: usize = 4 << 20;

/// `y = epilogue(weight * x)`.
pub(crate) fn forward(
    geometry: &Geometry,
    weight: &[f32],
    input: &[f32],
    epilogue: Epilogue<'_>,
    output: &mut [Unwritten],
) {
    let stencil = Stencil::forward(geometry);
    if patches::pay(geometry) {
        return patches::with_patches(geometry, &stencil, input, |geometry, patches| {
            forward(geometry, weight, patches, epilogue, output);
        });
    }
    let view = WeightView::forward(geometry);
    let positions = [geometry.input_positions(), geometry.output_positions()];
    multiply(&view, weight, input, geometry.batch, positions, &[stencil], epilogue, output);
}

/// The gradient with respect to the input, then the epilogue.
pub(crate) fn input_gradient(
    geometry: &Geometry,
    weight: &[f32],
    output_gradient: &[f32],
    epilogue: Epilogue<'_>,
    gradient: &mut [Unwritten],
) {
    let view = WeightView::backward(geometry);
    let stencils = Stencil::backward(geometry);
    let positions = [geometry.output_positions(), geometry.input_positions()];
    multiply(&view, weight, output_gradient, geometry.batch, positions, &stencils, epilogue, gradient);
}

#[allow(clippy::too_many_arguments)]
fn multiply(
    view: &WeightView,
    weight: &[f32],
    input: &[f32],
    batch: usize,
    [input_positions, output_positions]: [usize; 2],
    stencils: &[Stencil],
    epilogue: Epilogue<'_>,
    output: &mut [Unwritten],
) {
    let instructions = Instructions::current();
    let shared = SharedBuffer::new(output);
    let run = |values: Values<'_>| {
        let weights = Weights { values, outputs: view.outputs, inputs: view.inputs, taps: view.taps };
        let Epilogue { bias, residual, slope } = epilogue;
        let product = ConvolutionProduct {
            instructions,
            weights,
            input,
            input_positions,
            output_positions,
            batch,
            bias,
            residual,
            slope,
        };
        for stencil in stencils {
            product.run(stencil, shared);
        }
    };
    let reading = stencils.iter().filter(|stencil| !stencil.taps.is_empty()).count();
    if weight.len() >= MANY_WEIGHTS && input.len() <= FEW_INPUTS && reading == 1 {
        run(Values::Plain(weight, view));
        return;
    }
    with_scratch(view.packed_len(), |packed| {
        pack(weight, view, instructions.run(Width), packed);
        // SAFETY: `pack` wrote all of it.
        run(Values::Packed(unsafe { packed.assume_init_ref() }));
    });
}
