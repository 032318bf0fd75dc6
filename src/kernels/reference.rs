//! The same operations as plain nested loops with double-precision sums: nothing clever, for tests.

use super::{Activation, ConvGeometry};

/// `x (m, k) · w (k, n)`.
pub(crate) fn product(x: &[f32], w: &[f32], m: usize, k: usize, n: usize) -> Vec<f32> {
    let mut y = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            let sum: f64 = (0..k).map(|l| f64::from(x[i * k + l]) * f64::from(w[l * n + j])).sum();
            y[i * n + j] = sum as f32;
        }
    }
    y
}

/// Calls `f(output, input, weight)` with the places of every product of a convolution.
fn for_products(g: &ConvGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
    for n in 0..g.n {
        for oh in 0..g.h_out() {
            for ow in 0..g.w_out() {
                for kh in 0..g.kernel {
                    for kw in 0..g.kernel {
                        let ih = (oh * g.stride + kh).checked_sub(g.pad_before(g.h)).filter(|at| *at < g.h);
                        let iw = (ow * g.stride + kw).checked_sub(g.pad_before(g.w)).filter(|at| *at < g.w);
                        let (Some(ih), Some(iw)) = (ih, iw) else { continue };
                        for o in 0..g.c_out {
                            for i in 0..inputs {
                                f(
                                    ((n * g.h_out() + oh) * g.w_out() + ow) * g.c_out + o,
                                    ((n * g.h + ih) * g.w + iw) * g.c_in + o / outputs * inputs + i,
                                    ((kh * g.kernel + kw) * inputs + i) * g.c_out + o,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn rounded(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// A convolution.
pub(crate) fn conv(g: &ConvGeometry, x: &[f32], w: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; g.output_len()];
    for_products(g, |o, i, k| y[o] += f64::from(x[i]) * f64::from(w[k]));
    rounded(&y)
}

/// Its gradients `(dx, dw)`.
pub(crate) fn conv_gradients(g: &ConvGeometry, x: &[f32], w: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut dx, mut dw) = (vec![0.0; g.input_len()], vec![0.0; g.weight_len()]);
    for_products(g, |o, i, k| {
        dx[i] += f64::from(dy[o]) * f64::from(w[k]);
        dw[k] += f64::from(dy[o]) * f64::from(x[i]);
    });
    (rounded(&dx), rounded(&dw))
}

/// An activation.
pub(crate) fn activate(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => z,
        Activation::Swish => z / (1.0 + (-z).exp()),
    }
}

/// Mean and variance of the values at `places`.
pub(crate) fn moments(x: &[f32], places: &[usize]) -> (f64, f64) {
    let count = places.len() as f64;
    let mean = places.iter().map(|at| f64::from(x[*at])).sum::<f64>() / count;
    let variance = places.iter().map(|at| (f64::from(x[*at]) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance)
}
