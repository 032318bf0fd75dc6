//! The way back through a norm.

use super::super::activation::{Activate, Activation, Identity, Swish};
use super::super::simd::{dispatch, fetch_ahead};
use super::super::threads::{for_chunks, map_chunks};
use super::super::tile::{fold, repeated, stretched};
use super::statistics::{SUM_BLOCK, Sharing, Statistics, spread, total};
use super::{Channels, NormPass, Proxy};

/// Gradients of the vectors of a pass, `(c)` each.
#[derive(Debug, Clone, PartialEq)]
pub struct AffineGradients {
    /// Of γ.
    pub gamma: Vec<f32>,
    /// Of β.
    pub beta: Vec<f32>,
    /// Of `m`.
    pub proxy_mean: Vec<f32>,
    /// Of `s`.
    pub proxy_scale: Vec<f32>,
}

impl NormPass<'_> {
    /// Adds to `dx` the gradient of `x`, and returns those of the vectors. `dy` is used up: it holds the
    /// gradient of `z` afterwards.
    pub fn backward(
        &self,
        x: &[f32],
        statistics: &Statistics,
        dy: &mut [f32],
        dx: &mut [f32],
    ) -> AffineGradients {
        let (c, len) = (self.c(), self.pixels * self.c());
        let sums = self.affine_gradient(x, statistics, dy);
        let means = self.gradient_means(statistics, &sums);
        let dz = &*dy;
        for_chunks(dx, len, |image, dx| {
            let (mean, rstd) = statistics.of_image(image, c);
            let (x, dz) = (&x[image * len..][..len], &dz[image * len..][..len]);
            dispatch(
                #[inline(always)]
                || {
                    let rule = InputRule::new(mean, rstd, self.gamma, means.of_image(image));
                    add_input_gradient(x, dz, &rule, dx);
                },
            );
        });
        self.vector_gradients(&sums)
    }

    /// Turns `dy` into the gradient of `x`, and returns those of the vectors.
    pub fn backward_in_place(&self, x: &[f32], statistics: &Statistics, dy: &mut [f32]) -> AffineGradients {
        let sums = self.affine_gradient(x, statistics, dy);
        let means = self.gradient_means(statistics, &sums);
        self.input_gradient(x, statistics, &means, dy);
        self.vector_gradients(&sums)
    }

    /// Turns `dy` into the gradient of `z`, image by image; each image's sums.
    pub(in crate::kernels) fn affine_gradient(
        &self,
        x: &[f32],
        statistics: &Statistics,
        dy: &mut [f32],
    ) -> Vec<Sums> {
        let (c, len, proxy) = (self.c(), self.pixels * self.c(), self.proxy());
        map_chunks(dy, len, |image, dy| {
            let (mean, rstd) = statistics.of_image(image, c);
            let x = &x[image * len..][..len];
            let mut sums = Sums::new(c, proxy.is_some());
            dispatch(
                #[inline(always)]
                || {
                    let channels = self.channels(mean, rstd);
                    match (self.activation, &proxy) {
                        (Activation::Identity, None) => {
                            affine_gradient::<Identity>(x, &channels, (mean, rstd), dy, &mut sums);
                        }
                        (Activation::Swish, None) => {
                            affine_gradient::<Swish>(x, &channels, (mean, rstd), dy, &mut sums);
                        }
                        (Activation::Identity, Some(proxy)) => {
                            proxied_gradient::<Identity>(x, &channels, proxy, (mean, rstd), dy, &mut sums);
                        }
                        (Activation::Swish, Some(proxy)) => {
                            proxied_gradient::<Swish>(x, &channels, proxy, (mean, rstd), dy, &mut sums);
                        }
                    }
                },
            );
            sums
        })
    }

    /// Turns the gradient of `z` into that of `x`, in its place.
    pub(in crate::kernels) fn input_gradient(
        &self,
        x: &[f32],
        statistics: &Statistics,
        means: &GradientMeans,
        dz: &mut [f32],
    ) {
        let (c, len) = (self.c(), self.pixels * self.c());
        for_chunks(dz, len, |image, dz| {
            let (mean, rstd) = statistics.of_image(image, c);
            let x = &x[image * len..][..len];
            dispatch(
                #[inline(always)]
                || {
                    let rule = InputRule::new(mean, rstd, self.gamma, means.of_image(image));
                    input_gradient_in_place(x, &rule, dz);
                },
            );
        });
    }

    /// The gradients of the vectors, of all images' sums in order.
    pub(in crate::kernels) fn vector_gradients(&self, sums: &[Sums]) -> AffineGradients {
        let vector = |pick: fn(&Sums) -> &[f64]| -> Vec<f32> {
            let sum = total(sums.iter().map(|sums| pick(sums).to_vec()).collect(), self.c());
            sum.iter().map(|value| *value as f32).collect()
        };
        AffineGradients {
            gamma: vector(|sums| &sums.dz_xhat),
            beta: vector(|sums| &sums.dz),
            proxy_mean: vector(|sums| &sums.m),
            proxy_scale: vector(|sums| &sums.s),
        }
    }

    /// The means that a gradient of `x` needs where a batch of `images` shares statistics, of their summed sums.
    pub(in crate::kernels) fn batch_gradient_means(&self, sums: &Sums, images: usize) -> GradientMeans {
        let count = (images * self.pixels) as f64;
        let mean = |sum: &[f64]| {
            sum.iter().zip(self.gamma).map(|(sum, gamma)| (sum * f64::from(*gamma) / count) as f32).collect()
        };
        GradientMeans(vec![(mean(&sums.dz), mean(&sums.dz_xhat))])
    }

    /// The means that a gradient of `x` needs, of the sums of all images that share statistics.
    pub(in crate::kernels) fn gradient_means(&self, statistics: &Statistics, sums: &[Sums]) -> GradientMeans {
        let c = self.c();
        let weighted = |sum: &[f64]| -> Vec<f64> {
            sum.iter().zip(self.gamma).map(|(sum, gamma)| sum * f64::from(*gamma)).collect()
        };
        GradientMeans(match statistics.sharing {
            Sharing::Frozen => vec![(vec![0.0; c], vec![0.0; c])],
            Sharing::Batch => {
                let mean = |pick: fn(&Sums) -> &[f64]| {
                    let sum = total(sums.iter().map(|sums| weighted(pick(sums))).collect(), c);
                    spread(&sum, 1, |sum| sum / (sums.len() * self.pixels) as f64)
                };
                vec![(mean(|sums| &sums.dz), mean(|sums| &sums.dz_xhat))]
            }
            Sharing::Groups(groups) => {
                let size = c / groups;
                let count = (self.pixels * size) as f64;
                let mean = |sum: &[f64]| spread(&weighted(sum), size, |sum| sum / count);
                sums.iter().map(|sums| (mean(&sums.dz), mean(&sums.dz_xhat))).collect()
            }
        })
    }
}

/// For every image, or once for all, the means of `γ dz` and of `γ dz x̂` over the values that share statistics, per
/// channel.
#[derive(Debug, Clone, Default)]
pub(in crate::kernels) struct GradientMeans(Vec<(Vec<f32>, Vec<f32>)>);

impl GradientMeans {
    fn of_image(&self, image: usize) -> &(Vec<f32>, Vec<f32>) {
        if self.0.len() > 1 { &self.0[image] } else { &self.0[0] }
    }
}

/// One image's sums over pixels, `(c)` each.
#[derive(Debug, Clone)]
pub(in crate::kernels) struct Sums {
    /// `Σ dz`.
    dz: Vec<f64>,
    /// `Σ dz x̂`.
    dz_xhat: Vec<f64>,
    /// `−Σ dy s`; empty without proxy norm.
    m: Vec<f64>,
    /// `Σ dy (φ(z) − m)`; empty without proxy norm.
    s: Vec<f64>,
}

impl Sums {
    /// Those of several images, in order.
    pub(in crate::kernels) fn total(sums: Vec<Self>) -> Self {
        let mut sums = sums.into_iter();
        let mut total = sums.next().unwrap_or_else(|| Self::new(0, false));
        sums.for_each(|other| total.add(&other));
        total
    }

    pub(in crate::kernels) fn add(&mut self, other: &Self) {
        for (sum, value) in [
            (&mut self.dz, &other.dz),
            (&mut self.dz_xhat, &other.dz_xhat),
            (&mut self.m, &other.m),
            (&mut self.s, &other.s),
        ] {
            sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += value);
        }
    }

    fn new(c: usize, proxied: bool) -> Self {
        let proxy = vec![0.0; if proxied { c } else { 0 }];
        Self { dz: vec![0.0; c], dz_xhat: vec![0.0; c], m: proxy.clone(), s: proxy }
    }
}

#[inline(always)]
fn affine_gradient<A: Activate>(
    x: &[f32],
    channels: &Channels,
    (mean, rstd): (&[f32], &[f32]),
    dy: &mut [f32],
    sums: &mut Sums,
) {
    let stretch = channels.a.len();
    let (mean, rstd) = (repeated(mean), repeated(rstd));
    let mut block = [(); 2].map(|()| vec![0.0f32; stretch]);
    for (x, dy) in x.chunks(SUM_BLOCK * stretch).zip(dy.chunks_mut(SUM_BLOCK * stretch)) {
        block.iter_mut().for_each(|sum| sum.fill(0.0));
        let [dz_sum, xhat_sum] = &mut block;
        for (x, dy) in x.chunks(stretch).zip(dy.chunks_mut(stretch)) {
            fetch_ahead(x);
            fetch_ahead(dy);
            let len = x.len();
            let (a, b, dy) = (&channels.a[..len], &channels.b[..len], &mut dy[..len]);
            let (mean, rstd) = (&mean[..len], &rstd[..len]);
            let (dz_sum, xhat_sum) = (&mut dz_sum[..len], &mut xhat_sum[..len]);
            for i in 0..len {
                let (_, slope) = A::with_slope(x[i].mul_add(a[i], b[i]));
                let dz = dy[i] * slope;
                dz_sum[i] += dz;
                xhat_sum[i] = dz.mul_add((x[i] - mean[i]) * rstd[i], xhat_sum[i]);
                dy[i] = dz;
            }
        }
        let totals = [&mut sums.dz, &mut sums.dz_xhat];
        totals.into_iter().zip(&block).for_each(|(total, sum)| fold(total, sum));
    }
}

#[inline(always)]
fn proxied_gradient<A: Activate>(
    x: &[f32],
    channels: &Channels,
    proxy: &Proxy,
    (mean, rstd): (&[f32], &[f32]),
    dy: &mut [f32],
    sums: &mut Sums,
) {
    let stretch = channels.a.len();
    let (mean, rstd) = (repeated(mean), repeated(rstd));
    let mut block = [(); 4].map(|()| vec![0.0f32; stretch]);
    for (x, dy) in x.chunks(SUM_BLOCK * stretch).zip(dy.chunks_mut(SUM_BLOCK * stretch)) {
        block.iter_mut().for_each(|sum| sum.fill(0.0));
        let [dz_sum, xhat_sum, m_sum, s_sum] = &mut block;
        for (x, dy) in x.chunks(stretch).zip(dy.chunks_mut(stretch)) {
            fetch_ahead(x);
            fetch_ahead(dy);
            let len = x.len();
            let (a, b, dy) = (&channels.a[..len], &channels.b[..len], &mut dy[..len]);
            let (m, s) = (&proxy.m[..len], &proxy.s[..len]);
            let (mean, rstd) = (&mean[..len], &rstd[..len]);
            let (dz_sum, xhat_sum) = (&mut dz_sum[..len], &mut xhat_sum[..len]);
            let (m_sum, s_sum) = (&mut m_sum[..len], &mut s_sum[..len]);
            for i in 0..len {
                let (value, slope) = A::with_slope(x[i].mul_add(a[i], b[i]));
                let through = dy[i] * s[i];
                let dz = through * slope;
                dz_sum[i] += dz;
                xhat_sum[i] = dz.mul_add((x[i] - mean[i]) * rstd[i], xhat_sum[i]);
                m_sum[i] -= through;
                s_sum[i] = dy[i].mul_add(value - m[i], s_sum[i]);
                dy[i] = dz;
            }
        }
        let totals = [&mut sums.dz, &mut sums.dz_xhat, &mut sums.m, &mut sums.s];
        totals.into_iter().zip(&block).for_each(|(total, sum)| fold(total, sum));
    }
}

/// `dx += rstd (γ dz − mean(γ dz) − x̂ mean(γ dz x̂))`, as `p dz + q + r (x − mean)` for a stretch of pixels.
struct InputRule {
    mean: Vec<f32>,
    p: Vec<f32>,
    q: Vec<f32>,
    r: Vec<f32>,
}

impl InputRule {
    /// To be compiled with the loop that it serves.
    #[inline(always)]
    fn new(
        mean: &[f32],
        rstd: &[f32],
        gamma: &[f32],
        (mean_dz, mean_dz_xhat): &(Vec<f32>, Vec<f32>),
    ) -> Self {
        let p = rstd.iter().zip(gamma).map(|(rstd, gamma)| rstd * gamma).collect();
        let q = rstd.iter().zip(mean_dz).map(|(rstd, mean)| -rstd * mean).collect();
        let r = rstd.iter().zip(mean_dz_xhat).map(|(rstd, mean)| -rstd * rstd * mean).collect();
        Self { mean: repeated(mean), p: stretched(p), q: stretched(q), r: stretched(r) }
    }
}

#[inline(always)]
fn add_input_gradient(x: &[f32], dz: &[f32], rule: &InputRule, dx: &mut [f32]) {
    let stretch = rule.mean.len();
    for ((x, dz), dx) in x.chunks(stretch).zip(dz.chunks(stretch)).zip(dx.chunks_mut(stretch)) {
        let len = x.len();
        let (mean, p, q, r) = (&rule.mean[..len], &rule.p[..len], &rule.q[..len], &rule.r[..len]);
        let (dz, dx) = (&dz[..len], &mut dx[..len]);
        for i in 0..len {
            dx[i] += p[i].mul_add(dz[i], r[i].mul_add(x[i] - mean[i], q[i]));
        }
    }
}

#[inline(always)]
fn input_gradient_in_place(x: &[f32], rule: &InputRule, dz: &mut [f32]) {
    let stretch = rule.mean.len();
    for (x, dz) in x.chunks(stretch).zip(dz.chunks_mut(stretch)) {
        fetch_ahead(x);
        fetch_ahead(dz);
        let len = x.len();
        let (mean, p, q, r) = (&rule.mean[..len], &rule.p[..len], &rule.q[..len], &rule.r[..len]);
        let dz = &mut dz[..len];
        for i in 0..len {
            dz[i] = p[i].mul_add(dz[i], r[i].mul_add(x[i] - mean[i], q[i]));
        }
    }
}
