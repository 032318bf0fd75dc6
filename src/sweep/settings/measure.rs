//! `[measure]`: how throughput is measured. Never part of a trial's key.

use serde::{Deserialize, Serialize};

use super::Section;
use super::limit::{Limit, limit, share};

/// The `[measure]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// Whether `run` measures each configuration alone on the machine after training.
    pub enabled: bool,
    /// Threads of a measurement; all of the machine's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Batch size of inference measurements.
    pub inference_batch_size: usize,
    /// Longest wait for others to leave the machine alone before each round, seconds.
    pub wait_s: f64,
    /// Warm-up before the first sample, seconds.
    pub warmup_s: f64,
    /// Longest time for one configuration's samples, seconds.
    pub budget_s: f64,
    /// Fewest samples.
    pub min_samples: usize,
    /// Sampling stops early once the 95 % interval of the median is this narrow, as a share of the median.
    pub relative_width: f64,
    /// Rounds over all configurations, each in an order of its own.
    pub rounds: usize,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            enabled: true,
            threads: None,
            inference_batch_size: 64,
            wait_s: 10.0,
            warmup_s: 0.2,
            budget_s: 1.5,
            min_samples: 8,
            relative_width: 0.02,
            rounds: 2,
        }
    }
}

impl Section for Measure {
    const NAME: &'static str = "measure";

    fn limits(&self) -> Vec<Limit> {
        vec![
            limit("threads", self.threads != Some(0), "at least 1"),
            limit("inference_batch_size", self.inference_batch_size >= 1, "at least 1"),
            limit("wait_s", self.wait_s >= 0.0, "at least 0"),
            limit("warmup_s", self.warmup_s >= 0.0, "at least 0"),
            limit("budget_s", self.budget_s > 0.0, "above 0"),
            limit("min_samples", self.min_samples >= 1, "at least 1"),
            limit("relative_width", share(self.relative_width), "above 0 and below 1"),
            limit("rounds", self.rounds >= 1, "at least 1"),
        ]
    }
}
