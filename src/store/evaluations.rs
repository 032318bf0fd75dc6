//! The table `evaluations`: accuracies, one for each trial, test resolution and fine-tuning.

use rusqlite::named_params;

use super::column::Count;
use super::{ConfigurationId, Key, Store, StoreError, SweepId, TrialId};

/// One accuracy.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationRow {
    /// The trial.
    pub trial_id: TrialId,
    /// Side of the test images, pixels.
    pub test_resolution: u32,
    /// Name of the fine-tuning at that resolution before it; [`UNTUNED`](super::UNTUNED) is none.
    pub fine_tuning: String,
    /// Its wall time, seconds, if there was one.
    pub fine_tune_s: Option<f64>,
    /// Whether the resolution breaks the alignment rule.
    pub aliased: bool,
    /// Test images.
    pub images: u32,
    /// Of those, how many got the right class the largest logit.
    pub top1_correct: u32,
    /// Of those, how many had the right class among the five largest logits.
    pub top5_correct: u32,
    /// Mean cross-entropy against the plain labels.
    pub loss: f64,
    /// Wall time, seconds.
    pub elapsed_s: f64,
}

/// A finished trial that lacks accuracies which its sweep asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingEvaluation {
    /// The trial.
    pub trial_id: TrialId,
    /// Its key.
    pub key: Key,
    /// Its configuration.
    pub configuration_id: ConfigurationId,
    /// Its seed.
    pub seed: u64,
    /// Its weights, if they were kept; without them it has to be trained again to be evaluated.
    pub weights_path: Option<String>,
    /// How many accuracies it lacks.
    pub missing: u32,
}

impl Store {
    /// Keeps an accuracy. One that is there already was reported again after a resume and is replaced.
    ///
    /// # Errors
    /// If the loss is NaN, or the database cannot be written.
    pub fn record_evaluation(&mut self, row: &EvaluationRow) -> Result<(), StoreError> {
        self.write("record an evaluation", |tx| {
            tx.prepare_cached(
                "INSERT INTO evaluations
                     (trial_id, test_resolution, fine_tuning, fine_tune_s, aliased, images, top1_correct, top5_correct,
                      loss, elapsed_s)
                 VALUES
                     (:trial_id, :test_resolution, :fine_tuning, :fine_tune_s, :aliased, :images, :top1_correct,
                      :top5_correct, :loss, :elapsed_s)
                 ON CONFLICT (trial_id, test_resolution, fine_tuning) DO UPDATE SET
                     fine_tune_s = excluded.fine_tune_s, aliased = excluded.aliased, images = excluded.images, top1_correct = excluded.top1_correct,
                     top5_correct = excluded.top5_correct, loss = excluded.loss, elapsed_s = excluded.elapsed_s",
            )?
            .execute(named_params! {
                ":trial_id": row.trial_id,
                ":test_resolution": row.test_resolution,
                ":fine_tuning": row.fine_tuning,
                ":fine_tune_s": row.fine_tune_s,
                ":aliased": row.aliased,
                ":images": row.images,
                ":top1_correct": row.top1_correct,
                ":top5_correct": row.top5_correct,
                ":loss": row.loss,
                ":elapsed_s": row.elapsed_s,
            })
            .map(drop)
        })
    }

    /// The trial's accuracies, the smallest resolution first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn evaluations(&self, trial: TrialId) -> Result<Vec<EvaluationRow>, StoreError> {
        self.read("read a trial's evaluations", |db| {
            db.prepare_cached(
                "SELECT trial_id, test_resolution, fine_tuning, fine_tune_s, aliased, images, top1_correct, top5_correct,
                        loss, elapsed_s
                 FROM evaluations WHERE trial_id = ?1
                 ORDER BY test_resolution, fine_tuning <> 'none', fine_tuning",
            )?
            .query_map([trial], |row| {
                Ok(EvaluationRow {
                    trial_id: row.get("trial_id")?,
                    test_resolution: row.get("test_resolution")?,
                    fine_tuning: row.get("fine_tuning")?,
                    fine_tune_s: row.get("fine_tune_s")?,
                    aliased: row.get("aliased")?,
                    images: row.get("images")?,
                    top1_correct: row.get("top1_correct")?,
                    top5_correct: row.get("top5_correct")?,
                    loss: row.get("loss")?,
                    elapsed_s: row.get("elapsed_s")?,
                })
            })?
            .collect()
        })
    }

    /// The sweep's finished trials that lack accuracies it asks for: a test resolution was added after they
    /// were trained, or another sweep trained them. In the sweep's order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn missing_evaluations(&self, sweep: SweepId) -> Result<Vec<MissingEvaluation>, StoreError> {
        self.read("list the missing evaluations", |db| {
            db.prepare_cached(
                "SELECT t.id, t.key, t.configuration_id, t.seed, t.weights_path, count(*) AS missing
                 FROM sweep_trials AS m
                 JOIN trials AS t ON t.id = m.trial_id
                 JOIN sweep_tests AS q ON q.sweep_id = m.sweep_id AND q.configuration_id = t.configuration_id
                 LEFT JOIN evaluations AS e
                     ON e.trial_id = t.id AND e.test_resolution = q.test_resolution
                         AND e.fine_tuning = q.fine_tuning
                 WHERE m.sweep_id = ?1 AND t.state = 'finished' AND e.id IS NULL
                 GROUP BY m.position",
            )?
            .query_map([sweep], |row| {
                Ok(MissingEvaluation {
                    trial_id: row.get("id")?,
                    key: row.get("key")?,
                    configuration_id: row.get("configuration_id")?,
                    seed: row.get::<_, Count>("seed")?.into(),
                    weights_path: row.get("weights_path")?,
                    missing: row.get("missing")?,
                })
            })?
            .collect()
        })
    }
}
