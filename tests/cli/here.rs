//! A folder in which the program is called.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// The project's root.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const PROGRAM: &str = env!("CARGO_BIN_EXE_effsweep");

/// A temporary folder, gone with its value.
pub struct Here {
    folder: tempfile::TempDir,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Here {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Calls the program with these arguments.
    pub fn call(&self, arguments: &[&str]) -> Called {
        finish(self.command().args(arguments))
    }

    /// Has a shell run a line, in which the program is called `effsweep`.
    pub fn shell(&self, line: &str) -> Called {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]);
        finish(settle(&mut shell, self.folder.path()))
    }

    /// The program, yet to be started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        settle(&mut command, self.folder.path());
        command
    }
}

/// Calls the program in the project's root.
pub fn call_in_root(arguments: &[&str]) -> Called {
    finish(settle(Command::new(PROGRAM).args(arguments), Path::new(ROOT)))
}

impl Called {
    /// The call, if it did what it was asked.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// All that was said, answers first, with the exit code where it is not 0.
    pub fn transcript(&self) -> String {
        let code = match self.code {
            Some(0) => String::new(),
            Some(code) => format!("[exit code {code}]\n"),
            None => "[killed]\n".to_owned(),
        };
        format!("{}{}{code}", self.stdout, self.stderr)
    }
}

/// The surroundings of a call: nothing of the tester's own settings.
fn settle<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    let programs = Path::new(PROGRAM).parent().unwrap();
    let paths = env::join_paths(
        [programs.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    );
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("PATH", paths.unwrap())
        .env_remove("EFFSWEEP_DB")
        .env_remove("CLICOLOR_FORCE")
        .env("NO_COLOR", "1")
}

fn finish(command: &mut Command) -> Called {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Called { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
