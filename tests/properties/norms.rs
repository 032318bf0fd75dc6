//! Norms with affine, activation and proxy norm.

use dfdx::prelude::{PutTape, SplitTape, Trace};
use effsweep::ops::{
    self, Affine, Image, Moments, ProxyMoments, ProxyParameters, ProxyScaling, Vector, image,
};
use proptest::prelude::*;

use super::definition::{self, Activation, NORM_EPSILON, PROXY_EPSILON, Sharing, activate, normalize};
use super::held::{Input, NORMS, SUMS, hold};
use super::shapes::{CHANNELS, Images, around, config, grouped_channels, images, random};
use super::tape::{Taped, vector};

/// A norm with what follows it.
#[derive(Debug, Clone, Copy)]
struct Norm {
    images: Images,
    c: usize,
    sharing: Sharing,
    activation: Activation,
    shifted: bool,
}

impl From<Activation> for ops::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Identity => Self::Identity,
            Activation::Swish => Self::Swish,
        }
    }
}

/// Gain and shift, and the proxy's shift and scale.
struct Vectors([Vector; 4]);

const NAMES: [&str; 4] = ["gamma", "beta", "shift", "scale"];

impl Vectors {
    fn new(c: usize, seed: u64) -> Self {
        Self([
            vector(around(1.0, 0.5, c, seed + 1)),
            vector(around(0.0, 0.5, c, seed + 2)),
            vector(around(0.0, 0.5, c, seed + 3)),
            vector(around(0.0, 0.4, c, seed + 4)),
        ])
    }

    fn inputs(&self, count: usize) -> impl Iterator<Item = Input<'_>> {
        NAMES.into_iter().zip(&self.0).take(count).map(Input::from)
    }

    fn moments(&self, tape: &mut Taped) -> ProxyMoments {
        let [gamma, beta, shift, scale] = &self.0;
        let proxy = ProxyParameters { gamma, beta, shift, scale };
        ops::proxy_moments(tape, proxy, ops::Activation::Swish, PROXY_EPSILON as f32)
    }
}

fn hold_norm(norm: Norm, seed: u64) {
    let Norm { images, c, sharing, activation, shifted } = norm;
    let x = image(around(0.3, 1.0, images.len(c), seed), images.shape(c));
    let vectors = Vectors::new(c, seed);
    let affine = Affine { gamma: &vectors.0[0], beta: shifted.then_some(&vectors.0[1]) };
    let epsilon = NORM_EPSILON as f32;
    let y = match sharing {
        Sharing::Groups(groups) => {
            ops::group_norm(x.leaky_trace(), groups, affine, epsilon, activation.into(), None)
        }
        Sharing::Batch => ops::batch_norm(x.leaky_trace(), affine, epsilon, activation.into()).0,
    };
    let mut inputs = vec![("x", &x).into()];
    inputs.extend(vectors.inputs(if shifted { 2 } else { 1 }));
    hold(&norm, seed, y, &inputs, NORMS, |inputs| {
        let xhat = normalize(&inputs[0], images, c, sharing);
        let beta = |channel: usize| if shifted { inputs[2][channel] } else { 0.0 };
        let z = |(at, xhat): (usize, &f64)| inputs[1][at % c] * xhat + beta(at % c);
        xhat.iter().enumerate().map(|value| activate(activation, z(value))).collect()
    });
}

fn proxied(x: &Image, groups: usize, vectors: &Vectors, scaling: ProxyScaling) -> Image<Taped> {
    let (x, mut tape) = x.leaky_trace().split_tape();
    let moments = vectors.moments(&mut tape);
    let affine = Affine { gamma: &vectors.0[0], beta: Some(&vectors.0[1]) };
    let proxy = Some((&moments, scaling));
    ops::group_norm(x.put_tape(tape), groups, affine, NORM_EPSILON as f32, ops::Activation::Swish, proxy)
}

fn hold_proxy_norm(images: Images, (c, groups): (usize, usize), seed: u64) {
    let x = image(around(0.3, 1.0, images.len(c), seed), images.shape(c));
    let vectors = Vectors::new(c, seed);
    for scaling in [ProxyScaling::Applied, ProxyScaling::Delayed] {
        let y = proxied(&x, groups, &vectors, scaling);
        let mut inputs = vec![("x", &x).into()];
        inputs.extend(vectors.inputs(4));
        hold(&("proxy norm", images, c, groups, scaling), seed, y, &inputs, NORMS, |inputs| {
            let [x, gamma, beta, shift, scale] = inputs else { panic!("five inputs") };
            let moments: Vec<(f64, f64)> =
                (0..c).map(|i| definition::proxy_moments(gamma[i], beta[i], shift[i], scale[i])).collect();
            let value = |(at, xhat): (usize, &f64)| {
                let (mean, rstd) = moments[at % c];
                let z = gamma[at % c] * xhat + beta[at % c];
                let centred = activate(Activation::Swish, z) - mean;
                if scaling == ProxyScaling::Applied { centred * rstd } else { centred }
            };
            normalize(x, images, c, Sharing::Groups(groups)).iter().enumerate().map(value).collect()
        });
    }
}

fn hold_frozen(images: Images, c: usize, seed: u64) {
    let x = image(around(0.3, 1.0, images.len(c), seed), images.shape(c));
    let vectors = Vectors::new(c, seed);
    let moments = Moments { mean: random(c, seed + 5), var: around(1.1, 1.0, c, seed + 6) };
    let affine = Affine { gamma: &vectors.0[0], beta: Some(&vectors.0[1]) };
    let epsilon = NORM_EPSILON as f32;
    let y = ops::frozen_norm(x.leaky_trace(), &moments, affine, epsilon, ops::Activation::Swish);
    let mut inputs = vec![("x", &x).into()];
    inputs.extend(vectors.inputs(2));
    hold(&("frozen norm", images, c), seed, y, &inputs, SUMS, |inputs| {
        let value = |(at, x): (usize, &f64)| {
            let (mean, variance) = (f64::from(moments.mean[at % c]), f64::from(moments.var[at % c]));
            let xhat = (x - mean) / (variance + NORM_EPSILON).sqrt();
            activate(Activation::Swish, inputs[1][at % c] * xhat + inputs[2][at % c])
        };
        inputs[0].iter().enumerate().map(value).collect()
    });
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn norms_of_any_shape(
        images in images(),
        (c, groups) in grouped_channels(),
        batch in any::<bool>(),
        swish in any::<bool>(),
        shifted in any::<bool>(),
        seed in 0..1_000_000u64,
    ) {
        let sharing = if batch { Sharing::Batch } else { Sharing::Groups(groups) };
        let activation = if swish { Activation::Swish } else { Activation::Identity };
        hold_norm(Norm { images, c, sharing, activation, shifted }, seed);
    }

    #[test]
    fn proxy_norms_of_any_shape(images in images(), channels in grouped_channels(), seed in 0..1_000_000u64) {
        hold_proxy_norm(images, channels, seed);
    }

    #[test]
    fn frozen_norms_of_any_shape(images in images(), c in 1..=CHANNELS, seed in 0..1_000_000u64) {
        hold_frozen(images, c, seed);
    }
}

#[test]
fn norms_with_every_tail_one_channel_and_one_pixel() {
    for c in [1, 2, 3, 7, 8, 9, 15, 17, 31, 33, 41] {
        for images in [Images { n: 1, h: 1, w: 1 }, Images { n: 3, h: 1, w: 1 }, Images { n: 1, h: 5, w: 7 }]
        {
            for sharing in [Sharing::Batch, Sharing::Groups(1), Sharing::Groups(c)] {
                hold_norm(Norm { images, c, sharing, activation: Activation::Swish, shifted: true }, 7);
            }
            hold_proxy_norm(images, (c, 1), 8);
            hold_frozen(images, c, 9);
        }
    }
}

/// Sums go on in double precision after some thousands of values, more than the drawn images have.
#[test]
fn norms_of_large_images() {
    let images = Images { n: 2, h: 150, w: 151 };
    for sharing in [Sharing::Batch, Sharing::Groups(1), Sharing::Groups(3)] {
        hold_norm(Norm { images, c: 3, sharing, activation: Activation::Swish, shifted: true }, 7);
    }
}
