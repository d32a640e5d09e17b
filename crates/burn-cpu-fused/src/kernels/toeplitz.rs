//! Images of 2x2 and 3x3 pixels convolved whole, by a 3x3 kernel with stride and padding one: along each axis a
//! product with a *Toeplitz matrix*, which takes fewer multiplications than the matrix has elements.
//!
//! In one dimension `y = A ((G w) * (B x))`, in two `Y = A ((G W G^T) * (B X B^T)) A^T` with the matrices of an
//! [`Algorithm`]; the gradient of the weight is `G^T ((A^T dY A) * (B X B^T)) G`. Two pixels take 3 multiplications of
//! the matrix's 4, thus 9 of 16 in two dimensions. Three pixels take 5 of 7, thus 25 of 49: they are the middle of a
//! product of two polynomials, which is the same modulo `t^4 - 1`, and the factors `t - 1`, `t + 1` and `t^2 + 1` of
//! that take 1, 1 and 3 (Winograd 1978, "On computing the discrete Fourier transform"). No constant is other than 1,
//! 1/2 and 1/4, so that little precision is lost.

use pulp::Simd;

/// Taps of the kernel along an axis.
pub(super) const TAPS: usize = 3;

/// The matrices for images of `SIDE` pixels along an axis.
pub(super) trait Algorithm<const SIDE: usize, const POINTS: usize> {
    /// B.
    type Input: Map<SIDE, POINTS>;
    /// G.
    type Filter: Map<TAPS, POINTS>;
    /// A.
    type Output: Map<POINTS, SIDE>;
    /// A transposed.
    type OutputTransposed: Map<SIDE, POINTS>;
    /// G transposed.
    type FilterTransposed: Map<POINTS, TAPS>;
}

/// The product with a matrix of `M` rows and `N` columns, written out.
pub(super) trait Map<const N: usize, const M: usize> {
    /// Its value.
    fn of<S: Simd>(simd: S, values: [S::f32s; N]) -> [S::f32s; M];
}

macro_rules! map {
    ($name:ident<$n:literal, $m:literal>, |$simd:ident, $values:pat_param| $body:expr) => {
        pub(super) struct $name;

        impl Map<$n, $m> for $name {
            #[inline(always)]
            fn of<S: Simd>($simd: S, $values: [S::f32s; $n]) -> [S::f32s; $m] {
                $body
            }
        }
    };
}

/// Two pixels, three multiplications.
pub(super) struct Two;

impl Algorithm<2, 3> for Two {
    type Input = InputOfTwo;
    type Filter = FilterOfTwo;
    type Output = OutputOfTwo;
    type OutputTransposed = OutputOfTwoTransposed;
    type FilterTransposed = FilterOfTwoTransposed;
}

map!(InputOfTwo<2, 3>, |simd, x| [simd.add_f32s(x[0], x[1]), x[1], x[0]]);
map!(FilterOfTwo<3, 3>, |simd, w| [w[1], simd.sub_f32s(w[2], w[1]), simd.sub_f32s(w[0], w[1])]);
map!(OutputOfTwo<3, 2>, |simd, m| [simd.add_f32s(m[0], m[1]), simd.add_f32s(m[0], m[2])]);
map!(OutputOfTwoTransposed<2, 3>, |simd, y| [simd.add_f32s(y[0], y[1]), y[0], y[1]]);
map!(FilterOfTwoTransposed<3, 3>, |simd, u| {
    [u[2], simd.sub_f32s(simd.sub_f32s(u[0], u[1]), u[2]), u[1]]
});

/// Three pixels, five multiplications.
pub(super) struct Three;

impl Algorithm<3, 5> for Three {
    type Input = InputOfThree;
    type Filter = FilterOfThree;
    type Output = OutputOfThree;
    type OutputTransposed = OutputOfThreeTransposed;
    type FilterTransposed = FilterOfThreeTransposed;
}

map!(InputOfThree<3, 5>, |simd, x| {
    let (sum, difference) = (simd.add_f32s(x[0], x[2]), simd.sub_f32s(x[0], x[2]));
    [simd.add_f32s(sum, x[1]), simd.sub_f32s(sum, x[1]), simd.add_f32s(difference, x[1]), difference, x[1]]
});
map!(FilterOfThree<3, 5>, |simd, w| {
    let (half, quarter) = (simd.splat_f32s(0.5), simd.splat_f32s(0.25));
    let outer = simd.mul_f32s(quarter, simd.add_f32s(w[0], w[2]));
    let inner = simd.mul_f32s(quarter, w[1]);
    let real = simd.mul_f32s(half, simd.sub_f32s(w[2], w[0]));
    let imaginary = simd.mul_f32s(half, w[1]);
    [
        simd.add_f32s(outer, inner),
        simd.sub_f32s(outer, inner),
        real,
        simd.sub_f32s(imaginary, real),
        simd.add_f32s(imaginary, real),
    ]
});
map!(OutputOfThree<5, 3>, |simd, m| {
    let (sum, difference) = (simd.add_f32s(m[0], m[1]), simd.sub_f32s(m[0], m[1]));
    let imaginary = simd.add_f32s(m[2], m[3]);
    [
        simd.add_f32s(difference, imaginary),
        simd.add_f32s(sum, simd.sub_f32s(m[4], m[2])),
        simd.sub_f32s(difference, imaginary),
    ]
});
map!(OutputOfThreeTransposed<3, 5>, |simd, y| {
    let (sum, difference) = (simd.add_f32s(y[0], y[2]), simd.sub_f32s(y[0], y[2]));
    [simd.add_f32s(y[1], sum), simd.sub_f32s(y[1], sum), simd.sub_f32s(difference, y[1]), difference, y[1]]
});
map!(FilterOfThreeTransposed<5, 3>, |simd, u| {
    let (half, quarter) = (simd.splat_f32s(0.5), simd.splat_f32s(0.25));
    let outer = simd.mul_f32s(quarter, simd.add_f32s(u[0], u[1]));
    let inner = simd.mul_f32s(quarter, simd.sub_f32s(u[0], u[1]));
    let real = simd.mul_f32s(half, simd.add_f32s(u[2], simd.sub_f32s(u[4], u[3])));
    let imaginary = simd.mul_f32s(half, simd.add_f32s(u[3], u[4]));
    [simd.sub_f32s(outer, real), simd.add_f32s(inner, imaginary), simd.add_f32s(outer, real)]
});

/// The product with a matrix along both axes.
#[inline(always)]
pub(super) fn along_both<S: Simd, X: Map<N, M>, const N: usize, const M: usize>(
    simd: S,
    values: [[S::f32s; N]; N],
) -> [[S::f32s; M]; M] {
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[zero; M]; N];
    for column in 0..N {
        let mut of_column = [zero; N];
        for row in 0..N {
            of_column[row] = values[row][column];
        }
        columns[column] = X::of(simd, of_column);
    }
    let mut products = [[zero; M]; M];
    for row in 0..M {
        let mut of_row = [zero; N];
        for column in 0..N {
            of_row[column] = columns[column][row];
        }
        products[row] = X::of(simd, of_row);
    }
    products
}

/// The same for lines of equal length, element by element.
#[inline(always)]
pub(super) fn transform<S: Simd, X: Map<N, M>, const N: usize, const M: usize>(
    simd: S,
    sources: [[&[f32]; N]; N],
    targets: [[&mut [f32]; M]; M],
) {
    for at in (0..sources[0][0].len()).step_by(S::F32_LANES) {
        let mut values = [[simd.splat_f32s(0.0); N]; N];
        for row in 0..N {
            for column in 0..N {
                values[row][column] = S::as_simd_f32s(&sources[row][column][at..at + S::F32_LANES]).0[0];
            }
        }
        let products = along_both::<S, X, N, M>(simd, values);
        for row in 0..M {
            for column in 0..M {
                let target = &mut targets[row][column][at..at + S::F32_LANES];
                S::as_mut_simd_f32s(target).0[0] = products[row][column];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    /// The matrix that a map multiplies by, column after column.
    fn columns<X: Map<N, M>, const N: usize, const M: usize>() -> [[f32; M]; N] {
        std::array::from_fn(|column| {
            X::of(Scalar, std::array::from_fn(|at| if at == column { 1.0 } else { 0.0 }))
        })
    }

    fn assert_transposes<X: Map<N, M>, Y: Map<M, N>, const N: usize, const M: usize>() {
        let (matrix, transpose) = (columns::<X, N, M>(), columns::<Y, M, N>());
        for (row, column) in (0..M).flat_map(|row| (0..N).map(move |column| (row, column))) {
            assert_eq!(matrix[column][row], transpose[row][column], "row {row}, column {column}");
        }
    }

    /// `A ((G w) * (B x))` against the definition of the convolution, for all pairs of unit vectors.
    fn assert_convolves<A: Algorithm<SIDE, POINTS>, const SIDE: usize, const POINTS: usize>() {
        let filter = columns::<A::Filter, TAPS, POINTS>();
        let input = columns::<A::Input, SIDE, POINTS>();
        for (tap, pixel) in (0..TAPS).flat_map(|tap| (0..SIDE).map(move |pixel| (tap, pixel))) {
            let products = std::array::from_fn(|point| filter[tap][point] * input[pixel][point]);
            for (output, value) in A::Output::of(Scalar, products).into_iter().enumerate() {
                // The tap's distance from the middle of the kernel leads from output to input.
                let expected = if output + tap == pixel + 1 { 1.0 } else { 0.0 };
                assert_eq!(value, expected, "tap {tap}, pixel {pixel}, output {output} of {SIDE}");
            }
        }
        assert_transposes::<A::Output, A::OutputTransposed, POINTS, SIDE>();
        assert_transposes::<A::Filter, A::FilterTransposed, TAPS, POINTS>();
    }

    #[test]
    fn algorithms_convolve() {
        assert_convolves::<Two, 2, 3>();
        assert_convolves::<Three, 3, 5>();
    }
}
