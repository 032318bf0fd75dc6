//! One run at a time: an advisory lock (flock) on `<database>.lock`.
//!
//! The kernel drops the lock with the process, however it dies, so there is nothing to time out or to guess.
//! What stands in the file only says who: it is for people, and stale once the lock is free.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use super::error::StoreError;
use super::open::beside;
use super::time::now;

/// Holds the right to write a database until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Machine, by name.
    pub host: String,
    /// Since when.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since)
    }
}

impl RunLock {
    /// Takes the lock of the database at `path`, which need not exist yet (its folder must).
    ///
    /// # Errors
    /// [`StoreError::Held`] if another run has it; [`StoreError::Io`] if the lock file cannot be written.
    pub fn acquire(path: &Path) -> Result<Self, StoreError> {
        let lock_path = lock_path(path);
        let io = |source| StoreError::Io { path: lock_path.clone(), doing: "lock", source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io)?;
        // `holder` may have the lock for an instant, to see whether it is free.
        for _ in 0..5 {
            match file.try_lock() {
                Ok(()) => {
                    write_holder(&mut file).map_err(io)?;
                    return Ok(Self { file });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        let holder = read_holder(&mut file).map_err(io)?;
        Err(StoreError::Held { path: path.to_owned(), holder })
    }

    /// Who runs on the database at `path` now; `None` if nobody does.
    ///
    /// # Errors
    /// [`StoreError::Io`] if there is a lock file that cannot be read.
    pub fn holder(path: &Path) -> Result<Option<Holder>, StoreError> {
        let lock_path = lock_path(path);
        let io = |source| StoreError::Io { path: lock_path.clone(), doing: "look at the lock", source };
        let mut file = match File::open(&lock_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => read_holder(&mut file).map(Some).map_err(io),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Closing the file frees the lock; an empty one names nobody. The file stays: removing it would let
        // two runs lock two files of one name.
        let _ = self.file.set_len(0);
    }
}

/// The lock beside the file itself, whatever links lead there.
fn lock_path(database: &Path) -> PathBuf {
    beside(&database.canonicalize().unwrap_or_else(|_| database.to_owned()), ".lock")
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let host = rustix::system::uname();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}\n{}\n{}", process::id(), host.nodename().to_string_lossy(), now())
}

fn read_holder(file: &mut File) -> io::Result<Holder> {
    let mut text = String::new();
    file.rewind()?;
    file.take(1024).read_to_string(&mut text)?;
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or("?").to_owned();
    Ok(Holder { pid: next().parse().unwrap_or(0), host: next(), since: next() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        assert_eq!(RunLock::holder(&path).unwrap(), None);
        let lock = RunLock::acquire(&path).unwrap();
        let holder = RunLock::holder(&path).unwrap().unwrap();
        assert_eq!(holder.pid, process::id());
        let refused = RunLock::acquire(&path).unwrap_err();
        assert!(matches!(&refused, StoreError::Held { holder: held, .. } if *held == holder), "{refused}");
        drop(lock);
        assert_eq!(RunLock::holder(&path).unwrap(), None);
        RunLock::acquire(&path).unwrap();
    }

    #[test]
    fn what_a_dead_holder_left_locks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(folder.path().join("a.db.lock"), "1\nelsewhere\n2026-01-31T12:00:00.000Z\n").unwrap();
        assert_eq!(RunLock::holder(&path).unwrap(), None);
        RunLock::acquire(&path).unwrap();
    }

    #[test]
    fn a_link_to_the_database_is_the_same_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(&path, "").unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let _lock = RunLock::acquire(&path).unwrap();
        assert!(matches!(RunLock::acquire(&link), Err(StoreError::Held { .. })));
    }
}
