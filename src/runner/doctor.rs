//! What is wrong with a database and the files beside it, and what to do about it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::RunError;
use super::files::Files;
use crate::store::{Access, Key, RunLock, Store, StoreError, TrialState};

/// Less free space than this is worth a word.
const LITTLE_SPACE: u64 = 1 << 30;

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What, in one line.
    pub what: String,
    /// What to do about it.
    pub advice: String,
    /// What [`mend`] does about it.
    remedy: Option<Remedy>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Results may be lost or wrong.
    Damage,
    /// Something does not fit together, and no result is in danger.
    Disorder,
    /// Good to know.
    Note,
}

impl Severity {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Disorder => "disorder",
            Self::Note => "note",
        }
    }
}

/// What can be done without losing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Remedy {
    /// Plan again what dead runs held.
    Release,
    /// Note that these trials' weights are not there.
    ForgetWeights(Vec<crate::store::TrialId>),
    /// Remove these files and folders.
    Remove(Vec<PathBuf>),
}

impl Finding {
    /// Whether [`mend`] does something about it.
    pub fn is_mendable(&self) -> bool {
        self.remedy.is_some()
    }
}

/// Looks at the database at `path` and everything beside it. Changes nothing.
///
/// # Errors
/// If the database is not there, is no database, or cannot be read at all.
pub fn examine(path: &Path) -> Result<Vec<Finding>, RunError> {
    let store = match Store::open(path, Access::Read) {
        Err(StoreError::OlderSchema { found, known, .. }) => {
            let what = format!("its schema is version {found}, this effsweep writes {known}");
            let advice = "any `effsweep run` upgrades it and leaves a copy; then ask again";
            return Ok(vec![finding(Severity::Note, what, advice, None)]);
        }
        opened => opened?,
    };
    let mut findings = Vec::new();
    let faults = store.faults()?;
    if let Some(first) = faults.first() {
        let what = format!("SQLite finds {} faults, the first: {first}", faults.len());
        let advice = format!("`sqlite3 {} .recover` prints what can be saved", path.display());
        findings.push(finding(Severity::Damage, what, advice, None));
    }
    let held = store.held_by_dead()?;
    if held > 0 {
        let what = format!("{held} trials are held by runs that died");
        findings.push(finding(
            Severity::Disorder,
            what,
            "the next `effsweep run` takes them up",
            Some(Remedy::Release),
        ));
    }
    let files = Files::of(path);
    findings.extend(weights(&store, &files)?);
    findings.extend(clutter(&store, &files, path)?);
    findings.extend(space(path));
    findings.sort_by_key(|finding| finding.severity);
    Ok(findings)
}

/// Does what can be done about the findings without losing anything. Returns how many it dealt with.
///
/// # Errors
/// If the database or a file cannot be written.
pub fn mend(path: &Path, findings: &[Finding]) -> Result<usize, RunError> {
    let mut store = Store::open(path, Access::Write)?;
    for remedy in findings.iter().filter_map(|finding| finding.remedy.as_ref()) {
        match remedy {
            Remedy::Release => drop(store.release_dead()?),
            Remedy::ForgetWeights(trials) => {
                trials.iter().try_for_each(|trial| store.forget_weights(*trial))?;
            }
            Remedy::Remove(paths) => paths.iter().try_for_each(|path| remove(path))?,
        }
    }
    Ok(findings.iter().filter(|finding| finding.is_mendable()).count())
}

fn finding(
    severity: Severity,
    what: impl Into<String>,
    advice: impl Into<String>,
    remedy: Option<Remedy>,
) -> Finding {
    Finding { severity, what: what.into(), advice: advice.into(), remedy }
}

/// Weights that are named and are not there, or not what they were.
fn weights(store: &Store, files: &Files) -> Result<Vec<Finding>, RunError> {
    let (mut missing, mut damaged) = (Vec::new(), Vec::new());
    for trial in store.weighted()? {
        match fs::read(files.weights(trial.key)) {
            Err(_) => missing.push(trial.id),
            Ok(bytes) => {
                let checksum = blake3::hash(&bytes).to_hex();
                if trial.checksum.is_some_and(|recorded| recorded != checksum.as_str()) {
                    damaged.push(trial.key);
                }
            }
        }
    }
    let mut findings = Vec::new();
    if let Some(first) = damaged.first() {
        let what = format!("weights of {} trials are damaged, among them {first}", damaged.len());
        let advice = "`effsweep forget KEY` and `effsweep run` train such a trial again";
        findings.push(finding(Severity::Damage, what, advice, None));
    }
    if !missing.is_empty() {
        let what = format!("weights of {} trials are not where the database says", missing.len());
        let advice = "put the folder back beside the database, or let it be noted that they are gone";
        findings.push(finding(Severity::Disorder, what, advice, Some(Remedy::ForgetWeights(missing))));
    }
    Ok(findings)
}

/// Files that nobody needs any more.
fn clutter(store: &Store, files: &Files, path: &Path) -> Result<Vec<Finding>, RunError> {
    let states = store.trial_states()?;
    let named: std::collections::HashSet<Key> =
        store.weighted()?.into_iter().map(|trial| trial.key).collect();
    let over = |key: &Key| {
        !matches!(states.get(key), Some(TrialState::Planned | TrialState::Running | TrialState::Failed))
    };
    let unreadable = |source| RunError::File { doing: "look beside", path: path.to_owned(), source };
    let checkpoints: Vec<PathBuf> = files
        .checkpointed()
        .map_err(unreadable)?
        .into_iter()
        .filter(over)
        .map(|key| files.checkpoints(key))
        .collect();
    let weights: Vec<PathBuf> = files
        .weighted()
        .map_err(unreadable)?
        .into_iter()
        .filter(|key| !named.contains(key) && over(key))
        .map(|key| files.weights(key))
        .collect();
    let kinds = [
        (checkpoints, "checkpoints of trials that are done or unknown"),
        (weights, "files of weights that no trial names"),
        (RunLock::left_behind(path)?, "lock files of runs that died"),
    ];
    let some = kinds.into_iter().filter(|(paths, _)| !paths.is_empty());
    Ok(some
        .map(|(paths, of)| {
            let (what, advice) = (format!("{} {of}", paths.len()), "nobody needs them");
            finding(Severity::Note, what, advice, Some(Remedy::Remove(paths)))
        })
        .collect())
}

fn space(path: &Path) -> Option<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = rustix::fs::statvfs(folder).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    (free < LITTLE_SPACE).then(|| {
        let what = format!("{} MiB are free on the database's disk", free >> 20);
        finding(Severity::Disorder, what, "a run stops in order when it is full; free some space", None)
    })
}

fn remove(path: &Path) -> Result<(), RunError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(RunError::File { doing: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Outcome;
    use crate::store::fixture::{end, swept};

    fn whats(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.what.as_str()).collect()
    }

    #[test]
    fn a_sound_database_has_nothing_to_tell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        drop(swept(&path));
        assert_eq!(whats(&examine(&path).unwrap()), [""; 0]);
    }

    #[test]
    fn disorder_is_found_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (mut store, sweep, runner) = swept(&path);
        let files = Files::of(&path);
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        let outcome = Outcome::Trained {
            train_s: 1.0,
            weights_path: Some(files.weights_in_database(claim.key)),
            weights_checksum: Some("b3".to_owned()),
        };
        store.end_attempt(claim.attempt, &end(outcome)).unwrap();
        store.claim_next(sweep, &runner).unwrap().unwrap();
        fs::create_dir_all(files.checkpoints(claim.key)).unwrap();
        fs::create_dir_all(files.weights(Key(7)).parent().unwrap()).unwrap();
        fs::write(files.weights(Key(7)), "").unwrap();
        fs::write(folder.path().join("a.db.run-1-1"), "").unwrap();

        let findings = examine(&path).unwrap();
        assert_eq!(
            whats(&findings),
            [
                "1 trials are held by runs that died",
                "weights of 1 trials are not where the database says",
                "1 checkpoints of trials that are done or unknown",
                "1 files of weights that no trial names",
                "1 lock files of runs that died",
            ]
        );
        assert_eq!(mend(&path, &findings).unwrap(), 5);
        assert_eq!(whats(&examine(&path).unwrap()), [""; 0]);
        assert_eq!(store.planned_trials(sweep).unwrap().len(), 7);
    }

    #[test]
    fn damaged_weights_and_pages_are_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (mut store, sweep, runner) = swept(&path);
        let files = Files::of(&path);
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        let outcome = Outcome::Trained {
            train_s: 1.0,
            weights_path: Some(files.weights_in_database(claim.key)),
            weights_checksum: Some("b3".to_owned()),
        };
        store.end_attempt(claim.attempt, &end(outcome)).unwrap();
        drop(store);
        fs::create_dir_all(files.weights(claim.key).parent().unwrap()).unwrap();
        fs::write(files.weights(claim.key), "other bytes").unwrap();
        let findings = examine(&path).unwrap();
        assert_eq!((findings.len(), findings[0].severity), (1, Severity::Damage), "{findings:?}");
        assert!(!findings[0].is_mendable());
    }
}
