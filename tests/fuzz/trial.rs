//! Reading many inputs, each within a time and a space.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::ALLOCATED;
use super::mutation::mutated;

/// What is read, and what one input may take.
pub struct Target<'a> {
    pub name: &'a str,
    /// Valid inputs.
    pub corpus: &'a [Vec<u8>],
    /// Words of its language.
    pub words: &'a [&'a str],
    pub most_time: Duration,
    pub most_bytes: usize,
}

/// Reads `count` changed inputs. Fails with the seed of the first that panics or takes too much.
pub fn read(target: &Target<'_>, count: u64, mut reader: impl FnMut(&[u8])) {
    let start = Instant::now();
    let (mut longest, mut largest) = (Duration::ZERO, 0);
    for seed in 0..count {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let base = &target.corpus[seed as usize % target.corpus.len()];
        let input = mutated(base, target.corpus, target.words, &mut random);
        let (began, before) = (Instant::now(), ALLOCATED.current_usage());
        ALLOCATED.reset_peak_usage();
        let read = catch_unwind(AssertUnwindSafe(|| reader(&input)));
        let (took, space) = (began.elapsed(), ALLOCATED.peak_usage().saturating_sub(before));
        let said = || String::from_utf8_lossy(&input).into_owned();
        assert!(read.is_ok(), "{}: seed {seed} panics:\n{}", target.name, said());
        assert!(took <= target.most_time, "{}: seed {seed} takes {took:?}:\n{}", target.name, said());
        assert!(space <= target.most_bytes, "{}: seed {seed} takes {space} bytes:\n{}", target.name, said());
        (longest, largest) = (longest.max(took), largest.max(space));
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!(
        "{}: {count} inputs, {rate:.0} a second; at most {longest:.1?} and {} KiB for one",
        target.name,
        largest >> 10
    );
}
