//! What a layer sends on, summed up channel by channel: each image's mean and deviation over pixels, and how far
//! those go apart over images.
//!
//! With μ and σ the mean and the deviation of a channel over the pixels of one image, its power over images and
//! pixels falls apart into four (Labatie et al. 2021, the power decomposition):
//!
//! ```text
//! E[x²] = E[μ]² + Var[μ] + E[σ]² + Var[σ]
//! ```

use super::threads::map_parts;

/// Statistics over images of each channel's mean μ and deviation σ over an image's pixels, `(c)` each.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSignals {
    /// `E[μ]`.
    pub mean: Vec<f64>,
    /// `Var[μ]`, biased.
    pub mean_variance: Vec<f64>,
    /// `E[σ]`, of biased deviations.
    pub deviation: Vec<f64>,
    /// `Var[σ]`, biased.
    pub deviation_variance: Vec<f64>,
}

impl ChannelSignals {
    /// Of `x (n, pixels, c)`, at least one image. Sums are in double precision, variances taken over centred values.
    pub fn of(x: &[f32], pixels: usize, c: usize) -> Self {
        let len = pixels * c;
        let images = map_parts(x.len() / len, |image| over_pixels(&x[image * len..][..len], c));
        let (means, deviations): (Vec<_>, Vec<_>) = images.into_iter().unzip();
        let (mean, mean_variance) = over_images(&means, c);
        let (deviation, deviation_variance) = over_images(&deviations, c);
        Self { mean, mean_variance, deviation, deviation_variance }
    }

    /// Of the same values with each channel multiplied by its factor, `(c)`.
    #[must_use]
    pub fn scaled(mut self, factors: &[f32]) -> Self {
        let mut scale = |values: fn(&mut Self) -> &mut Vec<f64>, by: fn(f64) -> f64| {
            let values = values(&mut self).iter_mut().zip(factors);
            values.for_each(|(value, factor)| *value *= by(f64::from(*factor)));
        };
        scale(|signals| &mut signals.mean, |factor| factor);
        scale(|signals| &mut signals.mean_variance, |factor| factor * factor);
        scale(|signals| &mut signals.deviation, f64::abs);
        scale(|signals| &mut signals.deviation_variance, |factor| factor * factor);
        self
    }

    /// Whether every number is one.
    pub fn is_finite(&self) -> bool {
        let all = [&self.mean, &self.mean_variance, &self.deviation, &self.deviation_variance];
        all.into_iter().flatten().all(|value| value.is_finite())
    }
}

/// Mean and deviation of each channel over the pixels of one image `x (pixels, c)`.
fn over_pixels(x: &[f32], c: usize) -> (Vec<f64>, Vec<f64>) {
    let (mean, variance) = moments(x.chunks_exact(c).map(|x| x.iter().map(|x| f64::from(*x))), c);
    (mean, variance.into_iter().map(f64::sqrt).collect())
}

/// Mean and variance of each channel over images.
fn over_images(images: &[Vec<f64>], c: usize) -> (Vec<f64>, Vec<f64>) {
    moments(images.iter().map(|image| image.iter().copied()), c)
}

/// Mean and biased variance of each of `c` columns over rows, in the order of the rows.
fn moments<R: Iterator<Item = f64>>(
    rows: impl ExactSizeIterator<Item = R> + Clone,
    c: usize,
) -> (Vec<f64>, Vec<f64>) {
    let count = rows.len() as f64;
    let mut mean = vec![0.0; c];
    for row in rows.clone() {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    mean.iter_mut().for_each(|sum| *sum /= count);
    let mut variance = vec![0.0; c];
    for row in rows {
        let centred = row.zip(&mean).map(|(value, mean)| value - mean);
        variance.iter_mut().zip(centred).for_each(|(sum, value)| *sum += value * value);
    }
    variance.iter_mut().for_each(|sum| *sum /= count);
    (mean, variance)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{random, same_for_any_threads};
    use super::*;

    /// Images, pixels and channels, those of one among them.
    const CASES: [(usize, usize, usize); 6] =
        [(1, 1, 1), (1, 25, 3), (7, 1, 5), (4, 16, 1), (3, 49, 33), (64, 4, 2)];

    /// By the definition, channel by channel.
    fn expected(x: &[f32], n: usize, pixels: usize, c: usize) -> [Vec<f64>; 4] {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let variance = |values: &[f64]| {
            let centre = mean(values);
            mean(&values.iter().map(|value| (value - centre).powi(2)).collect::<Vec<f64>>())
        };
        let channel = |channel: usize| {
            let image = |image: usize| -> Vec<f64> {
                (0..pixels).map(|pixel| f64::from(x[(image * pixels + pixel) * c + channel])).collect()
            };
            let means: Vec<f64> = (0..n).map(|i| mean(&image(i))).collect();
            let deviations: Vec<f64> = (0..n).map(|i| variance(&image(i)).sqrt()).collect();
            [mean(&means), variance(&means), mean(&deviations), variance(&deviations)]
        };
        let channels: Vec<[f64; 4]> = (0..c).map(channel).collect();
        [0, 1, 2, 3].map(|part| channels.iter().map(|channel| channel[part]).collect())
    }

    fn parts(signals: &ChannelSignals) -> [&Vec<f64>; 4] {
        [&signals.mean, &signals.mean_variance, &signals.deviation, &signals.deviation_variance]
    }

    /// Fails on NaN too.
    #[track_caller]
    fn assert_equal(what: &str, got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len(), "{what}");
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() <= 1e-12, "{what}: {got} instead of {expected}");
        }
    }

    #[test]
    fn signals_are_those_of_the_definition() {
        for (n, pixels, c) in CASES {
            let x: Vec<f32> = random(n * pixels * c, 5).iter().map(|x| 3.0 * x + 1.0).collect();
            let signals = ChannelSignals::of(&x, pixels, c);
            for (got, expected) in parts(&signals).into_iter().zip(expected(&x, n, pixels, c)) {
                assert_equal(&format!("{n} images, {pixels} pixels, {c} channels"), got, &expected);
            }
        }
    }

    #[test]
    fn the_four_parts_are_the_power() {
        let (n, pixels, c) = (5, 36, 4);
        let x = random(n * pixels * c, 6);
        let signals = ChannelSignals::of(&x, pixels, c);
        for channel in 0..c {
            let [mean, mean_variance, deviation, deviation_variance] =
                parts(&signals).map(|part| part[channel]);
            let values = x.iter().skip(channel).step_by(c).map(|x| f64::from(*x).powi(2));
            let power = values.sum::<f64>() / (n * pixels) as f64;
            let sum = mean * mean + mean_variance + deviation * deviation + deviation_variance;
            assert!((sum - power).abs() < 1e-12, "channel {channel}: {sum} of {power}");
        }
    }

    #[test]
    fn a_factor_scales_as_if_the_values_had_been() {
        let (pixels, c) = (9, 3);
        let (x, factors) = (random(4 * pixels * c, 7), [0.5, -2.0, 0.0]);
        let multiplied: Vec<f32> =
            x.iter().zip(factors.iter().cycle()).map(|(x, factor)| x * factor).collect();
        let got = ChannelSignals::of(&x, pixels, c).scaled(&factors);
        let expected = ChannelSignals::of(&multiplied, pixels, c);
        for (got, expected) in parts(&got).into_iter().zip(parts(&expected)) {
            assert_equal("scaled", got, expected);
        }
    }

    #[test]
    fn one_infinite_value_is_noticed() {
        let mut x = random(24, 8);
        assert!(ChannelSignals::of(&x, 4, 3).is_finite());
        x[7] = f32::INFINITY;
        assert!(!ChannelSignals::of(&x, 4, 3).is_finite());
    }

    #[test]
    fn signals_do_not_depend_on_the_number_of_threads() {
        let x = random(9 * 16 * 5, 9);
        same_for_any_threads(|| {
            let signals = ChannelSignals::of(&x, 16, 5);
            let bits = parts(&signals).into_iter().flatten().map(|value| value.to_bits());
            // Both halves of each number, as they are.
            bits.flat_map(|bits| [f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32)]).collect()
        });
    }
}
