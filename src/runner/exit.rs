//! What the end of a worker means: from its last words, its status and its signal to one conclusion.

use std::fmt::Write;

use crate::protocol::{Cause, CodecError, Message};

/// Status of a process whose main thread panicked.
const PANICKED: i32 = 101;

/// SIGABRT, with which Rust ends a process that gets no memory.
const SIGABRT: i32 = 6;

/// SIGKILL, which also the kernel sends where memory has run out.
const SIGKILL: i32 = 9;

/// What Rust says before.
const NO_MEMORY: &str = "memory allocation of ";

/// A worker that is gone.
#[derive(Debug, Default)]
pub struct Exit {
    /// The message that ended its job, if it got that far.
    pub last_word: Option<Message>,
    /// Why its messages could not be read to the end.
    pub broken: Option<CodecError>,
    /// Exit status, if it exited.
    pub status: Option<i32>,
    /// Signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether the kernel killed a process for want of memory while it lived.
    pub out_of_memory: bool,
    /// End of its standard error.
    pub log: String,
    /// Largest resident size, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Processor time in user mode, seconds.
    pub user_cpu_s: Option<f64>,
    /// Processor time in the kernel, seconds.
    pub system_cpu_s: Option<f64>,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// It is done.
    Finished {
        /// Checksum of the final weights; absent after a measurement.
        weights: Option<String>,
    },
    /// The loss became NaN or infinite.
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Step within it.
        step: usize,
    },
    /// It was told to stop and has a checkpoint.
    Stopped,
    /// It has no result.
    Failed {
        /// Kind of failure.
        cause: Cause,
        /// What went wrong, in one line.
        message: String,
    },
}

impl Conclusion {
    /// What went wrong; empty if nothing did.
    pub fn message(&self) -> String {
        match self {
            Self::Failed { message, .. } => message.clone(),
            _ => String::new(),
        }
    }
}

impl Exit {
    /// The conclusion. A last word counts, however the process ended after it.
    pub fn conclusion(&self) -> Conclusion {
        match &self.last_word {
            Some(Message::Finished { weights, .. }) => Conclusion::Finished { weights: weights.clone() },
            Some(Message::Diverged { epoch, step }) => Conclusion::Diverged { epoch: *epoch, step: *step },
            Some(Message::Stopped { .. }) => Conclusion::Stopped,
            Some(Message::Failed { cause, message }) => {
                Conclusion::Failed { cause: *cause, message: message.clone() }
            }
            _ => {
                let (cause, message) = self.failure();
                Conclusion::Failed { cause, message }
            }
        }
    }

    fn failure(&self) -> (Cause, String) {
        match (&self.broken, self.status, self.signal) {
            // Then we killed it ourselves; the other kinds of broken follow from its death.
            (Some(error @ (CodecError::Malformed { .. } | CodecError::TooLong)), ..) => {
                (Cause::Exit, format!("said what is no message: {}", chain(error)))
            }
            (_, Some(PANICKED), _) => (Cause::Panic, self.panic_message()),
            (_, _, Some(SIGKILL)) if self.out_of_memory => {
                (Cause::Oom, "killed by the kernel: out of memory".to_owned())
            }
            (_, _, Some(SIGABRT)) if self.log.contains(NO_MEMORY) => (Cause::Oom, self.line_with(NO_MEMORY)),
            (_, _, Some(signal)) => (Cause::Killed, format!("killed by signal {signal}")),
            (broken, Some(status), None) => {
                let mut message = format!("exited with status {status} and no last message");
                if let Some(error) = broken {
                    let _ = write!(message, ": {error}");
                }
                (Cause::Exit, message)
            }
            (_, None, None) => (Cause::Exit, "ended in an unknown way".to_owned()),
        }
    }

    fn line_with(&self, words: &str) -> String {
        self.log.lines().find(|line| line.contains(words)).unwrap_or_default().trim().to_owned()
    }

    /// The panic's place and words, from the log.
    fn panic_message(&self) -> String {
        let mut lines = self.log.lines().skip_while(|line| !line.contains(" panicked at "));
        match (lines.next(), lines.next()) {
            (Some(place), Some(words)) => format!("{} {}", place.trim(), words.trim()),
            (Some(place), None) => place.trim().to_owned(),
            _ => "panicked".to_owned(),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(exit: &Exit) -> Option<Cause> {
        match exit.conclusion() {
            Conclusion::Failed { cause, .. } => Some(cause),
            _ => None,
        }
    }

    fn malformed() -> CodecError {
        let source = serde_json::from_str::<Message>("hello").unwrap_err();
        CodecError::Malformed { line: "hello".to_owned(), source }
    }

    #[test]
    fn every_end_has_its_cause() {
        let exit = Exit::default;
        let cases = [
            (Exit { status: Some(0), ..exit() }, Cause::Exit),
            (Exit { status: Some(3), ..exit() }, Cause::Exit),
            (Exit { status: Some(101), ..exit() }, Cause::Panic),
            (Exit { status: Some(101), broken: Some(CodecError::Truncated), ..exit() }, Cause::Panic),
            (Exit { signal: Some(9), ..exit() }, Cause::Killed),
            (Exit { signal: Some(9), broken: Some(CodecError::Truncated), ..exit() }, Cause::Killed),
            (Exit { signal: Some(9), out_of_memory: true, ..exit() }, Cause::Oom),
            (Exit { signal: Some(6), ..exit() }, Cause::Killed),
            (
                Exit { signal: Some(6), log: "memory allocation of 9 bytes failed\n".to_owned(), ..exit() },
                Cause::Oom,
            ),
            (Exit { signal: Some(15), out_of_memory: true, ..exit() }, Cause::Killed),
            (Exit { status: Some(0), broken: Some(CodecError::Truncated), ..exit() }, Cause::Exit),
            (Exit { signal: Some(9), broken: Some(malformed()), ..exit() }, Cause::Exit),
        ];
        let wrong: Vec<_> = cases.iter().filter(|(exit, expected)| cause(exit) != Some(*expected)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_last_word_counts_however_the_process_ended() {
        let last_word = Some(Message::Finished { weights: Some("b3".to_owned()), peak_rss_bytes: 1 });
        let exit = Exit { last_word, signal: Some(9), ..Exit::default() };
        assert_eq!(exit.conclusion(), Conclusion::Finished { weights: Some("b3".to_owned()) });
    }

    #[test]
    fn a_panic_says_where_and_what() {
        let log = "warming up\n\nthread 'main' (7) panicked at src/a.rs:3:5:\nindex out of bounds\nnote: run with\n";
        let exit = Exit { status: Some(101), log: log.to_owned(), ..Exit::default() };
        let Conclusion::Failed { message, .. } = exit.conclusion() else { panic!() };
        assert_eq!(message, "thread 'main' (7) panicked at src/a.rs:3:5: index out of bounds");
    }
}
