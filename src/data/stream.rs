//! Random streams by name: the same name gives the same numbers, on every platform and thread.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
///
/// Draws are written out here rather than left to `rand`, whose mappings from bits to ranges may change
/// between versions: trial results hang on them.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of that purpose and those numbers. A purpose is one fixed text, never built at run time.
    pub(super) fn new(purpose: &'static str, name: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        for number in name {
            hasher.update(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// 32 random bits.
    pub(super) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// True half of the time.
    pub(super) fn coin(&mut self) -> bool {
        self.0.next_u32() >> 31 == 1
    }

    /// Uniform in 0..count, with a bias below 2⁻³² for any set of images that fits a disk; 0 if count is 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_hangs_on_its_purpose_and_each_number() {
        let first = |purpose, name: &[u64]| Stream::new(purpose, name).bits();
        let one = first("test one", &[1, 2]);
        assert_eq!(one, first("test one", &[1, 2]));
        for other in [first("test two", &[1, 2]), first("test one", &[2, 1]), first("test one", &[1])] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn draws_stay_in_range_and_fill_it() {
        let mut stream = Stream::new("test", &[]);
        let mut counts = [0usize; 5];
        for _ in 0..5000 {
            counts[stream.below(5)] += 1;
            assert!((2.0..3.0).contains(&stream.between(2.0, 3.0)));
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn every_order_of_three_is_as_likely() {
        let mut stream = Stream::new("test", &[]);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            stream.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert!(counts.len() == 6 && counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
