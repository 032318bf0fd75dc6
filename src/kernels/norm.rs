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

use super::activation::{Activate, Activation, Identity, Swish};
use super::simd::dispatch;
use super::threads::{for_chunks, map_chunks, map_parts};
use super::tile::{fold, repeated, stretch};

/// Values summed in single precision before a sum goes on in double.
pub(super) const SUM_BLOCK: usize = 64;

/// Mean and biased variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Means `(c)`.
    pub mean: Vec<f32>,
    /// Biased variances `(c)`.
    pub var: Vec<f32>,
}

/// Which values share a mean and a deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// All pixels of one image in this many groups of channels.
    Groups(usize),
    /// All pixels of the batch, channel by channel.
    Batch,
    /// They come from outside and have no gradient.
    Frozen,
}

/// What images are normalized with.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// `(n, c)`, or `(c)` where the batch shares them.
    mean: Vec<f32>,
    rstd: Vec<f32>,
    sharing: Sharing,
}

impl Statistics {
    /// Per image and group of channels: `x (n, pixels, c)`, `c` divisible by `groups`.
    pub fn of_groups(x: &[f32], pixels: usize, c: usize, groups: usize, epsilon: f32) -> Self {
        let n = x.len() / (pixels * c);
        let size = c / groups;
        let count = (pixels * size) as f64;
        let images = map_parts(n, |image| {
            let x = &x[image * pixels * c..][..pixels * c];
            let means = spread(&channel_sums(x, c), size, |sum| sum / count);
            let squares = channel_square_sums(x, c, &means);
            let rstds = spread(&squares, size, |sum| 1.0 / (sum / count + f64::from(epsilon)).sqrt());
            (means, rstds)
        });
        let (mean, rstd): (Vec<_>, Vec<_>) = images.into_iter().unzip();
        Self { mean: mean.concat(), rstd: rstd.concat(), sharing: Sharing::Groups(groups) }
    }

    /// Per channel over the whole batch `x (n, pixels, c)`; with them, the moments themselves.
    pub fn of_batch(x: &[f32], pixels: usize, c: usize, epsilon: f32) -> (Self, Moments) {
        let n = x.len() / (pixels * c);
        let count = (n * pixels) as f64;
        let image = |image: usize| &x[image * pixels * c..][..pixels * c];
        let sums = total(map_parts(n, |i| channel_sums(image(i), c)), c);
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
        let squares = total(map_parts(n, |i| channel_square_sums(image(i), c, &mean)), c);
        let var: Vec<f32> = squares.iter().map(|sum| (sum / count) as f32).collect();
        let moments = Moments { mean, var };
        (Self { sharing: Sharing::Batch, ..Self::frozen(&moments, epsilon) }, moments)
    }

    /// Per channel over batches of images that were looked at in parts, in order; with them, the moments themselves.
    pub(super) fn of_parts(parts: &[PartMoments], epsilon: f32) -> (Self, Moments) {
        let moments = PartMoments::combined(parts);
        (Self { sharing: Sharing::Batch, ..Self::frozen(&moments, epsilon) }, moments)
    }

    /// From running moments.
    pub fn frozen(moments: &Moments, epsilon: f32) -> Self {
        let rstd = moments.var.iter().map(|var| (1.0 / (f64::from(*var) + f64::from(epsilon)).sqrt()) as f32);
        Self { mean: moments.mean.clone(), rstd: rstd.collect(), sharing: Sharing::Frozen }
    }

    fn of_image(&self, image: usize, c: usize) -> (&[f32], &[f32]) {
        let at = match self.sharing {
            Sharing::Groups(_) => image * c,
            Sharing::Batch | Sharing::Frozen => 0,
        };
        (&self.mean[at..at + c], &self.rstd[at..at + c])
    }
}

/// Moments of a part of a batch, per channel.
#[derive(Debug, Clone)]
pub(super) struct PartMoments {
    /// Values a channel.
    count: f64,
    mean: Vec<f64>,
    /// Summed squares of what is left without the mean.
    squares: Vec<f64>,
}

impl PartMoments {
    /// Of `x (pixels, c)`, in two passes.
    pub(super) fn of(x: &[f32], c: usize) -> Self {
        let count = (x.len() / c) as f64;
        let mean: Vec<f64> = channel_sums(x, c).iter().map(|sum| sum / count).collect();
        let rounded: Vec<f32> = mean.iter().map(|mean| *mean as f32).collect();
        let squares = channel_square_sums(x, c, &rounded);
        // The squares were taken around the rounded mean; the difference is known.
        let squares = squares
            .iter()
            .zip(&mean)
            .zip(&rounded)
            .map(|((squares, mean), rounded)| squares - count * (mean - f64::from(*rounded)).powi(2));
        Self { count, squares: squares.collect(), mean }
    }

    /// Of all parts, added in order (Chan, Golub and LeVeque 1983).
    fn combined(parts: &[Self]) -> Moments {
        let c = parts.first().map_or(0, |part| part.mean.len());
        let (mut count, mut mean, mut squares) = (0.0, vec![0.0; c], vec![0.0; c]);
        for part in parts {
            let total = count + part.count;
            for i in 0..c {
                let distance = part.mean[i] - mean[i];
                mean[i] += distance * part.count / total;
                squares[i] += part.squares[i] + distance * distance * count * part.count / total;
            }
            count = total;
        }
        let var = squares.iter().map(|squares| (squares.max(0.0) / count) as f32).collect();
        Moments { mean: mean.iter().map(|mean| *mean as f32).collect(), var }
    }
}

/// `f(sum over each group of `size` channels)`, repeated for every channel of the group.
fn spread(channels: &[f64], size: usize, f: impl Fn(f64) -> f64) -> Vec<f32> {
    let groups = channels.chunks(size).map(|group| f(group.iter().sum()) as f32);
    groups.flat_map(|value| std::iter::repeat_n(value, size)).collect()
}

/// The sum of vectors, in order.
fn total(vectors: Vec<Vec<f64>>, c: usize) -> Vec<f64> {
    vectors.iter().fold(vec![0.0; c], |mut sum, vector| {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        sum
    })
}

/// Sums over pixels of `x (pixels, c)`.
pub(super) fn channel_sums(x: &[f32], c: usize) -> Vec<f64> {
    dispatch(
        #[inline(always)]
        || {
            block_sums(x, c, |x, sums| {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += x;
                }
            })
        },
    )
}

fn channel_square_sums(x: &[f32], c: usize, mean: &[f32]) -> Vec<f64> {
    let mean = repeated(mean);
    dispatch(
        #[inline(always)]
        || {
            block_sums(x, c, |x, sums| {
                for ((sum, x), mean) in sums.iter_mut().zip(x).zip(&mean) {
                    let centred = x - mean;
                    *sum = centred.mul_add(centred, *sum);
                }
            })
        },
    )
}

/// Per-channel sums of what `add` adds for every stretch.
#[inline(always)]
fn block_sums(x: &[f32], c: usize, add: impl Fn(&[f32], &mut [f32])) -> Vec<f64> {
    let stretch = stretch(c);
    let mut totals = vec![0.0f64; c];
    let mut sums = vec![0.0f32; stretch];
    for block in x.chunks(SUM_BLOCK * stretch) {
        sums.fill(0.0);
        for x in block.chunks(stretch) {
            add(x, &mut sums[..x.len()]);
        }
        fold(&mut totals, &sums);
    }
    totals
}

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

    fn channels(&self, mean: &[f32], rstd: &[f32]) -> Channels {
        let c = self.c();
        let a: Vec<f32> = self.gamma.iter().zip(rstd).map(|(gamma, rstd)| gamma * rstd).collect();
        let b: Vec<f32> = (0..c).map(|i| self.beta.map_or(0.0, |beta| beta[i]) - mean[i] * a[i]).collect();
        Channels { a: repeated(&a), b: repeated(&b) }
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
            let channels = self.channels(mean, rstd);
            dispatch(
                #[inline(always)]
                || match (self.activation, &proxy) {
                    (Activation::Identity, None) => apply::<Identity>(x, &channels, y),
                    (Activation::Swish, None) => apply::<Swish>(x, &channels, y),
                    (Activation::Identity, Some(proxy)) => apply_proxied::<Identity>(x, &channels, proxy, y),
                    (Activation::Swish, Some(proxy)) => apply_proxied::<Swish>(x, &channels, proxy, y),
                },
            );
        });
    }

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
            let rule = InputRule::new(mean, rstd, self.gamma, means.of_image(image));
            let (x, dz) = (&x[image * len..][..len], &dz[image * len..][..len]);
            dispatch(
                #[inline(always)]
                || add_input_gradient(x, dz, &rule, dx),
            );
        });
        self.vector_gradients(&sums)
    }

    /// Turns `dy` into the gradient of `z`, image by image; each image's sums.
    pub(super) fn affine_gradient(&self, x: &[f32], statistics: &Statistics, dy: &mut [f32]) -> Vec<Sums> {
        let (c, len, proxy) = (self.c(), self.pixels * self.c(), self.proxy());
        map_chunks(dy, len, |image, dy| {
            let (mean, rstd) = statistics.of_image(image, c);
            let channels = self.channels(mean, rstd);
            let x = &x[image * len..][..len];
            let mut sums = Sums::new(c);
            dispatch(
                #[inline(always)]
                || match (self.activation, &proxy) {
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
                },
            );
            sums
        })
    }

    /// Turns the gradient of `z` into that of `x`, in its place.
    pub(super) fn input_gradient(
        &self,
        x: &[f32],
        statistics: &Statistics,
        means: &GradientMeans,
        dz: &mut [f32],
    ) {
        let (c, len) = (self.c(), self.pixels * self.c());
        for_chunks(dz, len, |image, dz| {
            let (mean, rstd) = statistics.of_image(image, c);
            let rule = InputRule::new(mean, rstd, self.gamma, means.of_image(image));
            let x = &x[image * len..][..len];
            dispatch(
                #[inline(always)]
                || input_gradient_in_place(x, &rule, dz),
            );
        });
    }

    /// The gradients of the vectors, of all images' sums in order.
    pub(super) fn vector_gradients(&self, sums: &[Sums]) -> AffineGradients {
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
    pub(super) fn batch_gradient_means(&self, sums: &Sums, images: usize) -> GradientMeans {
        let count = (images * self.pixels) as f64;
        let mean = |sum: &[f64]| {
            sum.iter().zip(self.gamma).map(|(sum, gamma)| (sum * f64::from(*gamma) / count) as f32).collect()
        };
        GradientMeans(vec![(mean(&sums.dz), mean(&sums.dz_xhat))])
    }

    /// The means that a gradient of `x` needs, of the sums of all images that share statistics.
    pub(super) fn gradient_means(&self, statistics: &Statistics, sums: &[Sums]) -> GradientMeans {
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
pub(super) struct GradientMeans(Vec<(Vec<f32>, Vec<f32>)>);

impl GradientMeans {
    fn of_image(&self, image: usize) -> &(Vec<f32>, Vec<f32>) {
        if self.0.len() > 1 { &self.0[image] } else { &self.0[0] }
    }
}

#[inline(always)]
fn apply<A: Activate>(x: &[f32], channels: &Channels, y: &mut [f32]) {
    let stretch = channels.a.len();
    for (x, y) in x.chunks(stretch).zip(y.chunks_mut(stretch)) {
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
        let len = x.len();
        let (a, b, y) = (&channels.a[..len], &channels.b[..len], &mut y[..len]);
        let (m, s) = (&proxy.m[..len], &proxy.s[..len]);
        for i in 0..len {
            y[i] = (A::value(x[i].mul_add(a[i], b[i])) - m[i]) * s[i];
        }
    }
}

/// One image's sums over pixels, `(c)` each.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// `Σ dz`.
    dz: Vec<f64>,
    /// `Σ dz x̂`.
    dz_xhat: Vec<f64>,
    /// `−Σ dy s`.
    m: Vec<f64>,
    /// `Σ dy (φ(z) − m)`.
    s: Vec<f64>,
}

impl Sums {
    /// Those of several images, in order.
    pub(super) fn total(sums: Vec<Self>) -> Self {
        let mut sums = sums.into_iter();
        let mut total = sums.next().unwrap_or_else(|| Self::new(0));
        sums.for_each(|other| total.add(&other));
        total
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, value) in [
            (&mut self.dz, &other.dz),
            (&mut self.dz_xhat, &other.dz_xhat),
            (&mut self.m, &other.m),
            (&mut self.s, &other.s),
        ] {
            sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += value);
        }
    }

    fn new(c: usize) -> Self {
        Self { dz: vec![0.0; c], dz_xhat: vec![0.0; c], m: vec![0.0; c], s: vec![0.0; c] }
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
    fn new(
        mean: &[f32],
        rstd: &[f32],
        gamma: &[f32],
        (mean_dz, mean_dz_xhat): &(Vec<f32>, Vec<f32>),
    ) -> Self {
        let channels = |f: &dyn Fn(usize) -> f32| repeated(&(0..gamma.len()).map(f).collect::<Vec<f32>>());
        Self {
            mean: repeated(mean),
            p: channels(&|i| rstd[i] * gamma[i]),
            q: channels(&|i| -rstd[i] * mean_dz[i]),
            r: channels(&|i| -rstd[i] * rstd[i] * mean_dz_xhat[i]),
        }
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
        let len = x.len();
        let (mean, p, q, r) = (&rule.mean[..len], &rule.p[..len], &rule.q[..len], &rule.r[..len]);
        let dz = &mut dz[..len];
        for i in 0..len {
            dz[i] = p[i].mul_add(dz[i], r[i].mul_add(x[i] - mean[i], q[i]));
        }
    }
}

#[cfg(test)]
mod tests;
