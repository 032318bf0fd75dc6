//! How much memory a trial takes at most: from its configuration, corrected by what was seen.
//!
//! What a training step holds grows with the batch times the activations of an image, and with the parameters times
//! the vectors that are kept of them. How far this program is from that formula (its recomputed and reused buffers,
//! the images it holds) is the same share for similar configurations, so the median of what was seen over what was
//! computed corrects the rest; a configuration that ran before is expected to take as much again.

use std::collections::HashMap;
use std::fs;

use super::oom::control_group;
use crate::analysis::interval::median;
use crate::store::{ConfigurationId, MemoryFacts};
use crate::sweep::settings::Activations;

/// The program itself, its stacks and its smallest buffers.
const PROGRAM: f64 = 48.0 * MIB;

const MIB: f64 = 1024.0 * 1024.0;

/// Vectors as long as the parameters at the peak: values, gradients, averages, the optimizer's, a checkpoint's as values
/// and again as bytes. Fitted, with [`held`], to the peaks of two presets over batches of 8 to 256 at 32 and 64 pixels:
/// all 24 lie between 3 % above what is computed and 25 % below.
const VECTORS: f64 = 22.0;

/// Bytes that a step holds at its peak for each byte of activations of its images: the gradients beside them, less what
/// is rounded or computed again. The two smaller ones are batch norm's at 64 and 128 pixels, whose blocks hold a whole batch's
/// while they work; without batches it is less.
const fn held(activations: Activations) -> f64 {
    match activations {
        Activations::F32 => 1.7,
        Activations::Bf16 => 1.25,
        Activations::Recomputed => 1.1,
    }
}

/// No correction goes further than this: trials that ended before their first step say little about the others.
const LEAST_CORRECTION: f64 = 0.5;
const MOST_CORRECTION: f64 = 4.0;

/// What a correction leaves for chance.
const MARGIN: f64 = 1.1;

/// Share of the memory that is free when a run begins that its workers may have, unless somebody says otherwise.
const SHARE: f64 = 0.9;

/// Expected peaks of a sweep's configurations.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    facts: HashMap<ConfigurationId, MemoryFacts>,
    correction: Option<f64>,
}

impl Memory {
    pub(super) fn of(facts: HashMap<ConfigurationId, MemoryFacts>) -> Self {
        let mut memory = Self { facts, correction: None };
        memory.correct();
        memory
    }

    /// Takes in the peak of a trial of that configuration, bytes.
    pub(super) fn saw(&mut self, configuration: ConfigurationId, peak: u64) {
        if let Some(facts) = self.facts.get_mut(&configuration) {
            let seen = facts.seen_bytes.get_or_insert(0);
            if peak > *seen {
                *seen = peak;
                self.correct();
            }
        }
    }

    /// The expected peak, bytes; 0 of a configuration that nothing is known of.
    pub(super) fn need(&self, configuration: ConfigurationId) -> u64 {
        let Some(facts) = self.facts.get(&configuration) else { return 0 };
        let expected = match facts.seen_bytes {
            Some(seen) => seen as f64,
            None => computed(facts) * self.correction.unwrap_or(1.0),
        };
        (expected * MARGIN) as u64
    }

    fn correct(&mut self) {
        let share = |facts: &MemoryFacts| Some(facts.seen_bytes? as f64 / computed(facts));
        let typical = median(&self.facts.values().filter_map(share).collect::<Vec<_>>());
        self.correction = typical.map(|share| share.clamp(LEAST_CORRECTION, MOST_CORRECTION));
    }
}

fn computed(facts: &MemoryFacts) -> f64 {
    let parameters = facts.parameters as f64 * size_of::<f32>() as f64;
    let activations = facts.activation_bytes as f64 * f64::from(facts.batch_size);
    PROGRAM + VECTORS * parameters + held(facts.activations) * activations
}

/// What workers may have by default: most of what is free now, here and in this control group.
pub(super) fn budget() -> Option<u64> {
    let free = [free_here(), free_in_group()].into_iter().flatten().min()?;
    Some((free as f64 * SHARE) as u64)
}

fn free_here() -> Option<u64> {
    available(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn free_in_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let folder = format!("/sys/fs/cgroup{}", control_group(&groups)?.trim_end_matches('/'));
    let number = |file: &str| -> Option<u64> {
        fs::read_to_string(format!("{folder}/{file}")).ok()?.trim().parse().ok()
    };
    number("memory.max")?.checked_sub(number("memory.current")?)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(batch_size: u32, seen_bytes: Option<u64>) -> MemoryFacts {
        let activations = Activations::F32;
        MemoryFacts { parameters: 1_000_000, activation_bytes: 1 << 20, batch_size, activations, seen_bytes }
    }

    fn memory(facts: &[MemoryFacts]) -> Memory {
        Memory::of((0..).map(ConfigurationId).zip(facts.iter().copied()).collect())
    }

    #[test]
    fn a_larger_batch_needs_more() {
        let memory = memory(&[facts(8, None), facts(64, None)]);
        let (small, large) = (memory.need(ConfigurationId(0)), memory.need(ConfigurationId(1)));
        assert!(large > small + 50 * (1 << 20), "{small} {large}");
        assert_eq!(memory.need(ConfigurationId(9)), 0);
    }

    #[test]
    fn what_is_not_kept_needs_no_memory() {
        let kept_as = |activations| MemoryFacts { activations, ..facts(64, None) };
        let all = [Activations::Recomputed, Activations::Bf16, Activations::F32].map(kept_as);
        let memory = memory(&all);
        let needs = [0, 1, 2].map(|id| memory.need(ConfigurationId(id)));
        assert!(needs.is_sorted_by(|a, b| a < b), "{needs:?}");
    }

    #[test]
    fn what_was_seen_corrects_the_rest() {
        let mut memory = memory(&[facts(8, None), facts(64, None)]);
        let before = memory.need(ConfigurationId(1));
        let seen = 2 * (computed(&facts(8, None)) as u64);
        memory.saw(ConfigurationId(0), seen);
        assert_eq!(memory.need(ConfigurationId(0)), (seen as f64 * MARGIN) as u64);
        let ratio = memory.need(ConfigurationId(1)) as f64 / before as f64;
        assert!((ratio - 2.0).abs() < 0.01, "{ratio}");
        memory.saw(ConfigurationId(0), 1);
        assert_eq!(memory.need(ConfigurationId(0)), (seen as f64 * MARGIN) as u64, "the largest counts");
    }

    #[test]
    fn free_memory_is_read_in_bytes() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }
}
