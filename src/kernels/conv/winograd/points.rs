//! Filters of 3 and 5 taps as polynomials at six points: `0, ±2/3, ±3/2, ∞`. Their inverse differences stay near 1, which keeps
//! rounding small, and that the product of `2/3` and `3/2` is 1 saves multiplications.

use super::super::super::simd::Simd;
use super::POINTS;

/// The inner points, each with its negative.
const A: f32 = 2.0 / 3.0;
const B: f32 = 1.5;

/// `A² + B²`.
const SUM_OF_SQUARES: f32 = A * A + B * B;

/// For each point, one over the product of its differences from the others.
const WEIGHTS: [f32; POINTS] = [1.0, weight(A, B), weight(A, B), weight(B, A), weight(B, A), 1.0];

/// Of one of a pair of points, beside the other pair.
const fn weight(x: f32, other: f32) -> f32 {
    1.0 / (2.0 * x * x * (x * x - other * other))
}

/// A linear map along one axis, of vectors of channels.
pub(super) trait Transform: Copy {
    /// How many values it takes: the first ones.
    const FROM: usize;
    /// How many it gives.
    const TO: usize;

    fn apply<S: Simd>(self, simd: S, values: [S::f32s; POINTS]) -> [S::f32s; POINTS];
}

/// The transform of a column of some rows.
#[inline(always)]
pub(super) fn column<S: Simd, T: Transform>(
    simd: S,
    transform: T,
    rows: &[[S::f32s; POINTS]; POINTS],
    column: usize,
) -> [S::f32s; POINTS] {
    let mut line = [simd.splat_f32s(0.0); POINTS];
    for row in 0..T::FROM {
        line[row] = rows[row][column];
    }
    transform.apply(simd, line)
}

/// `Bᵀ x`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfInputs;

impl Transform for OfInputs {
    const FROM: usize = POINTS;
    const TO: usize = POINTS;

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, x: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        let (a, b) = (simd.splat_f32s(A), simd.splat_f32s(B));
        let (minus_a, minus_b) = (simd.splat_f32s(-A), simd.splat_f32s(-B));
        let (minus_aa, minus_bb) = (simd.splat_f32s(-A * A), simd.splat_f32s(-B * B));
        let minus_sum = simd.splat_f32s(-SUM_OF_SQUARES);
        // As A · B is 1: A · B² is B, and B · A² is A.
        let even_a = simd.mul_add_f32s(minus_bb, x[2], x[4]);
        let even_b = simd.mul_add_f32s(minus_aa, x[2], x[4]);
        let odd_a = simd.mul_add_f32s(a, x[3], simd.mul_f32s(minus_b, x[1]));
        let odd_b = simd.mul_add_f32s(b, x[3], simd.mul_f32s(minus_a, x[1]));
        [
            simd.mul_add_f32s(minus_sum, x[2], simd.add_f32s(x[0], x[4])),
            simd.add_f32s(even_a, odd_a),
            simd.sub_f32s(even_a, odd_a),
            simd.add_f32s(even_b, odd_b),
            simd.sub_f32s(even_b, odd_b),
            simd.mul_add_f32s(minus_sum, x[3], simd.add_f32s(x[1], x[5])),
        ]
    }
}

/// `A y`: the polynomial with `K` coefficients, at the points.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfOutputs<const K: usize>;

impl<const K: usize> Transform for OfOutputs<K> {
    const FROM: usize = K;
    const TO: usize = POINTS;

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, y: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        let (at_a, at_minus_a) = of_pair::<S, K>(simd, A, y);
        let (at_b, at_minus_b) = of_pair::<S, K>(simd, B, y);
        [y[0], at_a, at_minus_a, at_b, at_minus_b, y[K - 1]]
    }
}

/// A polynomial at `x` and `−x`.
#[inline(always)]
fn of_pair<S: Simd, const K: usize>(simd: S, x: f32, y: [S::f32s; POINTS]) -> (S::f32s, S::f32s) {
    let (mut even, mut odd) = (y[0], simd.mul_f32s(simd.splat_f32s(x), y[1]));
    let mut power = x;
    for k in 2..K {
        power *= x;
        if k % 2 == 0 {
            even = simd.mul_add_f32s(simd.splat_f32s(power), y[k], even);
        } else {
            odd = simd.mul_add_f32s(simd.splat_f32s(power), y[k], odd);
        }
    }
    (simd.add_f32s(even, odd), simd.sub_f32s(even, odd))
}

/// `Aᵀ p`, to `K` outputs: the transpose of [`OfOutputs`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ToOutputs<const K: usize>;

impl<const K: usize> Transform for ToOutputs<K> {
    const FROM: usize = POINTS;
    const TO: usize = K;

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, p: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        let (sum_a, difference_a) = (simd.add_f32s(p[1], p[2]), simd.sub_f32s(p[1], p[2]));
        let (sum_b, difference_b) = (simd.add_f32s(p[3], p[4]), simd.sub_f32s(p[3], p[4]));
        let mut outputs = p;
        outputs[0] = simd.add_f32s(p[0], simd.add_f32s(sum_a, sum_b));
        let (mut of_a, mut of_b) = (1.0, 1.0);
        for k in 1..K {
            (of_a, of_b) = (of_a * A, of_b * B);
            let (at_a, at_b) = if k % 2 == 0 { (sum_a, sum_b) } else { (difference_a, difference_b) };
            let at_b = simd.mul_f32s(simd.splat_f32s(of_b), at_b);
            outputs[k] = simd.mul_add_f32s(simd.splat_f32s(of_a), at_a, at_b);
        }
        outputs[K - 1] = simd.add_f32s(outputs[K - 1], p[POINTS - 1]);
        outputs
    }
}

/// `G w`, of `K` taps.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfTaps<const K: usize>;

impl<const K: usize> Transform for OfTaps<K> {
    const FROM: usize = K;
    const TO: usize = POINTS;

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, w: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        weighted(simd, OfOutputs::<K>.apply(simd, w))
    }
}

/// `Gᵀ p`, to `K` taps: the transpose of [`OfTaps`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ToTaps<const K: usize>;

impl<const K: usize> Transform for ToTaps<K> {
    const FROM: usize = POINTS;
    const TO: usize = K;

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, p: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        ToOutputs::<K>.apply(simd, weighted(simd, p))
    }
}

#[inline(always)]
fn weighted<S: Simd>(simd: S, mut points: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
    for i in 1..POINTS - 1 {
        points[i] = simd.mul_f32s(points[i], simd.splat_f32s(WEIGHTS[i]));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::super::super::super::simd::{WithSimd, vectorize};
    use super::super::super::super::testing::{assert_close, random};
    use super::*;

    /// A transform of single numbers, each in all lanes.
    struct OfNumbers<'a, T>(T, &'a [f32]);

    impl<T: Transform> WithSimd for OfNumbers<'_, T> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut values = [simd.splat_f32s(f32::NAN); POINTS];
            assert_eq!(self.1.len(), T::FROM);
            for (value, number) in values.iter_mut().zip(self.1) {
                *value = simd.splat_f32s(*number);
            }
            let mut numbers = vec![0.0; T::TO];
            for (number, value) in numbers.chunks_mut(1).zip(self.0.apply(simd, values)) {
                simd.partial_store_f32s(number, value);
            }
            numbers
        }
    }

    fn apply<T: Transform>(transform: T, numbers: &[f32]) -> Vec<f32> {
        vectorize(OfNumbers(transform, numbers))
    }

    /// `K` taps give `M` outputs.
    fn check<const K: usize, const M: usize>() {
        let (x, w, y) = (random(POINTS, 1), random(K, 2), random(M, 3));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let times = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).map(|(a, b)| a * b).collect::<Vec<f32>>();

        let products = times(apply(OfTaps::<K>, &w), apply(OfInputs, &x));
        let direct: Vec<f32> = (0..M).map(|first| dot(&x[first..][..K], &w)).collect();
        assert_close("outputs", &apply(ToOutputs::<M>, &products), &direct, 1e-6);

        let products = times(apply(OfOutputs::<M>, &y), apply(OfInputs, &x));
        let direct: Vec<f32> = (0..K).map(|first| dot(&x[first..][..M], &y)).collect();
        assert_close("gradients of taps", &apply(ToTaps::<K>, &products), &direct, 1e-6);
    }

    #[test]
    fn products_at_points_are_a_filter_and_its_gradient() {
        check::<3, 4>();
        check::<5, 2>();
    }
}
