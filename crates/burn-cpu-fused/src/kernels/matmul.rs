//! Single-threaded matrix product on strided blocks; the `gemm` crate picks AVX-512, AVX2, NEON or
//! scalar code at run time.

use super::parallel::SharedBuffer;

/// A read-only matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Element (r, c) is `values[r * row_stride + c]`.
    pub(crate) fn rows(values: &'a [f32], row_stride: usize) -> Self {
        Self { values, row_stride, column_stride: 1 }
    }

    /// The transpose of this matrix.
    pub(crate) fn transposed(self) -> Self {
        Self { values: self.values, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    fn covers(&self, rows: usize, columns: usize) -> bool {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// `out = a b`, or `out += a b` when `accumulate`: `a` is `[m, k]`, `b` is `[k, n]`, and row r of the
/// result lies at `offset + r * row_stride` of `out`.
///
/// # Safety
/// No other task may touch the written block of `out` during the call.
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn multiply(
    [m, n, k]: [usize; 3],
    out: SharedBuffer<'_, f32>,
    offset: usize,
    row_stride: usize,
    accumulate: bool,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(a.covers(m, k) && b.covers(k, n), "matrix operand smaller than the product needs");
    assert!((m - 1) * row_stride + n <= out.remaining(offset), "matrix result out of bounds");
    // SAFETY: all three blocks are in bounds by the assertions above; the result block is exclusive
    // by this function's contract and cannot alias the shared operands.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.address(offset),
            1,
            row_stride as isize,
            accumulate,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_product_equals_the_definition() {
        let a: Vec<f32> = (0..6).map(|v| v as f32).collect(); // [2, 3]
        let b: Vec<f32> = (0..12).map(|v| v as f32 * 0.5).collect(); // [4, 3], used transposed
        let mut out = vec![-1.0; 2 * 5];
        // SAFETY: nothing else uses `out`.
        unsafe {
            multiply(
                [2, 4, 3],
                SharedBuffer::new(&mut out),
                0,
                5,
                false,
                Matrix::rows(&a, 3),
                Matrix::rows(&b, 3).transposed(),
            );
        }
        for r in 0..2 {
            for c in 0..4 {
                let expected: f32 = (0..3).map(|k| a[r * 3 + k] * b[c * 3 + k]).sum();
                assert_eq!(out[r * 5 + c], expected);
            }
            assert_eq!(out[r * 5 + 4], -1.0, "padding must stay untouched");
        }
    }
}
