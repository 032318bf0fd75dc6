//! Squeeze-excite.

use dfdx::tensor::Trace;
use effsweep::ops::{self, SqueezeExcite, image};
use proptest::prelude::*;

use super::definition;
use super::held::{Input, SUMS, hold};
use super::shapes::{CHANNELS, Images, around, config, images, random};
use super::tape::vector;

fn hold_gate(images: Images, c: usize, c_hidden: usize, scaled: bool, seed: u64) {
    let x = image(random(images.len(c), seed), images.shape(c));
    let lengths = [c * c_hidden, c_hidden, c_hidden * c, c];
    let weights = [1, 2, 3, 4].map(|layer: usize| vector(random(lengths[layer - 1], seed + layer as u64)));
    let scale = vector(around(1.5, 0.5, c, seed + 5));
    let [reduce_weight, reduce_bias, expand_weight, expand_bias] = &weights;
    let gate = SqueezeExcite { reduce_weight, reduce_bias, expand_weight, expand_bias, c_hidden };
    let y = ops::squeeze_excite(x.leaky_trace(), gate, scaled.then_some(&scale));
    let names = ["reduce weight", "reduce bias", "expand weight", "expand bias"];
    let mut inputs = vec![("x", &x).into()];
    inputs.extend(names.into_iter().zip(&weights).map(Input::from));
    if scaled {
        inputs.push(("scale", &scale).into());
    }
    hold(&("squeeze-excite", images, c, c_hidden, scaled), seed, y, &inputs, SUMS, |inputs| {
        let weights = [1, 2, 3, 4].map(|index| &inputs[index][..]);
        definition::squeeze_excite(
            &inputs[0],
            images.pixels(),
            weights,
            inputs.get(5).map(|scale| &scale[..]),
        )
    });
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn gates_of_any_shape(
        images in images(),
        c in 1..=CHANNELS,
        c_hidden in 1..=10usize,
        scaled in any::<bool>(),
        seed in 0..1_000_000u64,
    ) {
        hold_gate(images, c, c_hidden, scaled, seed);
    }
}

#[test]
fn gates_with_every_tail_one_channel_and_one_pixel() {
    for c in [1, 2, 3, 7, 8, 9, 15, 17, 31, 33, 41] {
        for (h, w) in [(1, 1), (3, 5)] {
            hold_gate(Images { n: 2, h, w }, c, 1, c % 2 == 0, 7);
        }
    }
}
