//! Which code computes: the program's version, and the commit of the repository that the sweep file lies in.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::store::Code;

/// Longest time that git is waited for: a name for the results is worth no more.
const PATIENCE: Duration = Duration::from_secs(2);

/// The code as rows are marked with it. Outside a repository, and where git is missing or slow, the commit is
/// not known.
pub fn code(sweep_file: &Path) -> Code {
    let folder = match sweep_file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let git_commit = git(folder, &["rev-parse", "--verify", "HEAD"])
        .map(|commit| commit.trim().to_owned())
        .filter(|commit| !commit.is_empty());
    let git_dirty = git_commit.as_ref().and_then(|_| git(folder, &["status", "--porcelain"]));
    Code {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit,
        git_dirty: git_dirty.map(|changes| !changes.trim().is_empty()),
    }
}

/// What git prints, if it succeeds in time.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("git")
        // A look must not take the lock that a commit of the user's would need.
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let text = child.stdout.take().and_then(|mut stdout| {
        let read = move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        };
        thread::Builder::new().spawn(read).ok()
    });
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) => return text?.join().ok()?.ok().filter(|_| status.success()),
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(_) => break,
        }
    }
    // It may have ended this very moment; the reader ends with it either way.
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, arguments: &[&str]) {
        let status = Command::new("git")
            .current_dir(folder)
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    #[test]
    fn a_commit_and_its_changes_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        assert_eq!(code(&file).git_commit, None);
        run(folder.path(), &["init", "-q"]);
        std::fs::write(&file, "").unwrap();
        run(folder.path(), &["add", "-A"]);
        run(folder.path(), &["commit", "-qm", "a"]);
        let clean = code(&file);
        assert_eq!(clean.git_commit.as_ref().map(String::len), Some(40));
        assert_eq!(clean.git_dirty, Some(false));
        std::fs::write(&file, "[sweep]").unwrap();
        assert_eq!(code(&file), Code { git_dirty: Some(true), ..clean });
    }
}
