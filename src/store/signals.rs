//! The tables `layer_signals` and `channel_signals`: what each norm of a network sends on at chosen moments of its
//! training.

use rusqlite::named_params;

use super::column::words;
use super::{Store, StoreError, TrialId};

words! {
    /// The side of an activation.
    pub enum SignalPlace {
        /// What enters it.
        Pre = "pre",
        /// What comes out.
        Post = "post",
    }
}

/// Signals of channels of one norm, on one side of its activation, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSignalsRow {
    /// The trial.
    pub trial_id: TrialId,
    /// Epochs finished at that moment; 0 before training.
    pub finished_epochs: u32,
    /// Position of the norm in the network, from 0.
    pub layer: u32,
    /// Its name.
    pub name: String,
    /// Before or after the activation.
    pub place: SignalPlace,
    /// Images that the signals are of.
    pub images: u32,
    /// Pixels of each at this layer.
    pub pixels: u32,
    /// The channels; not all of them need to come at once.
    pub channels: Vec<ChannelRow>,
}

/// Signals of one channel, from each image's mean μ and deviation σ over pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelRow {
    /// Channel, from 0.
    pub channel: u32,
    /// Mean of μ over images.
    pub mean: f64,
    /// Variance of μ.
    pub mean_variance: f64,
    /// Mean of σ.
    pub deviation: f64,
    /// Variance of σ.
    pub deviation_variance: f64,
}

impl Store {
    /// Keeps these signals, in one transaction. Channels that are there already were recorded again after a resume
    /// and are replaced.
    ///
    /// # Errors
    /// If a number is NaN, or the database cannot be written; none of them is kept then.
    pub fn record_signals(&mut self, layers: &[LayerSignalsRow]) -> Result<(), StoreError> {
        self.write("record signals", |tx| {
            let mut insert_layer = tx.prepare_cached(
                "INSERT INTO layer_signals (trial_id, finished_epochs, layer, name, place, images, pixels)
                 VALUES (:trial_id, :finished_epochs, :layer, :name, :place, :images, :pixels)
                 ON CONFLICT (trial_id, finished_epochs, layer, place) DO UPDATE SET
                     name = excluded.name, images = excluded.images, pixels = excluded.pixels
                 RETURNING id",
            )?;
            let mut insert_channel = tx.prepare_cached(
                "INSERT OR REPLACE INTO channel_signals
                     (layer_signals_id, channel, mean, mean_variance, deviation, deviation_variance)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for row in layers {
                let values = named_params! {
                    ":trial_id": row.trial_id,
                    ":finished_epochs": row.finished_epochs,
                    ":layer": row.layer,
                    ":name": row.name,
                    ":place": row.place,
                    ":images": row.images,
                    ":pixels": row.pixels,
                };
                let id: i64 = insert_layer.query_row(values, |row| row.get(0))?;
                for one in &row.channels {
                    insert_channel.execute((
                        id,
                        one.channel,
                        one.mean,
                        one.mean_variance,
                        one.deviation,
                        one.deviation_variance,
                    ))?;
                }
            }
            Ok(())
        })
    }
}
