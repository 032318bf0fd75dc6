//! Updates of one parameter vector from its gradient, as the frameworks define them.
//!
//! `decay` is L2: `g + decay · p` takes the gradient's place.

use super::simd::dispatch;
use super::threads::map_each;

/// Numbers that a thread updates before it looks for more.
const TOGETHER: usize = 16 << 10;

/// RMSProp as TensorFlow defines it: epsilon inside the root, the rate inside the momentum.
///
/// ```text
/// ms ← ρ ms + (1 − ρ) g²      mom ← μ mom + lr g / √(ms + ε)      p ← p − mom
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsProp {
    /// Decay ρ of the mean square.
    pub rho: f32,
    /// Momentum μ.
    pub momentum: f32,
    /// ε.
    pub epsilon: f32,
}

impl RmsProp {
    /// One step; `mean_square` starts at 1 (TensorFlow 1), `moment` at 0.
    pub fn step(self, p: &mut [f32], gradient: &[f32], state: [&mut [f32]; 2], lr: f32, decay: f32) {
        in_parts(p, gradient, state, |p, gradient, mean_square, moment| {
            let values = p.iter_mut().zip(gradient).zip(mean_square.iter_mut().zip(moment));
            for ((p, g), (ms, mom)) in values {
                let g = decay.mul_add(*p, *g);
                *ms = (1.0 - self.rho).mul_add(g * g - *ms, *ms);
                *mom = self.momentum.mul_add(*mom, lr * g / (*ms + self.epsilon).sqrt());
                *p -= *mom;
            }
        });
    }
}

/// Stochastic gradient descent with momentum as PyTorch defines it: `v ← μ v + g`, `p ← p − lr v`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Momentum μ.
    pub momentum: f32,
}

impl Sgd {
    /// One step; `state` starts at 0, and the first of it is the velocity.
    pub fn step(self, p: &mut [f32], gradient: &[f32], state: [&mut [f32]; 2], lr: f32, decay: f32) {
        in_parts(p, gradient, state, |p, gradient, velocity, _| {
            for ((p, g), v) in p.iter_mut().zip(gradient).zip(velocity) {
                *v = self.momentum.mul_add(*v, decay.mul_add(*p, *g));
                *p = (-lr).mul_add(*v, *p);
            }
        });
    }
}

/// Adam (Kingma and Ba 2015) with epsilon outside the root, as PyTorch has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Decay of the mean, β₁.
    pub beta1: f32,
    /// Decay of the mean square, β₂.
    pub beta2: f32,
    /// ε.
    pub epsilon: f32,
}

impl Adam {
    /// Step number `t`, counted from 1; both moments start at 0.
    pub fn step(self, p: &mut [f32], gradient: &[f32], state: [&mut [f32]; 2], t: u64, lr: f32, decay: f32) {
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(t as f64)) as f32;
        let (mean_correction, square_correction) = (correction(self.beta1), correction(self.beta2));
        in_parts(p, gradient, state, |p, gradient, mean, mean_square| {
            let values = p.iter_mut().zip(gradient).zip(mean.iter_mut().zip(mean_square));
            for ((p, g), (m, ms)) in values {
                let g = decay.mul_add(*p, *g);
                *m = (1.0 - self.beta1).mul_add(g - *m, *m);
                *ms = (1.0 - self.beta2).mul_add(g * g - *ms, *ms);
                *p -= lr * (*m / mean_correction) / ((*ms / square_correction).sqrt() + self.epsilon);
            }
        });
    }
}

/// Calls `update(p, gradient, first state, second state)` for parts of them, on all threads where there is much.
#[inline(always)]
fn in_parts(
    p: &mut [f32],
    gradient: &[f32],
    [first, second]: [&mut [f32]; 2],
    update: impl Fn(&mut [f32], &[f32], &mut [f32], &mut [f32]) + Sync,
) {
    let states = first.chunks_mut(TOGETHER).zip(second.chunks_mut(TOGETHER));
    let parts = p.chunks_mut(TOGETHER).zip(gradient.chunks(TOGETHER)).zip(states).collect();
    map_each(parts, |_, ((p, gradient), (first, second))| {
        dispatch(
            #[inline(always)]
            || update(p, gradient, first, second),
        );
    });
}

/// Exponential average: `average ← decay · average + (1 − decay) · p`.
pub fn blend(average: &mut [f32], p: &[f32], decay: f32) {
    let parts = average.chunks_mut(TOGETHER).zip(p.chunks(TOGETHER)).collect();
    map_each(parts, |_, (average, p): (&mut [f32], &[f32])| {
        dispatch(
            #[inline(always)]
            || {
                for (average, p) in average.iter_mut().zip(p) {
                    *average = (1.0 - decay).mul_add(*p - *average, *average);
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, random};
    use super::*;

    const COUNT: usize = 37;

    /// Runs ten steps of `step` and of the same rule in double precision, `exact(p, state, g, lr)`.
    fn compare(
        start: [f32; 2],
        mut step: impl FnMut(&mut [f32], &[f32], [&mut [f32]; 2], u64, f32),
        exact: impl Fn(&mut f64, &mut [f64; 2], f64, i32, f64),
    ) {
        let mut p = random(COUNT, 1);
        let mut exact_p: Vec<f64> = p.iter().map(|v| f64::from(*v)).collect();
        let [mut a, mut b] = start.map(|value| vec![value; COUNT]);
        let mut state = vec![start.map(f64::from); COUNT];
        for t in 1..=10 {
            let gradient = random(COUNT, 100 + t);
            // A rate that moves tells apart where it enters.
            let lr = 0.01 * t as f32;
            step(&mut p, &gradient, [&mut a, &mut b], t, lr);
            for i in 0..COUNT {
                exact(&mut exact_p[i], &mut state[i], f64::from(gradient[i]), t as i32, f64::from(lr));
            }
        }
        let expected: Vec<f32> = exact_p.iter().map(|v| *v as f32).collect();
        assert_close("parameters", &p, &expected, 2e-6);
    }

    #[test]
    fn rmsprop_is_tensorflows() {
        let rule = RmsProp { rho: 0.9, momentum: 0.8, epsilon: 1e-3 };
        compare(
            [1.0, 0.0],
            |p, g, state, _, lr| rule.step(p, g, state, lr, 0.01),
            |p, [ms, mom], g, _, lr| {
                let g = g + 0.01 * *p;
                *ms = 0.9 * *ms + 0.1 * g * g;
                *mom = 0.8 * *mom + lr * g / (*ms + 1e-3).sqrt();
                *p -= *mom;
            },
        );
    }

    #[test]
    fn sgd_is_pytorchs() {
        compare(
            [0.0, 0.0],
            |p, g, state, _, lr| Sgd { momentum: 0.9 }.step(p, g, state, lr, 0.01),
            |p, [v, _], g, _, lr| {
                *v = 0.9 * *v + g + 0.01 * *p;
                *p -= lr * *v;
            },
        );
    }

    #[test]
    fn adam_is_pytorchs() {
        let rule = Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-4 };
        compare(
            [0.0, 0.0],
            |p, g, state, t, lr| rule.step(p, g, state, t, lr, 0.01),
            |p, [m, ms], g, t, lr| {
                let g = g + 0.01 * *p;
                *m = 0.9 * *m + 0.1 * g;
                *ms = 0.99 * *ms + 0.01 * g * g;
                let (m, ms) = (*m / (1.0 - 0.9f64.powi(t)), *ms / (1.0 - 0.99f64.powi(t)));
                *p -= lr * m / (ms.sqrt() + 1e-4);
            },
        );
    }

    #[test]
    fn an_average_moves_by_its_share() {
        let mut average = vec![1.0, 0.0];
        blend(&mut average, &[2.0, 4.0], 0.75);
        assert_eq!(average, [1.25, 1.0]);
    }
}
