//! Images of 2x2 and 3x3 pixels convolved whole, by a 3x3 kernel with stride and padding one: along each axis
//! a product with a *Toeplitz matrix*, which takes fewer multiplications than the matrix has elements.
//!
//! Two pixels take 3 multiplications of the matrix's 4, thus 9 of 16 in two dimensions. Three pixels take 5
//! of 7, thus 25 of 49: they are the middle of a product of two polynomials, which is the same modulo `t^4 -
//! 1`, and the factors `t - 1`, `t + 1` and `t^2 + 1` of that take 1, 1 and 3 (Winograd 1978, "On computing
//! the discrete Fourier transform"). No constant is other than 1, 1/2 and 1/4, so that little precision is
//! lost.

use super::bilinear::{Algorithm, map};

/// Two pixels, three multiplications.
pub(super) struct Two;

impl Algorithm<3, 2, 2, 3> for Two {
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

impl Algorithm<3, 3, 3, 5> for Three {
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

#[cfg(test)]
mod tests {
    use super::super::bilinear::tests::assert_convolves;
    use super::*;

    #[test]
    fn algorithms_convolve() {
        assert_convolves::<Two, 3, 2, 2, 3>(0);
        assert_convolves::<Three, 3, 3, 3, 5>(0);
    }
}
