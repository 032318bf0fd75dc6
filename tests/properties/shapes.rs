//! Shapes to draw from, and random numbers for them.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Most channels.
pub const CHANNELS: usize = 40;

/// A batch of images.
#[derive(Debug, Clone, Copy)]
pub struct Images {
    pub n: usize,
    pub h: usize,
    pub w: usize,
}

impl Images {
    pub fn pixels(self) -> usize {
        self.h * self.w
    }

    pub fn shape(self, c: usize) -> (usize, usize, usize, usize) {
        (self.n, self.h, self.w, c)
    }

    pub fn len(self, c: usize) -> usize {
        self.n * self.pixels() * c
    }
}

/// A spatial convolution.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    pub images: Images,
    pub c_in: usize,
    pub c_out: usize,
    pub groups: usize,
    pub kernel: usize,
    pub stride: usize,
    /// TensorFlow's padding; PyTorch's otherwise.
    pub same: bool,
}

impl Conv {
    pub fn weight_len(&self) -> usize {
        self.kernel * self.kernel * self.c_in / self.groups * self.c_out
    }
}

/// As many cases of a property as `cases`, the same ones in every run, and no file of failures written.
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(2_106),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub fn images() -> impl Strategy<Value = Images> {
    (1..=4usize, 1..=9usize, 1..=9usize).prop_map(|(n, h, w)| Images { n, h, w })
}

/// Channels with a number of groups that divides them.
pub fn grouped_channels() -> impl Strategy<Value = (usize, usize)> {
    (1..=CHANNELS).prop_flat_map(|size| (1..=CHANNELS / size).prop_map(move |groups| (size * groups, groups)))
}

pub fn convs() -> impl Strategy<Value = Conv> {
    // Channels in and out of a group: depthwise, square groups, groups that widen or narrow.
    let sizes = prop_oneof![
        Just((1, 1)),
        (1..=CHANNELS).prop_map(|size| (size, size)),
        (1..=CHANNELS, 1..=CHANNELS),
    ];
    let channels = sizes.prop_flat_map(|(inputs, outputs)| {
        (Just((inputs, outputs)), 1..=CHANNELS / usize::max(inputs, outputs))
    });
    let kernels = prop::sample::select(vec![3, 5]);
    (images(), channels, kernels, 1..=2usize, any::<bool>()).prop_map(
        |(images, ((inputs, outputs), groups), kernel, stride, same)| {
            let (c_in, c_out) = (inputs * groups, outputs * groups);
            Conv { images, c_in, c_out, groups, kernel, stride, same }
        },
    )
}

/// Values between −1 and 1.
pub fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| stream.random::<f32>() * 2.0 - 1.0).collect()
}

/// Values around `centre`.
pub fn around(centre: f32, spread: f32, count: usize, seed: u64) -> Vec<f32> {
    random(count, seed).iter().map(|value| centre + spread * value).collect()
}
