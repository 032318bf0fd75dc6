//! Convolutions, fully connected layers, pooling, the skip connection and masks.

use dfdx::tensor::Trace;
use effsweep::ops::{self, ConvShape, Padding, image, matrix};
use proptest::prelude::*;

use super::definition;
use super::held::{SUMS, hold};
use super::shapes::{CHANNELS, Conv, Images, config, convs, images, random};
use super::tape::vector;

pub fn shape(conv: &Conv) -> ConvShape {
    let Conv { kernel, stride, c_out, groups, same, .. } = *conv;
    let padding = if same { Padding::Same } else { Padding::Symmetric };
    ConvShape { kernel, stride, c_out, groups, padding }
}

fn hold_conv(conv: Conv, seed: u64) {
    let x = image(random(conv.images.len(conv.c_in), seed), conv.images.shape(conv.c_in));
    let w = vector(random(conv.weight_len(), seed + 1));
    let y = ops::conv(x.leaky_trace(), &w, shape(&conv));
    let inputs = [("x", &x).into(), ("w", &w).into()];
    hold(&conv, seed, y, &inputs, SUMS, |inputs| definition::conv(&conv, &inputs[0], &inputs[1]));
    let y = ops::image_conv(x.leaky_trace(), &w, shape(&conv));
    hold(&conv, seed, y, &[("w", &w).into()], SUMS, |inputs| {
        definition::conv(&conv, &view_f64(&x), &inputs[0])
    });
}

fn view_f64(x: &ops::Image) -> Vec<f64> {
    ops::view(x).iter().map(|value| f64::from(*value)).collect()
}

fn hold_pointwise(images: Images, c_in: usize, c_out: usize, seed: u64) {
    let x = image(random(images.len(c_in), seed), images.shape(c_in));
    let w = vector(random(c_in * c_out, seed + 1));
    let y = ops::pointwise(x.leaky_trace(), &w, c_out);
    let what = ("pointwise", images, c_in, c_out);
    hold(&what, seed, y, &[("x", &x).into(), ("w", &w).into()], SUMS, |inputs| {
        definition::product(&inputs[0], &inputs[1], c_in, c_out)
    });
}

fn hold_linear(n: usize, c_in: usize, c_out: usize, seed: u64) {
    let x = matrix(random(n * c_in, seed), (n, c_in));
    let (w, b) = (vector(random(c_in * c_out, seed + 1)), vector(random(c_out, seed + 2)));
    let y = ops::linear(x.leaky_trace(), &w, &b);
    let what = ("linear", n, c_in, c_out);
    hold(&what, seed, y, &[("x", &x).into(), ("w", &w).into(), ("b", &b).into()], SUMS, |inputs| {
        let y = definition::product(&inputs[0], &inputs[1], c_in, c_out);
        y.iter().enumerate().map(|(at, y)| y + inputs[2][at % c_out]).collect()
    });
}

fn hold_pool_residual_and_mask(images: Images, c: usize, seed: u64) {
    let x = image(random(images.len(c), seed), images.shape(c));
    let y = ops::global_average_pool(x.leaky_trace());
    let what = ("pool", images, c);
    hold(&what, seed, y, &[("x", &x).into()], SUMS, |inputs| {
        definition::average(&inputs[0], images.pixels(), c)
    });

    let skip = image(random(images.len(c), seed + 1), images.shape(c));
    let survival = random(images.n, seed + 2);
    let y = ops::residual(x.leaky_trace(), &skip, Some(survival.clone()));
    let what = ("residual", images, c);
    hold(&what, seed, y, &[("x", &x).into(), ("skip", &skip).into()], SUMS, |inputs| {
        let len = images.pixels() * c;
        let value = |at: usize| inputs[1][at] + f64::from(survival[at / len]) * inputs[0][at];
        (0..inputs[0].len()).map(value).collect()
    });

    let features = matrix(random(images.n * c, seed + 3), (images.n, c));
    let factors = random(images.n * c, seed + 4);
    let y = ops::mask(features.leaky_trace(), factors.clone());
    let what = ("mask", images, c);
    hold(&what, seed, y, &[("x", &features).into()], SUMS, |inputs| {
        inputs[0].iter().zip(&factors).map(|(x, factor)| x * f64::from(*factor)).collect()
    });
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn convolutions_of_any_shape(conv in convs(), seed in 0..1_000_000u64) {
        hold_conv(conv, seed);
    }

    #[test]
    fn linear_layers_of_any_shape(
        images in images(), c_in in 1..=CHANNELS, c_out in 1..=CHANNELS, seed in 0..1_000_000u64
    ) {
        hold_pointwise(images, c_in, c_out, seed);
        hold_linear(images.n, c_in, c_out, seed);
        hold_pool_residual_and_mask(images, c_in, seed);
    }
}

/// Around the widths of vectors and blocks.
const TAILS: [usize; 12] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 17, 31, 33];

#[test]
fn convolutions_with_every_tail_one_channel_and_one_pixel() {
    for (index, c) in TAILS.into_iter().enumerate() {
        for (h, w) in [(1, 1), (1, 6), (2, 5)] {
            for (kernel, stride) in [(3, 1), (5, 2)] {
                let images = Images { n: 2, h, w };
                let conv =
                    Conv { images, c_in: c, c_out: c, groups: c, kernel, stride, same: index % 2 == 0 };
                hold_conv(conv, 7);
                hold_conv(Conv { groups: 1, c_out: 3, ..conv }, 8);
                hold_conv(Conv { groups: 2, c_in: 2 * c, c_out: 2 * c, ..conv }, 9);
            }
        }
    }
}

#[test]
fn linear_layers_with_every_tail_one_channel_and_one_pixel() {
    for (c_in, c_out) in TAILS.into_iter().zip(TAILS.into_iter().rev()) {
        for pixels in [1, 7] {
            hold_pointwise(Images { n: 1, h: 1, w: pixels }, c_in, c_out, 7);
        }
        hold_linear(1, c_in, c_out, 8);
        hold_pool_residual_and_mask(Images { n: 1, h: 1, w: 1 }, c_in, 9);
    }
}

#[test]
fn linear_layers_over_more_rows_than_one_part_takes() {
    hold_pointwise(Images { n: 2, h: 40, w: 33 }, 3, 5, 7);
    hold_pool_residual_and_mask(Images { n: 1, h: 150, w: 151 }, 3, 8);
}
