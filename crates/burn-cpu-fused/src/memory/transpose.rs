//! *Transposes* of blocks of 16 x 16 floats, in registers, because the compiler does not vectorise the plain
//! loop.

use super::LANES;
#[cfg(target_arch = "x86_64")]
use super::unwritten::Unwritten;

/// A block of 16 x 16.
pub(crate) type Square = [[f32; LANES]; LANES];

/// A row of zeros.
pub(crate) const EMPTY: [f32; LANES] = [0.0; LANES];

/// Where the rows of a [`Square`] start.
pub(crate) const ROWS: [usize; LANES] = {
    let mut rows = [0; LANES];
    let mut row = 0;
    while row < LANES {
        rows[row] = row * LANES;
        row += 1;
    }
    rows
};

/// [`Kernels::transpose`](crate::direct::tiles::Kernels::transpose) by shuffles within vectors.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn transpose_avx512<const COLUMNS: usize>(
    simd: pulp::x86::V4,
    rows: [&[f32; LANES]; LANES],
    out: &mut [Unwritten],
    starts: &[usize; LANES],
) {
    use pulp::cast;
    let avx = simd.avx512f;
    let mut vectors = [avx._mm512_setzero_ps(); LANES];
    for (vector, row) in vectors.iter_mut().zip(rows) {
        *vector = cast(*row);
    }
    let mut pairs = vectors;
    for at in (0..LANES).step_by(2) {
        pairs[at] = avx._mm512_unpacklo_ps(vectors[at], vectors[at + 1]);
        pairs[at + 1] = avx._mm512_unpackhi_ps(vectors[at], vectors[at + 1]);
    }
    let mut fours = vectors;
    for at in (0..LANES).step_by(4) {
        for half in 0..2 {
            let (first, second) = (cast(pairs[at + half]), cast(pairs[at + 2 + half]));
            fours[at + 2 * half] = cast(avx._mm512_unpacklo_pd(first, second));
            fours[at + 2 * half + 1] = cast(avx._mm512_unpackhi_pd(first, second));
        }
    }
    let mut columns = vectors;
    for at in 0..4 {
        let a = avx._mm512_shuffle_f32x4::<0x88>(fours[at], fours[4 + at]);
        let b = avx._mm512_shuffle_f32x4::<0xDD>(fours[at], fours[4 + at]);
        let c = avx._mm512_shuffle_f32x4::<0x88>(fours[8 + at], fours[12 + at]);
        let d = avx._mm512_shuffle_f32x4::<0xDD>(fours[8 + at], fours[12 + at]);
        columns[at] = avx._mm512_shuffle_f32x4::<0x88>(a, c);
        columns[4 + at] = avx._mm512_shuffle_f32x4::<0x88>(b, d);
        columns[8 + at] = avx._mm512_shuffle_f32x4::<0xDD>(a, c);
        columns[12 + at] = avx._mm512_shuffle_f32x4::<0xDD>(b, d);
    }
    // One check for all: a loop of sixteen that may each panic is not unrolled, and the columns go through
    // memory.
    let last = starts[..COLUMNS].iter().fold(0, |last, start| last.max(*start));
    assert!(last < out.len() && out.len() - last >= LANES, "columns lie within the output");
    for (column, start) in columns.into_iter().zip(starts).take(COLUMNS) {
        // SAFETY: sixteen floats from `start` on lie within `out` by the assertion.
        unsafe { avx._mm512_storeu_ps(out.as_mut_ptr().add(*start).cast(), column) };
    }
}
