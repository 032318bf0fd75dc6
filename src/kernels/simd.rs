//! The instruction set, chosen once at run time: AVX-512, AVX2 with FMA, NEON or plain code in one binary.
//!
//! Kernels are safe loops over slices; [`dispatch`] compiles them once per instruction set (they must be
//! `#[inline(always)]` all the way down) and the compiler vectorises them.

use pulp::Arch;

/// Runs `kernel` compiled for the best instruction set of this machine.
#[inline(always)]
pub(super) fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(kernel)
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
    let x = x.clamp(-87.0, 88.0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp_of_the_standard_librarys() {
        let mut x = -87.0f32;
        while x < 88.0 {
            let (ours, exact) = (exp(x), f64::from(x).exp());
            let ulp = f64::from(f32::from_bits((exact as f32).to_bits() + 1) - exact as f32);
            assert!(((f64::from(ours) - exact) / ulp).abs() <= 2.0, "exp({x}) = {ours}, not {exact}");
            x += 0.000_731;
        }
    }

    #[test]
    fn exp_saturates() {
        assert!(exp(f32::INFINITY).is_finite() && exp(1e30) > 1e38);
        assert!(exp(f32::NEG_INFINITY) >= 0.0 && exp(-1e30) < 1e-37);
        assert!(exp(f32::NAN).is_nan());
    }
}
