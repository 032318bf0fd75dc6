//! The table `epochs`: the course of each training run.

use rusqlite::named_params;

use super::{Store, StoreError, TrialId};

/// One epoch of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochRow {
    /// The trial.
    pub trial_id: TrialId,
    /// Epoch, from 0.
    pub epoch: u32,
    /// Mean training loss.
    pub train_loss: f64,
    /// Share of training images whose largest target got the largest logit, 0 to 1.
    pub train_top1: f64,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// Training images.
    pub images: u32,
    /// Wall time, seconds.
    pub elapsed_s: f64,
}

impl Store {
    /// Keeps these epochs, in one transaction. One that is there already was reported again after a resume
    /// and takes the place of the first.
    ///
    /// # Errors
    /// If a loss is NaN, or the database cannot be written; none of them is kept then.
    pub fn record_epochs(&mut self, epochs: &[EpochRow]) -> Result<(), StoreError> {
        self.write("record epochs", |tx| {
            let mut insert = tx.prepare_cached(
                "INSERT INTO epochs (trial_id, epoch, train_loss, train_top1, learning_rate, images, elapsed_s)
                 VALUES (:trial_id, :epoch, :train_loss, :train_top1, :learning_rate, :images, :elapsed_s)
                 ON CONFLICT DO UPDATE SET
                     train_loss = excluded.train_loss, train_top1 = excluded.train_top1,
                     learning_rate = excluded.learning_rate, images = excluded.images,
                     elapsed_s = excluded.elapsed_s",
            )?;
            for row in epochs {
                insert.execute(named_params! {
                    ":trial_id": row.trial_id,
                    ":epoch": row.epoch,
                    ":train_loss": row.train_loss,
                    ":train_top1": row.train_top1,
                    ":learning_rate": row.learning_rate,
                    ":images": row.images,
                    ":elapsed_s": row.elapsed_s,
                })?;
            }
            Ok(())
        })
    }

    /// The trial's epochs in order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn epochs(&self, trial: TrialId) -> Result<Vec<EpochRow>, StoreError> {
        self.read("read a trial's epochs", |db| {
            db.prepare_cached(
                "SELECT trial_id, epoch, train_loss, train_top1, learning_rate, images, elapsed_s
                 FROM epochs WHERE trial_id = ?1 ORDER BY epoch",
            )?
            .query_map([trial], |row| {
                Ok(EpochRow {
                    trial_id: row.get("trial_id")?,
                    epoch: row.get("epoch")?,
                    train_loss: row.get("train_loss")?,
                    train_top1: row.get("train_top1")?,
                    learning_rate: row.get("learning_rate")?,
                    images: row.get("images")?,
                    elapsed_s: row.get("elapsed_s")?,
                })
            })?
            .collect()
        })
    }
}
