//! Random streams of a trial, each named by what it is for and when.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Dropout and stochastic depth.
    Dropping,
    /// Mixup.
    Mixing,
    /// CutMix.
    Cutting,
    /// Sides of images; by epoch instead of step.
    Resizing,
    /// Dropout and stochastic depth of a fine-tuning.
    DroppingInFineTuning,
}

/// The stream for `purpose` in step `step` of the whole training.
pub(super) fn stream(purpose: Purpose, seed: u64, step: u64) -> ChaCha8Rng {
    let context = match purpose {
        Purpose::Dropping => "effsweep dropping v1",
        Purpose::Mixing => "effsweep mixing v1",
        Purpose::Cutting => "effsweep cutting v1",
        Purpose::Resizing => "effsweep resizing v1",
        Purpose::DroppingInFineTuning => "effsweep dropping in fine-tuning v1",
    };
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&seed.to_le_bytes());
    hasher.update(&step.to_le_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}
