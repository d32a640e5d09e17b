//! Convolution and its two gradients over blocked activations: which product each of them is, and whether
//! minimal filtering computes it with fewer multiplications.

use pulp::Simd;

use super::geometry::{Geometry, Stencil};
use super::patches;
use super::product::{Product, Values, Weights, Width, blocked_len};
use super::weights::{WeightView, pack};
use crate::filtering::Filtering;
use crate::instructions::Instructions;
use crate::memory::buffers::{Pooled, for_overwrite};
use crate::memory::parallel::{SharedBuffer, with_scratch};

/// From this many weights on, packing them all first costs more than the products wait for it.
const MANY_WEIGHTS: usize = 200_000;
/// Up to this many floats, the input is worth reading again for every tile of output channels.
const FEW_INPUTS: usize = 4 << 20;

/// What follows a convolution in the same pass over memory: bias, residual, then leaky ReLU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// Filled up to whole blocks.
    pub bias: Option<&'a [f32]>,
    /// Laid out like the output.
    pub residual: Option<&'a [f32]>,
    /// Negative slope: 0 is ReLU, 1 the identity.
    pub slope: f32,
}

impl Epilogue<'_> {
    /// Nothing follows.
    pub(crate) const NONE: Epilogue<'static> = Epilogue { bias: None, residual: None, slope: 1.0 };
}

/// The epilogue of one vector: `bias` of its block of channels from `lane` on, `residual` as long as the vector.
#[inline(always)]
pub(crate) fn finish<S: Simd>(
    simd: S,
    sum: S::f32s,
    bias: Option<&[f32]>,
    lane: usize,
    residual: Option<&[f32]>,
    slope: S::f32s,
) -> S::f32s {
    let mut value = sum;
    if let Some(bias) = bias {
        value = simd.add_f32s(value, S::as_simd_f32s(&bias[lane..lane + S::F32_LANES]).0[0]);
    }
    if let Some(residual) = residual {
        value = simd.add_f32s(value, S::as_simd_f32s(residual).0[0]);
    }
    // In this order a NaN stays a NaN.
    simd.max_f32s(simd.mul_f32s(value, slope), value)
}

/// `y = epilogue(weight * x)`.
pub(crate) fn forward(geometry: &Geometry, input: &[f32], weight: &[f32], epilogue: Epilogue<'_>) -> Pooled {
    if patches::pay(geometry) {
        return patches::with_patches(geometry, &Stencil::forward(geometry), input, |geometry, patches| {
            forward(geometry, patches, weight, epilogue)
        });
    }
    let length = blocked_len(geometry.output_channels, geometry.output_positions(), geometry.batch);
    let mut output = for_overwrite(length);
    let view = WeightView::forward(geometry);
    if let Some(filtering) = Filtering::of(geometry) {
        filtering.forward(geometry, weight, input, epilogue, &mut output);
        return output;
    }
    let stencil = Stencil::forward(geometry);
    let positions = [geometry.input_positions(), geometry.output_positions()];
    multiply(&view, weight, input, geometry.batch, positions, &[stencil], epilogue, &mut output);
    output
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
    let view = WeightView::backward(geometry);
    if let Some(filtering) = Filtering::of(geometry) {
        filtering.input_gradient(geometry, weight, output_gradient, epilogue, &mut gradient);
        return gradient;
    }
    let stencils = Stencil::backward(geometry);
    let positions = [geometry.output_positions(), geometry.input_positions()];
    let batch = geometry.batch;
    multiply(&view, weight, output_gradient, batch, positions, &stencils, epilogue, &mut gradient);
    gradient
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
    output: &mut [f32],
) {
    let instructions = Instructions::current();
    let shared = SharedBuffer::new(output);
    let run = |values: Values<'_>| {
        let weights = Weights { values, outputs: view.outputs, inputs: view.inputs, taps: view.taps };
        let Epilogue { bias, residual, slope } = epilogue;
        let product = Product {
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
        run(Values::Packed(packed));
    });
}
