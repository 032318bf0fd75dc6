//! Choosing trials by what is known of them, to do something with all of them at once.

use rusqlite::{Connection, named_params};

use super::{ConfigurationId, Key, Store, StoreError, SweepId, TrialId, TrialState};

/// Which trials are meant: those that meet every condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Only these, by the beginnings of their keys, if there are any.
    pub keys: Vec<String>,
    /// Only those that this sweep asks for.
    pub sweep: Option<SweepId>,
    /// Only those in one of these states, if there are any.
    pub states: Vec<TrialState>,
    /// Only those whose last attempt failed for this cause.
    pub cause: Option<String>,
    /// Only those that no sweep asks for (any more).
    pub orphaned: bool,
}

/// A trial that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its row.
    pub id: TrialId,
    /// Its key.
    pub key: Key,
    /// Its configuration.
    pub configuration_id: ConfigurationId,
    /// Its seed.
    pub seed: u64,
    /// Where it is on its way.
    pub state: TrialState,
    /// Kind of failure of its last attempt, if that failed.
    pub cause: Option<String>,
    /// Whether a sweep asks for it.
    pub asked_for: bool,
}

impl Store {
    /// The trials that meet `choice`, in the order in which they were registered.
    ///
    /// # Errors
    /// [`StoreError::UnknownTrial`] or [`StoreError::AmbiguousTrial`] of a key, or if the database cannot be read.
    pub fn choose(&self, choice: &Choice) -> Result<Vec<Chosen>, StoreError> {
        let keys = choice.keys.iter().map(|prefix| Ok(self.trial(prefix)?.trial.key));
        let keys = keys.collect::<Result<Vec<Key>, StoreError>>()?;
        let chosen = self.read("choose trials", |db| meeting(db, choice))?;
        Ok(chosen.into_iter().filter(|one| keys.is_empty() || keys.contains(&one.key)).collect())
    }
}

fn meeting(db: &Connection, choice: &Choice) -> rusqlite::Result<Vec<Chosen>> {
    let states: Vec<&str> = choice.states.iter().map(|state| state.name()).collect();
    db.prepare(
        "SELECT t.id, t.key, t.configuration_id, t.seed, t.state, a.cause,
                EXISTS (SELECT 1 FROM sweep_trials AS m WHERE m.trial_id = t.id) AS asked_for
         FROM trials AS t
         LEFT JOIN attempts AS a ON a.trial_id = t.id
             AND a.number = (SELECT max(number) FROM attempts WHERE trial_id = t.id)
         WHERE (:sweep IS NULL
                OR EXISTS (SELECT 1 FROM sweep_trials WHERE trial_id = t.id AND sweep_id = :sweep))
             AND (:states = '[]' OR t.state IN (SELECT value FROM json_each(:states)))
             AND (:cause IS NULL OR a.cause = :cause)
             AND NOT (:orphaned AND asked_for)
         ORDER BY t.id",
    )?
    .query_map(
        named_params! {
            ":sweep": choice.sweep,
            ":states": serde_json::json!(states).to_string(),
            ":cause": choice.cause,
            ":orphaned": choice.orphaned,
        },
        |row| {
            Ok(Chosen {
                id: row.get("id")?,
                key: row.get("key")?,
                configuration_id: row.get("configuration_id")?,
                seed: row.get::<_, super::column::Count>("seed")?.into(),
                state: row.get("state")?,
                cause: row.get("cause")?,
                asked_for: row.get("asked_for")?,
            })
        },
    )?
    .collect()
}
