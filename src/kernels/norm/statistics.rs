//! What images are normalized with: means and deviations, of an image's groups of channels or of a batch's channels.

use super::super::simd::dispatch;
use super::super::threads::map_parts;
use super::super::tile::{fold, repeated, stretch};

/// Values summed in single precision before a sum goes on in double.
pub(in crate::kernels) const SUM_BLOCK: usize = 64;

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
pub(super) enum Sharing {
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
    pub(super) sharing: Sharing,
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
            (means, spread(&squares, size, |sum| 1.0 / (sum / count + f64::from(epsilon)).sqrt()))
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
    pub(in crate::kernels) fn of_parts(parts: &[PartMoments], epsilon: f32) -> (Self, Moments) {
        let moments = PartMoments::combined(parts);
        (Self { sharing: Sharing::Batch, ..Self::frozen(&moments, epsilon) }, moments)
    }

    /// From running moments.
    pub fn frozen(moments: &Moments, epsilon: f32) -> Self {
        let rstd = moments.var.iter().map(|var| (1.0 / (f64::from(*var) + f64::from(epsilon)).sqrt()) as f32);
        Self { mean: moments.mean.clone(), rstd: rstd.collect(), sharing: Sharing::Frozen }
    }

    pub(super) fn of_image(&self, image: usize, c: usize) -> (&[f32], &[f32]) {
        let at = match self.sharing {
            Sharing::Groups(_) => image * c,
            Sharing::Batch | Sharing::Frozen => 0,
        };
        (&self.mean[at..at + c], &self.rstd[at..at + c])
    }
}

/// Moments of a part of a batch, per channel.
#[derive(Debug, Clone)]
pub(in crate::kernels) struct PartMoments {
    /// Values a channel.
    count: f64,
    mean: Vec<f64>,
    /// Summed squares of what is left without the mean.
    squares: Vec<f64>,
}

impl PartMoments {
    /// Of `x (pixels, c)`, in two passes.
    pub(in crate::kernels) fn of(x: &[f32], c: usize) -> Self {
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
pub(super) fn spread(channels: &[f64], size: usize, f: impl Fn(f64) -> f64) -> Vec<f32> {
    let mut spread = vec![0.0; channels.len()];
    for (spread, group) in spread.chunks_mut(size).zip(channels.chunks(size)) {
        spread.fill(f(lane_sum(group)) as f32);
    }
    spread
}

/// The sum, in as many lanes as hide an addition's time, which are added in order.
fn lane_sum(values: &[f64]) -> f64 {
    let (lanes, rest) = values.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for values in lanes {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().chain(rest).sum()
}

/// The sum of vectors, in order.
pub(super) fn total(vectors: Vec<Vec<f64>>, c: usize) -> Vec<f64> {
    vectors.iter().fold(vec![0.0; c], |mut sum, vector| {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        sum
    })
}

/// Sums over pixels of `x (pixels, c)`.
pub(in crate::kernels) fn channel_sums(x: &[f32], c: usize) -> Vec<f64> {
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
