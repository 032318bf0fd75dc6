//! Errors into messages and exit codes: the one place that knows the errors of every module.
//!
//! ```text
//! error: failed to open results/effsweep.db: the system does not let it be opened
//!   because: unable to open database file
//! hint: …
//! ```

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::arch::ArchError;
use crate::cluster::ClusterError;
use crate::data::DataError;
use crate::durable::WriteError;
use crate::runner::RunError;
use crate::store::{self, StoreError};
use crate::sweep::{ObjectiveError, SweepError};
use crate::weights::WeightsFileError;

/// Exit code of a command that did what it was asked.
pub(super) const DONE: u8 = 0;

/// Exit code where something went wrong that the command line and the sweep file did not cause.
pub(super) const FAILED: u8 = 1;

/// Exit code where what was asked for cannot be; clap's own too.
pub(super) const USER: u8 = 2;

/// Exit code after Ctrl-C, as of a shell's own children.
pub(super) const INTERRUPTED: u8 = 130;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    message: Option<String>,
    hints: Vec<String>,
}

impl Failure {
    /// The user asked for something that cannot be.
    pub(super) fn user(message: impl Display) -> Self {
        Self { code: USER, message: Some(message.to_string()), hints: Vec::new() }
    }

    /// The user asked for something that cannot be, for the reason that `error` gives.
    pub(super) fn user_because(doing: impl Display, error: &(dyn Error + 'static)) -> Self {
        Self::user(with_causes(doing, Some(error)))
    }

    /// The world did not let it be done.
    pub(super) fn failed(error: &(dyn Error + 'static)) -> Self {
        Self { code: FAILED, message: Some(with_causes(error, error.source())), hints: Vec::new() }
    }

    /// It ends with that code, and everything is said already.
    pub(super) fn silent(code: u8) -> Self {
        Self { code, message: None, hints: Vec::new() }
    }

    /// Adds what the user can do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what is wrong, on standard error; the exit code.
    pub(super) fn report(self) -> ExitCode {
        if let Some(message) = &self.message {
            const RED: &str = "\x1b[1;31merror:\x1b[0m ";
            // Later faults of a sweep file begin with the word, too.
            let message = message.replace("\nerror: ", &format!("\n{RED}"));
            anstream::eprintln!("{RED}{}", message.replace("\nhint: ", "\n\x1b[1;36mhint:\x1b[0m "));
        }
        for hint in &self.hints {
            anstream::eprintln!("\x1b[1;36mhint:\x1b[0m {hint}");
        }
        ExitCode::from(self.code)
    }
}

fn code(kind: store::Kind) -> u8 {
    match kind {
        store::Kind::User => USER,
        store::Kind::Environment | store::Kind::Bug => FAILED,
    }
}

/// `first`, and a line for each cause.
fn with_causes(first: impl Display, cause: Option<&(dyn Error + 'static)>) -> String {
    std::iter::successors(cause, |&error| error.source())
        .fold(first.to_string(), |text, cause| format!("{text}\n  because: {cause}"))
}

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        Self::user(with_causes(&error, error.source()))
    }
}

impl From<ObjectiveError> for Failure {
    fn from(error: ObjectiveError) -> Self {
        Self::user(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = with_causes(format_args!("failed to {error}"), error.source());
        let failure = Self { code: code(error.kind()), message: Some(message), hints: Vec::new() };
        match &error {
            StoreError::BadQuery { message } if message.starts_with("no such") => failure
                .hint("`effsweep sql \"SELECT sql FROM sqlite_schema\"` shows every table, view and column"),
            _ => failure,
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match &error {
            DataError::Setting { .. }
            | DataError::Io { .. }
            | DataError::Format { .. }
            | DataError::Unreadable { .. } => Self::user(with_causes(&error, error.source())),
            DataError::View { .. } | DataError::Thread(_) | DataError::Panicked { .. } => {
                Self::failed(&error)
            }
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Data(error) => error.into(),
            other => {
                let message = with_causes(format_args!("failed to {other}"), other.source());
                Self { code: code(other.kind()), message: Some(message), hints: Vec::new() }
            }
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::Sweep(error) => error.into(),
            ClusterError::Store(error) => error.into(),
            ClusterError::Run(error) => error.into(),
            ClusterError::Write(error) => error.into(),
            other => {
                let message = with_causes(format_args!("failed to {other}"), other.source());
                let code = if other.is_users() { USER } else { FAILED };
                Self { code, message: Some(message), hints: Vec::new() }
            }
        }
    }
}

impl From<ArchError> for Failure {
    fn from(error: ArchError) -> Self {
        Self::user(error)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let message = with_causes(format_args!("failed to {error}"), error.source());
        Self { code: FAILED, message: Some(message), hints: Vec::new() }
    }
}

impl From<WeightsFileError> for Failure {
    fn from(error: WeightsFileError) -> Self {
        let message = with_causes(format_args!("failed to {error}"), error.source());
        let code = if error.is_users() { USER } else { FAILED };
        let failure = Self { code, message: Some(message), hints: Vec::new() };
        match &error {
            WeightsFileError::Undescribed { .. } => failure
                .hint("`effsweep weights import FILE --model NAME --output OTHER` gives them a description"),
            _ => failure,
        }
    }
}

/// Of standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Whoever reads has seen enough: `effsweep export | head`.
            io::ErrorKind::BrokenPipe => Self::silent(DONE),
            _ => {
                let message = with_causes("failed to write to standard output", Some(&error));
                Self { code: FAILED, message: Some(message), hints: Vec::new() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_below_what_they_caused() {
        let error = SweepError::Read { path: "a.toml".into(), source: io::Error::other("gone") };
        let failure = Failure::from(error);
        assert_eq!(failure.code, USER);
        assert_eq!(failure.message.unwrap(), "cannot read the sweep file `a.toml`\n  because: gone");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code, failure.message), (DONE, None));
    }
}
