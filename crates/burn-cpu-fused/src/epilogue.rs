//! The *epilogue* of a convolution: what follows it while its result is still in registers.

use pulp::Simd;

/// What follows a convolution in the same pass over memory: bias, residual, then leaky ReLU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// One value for each output channel, filled up to whole blocks.
    pub bias: Option<&'a [f32]>,
    /// A map to add, laid out like the output.
    pub residual: Option<&'a [f32]>,
    /// Negative slope: 0 is ReLU, 1 the identity.
    pub slope: f32,
}

impl Epilogue<'_> {
    /// The epilogue that changes nothing.
    pub(crate) const NONE: Epilogue<'static> = Epilogue { bias: None, residual: None, slope: 1.0 };
}

/// The epilogue of one vector: `bias` of its block of channels from `lane` on, `residual` as long as the
/// vector.
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
