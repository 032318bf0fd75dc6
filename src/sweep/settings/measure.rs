//! `[measure]`: how throughput is measured. Never part of a trial's key.

use serde::{Deserialize, Serialize};

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
            warmup_s: 0.2,
            budget_s: 1.5,
            min_samples: 8,
            relative_width: 0.02,
            rounds: 2,
        }
    }
}
