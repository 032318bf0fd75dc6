//! Activations and their derivatives, scalar by scalar; kernels inline them into their loops.

use std::f32::consts::LOG2_E;

use super::simd::{exp2, reciprocal};

/// What stands between a norm and the next layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `z`.
    Identity,
    /// `z · σ(z)`, also called SiLU (Ramachandran et al. 2017).
    Swish,
}

/// `1 / (1 + e^−z)`.
#[inline(always)]
pub fn sigmoid(z: f32) -> f32 {
    reciprocal(1.0 + exp2(-LOG2_E * z))
}

/// `z · σ(z)`.
#[inline(always)]
pub fn swish(z: f32) -> f32 {
    z * sigmoid(z)
}

/// An activation known at compile time.
pub(super) trait Activate: Copy {
    /// The value.
    fn value(z: f32) -> f32;
    /// The value and the derivative.
    fn with_slope(z: f32) -> (f32, f32);
}

#[derive(Clone, Copy)]
pub(super) struct Identity;

#[derive(Clone, Copy)]
pub(super) struct Swish;

impl Activate for Identity {
    #[inline(always)]
    fn value(z: f32) -> f32 {
        z
    }

    #[inline(always)]
    fn with_slope(z: f32) -> (f32, f32) {
        (z, 1.0)
    }
}

impl Activate for Swish {
    #[inline(always)]
    fn value(z: f32) -> f32 {
        swish(z)
    }

    #[inline(always)]
    fn with_slope(z: f32) -> (f32, f32) {
        let s = sigmoid(z);
        let y = z * s;
        // (z σ)′ = σ + z σ (1 − σ)
        (y, y.mul_add(1.0 - s, s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_from_zero_swish_is_flat_or_straight() {
        for z in [30.0f32, 88.0, 1e4, 1e30] {
            assert_eq!(Swish::with_slope(z), (z, 1.0));
            let (y, slope) = Swish::with_slope(-z);
            assert!((-1e-6..=0.0).contains(&y) || z > 1e20, "swish({}) = {y}", -z);
            assert!(slope.abs() < 1e-6 || z > 1e20, "slope at {}: {slope}", -z);
        }
    }

    #[test]
    fn swish_and_its_slope_are_right_to_single_precision() {
        for i in -400..=400 {
            let z = i as f32 * 0.05;
            let exact = |z: f64| z / (1.0 + (-z).exp());
            let slope = (exact(f64::from(z) + 1e-5) - exact(f64::from(z) - 1e-5)) / 2e-5;
            let (y, dy) = Swish::with_slope(z);
            assert!((f64::from(y) - exact(f64::from(z))).abs() <= 3e-7 * f64::from(z.abs().max(1.0)));
            assert!((f64::from(dy) - slope).abs() <= 1e-6, "slope at {z}: {dy}, not {slope}");
            assert_eq!(y, Swish::value(z));
        }
    }
}
