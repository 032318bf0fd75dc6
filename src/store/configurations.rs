//! The table `configurations`: one point of a grid, seed left out. A row is written once: its key is its content.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::column::Count;
use super::{ConfigurationId, Key, Store, StoreError};

/// A configuration with what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigurationRow {
    /// Hash of `canonical`.
    pub key: Key,
    /// Member of the family (`nano`, `b0`).
    pub preset: String,
    /// Normalization (`bn`, `ln+pn`).
    pub norm: String,
    /// Groups of a group norm; `None` for the others.
    pub norm_groups: Option<u32>,
    /// Channels per group of the spatial convolutions; 1 is depthwise.
    pub group_size: u32,
    /// Expansion ratio, resolved.
    pub expand_ratio: f64,
    /// Images per training step.
    pub batch_size: u32,
    /// Side of training images, pixels.
    pub train_resolution: u32,
    /// Passes over the training images.
    pub epochs: u32,
    /// Optimizer.
    pub optimizer: String,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Image set.
    pub image_set: String,
    /// Canonical form: settings away from their defaults.
    pub canonical: String,
    /// Every setting that a trial depends on, resolved; JSON.
    pub settings: String,
    /// Number of classes.
    pub classes: u32,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-accumulates of one image at `train_resolution`.
    pub macs: u64,
    /// Activations of one image at `train_resolution`, bytes.
    pub activation_bytes: u64,
    /// MACs against the depthwise network of ratio 6, as a share: 0.02 is 2 % more.
    pub macs_deviation: f64,
    /// Parameters against the same network.
    pub parameters_deviation: f64,
    /// Channels per group in each block; JSON array.
    pub effective_group_sizes: String,
    /// Blocks whose group size is not `group_size`.
    pub deviating_blocks: u32,
}

impl Store {
    /// Keys of all configurations.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn configuration_keys(&self) -> Result<HashSet<Key>, StoreError> {
        self.read("list the configurations", |db| {
            db.prepare_cached("SELECT key FROM configurations")?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// The configuration of that row.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn configuration(&self, id: ConfigurationId) -> Result<ConfigurationRow, StoreError> {
        self.read("read a configuration", |db| {
            db.prepare_cached(
                "SELECT key, preset, norm, norm_groups, group_size, expand_ratio, batch_size, train_resolution,
                        epochs, optimizer, learning_rate, image_set, canonical, settings, classes, parameters,
                        macs, activation_bytes, macs_deviation, parameters_deviation, effective_group_sizes,
                        deviating_blocks
                 FROM configurations WHERE id = ?1",
            )?
            .query_row([id], from_row)
        })
    }
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<ConfigurationRow> {
    Ok(ConfigurationRow {
        key: row.get("key")?,
        preset: row.get("preset")?,
        norm: row.get("norm")?,
        norm_groups: row.get("norm_groups")?,
        group_size: row.get("group_size")?,
        expand_ratio: row.get("expand_ratio")?,
        batch_size: row.get("batch_size")?,
        train_resolution: row.get("train_resolution")?,
        epochs: row.get("epochs")?,
        optimizer: row.get("optimizer")?,
        learning_rate: row.get("learning_rate")?,
        image_set: row.get("image_set")?,
        canonical: row.get("canonical")?,
        settings: row.get("settings")?,
        classes: row.get("classes")?,
        parameters: row.get::<_, Count>("parameters")?.into(),
        macs: row.get::<_, Count>("macs")?.into(),
        activation_bytes: row.get::<_, Count>("activation_bytes")?.into(),
        macs_deviation: row.get("macs_deviation")?,
        parameters_deviation: row.get("parameters_deviation")?,
        effective_group_sizes: row.get("effective_group_sizes")?,
        deviating_blocks: row.get("deviating_blocks")?,
    })
}

/// The row with that configuration's key, written if there is none.
pub(super) fn find_or_insert(db: &Connection, row: &ConfigurationRow) -> rusqlite::Result<ConfigurationId> {
    match find(db, row.key)? {
        Some(id) => Ok(id),
        None => insert(db, row),
    }
}

/// The row with that key, if there is one.
pub(super) fn find(db: &Connection, key: Key) -> rusqlite::Result<Option<ConfigurationId>> {
    db.prepare_cached("SELECT id FROM configurations WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

fn insert(db: &Connection, row: &ConfigurationRow) -> rusqlite::Result<ConfigurationId> {
    let id = db
        .prepare_cached(
            "INSERT INTO configurations
                 (key, preset, norm, norm_groups, group_size, expand_ratio, batch_size, train_resolution,
                  epochs, optimizer, learning_rate, image_set, canonical, settings, classes, parameters,
                  macs, activation_bytes, macs_deviation, parameters_deviation, effective_group_sizes,
                  deviating_blocks)
             VALUES
                 (:key, :preset, :norm, :norm_groups, :group_size, :expand_ratio, :batch_size, :train_resolution,
                  :epochs, :optimizer, :learning_rate, :image_set, :canonical, :settings, :classes, :parameters,
                  :macs, :activation_bytes, :macs_deviation, :parameters_deviation, :effective_group_sizes,
                  :deviating_blocks)",
        )?
        .insert(named_params! {
            ":key": row.key,
            ":preset": row.preset,
            ":norm": row.norm,
            ":norm_groups": row.norm_groups,
            ":group_size": row.group_size,
            ":expand_ratio": row.expand_ratio,
            ":batch_size": row.batch_size,
            ":train_resolution": row.train_resolution,
            ":epochs": row.epochs,
            ":optimizer": row.optimizer,
            ":learning_rate": row.learning_rate,
            ":image_set": row.image_set,
            ":canonical": row.canonical,
            ":settings": row.settings,
            ":classes": row.classes,
            ":parameters": Count(row.parameters),
            ":macs": Count(row.macs),
            ":activation_bytes": Count(row.activation_bytes),
            ":macs_deviation": row.macs_deviation,
            ":parameters_deviation": row.parameters_deviation,
            ":effective_group_sizes": row.effective_group_sizes,
            ":deviating_blocks": row.deviating_blocks,
        })?;
    Ok(ConfigurationId(id))
}
