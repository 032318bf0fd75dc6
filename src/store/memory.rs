//! What the database knows of configurations' memory: what they hold by computation, and what was seen.

use std::collections::HashMap;

use super::column::Count;
use super::{ConfigurationId, Store, StoreError, SweepId};
use crate::sweep::settings::Activations;

/// What the peak of a configuration's trials follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryFacts {
    /// Parameters of the network.
    pub parameters: u64,
    /// Activations of one image at the train resolution, bytes.
    pub activation_bytes: u64,
    /// Images a step.
    pub batch_size: u32,
    /// How the largest activations are kept.
    pub activations: Activations,
    /// Largest peak of its attempts that came to their end, bytes. Others may have ended before it.
    pub seen_bytes: Option<u64>,
}

impl Store {
    /// The facts about every configuration that the sweep asks for.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn memory_facts(&self, sweep: SweepId) -> Result<HashMap<ConfigurationId, MemoryFacts>, StoreError> {
        self.read("read what trials took of the memory", |db| {
            db.prepare_cached(
                "SELECT c.id, c.parameters, c.activation_bytes, c.batch_size,
                        c.settings ->> '$.train.activations' AS activations, max(a.peak_rss_bytes) AS seen_bytes
                 FROM sweep_trials AS m
                 JOIN trials AS t ON t.id = m.trial_id
                 JOIN configurations AS c ON c.id = t.configuration_id
                 LEFT JOIN attempts AS a ON a.trial_id = t.id AND a.job = 'train' AND a.state = 'finished'
                 WHERE m.sweep_id = ?1
                 GROUP BY c.id",
            )?
            .query_map([sweep], |row| {
                let facts = MemoryFacts {
                    parameters: row.get::<_, Count>("parameters")?.into(),
                    activation_bytes: row.get::<_, Count>("activation_bytes")?.into(),
                    batch_size: row.get("batch_size")?,
                    activations: activations(row.get("activations")?),
                    seen_bytes: row.get::<_, Option<Count>>("seen_bytes")?.map(Into::into),
                };
                Ok((row.get("id")?, facts))
            })?
            .collect()
        })
    }
}

/// What a configuration's settings say; those of earlier versions say nothing.
fn activations(word: Option<String>) -> Activations {
    word.and_then(|word| serde_json::from_value(word.into()).ok()).unwrap_or(Activations::F32)
}
