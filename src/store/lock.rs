//! Who runs: advisory locks (flock) beside the database.
//!
//! Each run has a lock file of its own, `<database>.run-<lease>`: as long as somebody holds it, that run lives, and
//! what it has claimed is its. `<database>.lock` is the gate: held for the moment in which a run looks who else lives
//! and decides whether to begin, or to measure, which nothing may disturb.
//!
//! The kernel drops a lock with the process, however it dies, so there is nothing to time out or to guess.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::StoreError;
use super::open::beside;
use super::time::now;

/// How often a lock is tried for, and the pause between. The gate is held for milliseconds.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// With whom a run wants to have the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Company {
    /// With no other run.
    #[default]
    Alone,
    /// With any that let it: a run that measures does not.
    Shared,
}

/// Holds the right to run on a database until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    database: PathBuf,
    lease: String,
    file: File,
}

/// A run that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Machine, by name.
    pub host: String,
    /// Since when.
    pub since: String,
    /// What it is at.
    pub stage: Stage,
}

/// What a run is at, as far as others are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It trains.
    Working,
    /// It measures, and nobody may disturb it.
    Alone,
    /// It is done but for saying so.
    Leaving,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since)
    }
}

impl RunLock {
    /// Takes the right to run on the database at `path`, which need not exist yet (its folder must).
    ///
    /// # Errors
    /// [`StoreError::Held`] if another run has it and does not share; [`StoreError::Io`] if a lock file cannot be
    /// written.
    pub fn acquire(path: &Path, company: Company) -> Result<Self, StoreError> {
        let database = real(path);
        let _gate = gate(&database)?;
        let holders = Self::holders(&database)?;
        let refuses = |holder: &&Holder| company == Company::Alone || holder.stage == Stage::Alone;
        let refusing: Vec<Holder> = holders.iter().filter(refuses).cloned().collect();
        if !refusing.is_empty() {
            return Err(StoreError::Held { path: path.to_owned(), holders: refusing });
        }
        let lease = new_lease();
        let own = lease_path(&database, &lease);
        let file = take_own(&own).map_err(|source| StoreError::Io { path: own, doing: "lock", source })?;
        Ok(Self { database, lease, file })
    }

    /// What names this run in the database.
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// Whether no other run is at work, and from now on none will begin as long as this one lives. After a no, this
    /// one counts as leaving: so of several that ask one after the other, the last gets the yes.
    ///
    /// # Errors
    /// [`StoreError::Io`] if a lock file cannot be read or written.
    pub fn try_alone(&mut self) -> Result<bool, StoreError> {
        let _gate = gate(&self.database)?;
        let own = lease_path(&self.database, &self.lease);
        let others = leases(&self.database)?.into_iter().filter(|path| *path != own).filter_map(holder);
        let alone = others.into_iter().all(|other| other.stage == Stage::Leaving);
        let stage = if alone { Stage::Alone } else { Stage::Leaving };
        describe(&mut self.file, stage).map_err(|source| {
            let path = lease_path(&self.database, &self.lease);
            StoreError::Io { path, doing: "write", source }
        })?;
        Ok(alone)
    }

    /// Whether the run with that lease on the database at `path` lives.
    pub fn is_alive(path: &Path, lease: &str) -> bool {
        File::open(lease_path(&real(path), lease)).is_ok_and(|file| is_held(&file))
    }

    /// Runs on the database at `path` that live now.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be read.
    pub fn holders(path: &Path) -> Result<Vec<Holder>, StoreError> {
        Ok(leases(path)?.into_iter().filter_map(holder).collect())
    }

    /// Lock files that dead runs left beside the database at `path`.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be read.
    pub fn left_behind(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let free = |path: &PathBuf| File::open(path).is_ok_and(|file| !is_held(&file));
        Ok(leases(path)?.into_iter().filter(free).collect())
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Nobody looks for this lease any more but to see that it is gone.
        let _ = fs::remove_file(lease_path(&self.database, &self.lease));
    }
}

/// The file itself, whatever links lead there; the same before the file is there and after.
fn real(database: &Path) -> PathBuf {
    let folder =
        || database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let to_come = || Some(folder().canonicalize().ok()?.join(database.file_name()?));
    database.canonicalize().ok().or_else(to_come).unwrap_or_else(|| database.to_owned())
}

fn lease_path(database: &Path, lease: &str) -> PathBuf {
    beside(database, &format!(".run-{lease}"))
}

/// Unlike every other one: a process is only once at a time.
fn new_lease() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", process::id(), now.as_nanos())
}

/// Waits for the gate; it is free again when the file is dropped. The file stays: removing it would let two runs
/// lock two files of one name.
fn gate(database: &Path) -> Result<File, StoreError> {
    let path = beside(database, ".lock");
    let locked = open(&path).and_then(|file| {
        for _ in 0..TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(Errno::WOULDBLOCK) => thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "another process keeps it locked"))
    });
    locked.map_err(|source| StoreError::Io { path, doing: "lock", source })
}

/// Every run's own lock file, held or not.
fn leases(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let database = real(path);
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = lease_path(&database, "");
    let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes();
    let io = |source| StoreError::Io { path: folder.to_owned(), doing: "look for runs in", source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io)?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn take_own(path: &Path) -> io::Result<File> {
    let mut file = open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    describe(&mut file, Stage::Working)?;
    Ok(file)
}

/// Whether another open file holds the lock. Takes it for an instant if not.
fn is_held(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
}

/// Writes who holds it; the words of each stage are of one length, so that a reader never sees half of two.
fn describe(file: &mut File, stage: Stage) -> io::Result<()> {
    let host = rustix::system::uname();
    file.rewind()?;
    writeln!(file, "{}\n{}\n{}\n{}", stage.word(), process::id(), host.nodename().to_string_lossy(), now())
}

/// Who holds the lock file there, if somebody does.
fn holder(path: PathBuf) -> Option<Holder> {
    let file = File::open(path).ok()?;
    is_held(&file).then(|| read_holder(file))
}

fn read_holder(file: File) -> Holder {
    let mut text = String::new();
    // Unreadable as it may be, it is held.
    let _ = file.take(1024).read_to_string(&mut text);
    let mut lines = text.lines();
    let stage = Stage::of(lines.next().unwrap_or_default());
    let mut next = || lines.next().unwrap_or("?").to_owned();
    Holder { stage, pid: next().parse().unwrap_or(0), host: next(), since: next() }
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Alone => "alone  ",
            Self::Leaving => "leaving",
        }
    }

    fn of(word: &str) -> Self {
        match word.trim() {
            "alone" => Self::Alone,
            "leaving" => Self::Leaving,
            _ => Self::Working,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        (folder, path)
    }

    /// Another process's lock file, held by this one.
    fn another(path: &Path, lease: &str, stage: Stage) -> File {
        let own = lease_path(path, lease);
        let file = take_own(&own).unwrap();
        fs::write(own, format!("{}\n1\nelsewhere\n2026-01-31T12:00:00.000Z\n", stage.word())).unwrap();
        file
    }

    #[test]
    fn a_run_that_makes_its_database_takes_itself_for_no_other() {
        let folder = tempfile::tempdir().unwrap();
        // A path that is not the shortest, as a relative one is not.
        let path = folder.path().join("..").join(folder.path().file_name().unwrap()).join("a.db");
        let mut lock = RunLock::acquire(&path, Company::Alone).unwrap();
        fs::write(&path, "now it is there").unwrap();
        assert!(lock.try_alone().unwrap());
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let (_folder, path) = database();
        assert_eq!(RunLock::holders(&path).unwrap(), []);
        let lock = RunLock::acquire(&path, Company::Alone).unwrap();
        let [holder] = RunLock::holders(&path).unwrap().try_into().unwrap();
        assert_eq!((holder.pid, holder.stage), (process::id(), Stage::Working));
        let refused = RunLock::acquire(&path, Company::Alone).unwrap_err();
        assert!(matches!(&refused, StoreError::Held { holders, .. } if *holders == [holder]), "{refused}");
        drop(lock);
        assert_eq!(RunLock::holders(&path).unwrap(), []);
        RunLock::acquire(&path, Company::Alone).unwrap();
    }

    #[test]
    fn one_that_shares_goes_on_beside_others() {
        let (_folder, path) = database();
        let first = RunLock::acquire(&path, Company::Alone).unwrap();
        let second = RunLock::acquire(&path, Company::Shared).unwrap();
        assert_eq!(RunLock::holders(&path).unwrap().len(), 2);
        assert!(RunLock::is_alive(&path, first.lease()) && RunLock::is_alive(&path, second.lease()));
        let lease = first.lease().to_owned();
        drop(first);
        assert!(!RunLock::is_alive(&path, &lease));
        assert!(matches!(RunLock::acquire(&path, Company::Alone), Err(StoreError::Held { .. })));
    }

    #[test]
    fn the_last_of_several_is_alone_and_stays_so() {
        let (_folder, path) = database();
        let mut lock = RunLock::acquire(&path, Company::Shared).unwrap();
        let other = another(&path, "1-1", Stage::Working);
        assert!(!lock.try_alone().unwrap());
        assert_eq!(RunLock::holders(&path).unwrap()[1].stage, Stage::Leaving);
        drop(other);
        let _leaving = another(&path, "1-2", Stage::Leaving);
        assert!(lock.try_alone().unwrap());
        assert!(matches!(RunLock::acquire(&path, Company::Shared), Err(StoreError::Held { .. })));
    }

    #[test]
    fn what_a_dead_run_left_locks_nothing() {
        let (folder, path) = database();
        let left = folder.path().join("a.db.run-1-2");
        fs::write(&left, "alone\n1\nelsewhere\n2026-01-31T12:00:00.000Z\n").unwrap();
        assert_eq!(RunLock::holders(&path).unwrap(), []);
        assert!(!RunLock::is_alive(&path, "1-2"));
        assert_eq!(RunLock::left_behind(&path).unwrap(), [left]);
        RunLock::acquire(&path, Company::Alone).unwrap();
    }

    #[test]
    fn a_link_to_the_database_is_the_same_lock() {
        let (folder, path) = database();
        fs::write(&path, "").unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let _lock = RunLock::acquire(&path, Company::Alone).unwrap();
        assert!(matches!(RunLock::acquire(&link, Company::Alone), Err(StoreError::Held { .. })));
    }
}
