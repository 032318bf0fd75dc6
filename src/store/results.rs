//! The view `sweep_results` as rows: what a sweep asks for, and what came of it.

use std::collections::HashMap;

use rusqlite::Row;

use super::column::Count;
use super::configurations;
use super::{ConfigurationId, ConfigurationRow, Key, Store, StoreError, SweepId, TrialState};

/// One accuracy that a sweep asks for, there or not yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// The configuration.
    pub configuration_id: ConfigurationId,
    /// The trial's key.
    pub trial_key: Key,
    /// The trial's seed.
    pub seed: u64,
    /// The trial's state.
    pub state: TrialState,
    /// Side of the test images, pixels.
    pub test_resolution: u32,
    /// Name of the fine-tuning before the test; [`UNTUNED`](super::UNTUNED) is none.
    pub fine_tuning: String,
    /// Whether that resolution breaks the alignment rule.
    pub aliased: bool,
    /// Share of test images whose first guess is right.
    pub top1: Option<f64>,
    /// Share of test images whose class is among the first five guesses.
    pub top5: Option<f64>,
    /// Mean cross-entropy over the test images.
    pub test_loss: Option<f64>,
    /// Test images.
    pub test_images: Option<u32>,
    /// Time of all its training, its fine-tuning counted, seconds.
    pub train_time_s: Option<f64>,
    /// The fine-tuning's share of that, seconds.
    pub fine_tune_time_s: Option<f64>,
    /// Training steps, measured alone, less the share of time that the fine-tuning took.
    pub train_images_per_s: Option<RateRow>,
    /// Inference at this test resolution, measured alone.
    pub inference_images_per_s: Option<RateRow>,
    /// Largest resident size of its workers, MiB.
    pub peak_memory_mib: Option<f64>,
}

/// A throughput, images per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRow {
    /// Median.
    pub median: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Store {
    /// What the sweep asks for, in its order, by test resolution and fine-tuning.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn sweep_results(&self, sweep: &str) -> Result<Vec<ResultRow>, StoreError> {
        self.read("read the sweep's results", |db| {
            db.prepare_cached(
                "SELECT configuration_id, trial_key, seed, state, test_resolution, fine_tuning, aliased,
                        top1, top5, test_loss, test_images, train_time_s, fine_tune_time_s,
                        train_images_per_s, train_images_per_s_low, train_images_per_s_high,
                        inference_images_per_s, inference_images_per_s_low, inference_images_per_s_high,
                        peak_memory_mib
                 FROM sweep_results WHERE sweep = ?1
                 ORDER BY position, test_resolution, fine_tuning <> 'none', fine_tuning",
            )?
            .query_map([sweep], from_row)?
            .collect()
        })
    }

    /// Every configuration that the sweep asks for.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn sweep_configurations(
        &self,
        sweep: SweepId,
    ) -> Result<HashMap<ConfigurationId, ConfigurationRow>, StoreError> {
        self.read("read the sweep's configurations", |db| {
            db.prepare_cached(
                "SELECT id, key, preset, norm, norm_groups, group_size, expand_ratio, batch_size, train_resolution,
                        epochs, optimizer, learning_rate, image_set, canonical, settings, classes, parameters,
                        macs, activation_bytes, macs_deviation, parameters_deviation, effective_group_sizes,
                        deviating_blocks
                 FROM configurations
                 WHERE id IN (SELECT configuration_id FROM sweep_tests WHERE sweep_id = ?1)",
            )?
            .query_map([sweep], |row| Ok((row.get("id")?, configurations::from_row(row)?)))?
            .collect()
        })
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ResultRow> {
    Ok(ResultRow {
        configuration_id: row.get("configuration_id")?,
        trial_key: row.get("trial_key")?,
        seed: row.get::<_, Count>("seed")?.into(),
        state: row.get("state")?,
        test_resolution: row.get("test_resolution")?,
        fine_tuning: row.get("fine_tuning")?,
        aliased: row.get("aliased")?,
        top1: row.get("top1")?,
        top5: row.get("top5")?,
        test_loss: row.get("test_loss")?,
        test_images: row.get("test_images")?,
        train_time_s: row.get("train_time_s")?,
        fine_tune_time_s: row.get("fine_tune_time_s")?,
        train_images_per_s: rate(
            row,
            ["train_images_per_s", "train_images_per_s_low", "train_images_per_s_high"],
        )?,
        inference_images_per_s: rate(
            row,
            ["inference_images_per_s", "inference_images_per_s_low", "inference_images_per_s_high"],
        )?,
        peak_memory_mib: row.get("peak_memory_mib")?,
    })
}

fn rate(row: &Row<'_>, [median, low, high]: [&str; 3]) -> rusqlite::Result<Option<RateRow>> {
    let numbers: (Option<f64>, Option<f64>, Option<f64>) = (row.get(median)?, row.get(low)?, row.get(high)?);
    Ok(match numbers {
        (Some(median), Some(low), Some(high)) => Some(RateRow { median, low, high }),
        _ => None,
    })
}
