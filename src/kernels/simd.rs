//! The instruction set, chosen once at run time: AVX-512, AVX2 with FMA, NEON or plain code in one binary. The
//! environment's `EFFSWEEP_SIMD` set to `avx512` (without `amx`), `avx2` or `portable` chooses a lesser one, so that tests see
//! them all.
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

/// What the environment asks for; nothing of it, the best there is.
pub(super) fn asked_for() -> String {
    std::env::var("EFFSWEEP_SIMD").unwrap_or_default()
}

/// The instruction set that kernels run on.
#[inline(always)]
fn arch() -> Arch {
    static CHOSEN: OnceLock<Arch> = OnceLock::new();
    *CHOSEN.get_or_init(|| match asked_for().as_str() {
        "portable" => Arch::Scalar,
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        "avx2" => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    })
}

/// The name of the instruction set that kernels run on: with `amx`, matrix products on tile registers, all else on AVX-512.
pub fn instruction_set() -> &'static str {
    match arch() {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Arch::V4(_) if super::amx::available() => "amx",
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
pub(super) const LINE: usize = 16;

/// Asks for the cache line in which number `at` stands, some time before it is read or written. It need not exist.
#[inline(always)]
pub(super) fn fetch(values: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and never fails, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(at).cast()) };
    }
}

/// Asks for as many values as these, some way after them, while these are worked on. They need not exist.
#[inline(always)]
pub(super) fn fetch_ahead(values: &[f32]) {
    for at in (0..values.len()).step_by(LINE) {
        fetch(values, AHEAD + at);
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

/// `2^x` to a relative 2.5 · 10⁻⁷ for `x` in ±125; saturates beyond. Vectorises, unlike the standard library's.
///
/// The nearest integer goes to the exponent; the rest, within ±½, through a polynomial of degree 5 whose largest relative error
/// is the least (1.1 · 10⁻⁷).
#[inline(always)]
#[allow(clippy::approx_constant, reason = "the coefficients are the polynomial's, not the series'")]
pub(super) fn exp2(x: f32) -> f32 {
    // Adding 1.5 · 2²³ rounds to the nearest integer and leaves it in the low bits of the sum: neither a rounding
    // instruction nor a conversion, whose handling of NaN would keep the loop from being vectorised.
    const ROUNDER: f32 = 12_582_912.0;
    let x = x.clamp(-125.0, 125.0);
    let rounded = x + ROUNDER;
    let r = x - (rounded - ROUNDER);
    let mut p = 1.326_472_7e-3f32;
    p = p.mul_add(r, 9.671_513e-3);
    p = p.mul_add(r, 5.550_733_6e-2);
    p = p.mul_add(r, 0.240_222_42);
    p = p.mul_add(r, 0.693_147);
    p = p.mul_add(r, 1.0);
    f32::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 23))
}

/// `1 / x` within 2 ULP for `x` from 1 to 2¹²⁶. A vector division takes as long as three times these steps.
///
/// Subtracting the bits negates the exponent and leaves a first guess within 5 %; a step of Newton's squares what is missing, and
/// one that goes on to the next power cubes it.
#[inline(always)]
pub(super) fn reciprocal(x: f32) -> f32 {
    const NEGATED: u32 = 0x7ef3_0000;
    let mut r = f32::from_bits(NEGATED.wrapping_sub(x.to_bits()));
    r *= (-x).mul_add(r, 2.0);
    let missing = (-x).mul_add(r, 1.0);
    r.mul_add(missing.mul_add(missing, missing), r)
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
    fn powers_of_two_are_right_to_single_precision() {
        let mut x = -125.0f32;
        while x < 125.0 {
            let (ours, exact) = (f64::from(exp2(x)), f64::from(x).exp2());
            assert!((ours / exact - 1.0).abs() <= 2.5e-7, "2^{x} = {ours}, not {exact}");
            x += 0.000_731;
        }
        assert_eq!([-3.0, 0.0, 1.0, 125.0].map(exp2), [0.125, 1.0, 2.0, 2.0f32.powi(125)]);
    }

    #[test]
    fn powers_of_two_saturate() {
        assert!(exp2(f32::INFINITY).is_finite() && exp2(1e30) > 4e37);
        assert!(exp2(f32::NEG_INFINITY) >= 0.0 && exp2(-1e30) < 1e-37);
        assert!(exp2(f32::NAN).is_nan());
    }
}
