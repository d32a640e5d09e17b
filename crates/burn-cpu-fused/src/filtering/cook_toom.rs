//! Three or four adjacent pixels of a convolution by two or three taps from five or six products, after Cook
//! and Toom (Blahut 1985, "Fast algorithms for digital signal processing"): polynomials are multiplied by
//! their values at some points, one of them infinity. Winograd's minimal filtering F(3x3, 3x3) and F(4x4,
//! 3x3) (Lavin & Gray 2016) are these along both axes.
//!
//! With points on both sides of one, not far from it, the largest error is 2e-6 of the largest value (over
//! 128 to 512 channels, in all three passes), where the customary 0, 1, -1, 2, -2 and infinity have 8e-6
//! (Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution for deep neural
//! networks"); these are fractions of powers of two, so that their powers are exact.

use super::bilinear::{Algorithm, map, splats};

/// Three pixels, five multiplications: points 0, `A`, `-A`, `B` and infinity.
pub(super) struct F3;

impl Algorithm<3, 5, 3, 5> for F3 {
    type Input = InputOfF3;
    type Filter = FilterOfF3;
    type Output = OutputOfF3;
    type OutputTransposed = OutputOfF3Transposed;
    type FilterTransposed = FilterOfF3Transposed;
}

impl F3 {
    const A: f32 = 0.75;
    const B: f32 = 2.0;
    const A2: f32 = Self::A * Self::A;
    const B2: f32 = Self::B * Self::B;
    /// One over the product of a point's distances from the other points: of 0, `A`, `-A` and `B`.
    const SCALE: [f32; 4] = {
        let (a, b) = (Self::A as f64, Self::B as f64);
        [
            (1.0 / (a * a * b)) as f32,
            (1.0 / (2.0 * a * a * (a - b))) as f32,
            (-1.0 / (2.0 * a * a * (a + b))) as f32,
            (1.0 / (b * (b * b - a * a))) as f32,
        ]
    };
}

map!(InputOfF3<5, 5>, |simd, x| {
    let [a, less_a, less_a2, less_b] = splats(simd, [F3::A, -F3::A, -F3::A2, -F3::B]);
    // Without the factor of the point 0, of -A and A, and of B.
    let [u, v, w] = [
        simd.mul_add_e_f32s(less_a2, x[0], x[2]),
        simd.mul_add_e_f32s(less_a2, x[1], x[3]),
        simd.mul_add_e_f32s(less_a2, x[2], x[4]),
    ];
    let (p, q) = (simd.mul_add_e_f32s(less_b, x[1], x[2]), simd.mul_add_e_f32s(less_b, x[2], x[3]));
    [
        simd.mul_add_e_f32s(less_b, u, v),
        simd.mul_add_e_f32s(a, p, q),
        simd.mul_add_e_f32s(less_a, p, q),
        v,
        simd.mul_add_e_f32s(less_b, v, w),
    ]
});
map!(FilterOfF3<3, 5>, |simd, w| {
    let [a, a2, b, b2] = splats(simd, [F3::A, F3::A2, F3::B, F3::B2]);
    let scale = splats(simd, F3::SCALE);
    let (even, odd) = (simd.mul_add_e_f32s(a2, w[2], w[0]), simd.mul_f32s(a, w[1]));
    let at_b = simd.mul_add_e_f32s(b2, w[2], simd.mul_add_e_f32s(b, w[1], w[0]));
    [
        simd.mul_f32s(scale[0], w[0]),
        simd.mul_f32s(scale[1], simd.add_f32s(even, odd)),
        simd.mul_f32s(scale[2], simd.sub_f32s(even, odd)),
        simd.mul_f32s(scale[3], at_b),
        w[2],
    ]
});
map!(OutputOfF3<5, 3>, |simd, m| {
    let [a, a2, b, b2] = splats(simd, [F3::A, F3::A2, F3::B, F3::B2]);
    let (sum, difference) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    [
        simd.add_f32s(simd.add_f32s(m[0], m[3]), sum),
        simd.mul_add_e_f32s(a, difference, simd.mul_f32s(b, m[3])),
        simd.mul_add_e_f32s(a2, sum, simd.mul_add_e_f32s(b2, m[3], m[4])),
    ]
});
map!(OutputOfF3Transposed<3, 5>, |simd, y| {
    let [a, a2, b, b2] = splats(simd, [F3::A, F3::A2, F3::B, F3::B2]);
    let (even, odd) = (simd.mul_add_e_f32s(a2, y[2], y[0]), simd.mul_f32s(a, y[1]));
    let at_b = simd.mul_add_e_f32s(b2, y[2], simd.mul_add_e_f32s(b, y[1], y[0]));
    [y[0], simd.add_f32s(even, odd), simd.sub_f32s(even, odd), at_b, y[2]]
});
map!(FilterOfF3Transposed<5, 3>, |simd, u| {
    let [a, a2, b, b2] = splats(simd, [F3::A, F3::A2, F3::B, F3::B2]);
    let scale = splats(simd, F3::SCALE);
    let (plus, minus) = (simd.mul_f32s(scale[1], u[1]), simd.mul_f32s(scale[2], u[2]));
    let at_b = simd.mul_f32s(scale[3], u[3]);
    let (sum, difference) = (simd.add_f32s(plus, minus), simd.sub_f32s(plus, minus));
    [
        simd.mul_add_e_f32s(scale[0], u[0], simd.add_f32s(sum, at_b)),
        simd.mul_add_e_f32s(a, difference, simd.mul_f32s(b, at_b)),
        simd.mul_add_e_f32s(a2, sum, simd.mul_add_e_f32s(b2, at_b, u[4])),
    ]
});

/// Four pixels, six multiplications: points 0, `A`, `-A`, `B`, `-B` and infinity.
pub(super) struct F4;

impl Algorithm<3, 6, 4, 6> for F4 {
    type Input = InputOfF4;
    type Filter = FilterOfF4;
    type Output = OutputOfF4;
    type OutputTransposed = OutputOfF4Transposed;
    type FilterTransposed = FilterOfF4Transposed;
}

impl F4 {
    const A: f32 = 0.6875;
    const B: f32 = 1.5;
    const A2: f32 = Self::A * Self::A;
    const B2: f32 = Self::B * Self::B;
    /// The scales as [`F3`] has them: of 0, of `A` and `-A`, and of `B` and `-B`.
    const SCALE: [f32; 3] = {
        let (a2, b2) = (Self::A2 as f64, Self::B2 as f64);
        [
            (1.0 / (a2 * b2)) as f32,
            (1.0 / (2.0 * a2 * (a2 - b2))) as f32,
            (1.0 / (2.0 * b2 * (b2 - a2))) as f32,
        ]
    };
}

map!(InputOfF4<6, 6>, |simd, x| {
    let [a, less_a, b, less_b] = splats(simd, [F4::A, -F4::A, F4::B, -F4::B]);
    let [less_a2, less_b2] = splats(simd, [-F4::A2, -F4::B2]);
    let without_b = [
        simd.mul_add_e_f32s(less_b2, x[1], x[3]),
        simd.mul_add_e_f32s(less_b2, x[2], x[4]),
    ];
    let without_a = [
        simd.mul_add_e_f32s(less_a2, x[0], x[2]),
        simd.mul_add_e_f32s(less_a2, x[1], x[3]),
        simd.mul_add_e_f32s(less_a2, x[2], x[4]),
        simd.mul_add_e_f32s(less_a2, x[3], x[5]),
    ];
    [
        simd.mul_add_e_f32s(less_b2, without_a[0], without_a[2]),
        simd.mul_add_e_f32s(a, without_b[0], without_b[1]),
        simd.mul_add_e_f32s(less_a, without_b[0], without_b[1]),
        simd.mul_add_e_f32s(b, without_a[1], without_a[2]),
        simd.mul_add_e_f32s(less_b, without_a[1], without_a[2]),
        simd.mul_add_e_f32s(less_b2, without_a[1], without_a[3]),
    ]
});
map!(FilterOfF4<3, 6>, |simd, w| {
    let [a, a2, b, b2] = splats(simd, [F4::A, F4::A2, F4::B, F4::B2]);
    let scale = splats(simd, F4::SCALE);
    let (even_a, odd_a) = (simd.mul_add_e_f32s(a2, w[2], w[0]), simd.mul_f32s(a, w[1]));
    let (even_b, odd_b) = (simd.mul_add_e_f32s(b2, w[2], w[0]), simd.mul_f32s(b, w[1]));
    [
        simd.mul_f32s(scale[0], w[0]),
        simd.mul_f32s(scale[1], simd.add_f32s(even_a, odd_a)),
        simd.mul_f32s(scale[1], simd.sub_f32s(even_a, odd_a)),
        simd.mul_f32s(scale[2], simd.add_f32s(even_b, odd_b)),
        simd.mul_f32s(scale[2], simd.sub_f32s(even_b, odd_b)),
        w[2],
    ]
});
map!(OutputOfF4<6, 4>, |simd, m| {
    let [a, a2, a3] = splats(simd, [F4::A, F4::A2, F4::A2 * F4::A]);
    let [b, b2, b3] = splats(simd, [F4::B, F4::B2, F4::B2 * F4::B]);
    let (sum_a, difference_a) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (sum_b, difference_b) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(m[0], simd.add_f32s(sum_a, sum_b)),
        simd.mul_add_e_f32s(a, difference_a, simd.mul_f32s(b, difference_b)),
        simd.mul_add_e_f32s(a2, sum_a, simd.mul_f32s(b2, sum_b)),
        simd.mul_add_e_f32s(a3, difference_a, simd.mul_add_e_f32s(b3, difference_b, m[5])),
    ]
});
map!(OutputOfF4Transposed<4, 6>, |simd, y| {
    let [a, a2, a3] = splats(simd, [F4::A, F4::A2, F4::A2 * F4::A]);
    let [b, b2, b3] = splats(simd, [F4::B, F4::B2, F4::B2 * F4::B]);
    let even_a = simd.mul_add_e_f32s(a2, y[2], y[0]);
    let odd_a = simd.mul_add_e_f32s(a3, y[3], simd.mul_f32s(a, y[1]));
    let even_b = simd.mul_add_e_f32s(b2, y[2], y[0]);
    let odd_b = simd.mul_add_e_f32s(b3, y[3], simd.mul_f32s(b, y[1]));
    [
        y[0],
        simd.add_f32s(even_a, odd_a),
        simd.sub_f32s(even_a, odd_a),
        simd.add_f32s(even_b, odd_b),
        simd.sub_f32s(even_b, odd_b),
        y[3],
    ]
});
map!(FilterOfF4Transposed<6, 3>, |simd, u| {
    let [a, a2, b, b2] = splats(simd, [F4::A, F4::A2, F4::B, F4::B2]);
    let scale = splats(simd, F4::SCALE);
    let sum_a = simd.mul_f32s(scale[1], simd.add_f32s(u[1], u[2]));
    let difference_a = simd.mul_f32s(scale[1], simd.sub_f32s(u[1], u[2]));
    let sum_b = simd.mul_f32s(scale[2], simd.add_f32s(u[3], u[4]));
    let difference_b = simd.mul_f32s(scale[2], simd.sub_f32s(u[3], u[4]));
    [
        simd.mul_add_e_f32s(scale[0], u[0], simd.add_f32s(sum_a, sum_b)),
        simd.mul_add_e_f32s(a, difference_a, simd.mul_f32s(b, difference_b)),
        simd.mul_add_e_f32s(a2, sum_a, simd.mul_add_e_f32s(b2, sum_b, u[5])),
    ]
});

/// Four pixels of a convolution by two taps, five multiplications: the points of [`F3`].
pub(super) struct F4OfTwo;

impl Algorithm<2, 5, 4, 5> for F4OfTwo {
    type Input = InputOfF3;
    type Filter = FilterOfF4OfTwo;
    type Output = OutputOfF4OfTwo;
    type OutputTransposed = OutputOfF4OfTwoTransposed;
    type FilterTransposed = FilterOfF4OfTwoTransposed;
}

map!(FilterOfF4OfTwo<2, 5>, |simd, w| {
    let [a, b] = splats(simd, [F3::A, F3::B]);
    let scale = splats(simd, F3::SCALE);
    let odd = simd.mul_f32s(a, w[1]);
    [
        simd.mul_f32s(scale[0], w[0]),
        simd.mul_f32s(scale[1], simd.add_f32s(w[0], odd)),
        simd.mul_f32s(scale[2], simd.sub_f32s(w[0], odd)),
        simd.mul_f32s(scale[3], simd.mul_add_e_f32s(b, w[1], w[0])),
        w[1],
    ]
});
map!(OutputOfF4OfTwo<5, 4>, |simd, m| {
    let [a, a2, a3] = splats(simd, [F3::A, F3::A2, F3::A2 * F3::A]);
    let [b, b2, b3] = splats(simd, [F3::B, F3::B2, F3::B2 * F3::B]);
    let (sum, difference) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    [
        simd.add_f32s(simd.add_f32s(m[0], m[3]), sum),
        simd.mul_add_e_f32s(a, difference, simd.mul_f32s(b, m[3])),
        simd.mul_add_e_f32s(a2, sum, simd.mul_f32s(b2, m[3])),
        simd.mul_add_e_f32s(a3, difference, simd.mul_add_e_f32s(b3, m[3], m[4])),
    ]
});
map!(OutputOfF4OfTwoTransposed<4, 5>, |simd, y| {
    let [a, a2, a3] = splats(simd, [F3::A, F3::A2, F3::A2 * F3::A]);
    let [b, b2, b3] = splats(simd, [F3::B, F3::B2, F3::B2 * F3::B]);
    let even = simd.mul_add_e_f32s(a2, y[2], y[0]);
    let odd = simd.mul_add_e_f32s(a3, y[3], simd.mul_f32s(a, y[1]));
    let low = simd.mul_add_e_f32s(b, y[1], y[0]);
    let at_b = simd.mul_add_e_f32s(b3, y[3], simd.mul_add_e_f32s(b2, y[2], low));
    [y[0], simd.add_f32s(even, odd), simd.sub_f32s(even, odd), at_b, y[3]]
});
map!(FilterOfF4OfTwoTransposed<5, 2>, |simd, u| {
    let [a, b] = splats(simd, [F3::A, F3::B]);
    let scale = splats(simd, F3::SCALE);
    let (plus, minus) = (simd.mul_f32s(scale[1], u[1]), simd.mul_f32s(scale[2], u[2]));
    let at_b = simd.mul_f32s(scale[3], u[3]);
    let even = simd.add_f32s(simd.add_f32s(plus, minus), at_b);
    [
        simd.mul_add_e_f32s(scale[0], u[0], even),
        simd.mul_add_e_f32s(a, simd.sub_f32s(plus, minus), simd.mul_add_e_f32s(b, at_b, u[4])),
    ]
});

#[cfg(test)]
mod tests {
    use super::super::bilinear::tests::assert_convolves;
    use super::*;

    #[test]
    fn algorithms_convolve() {
        assert_convolves::<F3, 3, 5, 3, 5>(1);
        assert_convolves::<F4, 3, 6, 4, 6>(1);
        assert_convolves::<F4OfTwo, 2, 5, 4, 5>(1);
    }
}
