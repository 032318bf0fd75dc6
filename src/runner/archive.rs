//! Forgetting trials and moving them to another database: rows and files together.
//!
//! Rows first where something goes, files first where something comes: a file that nobody names is clutter, a name
//! without its file would be a lie.

use std::fs;
use std::path::Path;

use super::error::RunError;
use super::files::Files;
use crate::durable::write_atomically;
use crate::store::{Access, Choice, Chosen, Copied, Forgotten, Key, Store, SweepId, TrialId};

/// Forgets the trials, with their weights and checkpoints. Running ones are left as they are.
///
/// # Errors
/// If the database or the files beside it cannot be written.
pub fn forget(store: &mut Store, trials: &[Chosen]) -> Result<Forgotten, RunError> {
    let files = Files::of(store.path());
    let forgotten = store.forget(&ids(trials))?;
    let running: Vec<Key> = store
        .choose(&Choice { states: vec![crate::store::TrialState::Running], ..Choice::default() })?
        .into_iter()
        .map(|one| one.key)
        .collect();
    for trial in trials.iter().filter(|trial| !running.contains(&trial.key)) {
        remove(&files, trial.key)?;
    }
    Ok(forgotten)
}

/// What [`archive`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Archived {
    /// What the other database got.
    pub copied: Copied,
    /// Files of weights that it got.
    pub weights: usize,
    /// Trials whose weights should be there and are not, or are damaged: they went without.
    pub without_weights: usize,
    /// What went from this one.
    pub forgotten: Forgotten,
}

/// Moves the trials, and the sweep if one is named, to the database at `target`, which is made if it is not there.
/// Trials that a sweep that stays asks for are copied and stay as well.
///
/// # Errors
/// If either database, or the files beside it, cannot be read or written. Nothing is forgotten then.
pub fn archive(
    store: &mut Store,
    trials: &[Chosen],
    sweep: Option<SweepId>,
    target: &Path,
) -> Result<Archived, RunError> {
    let mut archived = Archived::default();
    let keys: Vec<Key> = trials.iter().map(|trial| trial.key).collect();
    let (from, to) = (Files::of(store.path()), Files::of(target));
    let mut other = Store::open(target, Access::Write)?;
    archived.copied = other.copy_from(store.path(), Some(&keys))?;
    for key in &keys {
        let here = store.trial(&key.to_string())?.trial;
        let there = other.trial(&key.to_string())?.trial;
        if here.weights_path.is_none() || here.weights_checksum != there.weights_checksum {
            continue;
        }
        if copy_weights(&from, &to, *key, here.weights_checksum.as_deref())? {
            other.set_weights_path(*key, Some(&to.weights_in_database(*key)))?;
            archived.weights += 1;
        } else {
            other.set_weights_path(*key, None)?;
            archived.without_weights += 1;
        }
    }
    if let Some(sweep) = sweep {
        store.forget_sweep(sweep)?;
    }
    let orphaned = store.choose(&Choice { orphaned: true, ..Choice::default() })?;
    let gone: Vec<Chosen> = orphaned.into_iter().filter(|one| keys.contains(&one.key)).collect();
    archived.forgotten = forget(store, &gone)?;
    Ok(archived)
}

/// Copies a trial's weights; whether they were there and whole.
pub(super) fn copy_weights(
    from: &Files,
    to: &Files,
    trial: Key,
    checksum: Option<&str>,
) -> Result<bool, RunError> {
    let Ok(bytes) = fs::read(from.weights(trial)) else { return Ok(false) };
    if checksum.is_some_and(|checksum| checksum != blake3::hash(&bytes).to_hex().as_str()) {
        return Ok(false);
    }
    let path = to.weights(trial);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    written.map_err(|source| RunError::File { doing: "create the folder of", path: path.clone(), source })?;
    write_atomically(&path, &bytes)?;
    Ok(true)
}

fn remove(files: &Files, trial: Key) -> Result<(), RunError> {
    files.remove_checkpoints(trial).map_err(|source| RunError::File {
        doing: "remove the checkpoints",
        path: files.checkpoints(trial),
        source,
    })?;
    files.remove_weights(trial).map_err(|source| RunError::File {
        doing: "remove the weights",
        path: files.weights(trial),
        source,
    })
}

fn ids(trials: &[Chosen]) -> Vec<TrialId> {
    trials.iter().map(|trial| trial.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{end, point, sweep, swept};
    use crate::store::{Outcome, TrialState};

    /// A database with one finished trial, its weights beside it, and a checkpoint of another.
    fn stage(folder: &Path) -> (Store, SweepId, Vec<Chosen>) {
        let path = folder.join("here.db");
        let (mut store, sweep, runner) = swept(&path);
        let files = Files::of(&path);
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        fs::create_dir_all(folder.join("here.files/weights")).unwrap();
        fs::write(files.weights(claim.key), "weights").unwrap();
        let outcome = Outcome::Trained {
            train_s: 1.0,
            weights_path: Some(files.weights_in_database(claim.key)),
            weights_checksum: Some(blake3::hash(b"weights").to_hex().to_string()),
        };
        store.end_attempt(claim.attempt, &end(outcome)).unwrap();
        let all = store.choose(&Choice::default()).unwrap();
        fs::create_dir_all(files.checkpoints(all[1].key)).unwrap();
        (store, sweep, all)
    }

    #[test]
    fn a_sweep_moves_with_its_weights() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, id, all) = stage(folder.path());
        let target = folder.path().join("old/there.db");
        let archived = archive(&mut store, &all, Some(id), &target).unwrap();
        assert_eq!((archived.copied.trials, archived.weights, archived.without_weights), (8, 1, 0));
        assert_eq!((archived.forgotten.removed, archived.forgotten.configurations), (8, 4));
        assert!(store.choose(&Choice::default()).unwrap().is_empty());
        assert!(!Files::of(store.path()).weights(all[0].key).exists());
        assert!(Files::of(store.path()).checkpointed().unwrap().is_empty());

        let there = Store::open(&target, Access::Read).unwrap();
        assert_eq!(there.sweep_names().unwrap(), ["quickstart"]);
        let record = there.trial(&all[0].key.to_string()).unwrap().trial;
        assert_eq!(record.state, TrialState::Finished);
        let path = target.parent().unwrap().join(record.weights_path.unwrap());
        assert_eq!(fs::read(path).unwrap(), b"weights");
    }

    #[test]
    fn what_a_sweep_still_asks_for_is_copied_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _, all) = stage(folder.path());
        store.register_sweep(&sweep("quickstart"), (0..1).map(|n| point(n, 2))).unwrap();
        let archived = archive(&mut store, &all, None, &folder.path().join("there.db")).unwrap();
        assert_eq!((archived.copied.trials, archived.forgotten.removed), (8, 6));
        assert_eq!(store.choose(&Choice::default()).unwrap().len(), 2);
        assert!(Files::of(store.path()).weights(all[0].key).exists());
    }

    #[test]
    fn damaged_weights_do_not_travel() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _, all) = stage(folder.path());
        fs::write(Files::of(store.path()).weights(all[0].key), "weighty").unwrap();
        let target = folder.path().join("there.db");
        let archived = archive(&mut store, &all, None, &target).unwrap();
        assert_eq!((archived.weights, archived.without_weights), (0, 1));
        let there = Store::open(&target, Access::Read).unwrap();
        assert_eq!(there.trial(&all[0].key.to_string()).unwrap().trial.weights_path, None);
    }
}
