//! Squeeze-excite (Hu et al. 2018): each channel of an image is scaled by a gate made of all its channels'
//! means, `gate = σ(swish(mean W₁ + b₁) W₂ + b₂)`; a delayed proxy scale `s` rides on it.

use super::activation::{Activate, Swish, sigmoid};
use super::gemm::{add_product_nt, add_product_tn, product};
use super::norm::SUM_BLOCK;
use super::pool;
use super::simd::dispatch;
use super::threads::{for_chunks, map_each, map_parts};
use super::tile::{fold, repeated, stretch};

/// Sizes of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateShape {
    /// Images.
    pub n: usize,
    /// Pixels of an image.
    pub pixels: usize,
    /// Channels.
    pub c: usize,
    /// Channels between the two layers.
    pub c_hidden: usize,
}

/// Weights of a gate.
#[derive(Debug, Clone, Copy)]
pub struct GateWeights<'a> {
    /// `W₁ (c, c_hidden)`.
    pub reduce_weight: &'a [f32],
    /// `b₁ (c_hidden)`.
    pub reduce_bias: &'a [f32],
    /// `W₂ (c_hidden, c)`.
    pub expand_weight: &'a [f32],
    /// `b₂ (c)`.
    pub expand_bias: &'a [f32],
    /// `s (c)`, if there is one.
    pub channel_scale: Option<&'a [f32]>,
}

/// Gradients of the weights, shaped as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct GateGradients {
    /// Of `W₁`.
    pub reduce_weight: Vec<f32>,
    /// Of `b₁`.
    pub reduce_bias: Vec<f32>,
    /// Of `W₂`.
    pub expand_weight: Vec<f32>,
    /// Of `b₂`.
    pub expand_bias: Vec<f32>,
    /// Of `s`; zeros if there is none.
    pub channel_scale: Vec<f32>,
}

/// What the way back needs of a gate: the means `(n, c)`, the hidden layer before its activation
/// `(n, c_hidden)`, and the gate `(n, c)`.
#[derive(Debug, Clone)]
pub struct Gate {
    shape: GateShape,
    means: Vec<f32>,
    hidden: Vec<f32>,
    gate: Vec<f32>,
}

fn add_bias(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
    }
}

/// Sums over rows, in order.
fn column_sums(rows: &[f32], columns: usize) -> Vec<f32> {
    rows.chunks_exact(columns).fold(vec![0.0; columns], |mut sum, row| {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        sum
    })
}

impl Gate {
    /// `y = x · gate · s`, both `(n, pixels, c)`.
    pub fn forward(shape: GateShape, weights: GateWeights<'_>, x: &[f32], y: &mut [f32]) -> Self {
        let this = Self::of(shape, weights, x);
        this.scaled(weights, x, y);
        this
    }

    /// The gate of `x (n, pixels, c)`.
    pub(super) fn of(shape: GateShape, weights: GateWeights<'_>, x: &[f32]) -> Self {
        let GateShape { n, pixels, c, c_hidden } = shape;
        let mut means = vec![0.0; n * c];
        pool::average(x, pixels, c, &mut means);
        let mut hidden = vec![0.0; n * c_hidden];
        product(&mut hidden, &means, weights.reduce_weight, n, c, c_hidden);
        add_bias(&mut hidden, weights.reduce_bias);
        let active: Vec<f32> = dispatch(
            #[inline(always)]
            || hidden.iter().map(|z| Swish::value(*z)).collect(),
        );
        let mut gate = vec![0.0; n * c];
        product(&mut gate, &active, weights.expand_weight, n, c_hidden, c);
        add_bias(&mut gate, weights.expand_bias);
        dispatch(
            #[inline(always)]
            || gate.iter_mut().for_each(|z| *z = sigmoid(*z)),
        );
        Self { shape, means, hidden, gate }
    }

    /// `y = x · gate · s`.
    fn scaled(&self, weights: GateWeights<'_>, x: &[f32], y: &mut [f32]) {
        let len = self.shape.pixels * self.shape.c;
        for_chunks(y, len, |image, y| {
            let factor = self.factor(image, weights);
            let x = &x[image * len..][..len];
            dispatch(
                #[inline(always)]
                || scale_pixels(x, &factor, y),
            );
        });
    }

    /// `x = x · gate · s`.
    pub(super) fn scale(&self, weights: GateWeights<'_>, x: &mut [f32]) {
        for_chunks(x, self.shape.pixels * self.shape.c, |image, x| {
            let factor = repeated(&self.factor(image, weights));
            dispatch(
                #[inline(always)]
                || {
                    for x in x.chunks_mut(factor.len()) {
                        x.iter_mut().zip(&factor).for_each(|(x, factor)| *x *= factor);
                    }
                },
            );
        });
    }

    /// `gate · s` of an image.
    fn factor(&self, image: usize, weights: GateWeights<'_>) -> Vec<f32> {
        let gate = &self.gate[image * self.shape.c..][..self.shape.c];
        match weights.channel_scale {
            Some(scale) => gate.iter().zip(scale).map(|(gate, scale)| gate * scale).collect(),
            None => gate.to_vec(),
        }
    }

    /// Adds to `dx` the gradient of `x`, and returns those of the weights.
    pub fn backward(&self, weights: GateWeights<'_>, x: &[f32], dy: &[f32], dx: &mut [f32]) -> GateGradients {
        let (rows, d_means) = self.gradient_rows(weights, x, dy);
        let GateShape { pixels, c, .. } = self.shape;
        for_chunks(dx, pixels * c, |image, dx| {
            let (factor, share) = (self.factor(image, weights), self.share(image, &d_means));
            let dy = &dy[image * pixels * c..][..pixels * c];
            dispatch(
                #[inline(always)]
                || add_scaled(dy, &factor, &share, dx),
            );
        });
        rows.gradients()
    }

    /// As [`Self::backward`], with the gradient of `x` in the place of `dy`; what comes back is yet to be made the weights' gradients.
    pub(super) fn backward_in_place(&self, weights: GateWeights<'_>, x: &[f32], dy: &mut [f32]) -> GateRows {
        let (rows, d_means) = self.gradient_rows(weights, x, dy);
        for_chunks(dy, self.shape.pixels * self.shape.c, |image, dy| {
            let factor = repeated(&self.factor(image, weights));
            let share = repeated(&self.share(image, &d_means));
            dispatch(
                #[inline(always)]
                || {
                    for dy in dy.chunks_mut(factor.len()) {
                        for ((dy, factor), share) in dy.iter_mut().zip(&factor).zip(&share) {
                            *dy = dy.mul_add(*factor, *share);
                        }
                    }
                },
            );
        });
        rows
    }

    /// What every pixel of an image gets of the gradients of its channels' means.
    fn share(&self, image: usize, d_means: &[f32]) -> Vec<f32> {
        let GateShape { pixels, c, .. } = self.shape;
        d_means[image * c..][..c].iter().map(|d| d / pixels as f32).collect()
    }

    /// What the weights' gradients are made of, and the gradients of the means `(n, c)`.
    fn gradient_rows(&self, weights: GateWeights<'_>, x: &[f32], dy: &[f32]) -> (GateRows, Vec<f32>) {
        let GateShape { n, pixels, c, c_hidden } = self.shape;
        // Gradient of gate · s, then of the layer below the sigmoid.
        let d_factor = map_parts(n, |image| {
            let at = image * pixels * c..(image + 1) * pixels * c;
            dispatch(
                #[inline(always)]
                || product_sums(&x[at.clone()], &dy[at.clone()], c),
            )
        })
        .concat();
        let mut d_scale = vec![0.0; c];
        let mut d_gate: Vec<f32> =
            d_factor.iter().zip(&self.gate).map(|(d, gate)| d * gate * (1.0 - gate)).collect();
        if let Some(scale) = weights.channel_scale {
            for (d_factor, gate) in d_factor.chunks_exact(c).zip(self.gate.chunks_exact(c)) {
                let factors = d_factor.iter().zip(gate);
                d_scale.iter_mut().zip(factors).for_each(|(sum, (d, gate))| *sum += d * gate);
            }
            for d_gate in d_gate.chunks_exact_mut(c) {
                d_gate.iter_mut().zip(scale).for_each(|(d, scale)| *d *= scale);
            }
        }
        let mut d_hidden = vec![0.0; n * c_hidden];
        add_product_nt(&mut d_hidden, &d_gate, weights.expand_weight, n, c, c_hidden);
        let mut active = vec![0.0; n * c_hidden];
        dispatch(
            #[inline(always)]
            || {
                for ((z, active), d) in self.hidden.iter().zip(&mut active).zip(&mut d_hidden) {
                    let (value, slope) = Swish::with_slope(*z);
                    *active = value;
                    *d *= slope;
                }
            },
        );
        let mut d_means = vec![0.0; n * c];
        add_product_nt(&mut d_means, &d_hidden, weights.reduce_weight, n, c_hidden, c);
        let means = self.means.clone();
        (GateRows { c, c_hidden, means, active, d_hidden, d_gate, d_scale }, d_means)
    }
}

/// What the gradients of a gate's weights are made of, an image a row.
#[derive(Debug)]
pub(super) struct GateRows {
    c: usize,
    c_hidden: usize,
    /// The inputs of both layers, `(n, c)` and `(n, c_hidden)`.
    means: Vec<f32>,
    active: Vec<f32>,
    /// The gradients of their outputs, `(n, c_hidden)` and `(n, c)`.
    d_hidden: Vec<f32>,
    d_gate: Vec<f32>,
    /// The gradient of `s (c)`, of all images.
    d_scale: Vec<f32>,
}

impl GateRows {
    /// Adds another tile's images.
    pub(super) fn append(&mut self, mut other: Self) {
        self.means.append(&mut other.means);
        self.active.append(&mut other.active);
        self.d_hidden.append(&mut other.d_hidden);
        self.d_gate.append(&mut other.d_gate);
        self.d_scale.iter_mut().zip(&other.d_scale).for_each(|(sum, value)| *sum += value);
    }

    /// The weights' gradients.
    pub(super) fn gradients(self) -> GateGradients {
        let Self { c, c_hidden, .. } = self;
        let n = self.means.len() / c.max(1);
        let (mut reduce_weight, mut expand_weight) = (vec![0.0; c * c_hidden], vec![0.0; c_hidden * c]);
        let layers = vec![
            (&mut reduce_weight, &self.means, &self.d_hidden, (c, c_hidden)),
            (&mut expand_weight, &self.active, &self.d_gate, (c_hidden, c)),
        ];
        map_each(layers, |_, (weight, inputs, d_outputs, (c_in, c_out))| {
            add_product_tn(weight, inputs, d_outputs, n, c_in, c_out);
        });
        GateGradients {
            reduce_weight,
            reduce_bias: column_sums(&self.d_hidden, c_hidden),
            expand_weight,
            expand_bias: column_sums(&self.d_gate, c),
            channel_scale: self.d_scale,
        }
    }
}

#[inline(always)]
fn scale_pixels(x: &[f32], factor: &[f32], y: &mut [f32]) {
    let factor = repeated(factor);
    for (x, y) in x.chunks(factor.len()).zip(y.chunks_mut(factor.len())) {
        for ((y, x), factor) in y.iter_mut().zip(x).zip(&factor) {
            *y = x * factor;
        }
    }
}

/// `Σ x · dy` over pixels.
#[inline(always)]
fn product_sums(x: &[f32], dy: &[f32], c: usize) -> Vec<f32> {
    let stretch = stretch(c);
    let mut totals = vec![0.0f64; c];
    let mut sums = vec![0.0f32; stretch];
    for (x, dy) in x.chunks(SUM_BLOCK * stretch).zip(dy.chunks(SUM_BLOCK * stretch)) {
        sums.fill(0.0);
        for (x, dy) in x.chunks(stretch).zip(dy.chunks(stretch)) {
            for ((sum, x), dy) in sums.iter_mut().zip(x).zip(dy) {
                *sum = x.mul_add(*dy, *sum);
            }
        }
        fold(&mut totals, &sums);
    }
    totals.iter().map(|total| *total as f32).collect()
}

#[inline(always)]
fn add_scaled(dy: &[f32], factor: &[f32], share: &[f32], dx: &mut [f32]) {
    let (factor, share) = (repeated(factor), repeated(share));
    for (dy, dx) in dy.chunks(factor.len()).zip(dx.chunks_mut(factor.len())) {
        for (((dx, dy), factor), share) in dx.iter_mut().zip(dy).zip(&factor).zip(&share) {
            *dx += dy.mul_add(*factor, *share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, central_differences, random, same_for_any_threads};
    use super::*;

    /// Weights, then the scale: `[W₁, b₁, W₂, b₂, s]`.
    fn vectors(shape: GateShape) -> [Vec<f32>; 5] {
        let GateShape { c, c_hidden, .. } = shape;
        [
            random(c * c_hidden, 1),
            random(c_hidden, 2),
            random(c_hidden * c, 3),
            random(c, 4),
            random(c, 5).iter().map(|v| 1.0 + 0.5 * v).collect(),
        ]
    }

    fn weights(vectors: &[Vec<f32>; 5]) -> GateWeights<'_> {
        let [reduce_weight, reduce_bias, expand_weight, expand_bias, scale] = vectors;
        GateWeights { reduce_weight, reduce_bias, expand_weight, expand_bias, channel_scale: Some(scale) }
    }

    /// `Σ y · dy` by the definition in double precision.
    fn weighted_sum(shape: GateShape, [w1, b1, w2, b2, s]: &[Vec<f32>; 5], x: &[f32], dy: &[f32]) -> f64 {
        let GateShape { n, pixels, c, c_hidden } = shape;
        let mut sum = 0.0;
        for image in 0..n {
            let at = |pixel: usize, channel: usize| (image * pixels + pixel) * c + channel;
            let mean = |channel: usize| {
                (0..pixels).map(|p| f64::from(x[at(p, channel)])).sum::<f64>() / pixels as f64
            };
            let hidden: Vec<f64> = (0..c_hidden)
                .map(|h| {
                    let z = f64::from(b1[h])
                        + (0..c).map(|i| mean(i) * f64::from(w1[i * c_hidden + h])).sum::<f64>();
                    z / (1.0 + (-z).exp())
                })
                .collect();
            for channel in 0..c {
                let z = f64::from(b2[channel])
                    + (0..c_hidden).map(|h| hidden[h] * f64::from(w2[h * c + channel])).sum::<f64>();
                let gate = f64::from(s[channel]) / (1.0 + (-z).exp());
                for pixel in 0..pixels {
                    sum += f64::from(x[at(pixel, channel)]) * gate * f64::from(dy[at(pixel, channel)]);
                }
            }
        }
        sum
    }

    const SHAPES: [GateShape; 3] = [
        GateShape { n: 1, pixels: 1, c: 1, c_hidden: 1 },
        GateShape { n: 2, pixels: 6, c: 5, c_hidden: 2 },
        GateShape { n: 3, pixels: 70, c: 9, c_hidden: 3 },
    ];

    #[test]
    fn forward_and_gradients_equal_the_definition() {
        for shape in SHAPES {
            let vectors = vectors(shape);
            let x = random(shape.n * shape.pixels * shape.c, 6);
            let dy = random(x.len(), 7);
            let mut y = vec![f32::NAN; x.len()];
            let gate = Gate::forward(shape, weights(&vectors), &x, &mut y);
            let got: f64 = y.iter().zip(&dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum();
            assert!((got - weighted_sum(shape, &vectors, &x, &dy)).abs() < 1e-5, "{shape:?}");

            let before = random(x.len(), 8);
            let mut dx = before.clone();
            let gradients = gate.backward(weights(&vectors), &x, &dy, &mut dx);
            let dx: Vec<f32> = dx.iter().zip(&before).map(|(after, before)| after - before).collect();
            let difference =
                |values: &[f32], f: &dyn Fn(&[f32]) -> f64| central_differences(values, 1.0 / 256.0, f);
            let expected = difference(&x, &|x| weighted_sum(shape, &vectors, x, &dy));
            assert_close(&format!("dx {shape:?}"), &dx, &expected, 1e-4);
            let got = [
                &gradients.reduce_weight,
                &gradients.reduce_bias,
                &gradients.expand_weight,
                &gradients.expand_bias,
                &gradients.channel_scale,
            ];
            for (index, got) in got.into_iter().enumerate() {
                let expected = difference(&vectors[index], &|values| {
                    let mut vectors = vectors.clone();
                    vectors[index] = values.to_vec();
                    weighted_sum(shape, &vectors, &x, &dy)
                });
                assert_close(&format!("vector {index} {shape:?}"), got, &expected, 1e-3);
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let shape = GateShape { n: 7, pixels: 66, c: 24, c_hidden: 4 };
        let vectors = vectors(shape);
        let (x, dy) = (random(7 * 66 * 24, 1), random(7 * 66 * 24, 2));
        same_for_any_threads(|| {
            let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            let gate = Gate::forward(shape, weights(&vectors), &x, &mut y);
            let d = gate.backward(weights(&vectors), &x, &dy, &mut dx);
            [y, dx, d.reduce_weight, d.expand_weight, d.channel_scale].concat()
        });
    }
}
