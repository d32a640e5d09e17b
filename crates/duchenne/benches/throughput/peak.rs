//! The machine's peak: fused multiply-adds on registers alone, on all threads.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};

/// Independent sums: enough to hide the latency of two units.
const SUMS: usize = 12;
const ROUNDS: usize = 2_000_000;

struct Burn;

impl WithSimd for Burn {
    type Output = (f64, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (a, b) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(1e-3)));
        let mut sums = [a; SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, a, b);
            }
        }
        let total = sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum();
        ((2 * S::F32_LANES * SUMS * ROUNDS) as f64, total)
    }
}

/// GFLOP/s of all threads together, the best of five.
pub(crate) fn gigaflops() -> f64 {
    let run = || {
        let begun = Instant::now();
        let results = rayon::broadcast(|_| black_box(Arch::new().dispatch(Burn)));
        let operations: f64 = results.iter().map(|result| result.0).sum();
        operations / begun.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| run()).fold(0.0, f64::max)
}
