//! Every operation by its definition: plain loops in double precision, channels last.

use super::shapes::{Conv, Images};

/// Epsilon of norms.
pub const NORM_EPSILON: f64 = 1e-3;

/// Epsilon of proxy norm's scale.
pub const PROXY_EPSILON: f64 = 0.03;

/// What follows a norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    Identity,
    Swish,
}

/// Which values share a mean and a variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sharing {
    Batch,
    /// Pixels of an image in this many groups of channels.
    Groups(usize),
}

pub fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

pub fn activate(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => z,
        Activation::Swish => z * sigmoid(z),
    }
}

/// `x (n, h, w, c_in)`, `w (k, k, c_in / groups, c_out)`.
pub fn conv(conv: &Conv, x: &[f64], w: &[f64]) -> Vec<f64> {
    let Conv { images: Images { n, h, w: width, .. }, c_in, c_out, groups, kernel, stride, same } = *conv;
    let (h_out, w_out) = (h.div_ceil(stride), width.div_ceil(stride));
    let before = |size: usize, outputs: usize| {
        // TensorFlow puts the odd pixel at the end; PyTorch pads both ends alike.
        if same { ((outputs - 1) * stride + kernel).saturating_sub(size) / 2 } else { (kernel - 1) / 2 }
    };
    let (top, left) = (before(h, h_out), before(width, w_out));
    let (inputs, outputs) = (c_in / groups, c_out / groups);
    let mut y = vec![0.0; n * h_out * w_out * c_out];
    for (at, y) in y.iter_mut().enumerate() {
        let (o, column, row, image) =
            (at % c_out, at / c_out % w_out, at / (c_out * w_out) % h_out, at / (c_out * w_out * h_out));
        for (kh, kw) in (0..kernel).flat_map(|kh| (0..kernel).map(move |kw| (kh, kw))) {
            let (Some(ih), Some(iw)) =
                ((row * stride + kh).checked_sub(top), (column * stride + kw).checked_sub(left))
            else {
                continue;
            };
            if ih >= h || iw >= width {
                continue;
            }
            for i in 0..inputs {
                *y += x[((image * h + ih) * width + iw) * c_in + o / outputs * inputs + i]
                    * w[((kh * kernel + kw) * inputs + i) * c_out + o];
            }
        }
    }
    y
}

/// `x (m, k) · w (k, n)`.
pub fn product(x: &[f64], w: &[f64], k: usize, n: usize) -> Vec<f64> {
    let row =
        |x: &[f64]| (0..n).map(|j| (0..k).map(|l| x[l] * w[l * n + j]).sum::<f64>()).collect::<Vec<f64>>();
    x.chunks_exact(k).flat_map(row).collect()
}

/// Means over pixels.
pub fn average(x: &[f64], pixels: usize, c: usize) -> Vec<f64> {
    let mean =
        |image: &[f64], channel: usize| image.iter().skip(channel).step_by(c).sum::<f64>() / pixels as f64;
    x.chunks_exact(pixels * c).flat_map(|image| (0..c).map(move |channel| mean(image, channel))).collect()
}

/// `(x − mean) / √(variance + ε)`.
pub fn normalize(x: &[f64], images: Images, c: usize, sharing: Sharing) -> Vec<f64> {
    let set = |at: usize| match sharing {
        Sharing::Batch => at % c,
        Sharing::Groups(groups) => at / (images.pixels() * c) * groups + at % c / (c / groups),
    };
    let sets = match sharing {
        Sharing::Batch => c,
        Sharing::Groups(groups) => images.n * groups,
    };
    let count = (x.len() / sets) as f64;
    let mut means = vec![0.0; sets];
    x.iter().enumerate().for_each(|(at, x)| means[set(at)] += x / count);
    let mut variances = vec![0.0; sets];
    x.iter().enumerate().for_each(|(at, x)| variances[set(at)] += (x - means[set(at)]).powi(2) / count);
    let value = |(at, x): (usize, &f64)| (x - means[set(at)]) / (variances[set(at)] + NORM_EPSILON).sqrt();
    x.iter().enumerate().map(value).collect()
}

/// Mean and inverse deviation of `φ(γ ỹ + β)`, `ỹ ~ N(shift, (1 + scale)²)`, over 200 midpoint quantiles.
pub fn proxy_moments(gamma: f64, beta: f64, shift: f64, scale: f64) -> (f64, f64) {
    let values: Vec<f64> = normal_quantiles()
        .map(|q| activate(Activation::Swish, gamma * ((1.0 + scale) * q + shift) + beta))
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, 1.0 / (variance + PROXY_EPSILON).sqrt())
}

/// By bisection of the distribution function.
fn normal_quantiles() -> impl Iterator<Item = f64> {
    use std::sync::LazyLock;
    static QUANTILES: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let quantile = |p: f64| {
            let (mut low, mut high) = (-10.0, 10.0);
            for _ in 0..80 {
                let middle: f64 = (low + high) / 2.0;
                let below = 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2) < p;
                (low, high) = if below { (middle, high) } else { (low, middle) };
            }
            low
        };
        (0..200).map(|i| quantile((f64::from(i) + 0.5) / 200.0)).collect()
    });
    QUANTILES.iter().copied()
}

/// `x` times a gate made of its means, and times `scale`.
pub fn squeeze_excite(
    x: &[f64],
    pixels: usize,
    [w1, b1, w2, b2]: [&[f64]; 4],
    scale: Option<&[f64]>,
) -> Vec<f64> {
    let (hidden, c) = (b1.len(), b2.len());
    let add = |z: Vec<f64>, bias: &[f64]| -> Vec<f64> {
        z.iter().enumerate().map(|(at, z)| z + bias[at % bias.len()]).collect()
    };
    let z = add(product(&average(x, pixels, c), w1, c, hidden), b1);
    let active: Vec<f64> = z.iter().map(|z| activate(Activation::Swish, *z)).collect();
    let gate = add(product(&active, w2, hidden, c), b2);
    let value = |(at, x): (usize, &f64)| {
        x * sigmoid(gate[at / (pixels * c) * c + at % c]) * scale.map_or(1.0, |scale| scale[at % c])
    };
    x.iter().enumerate().map(value).collect()
}
