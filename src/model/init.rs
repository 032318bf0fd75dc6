//! Initial weights (the official code of Masters et al. 2021): 1 × 1 and stem convolutions normal with
//! variance `2 / fan_out`, spatial convolutions with `2 / fan_in`, the classifier Glorot-uniform.
//!
//! Each parameter draws from a stream of its own, derived from the seed and its name, so that adding a
//! layer changes no other layer's start.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, Uniform};

/// Draws initial values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Initializer {
    seed: u64,
}

impl Initializer {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// `count` normal values of mean 0 and variance `2 / fan`.
    pub(super) fn he_normal(self, name: &str, count: usize, fan: usize) -> Vec<f32> {
        let std = (2.0 / fan as f32).sqrt();
        let mut stream = self.stream(name);
        (0..count)
            .map(|_| {
                let z: f32 = StandardNormal.sample(&mut stream);
                z * std
            })
            .collect()
    }

    /// A `(c_in, c_out)` matrix uniform in `±√(6 / (c_in + c_out))`.
    pub(super) fn glorot_uniform(self, name: &str, c_in: usize, c_out: usize) -> Vec<f32> {
        let limit = (6.0 / (c_in + c_out) as f32).sqrt();
        let mut stream = self.stream(name);
        match Uniform::new(-limit, limit) {
            Ok(uniform) => (0..c_in * c_out).map(|_| uniform.sample(&mut stream)).collect(),
            Err(_) => vec![0.0; c_in * c_out],
        }
    }

    fn stream(self, name: &str) -> ChaCha8Rng {
        let mut hasher = blake3::Hasher::new_derive_key("effsweep initial weights v1");
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(name.as_bytes());
        ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_one_asked_for() {
        let values = Initializer::new(1).he_normal("w", 20_000, 50);
        let variance = values.iter().map(|v| f64::from(v * v)).sum::<f64>() / values.len() as f64;
        assert!((variance / 0.04 - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn names_and_seeds_have_streams_of_their_own() {
        let draw = |seed, name| Initializer::new(seed).glorot_uniform(name, 3, 4);
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }
}
