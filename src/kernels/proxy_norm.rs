//! The moments of proxy-normalized activations (Labatie et al. 2021; Masters et al. 2021).
//!
//! Each channel has a Gaussian proxy `ỹ ~ N(shift, (1 + scale)²)` of its normalized values. Its activation
//! `φ(γ ỹ + β)` has a mean `m` and a variance `v`, by which the real activations are normalized:
//! `(φ(z) − m) / √(v + ε)`. The expectation is taken over 200 fixed quantiles, as in the papers' code, and
//! the biased variance over the same; both are functions of the four parameters alone, so gradients flow
//! through them.

use std::sync::LazyLock;

use super::activation::{Activate, Activation, Identity, Swish};
use super::simd::dispatch;
use super::threads::map_parts;

/// Number of quantiles. Midpoints underestimate the variance (about 1 % at 200), so it is part of the
/// definition.
pub const QUANTILES: usize = 200;

/// Parameters of the proxies, `(c)` each.
#[derive(Debug, Clone, Copy)]
pub struct ProxyVectors<'a> {
    /// Gain γ of the norm.
    pub gamma: &'a [f32],
    /// Shift β of the norm.
    pub beta: &'a [f32],
    /// The proxy's mean.
    pub shift: &'a [f32],
    /// What the proxy's deviation has over 1.
    pub scale: &'a [f32],
}

/// Gradients of the parameters, `(c)` each.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyGradients {
    /// Of γ.
    pub gamma: Vec<f32>,
    /// Of β.
    pub beta: Vec<f32>,
    /// Of the proxy's mean.
    pub shift: Vec<f32>,
    /// Of the proxy's deviation.
    pub scale: Vec<f32>,
}

/// Midpoint quantiles of N(0, 1): `Φ⁻¹((i + ½) / 200)`.
static NORMAL_QUANTILES: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..QUANTILES).map(|i| normal_quantile((i as f64 + 0.5) / QUANTILES as f64) as f32).collect()
});

/// `Φ⁻¹(p)` by Newton's method on Φ; converges from 0 for every `p` that far from 0 and 1.
fn normal_quantile(p: f64) -> f64 {
    use std::f64::consts::{PI, SQRT_2};
    let mut z = 0.0f64;
    for _ in 0..60 {
        let cdf = 0.5 * libm::erfc(-z / SQRT_2);
        let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
        // Limited steps keep the tails, where Φ is flat, from being overshot.
        z -= ((cdf - p) / density).clamp(-0.5, 0.5);
    }
    z
}

/// Channels that a thread works on before it looks for more.
const BLOCK: usize = 64;

/// Channels whose sums stay in registers.
const LANES: usize = 16;

impl<'a> ProxyVectors<'a> {
    fn block(self, block: usize) -> Self {
        let of = |vector: &'a [f32]| &vector[block * BLOCK..vector.len().min((block + 1) * BLOCK)];
        Self { gamma: of(self.gamma), beta: of(self.beta), shift: of(self.shift), scale: of(self.scale) }
    }

    fn blocks(self) -> usize {
        self.gamma.len().div_ceil(BLOCK)
    }
}

/// `(m, 1 / √(v + ε))`, `(c)` each.
pub fn proxy_moments(proxy: ProxyVectors<'_>, activation: Activation, epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let blocks = map_parts(proxy.blocks(), |block| {
        dispatch(
            #[inline(always)]
            || match activation {
                Activation::Identity => moments::<Identity>(proxy.block(block), epsilon),
                Activation::Swish => moments::<Swish>(proxy.block(block), epsilon),
            },
        )
    });
    let (mean, rstd): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
    (mean.concat(), rstd.concat())
}

#[inline(always)]
fn moments<A: Activate>(proxy: ProxyVectors<'_>, epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let c = proxy.gamma.len();
    let (mut mean, mut rstd) = (vec![0.0; c], vec![0.0; c]);
    let mut channel = 0;
    while channel + LANES <= c {
        lane_moments::<A, LANES>(proxy, epsilon, channel, &mut mean, &mut rstd);
        channel += LANES;
    }
    for channel in channel..c {
        lane_moments::<A, 1>(proxy, epsilon, channel, &mut mean, &mut rstd);
    }
    (mean, rstd)
}

/// `L` channels from `first` on. The activations are kept for their variance: the second look costs no exponential.
#[inline(always)]
fn lane_moments<A: Activate, const L: usize>(
    proxy: ProxyVectors<'_>,
    epsilon: f32,
    first: usize,
    mean: &mut [f32],
    rstd: &mut [f32],
) {
    let per_quantile = 1.0 / QUANTILES as f32;
    let lanes = Lanes::<L>::of(proxy, first);
    let mut values = [[0.0f32; L]; QUANTILES];
    let mut sums = [0.0f32; L];
    for (values, q) in values.iter_mut().zip(NORMAL_QUANTILES.iter()) {
        for l in 0..L {
            values[l] = A::value(lanes.z(l, *q));
            sums[l] += values[l];
        }
    }
    let means = sums.map(|sum| sum * per_quantile);
    let mut squares = [0.0f32; L];
    for values in &values {
        for l in 0..L {
            let centred = values[l] - means[l];
            squares[l] = centred.mul_add(centred, squares[l]);
        }
    }
    mean[first..first + L].copy_from_slice(&means);
    rstd[first..first + L]
        .copy_from_slice(&squares.map(|sum| 1.0 / sum.mul_add(per_quantile, epsilon).sqrt()));
}

/// The parameters of a few channels.
struct Lanes<const L: usize> {
    gamma: [f32; L],
    beta: [f32; L],
    shift: [f32; L],
    deviation: [f32; L],
}

impl<const L: usize> Lanes<L> {
    #[inline(always)]
    fn of(proxy: ProxyVectors<'_>, first: usize) -> Self {
        let of = |vector: &[f32]| -> [f32; L] { std::array::from_fn(|l| vector[first + l]) };
        Self {
            gamma: of(proxy.gamma),
            beta: of(proxy.beta),
            shift: of(proxy.shift),
            deviation: of(proxy.scale).map(|scale| 1.0 + scale),
        }
    }

    /// `γ ỹ + β` at a quantile.
    #[inline(always)]
    fn z(&self, l: usize, q: f32) -> f32 {
        self.gamma[l].mul_add(q.mul_add(self.deviation[l], self.shift[l]), self.beta[l])
    }
}

/// The gradients that `d_mean` and `d_rstd` give the parameters, given the moments.
pub fn proxy_moments_backward(
    proxy: ProxyVectors<'_>,
    activation: Activation,
    (mean, rstd): (&[f32], &[f32]),
    (d_mean, d_rstd): (&[f32], &[f32]),
) -> ProxyGradients {
    let blocks = map_parts(proxy.blocks(), |block| {
        let of = |vector: &'_ [f32]| vector[block * BLOCK..vector.len().min((block + 1) * BLOCK)].to_vec();
        let [mean, rstd, d_mean, d_rstd] = [mean, rstd, d_mean, d_rstd].map(of);
        let proxy = proxy.block(block);
        dispatch(
            #[inline(always)]
            || match activation {
                Activation::Identity => backward::<Identity>(proxy, (&mean, &rstd), (&d_mean, &d_rstd)),
                Activation::Swish => backward::<Swish>(proxy, (&mean, &rstd), (&d_mean, &d_rstd)),
            },
        )
    });
    let all = |pick: fn(&ProxyGradients) -> &[f32]| blocks.iter().flat_map(pick).copied().collect();
    ProxyGradients {
        gamma: all(|d| &d.gamma),
        beta: all(|d| &d.beta),
        shift: all(|d| &d.shift),
        scale: all(|d| &d.scale),
    }
}

#[inline(always)]
fn backward<A: Activate>(
    proxy: ProxyVectors<'_>,
    (mean, rstd): (&[f32], &[f32]),
    (d_mean, d_rstd): (&[f32], &[f32]),
) -> ProxyGradients {
    let c = proxy.gamma.len();
    let zeros = || vec![0.0f32; c];
    let mut d = ProxyGradients { gamma: zeros(), beta: zeros(), shift: zeros(), scale: zeros() };
    // d(v + ε)^−½ / dv = −½ rstd³
    let d_var: Vec<f32> = d_rstd.iter().zip(rstd).map(|(d, rstd)| -0.5 * d * rstd * rstd * rstd).collect();
    let mut channel = 0;
    while channel + LANES <= c {
        lane_backward::<A, LANES>(proxy, channel, mean, d_mean, &d_var, &mut d);
        channel += LANES;
    }
    for channel in channel..c {
        lane_backward::<A, 1>(proxy, channel, mean, d_mean, &d_var, &mut d);
    }
    d
}

/// `L` channels from `first` on: all gradients follow from the sums of `dz` and of `dz · quantile`.
#[inline(always)]
fn lane_backward<A: Activate, const L: usize>(
    proxy: ProxyVectors<'_>,
    first: usize,
    mean: &[f32],
    d_mean: &[f32],
    d_var: &[f32],
    d: &mut ProxyGradients,
) {
    let per_quantile = 1.0 / QUANTILES as f32;
    let lanes = Lanes::<L>::of(proxy, first);
    let of = |vector: &[f32]| -> [f32; L] { std::array::from_fn(|l| vector[first + l]) };
    let (mean, d_mean, d_var) = (of(mean), of(d_mean), of(d_var));
    let [mut dz_sum, mut dz_q_sum] = [[0.0f32; L]; 2];
    for q in NORMAL_QUANTILES.iter() {
        for l in 0..L {
            let (value, slope) = A::with_slope(lanes.z(l, *q));
            let d_value = (2.0 * d_var[l]).mul_add(value - mean[l], d_mean[l]) * per_quantile;
            let dz = d_value * slope;
            dz_sum[l] += dz;
            dz_q_sum[l] = dz.mul_add(*q, dz_q_sum[l]);
        }
    }
    for l in 0..L {
        d.gamma[first + l] = lanes.deviation[l].mul_add(dz_q_sum[l], lanes.shift[l] * dz_sum[l]);
        d.beta[first + l] = dz_sum[l];
        d.shift[first + l] = lanes.gamma[l] * dz_sum[l];
        d.scale[first + l] = lanes.gamma[l] * dz_q_sum[l];
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, random};
    use super::*;

    const EPSILON: f32 = 0.03;

    #[test]
    fn quantiles_are_the_normal_distributions() {
        // scipy.stats.norm.ppf at 0.0025, 0.5025 and 0.9975.
        let q = &NORMAL_QUANTILES;
        for (i, expected) in [(0, -2.807_033_8), (100, 0.006_266_6), (199, 2.807_033_8)] {
            assert!((q[i] - expected).abs() < 2e-6, "{i}: {}", q[i]);
        }
    }

    #[test]
    fn moments_are_the_papers() {
        let swish = |gamma: f32, beta: f32, shift: f32, scale: f32| {
            let proxy = ProxyVectors { gamma: &[gamma], beta: &[beta], shift: &[shift], scale: &[scale] };
            let (mean, rstd) = proxy_moments(proxy, Activation::Swish, EPSILON);
            (mean[0], rstd[0])
        };
        let near = |got: (f32, f32), expected: (f32, f32)| {
            assert!((got.0 - expected.0).abs() < 1e-6 && (got.1 - expected.1).abs() < 2e-6, "{got:?}");
        };
        near(swish(1.0, 0.0, 0.0, 0.0), (0.206_048_4, 1.714_976_7));
        near(swish(1.2, 0.5, 0.1, -0.2), (0.569_856, 1.355_692));
    }

    #[test]
    fn a_dead_channel_is_scaled_by_no_more_than_epsilon_allows() {
        let proxy = ProxyVectors { gamma: &[0.0], beta: &[0.3], shift: &[0.0], scale: &[0.0] };
        let (_, rstd) = proxy_moments(proxy, Activation::Swish, EPSILON);
        assert!((rstd[0] - 5.773_503).abs() < 1e-4);
    }

    #[test]
    fn gradients_equal_central_differences() {
        let c = 5;
        let vectors: [Vec<f32>; 4] = [
            random(c, 1).iter().map(|v| 1.0 + 0.5 * v).collect(),
            random(c, 2),
            random(c, 3),
            random(c, 4).iter().map(|v| 0.4 * v).collect(),
        ];
        let (d_mean, d_rstd) = (random(c, 5), random(c, 6));
        // In double precision, so that the step can be small.
        let objective = |[gamma, beta, shift, scale]: &[Vec<f64>; 4]| -> f64 {
            let channel = |i: usize| {
                let values: Vec<f64> = NORMAL_QUANTILES
                    .iter()
                    .map(|q| gamma[i] * (f64::from(*q) * (1.0 + scale[i]) + shift[i]) + beta[i])
                    .map(|z| z / (1.0 + (-z).exp()))
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
                mean * f64::from(d_mean[i]) + f64::from(d_rstd[i]) / (var + f64::from(EPSILON)).sqrt()
            };
            (0..c).map(channel).sum()
        };
        let double = vectors.clone().map(|v| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>());
        let [gamma, beta, shift, scale] = &vectors;
        let proxy = ProxyVectors { gamma, beta, shift, scale };
        let (mean, rstd) = proxy_moments(proxy, Activation::Swish, EPSILON);
        let got = proxy_moments_backward(proxy, Activation::Swish, (&mean, &rstd), (&d_mean, &d_rstd));
        for (index, got) in [&got.gamma, &got.beta, &got.shift, &got.scale].into_iter().enumerate() {
            let expected: Vec<f32> = (0..c)
                .map(|i| {
                    let moved = |by: f64| {
                        let mut vectors = double.clone();
                        vectors[index][i] += by;
                        objective(&vectors)
                    };
                    ((moved(1e-5) - moved(-1e-5)) / 2e-5) as f32
                })
                .collect();
            assert_close(&format!("vector {index}"), got, &expected, 1e-5);
        }
    }
}
