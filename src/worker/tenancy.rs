//! One worker at a trial: a lock file beside its checkpoints.
//!
//! A runner that was killed leaves workers that write a last checkpoint and leave; the next run may be there before
//! they have. Two at the same files would do each other's work again and prune each other's checkpoints.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// How long the one before gets to write its checkpoint. Then nobody is left who could tell it to go, and it is
/// killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Holds a trial's files until it is dropped, or its process ends.
#[derive(Debug)]
pub(super) struct Tenancy {
    _file: File,
}

impl Tenancy {
    /// Takes the files whose checkpoints lie in `checkpoints`, as soon as nobody else has them.
    pub(super) fn take(checkpoints: &Path) -> io::Result<Self> {
        Self::take_within(checkpoints, PATIENCE)
    }

    fn take_within(checkpoints: &Path, patience: Duration) -> io::Result<Self> {
        let path = lock_path(checkpoints);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let start = Instant::now();
        let mut killed = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                // Some network file systems have no locks; Slurm runs no task twice at a time.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK) => break,
                Err(Errno::WOULDBLOCK) if start.elapsed() >= patience && !killed => {
                    // Whoever holds the lock is alive and wrote its number here.
                    evict(&mut file)?;
                    killed = true;
                }
                Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{} {}", process::id(), host())?;
        Ok(Self { _file: file })
    }
}

/// This machine, by name.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// `<trial>.lock` beside the folder `<trial>`.
fn lock_path(checkpoints: &Path) -> PathBuf {
    checkpoints.with_extension("lock")
}

fn evict(file: &mut File) -> io::Result<()> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    // On another machine the number means another process.
    let (pid, holder) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let pid = pid.parse().ok().filter(|_| holder.is_empty() || holder == host());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may have left in this moment.
        let _ = kill_process(pid, Signal::KILL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_files_are_had_as_soon_as_they_are_free() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = folder.path().join("checkpoints/ab");
        let first = Tenancy::take(&checkpoints).unwrap();
        let waiting = {
            let checkpoints = checkpoints.clone();
            std::thread::spawn(move || Tenancy::take(&checkpoints).unwrap())
        };
        std::thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished());
        drop(first);
        waiting.join().unwrap();
    }

    #[test]
    fn one_that_does_not_leave_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = folder.path().join("ab");
        let path = lock_path(&checkpoints);
        let script = r#"exec 9>"$0"; flock -x 9; printf %s $$ > "$0"; echo; exec sleep 600"#;
        let mut other =
            Command::new("bash").args(["-c", script]).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0];
        other.stdout.take().unwrap().read_exact(&mut line).unwrap();
        let _taken = Tenancy::take_within(&checkpoints, Duration::from_millis(50)).unwrap();
        assert!(!other.wait().unwrap().success());
        assert_eq!(fs::read_to_string(path).unwrap(), format!("{} {}", process::id(), host()));
    }
}
