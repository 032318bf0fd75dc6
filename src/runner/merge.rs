//! What another database knows, brought into this one, with the files beside it.

use std::path::Path;

use super::archive::copy_weights;
use super::error::RunError;
use super::files::Files;
use crate::store::{Access, Choice, Copied, Key, Store};

/// What [`merge`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// Rows.
    pub copied: Copied,
    /// Files of weights.
    pub weights: usize,
    /// Trials whose weights should be there and are not, or are damaged: they came without.
    pub without_weights: usize,
}

/// Copies what the database at `source` knows into `store`, and the weights of what was taken from `files`. Doing so
/// again changes nothing; what is here already stays.
///
/// # Errors
/// If either database, or the files beside them, cannot be read or written.
pub fn merge(store: &mut Store, source: &Path, files: &Files) -> Result<Merged, RunError> {
    let copied = store.copy_from(source, None)?;
    let mut merged = Merged { copied, ..Merged::default() };
    let (other, here) = (Store::open(source, Access::Read)?, Files::of(store.path()));
    for one in other.choose(&Choice::default())? {
        let theirs = other.trial(&one.key.to_string())?.trial;
        if theirs.weights_path.is_none() {
            continue;
        }
        let ours = store.trial(&one.key.to_string())?.trial;
        let lies_here =
            ours.weights_path == Some(here.weights_in_database(one.key)) && here.weights(one.key).exists();
        if ours.weights_checksum != theirs.weights_checksum || lies_here {
            continue;
        }
        if copy_weights(files, &here, one.key, theirs.weights_checksum.as_deref())? {
            store.set_weights_path(one.key, Some(&here.weights_in_database(one.key)))?;
            merged.weights += 1;
        } else {
            store.set_weights_path(one.key, None)?;
            merged.without_weights += 1;
        }
    }
    Ok(merged)
}

/// Copies the trials of those keys, or all, with their weights, to a new database at `target` and to `files`, for somebody
/// who goes on with them elsewhere.
///
/// # Errors
/// If either database, or the files, cannot be read or written.
pub fn lend(store: &Store, trials: Option<&[Key]>, target: &Path, files: &Files) -> Result<(), RunError> {
    let mut other = Store::open(target, Access::Write)?;
    other.copy_from(store.path(), trials)?;
    let here = Files::of(store.path());
    for one in other.choose(&Choice::default())? {
        let trial = other.trial(&one.key.to_string())?.trial;
        if trial.weights_path.is_some()
            && !files.weights(one.key).exists()
            && !copy_weights(&here, files, one.key, trial.weights_checksum.as_deref())?
        {
            other.set_weights_path(one.key, None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::fixture::{end, evaluation, swept};
    use crate::store::{EvaluationRow, Outcome, TrialState};

    /// A database whose first trial is finished with these weights.
    fn finished(folder: &Path, name: &str, weights: &str) -> (Store, Key) {
        let path = folder.join(name);
        let (mut store, sweep, runner) = swept(&path);
        let files = Files::of(&path);
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        fs::create_dir_all(files.weights(claim.key).parent().unwrap()).unwrap();
        fs::write(files.weights(claim.key), weights).unwrap();
        store.record_evaluation(&evaluation(claim.trial, 32, 900)).unwrap();
        let outcome = Outcome::Trained {
            train_s: 1.0,
            weights_path: Some(files.weights_in_database(claim.key)),
            weights_checksum: Some(blake3::hash(weights.as_bytes()).to_hex().to_string()),
        };
        store.end_attempt(claim.attempt, &end(outcome)).unwrap();
        (store, claim.key)
    }

    #[test]
    fn a_result_comes_once_and_with_its_weights() {
        let folder = tempfile::tempdir().unwrap();
        let (other, key) = finished(folder.path(), "other.db", "w");
        let (mut here, ..) = swept(&folder.path().join("here.db"));
        let files = Files::of(other.path());
        let first = merge(&mut here, other.path(), &files).unwrap();
        assert_eq!((first.copied.trials, first.weights), (1, 1));
        let record = here.trial(&key.to_string()).unwrap();
        assert_eq!((record.trial.state, record.evaluations.len()), (TrialState::Finished, 1));
        assert_eq!(fs::read(Files::of(here.path()).weights(key)).unwrap(), b"w");
        let again = merge(&mut here, other.path(), &files).unwrap();
        assert_eq!((again.copied.trials, again.weights, again.copied.conflicts.len()), (0, 0, 0));
        assert_eq!(here.trial(&key.to_string()).unwrap(), record);
    }

    #[test]
    fn two_results_of_one_key_are_told_and_the_one_here_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (other, key) = finished(folder.path(), "other.db", "theirs");
        let (mut here, _) = finished(folder.path(), "here.db", "ours");
        let record = here.trial(&key.to_string()).unwrap();
        let merged = merge(&mut here, other.path(), &Files::of(other.path())).unwrap();
        assert_eq!((merged.copied.conflicts, merged.weights), (vec![key], 0));
        assert_eq!(here.trial(&key.to_string()).unwrap(), record);
        assert_eq!(fs::read(Files::of(here.path()).weights(key)).unwrap(), b"ours");
    }

    #[test]
    fn accuracies_of_the_same_weights_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let (mut other, key) = finished(folder.path(), "other.db", "w");
        let (mut here, _) = finished(folder.path(), "here.db", "w");
        let trial = other.trial(&key.to_string()).unwrap().trial.id;
        let tuned = EvaluationRow {
            fine_tuning: "top".to_owned(),
            fine_tune_s: Some(0.5),
            ..evaluation(trial, 32, 950)
        };
        other.record_evaluation(&tuned).unwrap();
        for added in [1, 0] {
            let merged = merge(&mut here, other.path(), &Files::of(other.path())).unwrap();
            assert_eq!((merged.copied.accuracies, merged.copied.conflicts.len()), (added, 0));
        }
        assert_eq!(here.trial(&key.to_string()).unwrap().evaluations.len(), 2);
    }
}
