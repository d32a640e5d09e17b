//! Which vector *instructions* the kernels use: chosen from what the processor has, when the program runs.

use std::sync::atomic::{AtomicU8, Ordering};

use pulp::{Simd, WithSimd};

/// A set of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Instructions {
    /// Portable code without vector instructions.
    Scalar = 1,
    /// 128 bits, 64-bit Arm.
    Neon = 2,
    /// 256 bits, x86-64-v3: AVX2 and FMA.
    Avx2 = 3,
    /// 512 bits, x86-64-v4: AVX-512 F, BW, CD, DQ, VL.
    Avx512 = 4,
}

/// What [`Instructions::select`] chose; 0 where nothing has been chosen.
static SELECTED: AtomicU8 = AtomicU8::new(0);

impl Instructions {
    /// The sets that this processor has, the best first.
    pub fn available() -> Vec<Self> {
        let all = [Self::Avx512, Self::Avx2, Self::Neon, Self::Scalar];
        all.into_iter().filter(|instructions| instructions.is_available()).collect()
    }

    /// The set that operations use from now on in this process: the best available unless another was
    /// selected.
    pub fn current() -> Self {
        match SELECTED.load(Ordering::Relaxed) {
            1 => Self::Scalar,
            2 => Self::Neon,
            3 => Self::Avx2,
            4 => Self::Avx512,
            _ => {
                let best = Self::available()[0];
                SELECTED.store(best as u8, Ordering::Relaxed);
                best
            }
        }
    }

    /// Makes every later operation of this process use these instructions, for tests and measurements.
    /// Results differ in the last bits between instruction sets.
    ///
    /// # Panics
    /// If the processor does not have them.
    pub fn select(self) {
        assert!(self.is_available(), "this processor has no {self:?} instructions");
        SELECTED.store(self as u8, Ordering::Relaxed);
    }

    fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().is_some(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
}

/// Why a processor feature must be there.
pub(crate) const AVAILABLE: &str = "instructions are selected only where the processor has them";

/// `$work`, compiled once for each set of instructions with `$token` as pulp's proof that the processor has
/// them: the one of `$instructions` runs.
macro_rules! with_token {
    ($instructions:expr, |$token:ident| $work:expr) => {
        match $instructions {
            #[cfg(target_arch = "x86_64")]
            $crate::instructions::Instructions::Avx512 => {
                let $token = pulp::x86::V4::try_new().expect($crate::instructions::AVAILABLE);
                $work
            }
            #[cfg(target_arch = "x86_64")]
            $crate::instructions::Instructions::Avx2 => {
                let $token = pulp::x86::V3::try_new().expect($crate::instructions::AVAILABLE);
                $work
            }
            #[cfg(target_arch = "aarch64")]
            $crate::instructions::Instructions::Neon => {
                let $token = pulp::aarch64::Neon::try_new().expect($crate::instructions::AVAILABLE);
                $work
            }
            _ => {
                let $token = pulp::Scalar;
                $work
            }
        }
    };
}

pub(crate) use with_token;

/// Runs `function(arguments)` with the current instructions, which vectorise its plain loops.
///
/// The function must be an item marked `#[inline(always)]`: only what is inlined is compiled for the
/// instructions, and a closure of more than a few lines is not.
pub(crate) fn vectorized<A, R>(arguments: A, function: impl Fn(A) -> R) -> R {
    struct Call<A, F>(A, F);
    impl<A, R, F: Fn(A) -> R> WithSimd for Call<A, F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> R {
            self.1(self.0)
        }
    }
    let call = Call(arguments, function);
    with_token!(Instructions::current(), |token| Simd::vectorize(token, call))
}
