//! The two operations that the solver lives by, with the widest instructions that the machine has.

use pulp::{Arch, Simd, WithSimd};

/// Independent sums, so that the compiler may use whole registers.
const LANES: usize = 32;

/// Single-precision features against double-precision weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vectors(Arch);

impl Vectors {
    pub(super) fn new() -> Self {
        Self(Arch::new())
    }

    /// The inner product.
    pub(super) fn dot(self, features: &[f32], weights: &[f64]) -> f64 {
        self.0.dispatch(Dot { features, weights })
    }

    /// Adds `scale` times the features to the weights.
    pub(super) fn add_scaled(self, weights: &mut [f64], features: &[f32], scale: f64) {
        self.0.dispatch(AddScaled { weights, features, scale });
    }
}

// A closure would not do: it is not compiled into the function that has the wide instructions, and every `mul_add`
// in it becomes a call.

struct Dot<'a> {
    features: &'a [f32],
    weights: &'a [f64],
}

impl WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        dot(self.features, self.weights)
    }
}

struct AddScaled<'a> {
    weights: &'a mut [f64],
    features: &'a [f32],
    scale: f64,
}

impl WithSimd for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        add_scaled(self.weights, self.features, self.scale);
    }
}

#[inline(always)]
fn dot(features: &[f32], weights: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = features.as_chunks::<LANES>();
    let (weight_chunks, weight_rest) = weights.as_chunks::<LANES>();
    for (features, weights) in chunks.iter().zip(weight_chunks) {
        for lane in 0..LANES {
            sums[lane] = f64::from(features[lane]).mul_add(weights[lane], sums[lane]);
        }
    }
    let rest: f64 = rest.iter().zip(weight_rest).map(|(x, w)| f64::from(*x) * w).sum();
    // Halves are folded, as registers would be.
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0] + rest
}

#[inline(always)]
fn add_scaled(weights: &mut [f64], features: &[f32], scale: f64) {
    for (weight, feature) in weights.iter_mut().zip(features) {
        *weight = f64::from(*feature).mul_add(scale, *weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_summed_whole() {
        let vectors = Vectors::new();
        for length in [1, 31, 32, 33, 100] {
            let features: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let mut weights = vec![2.0; length];
            let sum = (length * (length - 1)) as f64;
            assert_eq!(vectors.dot(&features, &weights), sum);
            vectors.add_scaled(&mut weights, &features, 0.5);
            assert!(weights.iter().enumerate().all(|(i, weight)| *weight == 2.0 + i as f64 * 0.5));
        }
    }
}
