//! `[run]`: how trials are run. Never part of a trial's key.

use serde::{Deserialize, Serialize};

use super::Section;
use super::limit::{Limit, distinct, limit};

/// Moments of a training at which signals can be recorded: beyond, the database would hold little else.
const MOST_SIGNALS: usize = 64;

/// The `[run]` section; command-line flags of the same names go before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Trials at a time; one per core if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Threads of each trial.
    pub threads: usize,
    /// Memory of all workers together, MiB; nine tenths of what is free when the run begins if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// Attempts of a trial after a crash, a hang or a kill.
    pub retries: u32,
    /// Longest time of one attempt, minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_min: Option<f64>,
    /// Longest silence of a worker before it counts as hung, seconds.
    pub hung_after_s: f64,
    /// Whose final weights are kept.
    pub keep: Keep,
    /// Numbers of finished epochs after which signals are recorded; 0 is before training.
    pub signals: Vec<usize>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            workers: None,
            threads: 1,
            memory_mib: None,
            retries: 1,
            timeout_min: None,
            hung_after_s: 120.0,
            keep: Keep::All,
            signals: Vec::new(),
        }
    }
}

impl Section for Run {
    const NAME: &'static str = "run";

    fn limits(&self) -> Vec<Limit> {
        vec![
            limit("workers", self.workers != Some(0), "at least 1"),
            limit("threads", self.threads >= 1, "at least 1"),
            limit("memory_mib", self.memory_mib != Some(0), "at least 1"),
            limit("timeout_min", self.timeout_min.is_none_or(|minutes| minutes > 0.0), "above 0"),
            limit("hung_after_s", self.hung_after_s > 0.0, "above 0"),
            limit(
                "signals",
                self.signals.len() <= MOST_SIGNALS && distinct(&self.signals),
                "no number twice, at most 64 of them",
            ),
        ]
    }
}

/// Whose final weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of trials on the Pareto front when the run ends.
    Front,
    /// Every trial's.
    All,
    /// None.
    None,
}
