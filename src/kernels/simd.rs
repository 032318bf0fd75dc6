//! The instruction set, chosen once at run time: AVX-512, AVX2 with FMA, NEON or plain code in one binary. The
//! environment's `EFFSWEEP_SIMD` set to `avx2` or `portable` chooses a lesser one, so that tests see them all.
//!
//! Most kernels are safe loops over slices; [`dispatch`] compiles them once per instruction set (they must be
//! `#[inline(always)]` all the way down) and the compiler vectorises them. Convolutions, whose sums must stay in
//! registers, say so themselves and run through [`vectorize`].

#![allow(unsafe_code)]

use std::any::Any;
use std::sync::OnceLock;

use pulp::Arch;
use pulp::bytemuck::cast;
pub(super) use pulp::{Simd, WithSimd};

/// The instruction set that kernels run on.
#[inline(always)]
fn arch() -> Arch {
    static CHOSEN: OnceLock<Arch> = OnceLock::new();
    *CHOSEN.get_or_init(|| match std::env::var("EFFSWEEP_SIMD").as_deref() {
        Ok("portable") => Arch::Scalar,
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    })
}

/// The name of the instruction set that kernels run on.
pub fn instruction_set() -> &'static str {
    match arch() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V4(_) => "avx512",
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V3(_) => "avx2",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "neon",
        _ if cfg!(target_arch = "x86_64") => "sse2",
        _ => "none",
    }
}

/// Runs `kernel` compiled for the best instruction set of this machine.
#[inline(always)]
pub(super) fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    arch().dispatch(kernel)
}

/// Runs a kernel that names its vectors, with those of the best instruction set of this machine.
#[inline(always)]
pub(super) fn vectorize<K: WithSimd>(kernel: K) -> K::Output {
    arch().dispatch(kernel)
}

/// The vector that starts at `at`.
///
/// # Safety
/// `at + S::F32_LANES` must not exceed the slice's length.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(values: &[f32], at: usize) -> S::f32s {
    debug_assert!(at + S::F32_LANES <= values.len());
    // SAFETY: the caller keeps the whole vector within the slice; any bits are numbers; the read may be unaligned.
    unsafe { values.as_ptr().add(at).cast::<S::f32s>().read_unaligned() }
}

/// Writes the vector that starts at `at`.
///
/// # Safety
/// `at + S::F32_LANES` must not exceed the slice's length.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(values: &mut [f32], at: usize, vector: S::f32s) {
    debug_assert!(at + S::F32_LANES <= values.len());
    // SAFETY: the caller keeps the whole vector within the slice, which is borrowed mutably; the write may be
    // unaligned.
    unsafe { values.as_mut_ptr().add(at).cast::<S::f32s>().write_unaligned(vector) }
}

/// How many values after those that are worked on are asked for: what was put away for the way back comes from far, and a loop
/// that computes an exponential in between asks for it too late on its own.
const AHEAD: usize = 512;

/// Values of a cache line.
const LINE: usize = 16;

/// Asks for as many values as these, some way after them, while these are worked on. They need not exist.
#[inline(always)]
pub(super) fn fetch_ahead(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..values.len()).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = values.as_ptr().wrapping_add(AHEAD + at);
        // SAFETY: a prefetch reads nothing and never fails, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
}

/// The vector in which every lane holds lane `which` of its group: neighbours in groups of `SIZE`, a divisor of the lanes.
#[inline(always)]
pub(super) fn spread<S: Simd, const SIZE: usize>(simd: S, vector: S::f32s, which: usize) -> S::f32s {
    if SIZE == 1 {
        return vector;
    }
    // The branches are decided when this is compiled.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        let simd: &dyn Any = &simd;
        if let Some(simd) = simd.downcast_ref::<pulp::x86::V4>() {
            let lanes: [i32; 16] = sources::<SIZE, 16>(which);
            return cast(simd.avx512f._mm512_permutexvar_ps(cast(lanes), cast(vector)));
        }
        if let Some(simd) = simd.downcast_ref::<pulp::x86::V3>() {
            let lanes: [i32; 8] = sources::<SIZE, 8>(which);
            return cast(simd.avx2._mm256_permutevar8x32_ps(cast(vector), cast(lanes)));
        }
    }
    match S::F32_LANES {
        4 => {
            let (lanes, sources): ([f32; 4], _) = (cast(vector), sources::<SIZE, 4>(which));
            cast(sources.map(|source| lanes[source as usize]))
        }
        _ => vector,
    }
}

/// The lane that each lane takes.
#[inline(always)]
fn sources<const SIZE: usize, const LANES: usize>(which: usize) -> [i32; LANES] {
    let mut lanes = [0; LANES];
    for (lane, source) in lanes.iter_mut().enumerate() {
        *source = (lane / SIZE * SIZE + which) as i32;
    }
    lanes
}

/// `e^x` within 2 ULP for `x` in ±87; saturates beyond. Vectorises, unlike the standard library's.
///
/// Cody–Waite reduction by ln 2 and the degree-6 polynomial of Cephes' `expf`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 · 2²³ rounds to the nearest integer and leaves it in the low bits of the sum: neither a rounding
    // instruction nor a conversion, whose handling of NaN would keep the loop from being vectorised.
    const ROUNDER: f32 = 12_582_912.0;
    const EXPONENT_BIAS: u32 = 127 << 23;
    let x = x.clamp(-87.0, 87.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let n = rounded - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let mut p = 1.987_569_1e-4f32;
    p = p.mul_add(r, 1.398_2e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let p = p.mul_add(r * r, r + 1.0);
    p * f32::from_bits((rounded.to_bits() << 23).wrapping_add(EXPONENT_BIAS))
}

/// `1 / x` within 2 ULP for `x` from 1 to 2¹²⁶. A vector division takes as long as three times these steps.
///
/// Subtracting the bits negates the exponent and leaves a first guess within an eighth; each of Newton's steps
/// doubles the digits.
#[inline(always)]
pub(super) fn reciprocal(x: f32) -> f32 {
    const NEGATED: u32 = 0x7ef3_11c3;
    let mut r = f32::from_bits(NEGATED.wrapping_sub(x.to_bits()));
    r *= (-x).mul_add(r, 2.0);
    r *= (-x).mul_add(r, 2.0);
    // The last step as a correction, which rounds once.
    r.mul_add((-x).mul_add(r, 1.0), r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_are_within_two_ulp() {
        let mut x = 1.0f32;
        while x < 8.0e37 {
            let (ours, exact) = (reciprocal(x), 1.0 / f64::from(x));
            let ulp = f64::from(f32::from_bits((exact as f32).to_bits() + 1) - exact as f32);
            assert!(((f64::from(ours) - exact) / ulp).abs() <= 2.0, "1 / {x} = {ours}, not {exact}");
            x *= 1.000_37;
        }
    }

    #[test]
    fn exp_is_within_two_ulp_of_the_standard_librarys() {
        let mut x = -87.0f32;
        while x < 87.0 {
            let (ours, exact) = (exp(x), f64::from(x).exp());
            let ulp = f64::from(f32::from_bits((exact as f32).to_bits() + 1) - exact as f32);
            assert!(((f64::from(ours) - exact) / ulp).abs() <= 2.0, "exp({x}) = {ours}, not {exact}");
            x += 0.000_731;
        }
    }

    #[test]
    fn exp_saturates() {
        assert!(exp(f32::INFINITY).is_finite() && exp(1e30) > 6e37);
        assert!(exp(f32::NEG_INFINITY) >= 0.0 && exp(-1e30) < 1e-37);
        assert!(exp(f32::NAN).is_nan());
    }
}
