//! Whether the other images of a batch change what becomes of one: in batch norm they do; in the other norms
//! and in spatial convolutions not by a bit.
//!
//! Fully connected layers and 1 × 1 convolutions are one matrix product over the whole batch, whose blocks,
//! and so whose rounding, follow its size; nothing is asserted of their bits.

use dfdx::prelude::{PutTape, SplitTape, Trace};
use effsweep::ops::{self, Activation, Affine, Image, ProxyParameters, ProxyScaling, image, view};
use proptest::prelude::*;

use super::convolutions::shape;
use super::shapes::{CHANNELS, Images, around, config, convs, grouped_channels, images, random};
use super::tape::{Leaf, Taped, backward, vector};

/// Drawn images, and what an operation makes of each in a given company.
struct Company<F> {
    images: Images,
    c: usize,
    seed: u64,
    operation: F,
}

impl<F: Fn(Image<Taped>) -> Image<Taped>> Company<F> {
    /// Bits of output and input gradient, image by image, of a batch made of the images `which`.
    fn bits(&self, which: &[usize]) -> Vec<Vec<u32>> {
        let len = self.images.pixels() * self.c;
        let values = around(0.3, 1.0, self.images.len(self.c), self.seed);
        let x = which.iter().flat_map(|index| values[index * len..][..len].to_vec()).collect();
        let x = image(x, Images { n: which.len(), ..self.images }.shape(self.c));
        let y = (self.operation)(x.leaky_trace());
        let out = view(&y).to_vec();
        let out_len = out.len() / which.len();
        let dy = random(out_len, self.seed + 1).repeat(which.len());
        let dx = x.gradient(&mut backward(y, dy));
        let both = out.chunks(out_len).zip(dx.chunks(len));
        both.map(|(y, dx)| y.iter().chain(dx).map(|value| value.to_bits()).collect()).collect()
    }

    fn all(&self) -> Vec<usize> {
        (0..self.images.n).collect()
    }

    /// As [`Self::bits`] of all images, each in a batch of its own.
    fn bits_alone(&self) -> Vec<Vec<u32>> {
        self.all().iter().flat_map(|index| self.bits(&[*index])).collect()
    }

    #[track_caller]
    fn assert_unseen(&self, what: &str) {
        let together = self.bits(&self.all());
        assert!(together == self.bits_alone(), "{what}: images are not what they are alone");
        let mut reversed: Vec<usize> = self.all();
        reversed.reverse();
        let mut turned = self.bits(&reversed);
        turned.reverse();
        assert!(together == turned, "{what}: the order of images matters");
    }
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn norms_of_an_image_do_not_see_the_batch(
        images in images(), (c, groups) in grouped_channels(), seed in 0..1_000_000u64
    ) {
        let gamma = vector(around(1.0, 0.5, c, seed + 2));
        let [beta, shift, scale] = [3, 4, 5].map(|at| vector(around(0.0, 0.4, c, seed + at)));
        let affine = Affine { gamma: &gamma, beta: Some(&beta) };
        for groups in [1, groups, c] {
            let operation = |x| ops::group_norm(x, groups, affine, 1e-3, Activation::Swish, None);
            Company { images, c, seed, operation }.assert_unseen("norm");
            for scaling in [ProxyScaling::Applied, ProxyScaling::Delayed] {
                let operation = |x: Image<Taped>| {
                    let (x, mut tape) = x.split_tape();
                    let proxy = ProxyParameters { gamma: &gamma, beta: &beta, shift: &shift, scale: &scale };
                    let moments = ops::proxy_moments(&mut tape, proxy, Activation::Swish, 0.03);
                    let proxy = Some((&moments, scaling));
                    ops::group_norm(x.put_tape(tape), groups, affine, 1e-3, Activation::Swish, proxy)
                };
                Company { images, c, seed, operation }.assert_unseen("proxy norm");
            }
        }
    }

    #[test]
    fn batch_norm_sees_the_batch(images in images(), c in 1..=CHANNELS, seed in 0..1_000_000u64) {
        prop_assume!(images.n > 1);
        let (gamma, beta) = (vector(around(1.0, 0.5, c, seed + 2)), vector(random(c, seed + 3)));
        let affine = Affine { gamma: &gamma, beta: Some(&beta) };
        let operation = |x| ops::batch_norm(x, affine, 1e-3, Activation::Swish).0;
        let company = Company { images, c, seed, operation };
        for (together, alone) in company.bits(&company.all()).iter().zip(company.bits_alone()) {
            prop_assert!(*together != alone, "an image is the same alone");
        }
    }

    #[test]
    fn convolutions_of_an_image_do_not_see_the_batch(conv in convs(), seed in 0..1_000_000u64) {
        let weight = vector(random(conv.weight_len(), seed + 2));
        let operation = |x| ops::conv(x, &weight, shape(&conv));
        Company { images: conv.images, c: conv.c_in, seed, operation }.assert_unseen("convolution");
    }
}
