//! *Bilinear algorithms* for convolutions (Winograd 1980, "Arithmetic complexity of computations"): fewer
//! multiplications, for additions around them.
//!
//! In one dimension `y = A ((G w) * (B x))`, in two `Y = A ((G W G^T) * (B X B^T)) A^T` with the matrices of
//! an [`Algorithm`]; the gradient of the weight is `G^T ((A^T dY A) * (B X B^T)) G`. Between the transforms
//! stand, for every point (element of the middle), matrix products over channels.

use pulp::Simd;

use crate::epilogue::finish;
use crate::memory::LANES;
use crate::memory::unwritten::Unwritten;

/// The matrices for a kernel of `TAPS` taps that reads `READ` pixels and writes `WRITTEN` along an axis, with
/// `POINTS` multiplications.
pub(super) trait Algorithm<const TAPS: usize, const READ: usize, const WRITTEN: usize, const POINTS: usize>:
    Sync
{
    /// The matrix B.
    type Input: Map<READ, POINTS>;
    /// The matrix G.
    type Filter: Map<TAPS, POINTS>;
    /// The matrix A.
    type Output: Map<POINTS, WRITTEN>;
    /// The matrix A transposed.
    type OutputTransposed: Map<WRITTEN, POINTS>;
    /// The matrix G transposed.
    type FilterTransposed: Map<POINTS, TAPS>;
}

/// The product with a matrix of `M` rows and `N` columns, written out.
pub(super) trait Map<const N: usize, const M: usize> {
    /// The product of the matrix and `values`.
    fn of<S: Simd>(simd: S, values: [S::f32s; N]) -> [S::f32s; M];
}

/// A [`Map`] from its value.
macro_rules! map {
    ($name:ident<$n:literal, $m:literal>, |$simd:ident, $values:pat_param| $body:expr) => {
        pub(super) struct $name;

        impl super::bilinear::Map<$n, $m> for $name {
            #[inline(always)]
            fn of<S: pulp::Simd>($simd: S, $values: [S::f32s; $n]) -> [S::f32s; $m] {
                $body
            }
        }
    };
}

pub(super) use map;

/// Constants of a map as vectors. (A loop: `array::map` is not always inlined, and then not compiled for the
/// instructions.)
#[inline(always)]
pub(super) fn splats<S: Simd, const N: usize>(simd: S, constants: [f32; N]) -> [S::f32s; N] {
    let mut vectors = [simd.splat_f32s(0.0); N];
    for (vector, constant) in vectors.iter_mut().zip(constants) {
        *vector = simd.splat_f32s(constant);
    }
    vectors
}

/// A transform along one axis, aligned as loads and stores of whole vectors need it to be fast.
#[repr(align(64))]
struct Columns<V, const N: usize, const M: usize>([[V; M]; N]);

/// The products with a matrix of the columns of one vector for each of `sources`, column after column.
#[inline(always)]
fn of_columns<S: Simd, X: Map<N, M>, const N: usize, const M: usize>(
    simd: S,
    sources: &[[&[f32]; N]; N],
    at: usize,
) -> Columns<S::f32s, N, M> {
    let zero = simd.splat_f32s(0.0);
    let mut products = Columns([[zero; M]; N]);
    for (column, product) in products.0.iter_mut().enumerate() {
        let mut values = [zero; N];
        for (value, row) in values.iter_mut().zip(sources) {
            *value = S::as_simd_f32s(&row[column][at..at + S::F32_LANES]).0[0];
        }
        *product = X::of(simd, values);
    }
    products
}

/// The product of these with the matrix transposed: one row of a transform along both axes.
#[inline(always)]
fn of_row<S: Simd, X: Map<N, M>, const N: usize, const M: usize>(
    simd: S,
    columns: &Columns<S::f32s, N, M>,
    row: usize,
) -> [S::f32s; M] {
    let mut values = [simd.splat_f32s(0.0); N];
    for (value, column) in values.iter_mut().zip(&columns.0) {
        *value = column[row];
    }
    X::of(simd, values)
}

/// The product with a matrix along both axes, of lines of equal length, element by element; all of the
/// targets is written.
#[inline(always)]
pub(super) fn transform<S: Simd, X: Map<N, M>, const N: usize, const M: usize>(
    simd: S,
    sources: [[&[f32]; N]; N],
    targets: [[&mut [Unwritten]; M]; M],
) {
    let mut targets = targets;
    for at in (0..sources[0][0].len()).step_by(S::F32_LANES) {
        let columns = of_columns::<S, X, N, M>(simd, &sources, at);
        for (row, targets) in targets.iter_mut().enumerate() {
            let values = of_row::<S, X, N, M>(simd, &columns, row);
            for (target, value) in targets.iter_mut().zip(values) {
                S::as_uninit_mut_simd_f32s(&mut target[at..at + S::F32_LANES]).0[0].write(value);
            }
        }
    }
}

/// The product along both axes for the pixels of the output (none where one lies outside the image), each
/// followed by the epilogue: bias of a block of channels, residual, leaky ReLU of this slope.
#[inline(always)]
pub(super) fn write_pixels<S: Simd, X: Map<N, M>, const N: usize, const M: usize>(
    simd: S,
    sources: [[&[f32]; N]; N],
    bias: Option<&[f32]>,
    residuals: Option<[[&[f32]; M]; M]>,
    slope: f32,
    pixels: [[Option<&mut [Unwritten]>; M]; M],
) {
    let mut pixels = pixels;
    let slope = simd.splat_f32s(slope);
    for at in (0..sources[0][0].len()).step_by(S::F32_LANES) {
        let columns = of_columns::<S, X, N, M>(simd, &sources, at);
        for (row, pixels) in pixels.iter_mut().enumerate() {
            let values = of_row::<S, X, N, M>(simd, &columns, row);
            for (column, pixel) in pixels.iter_mut().enumerate() {
                if let Some(pixel) = pixel {
                    let here = at..at + S::F32_LANES;
                    let residual = residuals.as_ref().map(|residuals| &residuals[row][column][here.clone()]);
                    let value = finish(simd, values[column], bias, at % LANES, residual, slope);
                    S::as_uninit_mut_simd_f32s(&mut pixel[here]).0[0].write(value);
                }
            }
        }
    }
}

/// `N` times `N` lines of a buffer, each `stride` after the one before.
///
/// # Safety
/// These lines must be written; what lies between them need not be.
#[inline(always)]
pub(super) unsafe fn lines<const N: usize>(
    values: &[Unwritten],
    stride: usize,
    length: usize,
) -> [[&[f32]; N]; N] {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let line = &values[(row * N + column) * stride..][..length];
            // SAFETY: by the contract of this function.
            unsafe { line.assume_init_ref() }
        })
    })
}

/// `N` times `N` lines of a buffer for writing, each `stride` after the one before.
#[inline(always)]
pub(super) fn lines_mut<const N: usize>(
    values: &mut [Unwritten],
    stride: usize,
    length: usize,
) -> [[&mut [Unwritten]; N]; N] {
    let mut rest = values.chunks_mut(stride);
    std::array::from_fn(|_| {
        std::array::from_fn(|_| &mut rest.next().expect("the buffer holds all lines")[..length])
    })
}

#[cfg(test)]
pub(super) mod tests {
    use pulp::Scalar;

    use super::*;

    /// The matrix that a map multiplies by, column after column.
    fn columns<X: Map<N, M>, const N: usize, const M: usize>() -> [[f32; M]; N] {
        std::array::from_fn(|column| {
            X::of(Scalar, std::array::from_fn(|at| if at == column { 1.0 } else { 0.0 }))
        })
    }

    fn assert_close(value: f32, expected: f32, what: &str) {
        assert!((value - expected).abs() < 1e-6, "{what}: {value} is not {expected}");
    }

    fn assert_transposes<X: Map<N, M>, Y: Map<M, N>, const N: usize, const M: usize>() {
        let (matrix, transpose) = (columns::<X, N, M>(), columns::<Y, M, N>());
        for (row, column) in (0..M).flat_map(|row| (0..N).map(move |column| (row, column))) {
            assert_close(matrix[column][row], transpose[row][column], &format!("row {row}, column {column}"));
        }
    }

    /// `A ((G w) * (B x))` against the definition of the convolution, for all pairs of unit vectors; the
    /// first pixel read lies so many `before` the first written.
    pub(in super::super) fn assert_convolves<
        A: Algorithm<TAPS, READ, WRITTEN, POINTS>,
        const TAPS: usize,
        const READ: usize,
        const WRITTEN: usize,
        const POINTS: usize,
    >(
        before: usize,
    ) {
        let filter = columns::<A::Filter, TAPS, POINTS>();
        let input = columns::<A::Input, READ, POINTS>();
        for (tap, pixel) in (0..TAPS).flat_map(|tap| (0..READ).map(move |pixel| (tap, pixel))) {
            let products = std::array::from_fn(|point| filter[tap][point] * input[pixel][point]);
            for (output, value) in A::Output::of(Scalar, products).into_iter().enumerate() {
                // The tap's distance from the middle of the kernel leads from output to input.
                let expected = if output + tap + before == pixel + 1 { 1.0 } else { 0.0 };
                assert_close(value, expected, &format!("tap {tap}, pixel {pixel}, output {output}"));
            }
        }
        assert_transposes::<A::Output, A::OutputTransposed, POINTS, WRITTEN>();
        assert_transposes::<A::Filter, A::FilterTransposed, TAPS, POINTS>();
    }
}
