//! Normalization, affine, activation and proxy normalization in one pass over an image; and back.
//!
//! ```text
//! x̂ = (x − mean) · rstd       z = γ x̂ + β       y = (φ(z) − m) · s
//! ```
//!
//! `mean` and `rstd` belong to a batch and channel (batch norm), or to an image and a group of channels
//! (group norm; layer norm with one group, instance norm with as many as channels); either way they are held
//! per channel. `m` and `s` are proxy norm's (see `proxy_norm`), 0 and 1 without it. Variances are biased,
//! taken in a second pass over the centred values; sums go on in double precision every 64 values.

mod gradient;
mod statistics;

#[cfg(test)]
mod tests;

pub use gradient::AffineGradients;
pub(super) use gradient::{GradientMeans, Sums};
pub use statistics::{Moments, Statistics};
pub(super) use statistics::{PartMoments, SUM_BLOCK, channel_sums};

use super::activation::{Activate, Activation, Identity, Swish};
use super::simd::{dispatch, fetch_ahead};
use super::threads::for_chunks;
use super::tile::{repeated, stretch, stretched};

/// Everything of a pass that is not the image.
#[derive(Debug, Clone, Copy)]
pub struct NormPass<'a> {
    /// Pixels of an image.
    pub pixels: usize,
    /// What follows the affine.
    pub activation: Activation,
    /// Gain `(c)`.
    pub gamma: &'a [f32],
    /// Shift `(c)`, if there is one.
    pub beta: Option<&'a [f32]>,
    /// Proxy norm's mean `m (c)`, if there is one.
    pub proxy_mean: Option<&'a [f32]>,
    /// Proxy norm's scale `s (c)`, if it is applied here.
    pub proxy_scale: Option<&'a [f32]>,
}

/// One image's constants for a stretch of pixels: `z = x · a + b`.
struct Channels {
    a: Vec<f32>,
    b: Vec<f32>,
}

/// Proxy norm for a stretch of pixels, the same for all images: `y = (φ(z) − m) · s`.
struct Proxy {
    m: Vec<f32>,
    s: Vec<f32>,
}

impl NormPass<'_> {
    fn c(&self) -> usize {
        self.gamma.len()
    }

    /// To be compiled with the loop that it serves.
    #[inline(always)]
    fn channels(&self, mean: &[f32], rstd: &[f32]) -> Channels {
        let a: Vec<f32> = self.gamma.iter().zip(rstd).map(|(gamma, rstd)| gamma * rstd).collect();
        let shifted = mean.iter().zip(&a).map(|(mean, a)| -mean * a);
        let b: Vec<f32> = match self.beta {
            Some(beta) => shifted.zip(beta).map(|(shifted, beta)| shifted + beta).collect(),
            None => shifted.collect(),
        };
        Channels { a: stretched(a), b: stretched(b) }
    }

    fn proxy(&self) -> Option<Proxy> {
        let or =
            |vector: Option<&[f32]>, value| vector.map_or_else(|| vec![value; stretch(self.c())], repeated);
        let proxied = self.proxy_mean.is_some() || self.proxy_scale.is_some();
        proxied.then(|| Proxy { m: or(self.proxy_mean, 0.0), s: or(self.proxy_scale, 1.0) })
    }

    /// `y` of `x`, both `(n, pixels, c)`.
    pub fn forward(&self, x: &[f32], statistics: &Statistics, y: &mut [f32]) {
        let (c, proxy) = (self.c(), self.proxy());
        for_chunks(y, self.pixels * c, |image, y| {
            let x = &x[image * self.pixels * c..][..self.pixels * c];
            let (mean, rstd) = statistics.of_image(image, c);
            dispatch(
                #[inline(always)]
                || {
                    let channels = self.channels(mean, rstd);
                    match (self.activation, &proxy) {
                        (Activation::Identity, None) => apply::<Identity>(x, &channels, y),
                        (Activation::Swish, None) => apply::<Swish>(x, &channels, y),
                        (Activation::Identity, Some(proxy)) => {
                            apply_proxied::<Identity>(x, &channels, proxy, y);
                        }
                        (Activation::Swish, Some(proxy)) => apply_proxied::<Swish>(x, &channels, proxy, y),
                    }
                },
            );
        });
    }
}

#[inline(always)]
fn apply<A: Activate>(x: &[f32], channels: &Channels, y: &mut [f32]) {
    let stretch = channels.a.len();
    for (x, y) in x.chunks(stretch).zip(y.chunks_mut(stretch)) {
        fetch_ahead(x);
        // Slices of one length: a loop that might panic in its middle leaves a part of it unvectorised.
        let len = x.len();
        let (a, b, y) = (&channels.a[..len], &channels.b[..len], &mut y[..len]);
        for i in 0..len {
            y[i] = A::value(x[i].mul_add(a[i], b[i]));
        }
    }
}

#[inline(always)]
fn apply_proxied<A: Activate>(x: &[f32], channels: &Channels, proxy: &Proxy, y: &mut [f32]) {
    let stretch = channels.a.len();
    for (x, y) in x.chunks(stretch).zip(y.chunks_mut(stretch)) {
        fetch_ahead(x);
        let len = x.len();
        let (a, b, y) = (&channels.a[..len], &channels.b[..len], &mut y[..len]);
        let (m, s) = (&proxy.m[..len], &proxy.s[..len]);
        for i in 0..len {
            y[i] = (A::value(x[i].mul_add(a[i], b[i])) - m[i]) * s[i];
        }
    }
}
