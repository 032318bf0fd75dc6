//! One job in one process: read from standard input, answered on standard output.
//!
//! The runner starts this same binary with the hidden command `worker`. What is printed to standard error is
//! the attempt's log. A panic ends the process with Rust's own status, 101, and costs nobody else anything.
//!
//! *Architecture invariant*: knows no database and no other trial; imports no `store`.

mod mouth;
mod orders;
mod tenancy;
mod train_job;

use std::io::{self, BufReader};
use std::process::ExitCode;

use crate::measure::{quiet, step};
use crate::protocol::{Cause, Job, LineReader, Message, VERSION};
use crate::train::TrainError;
use crate::weights::WeightsFileError;
use mouth::Mouth;
use orders::Orders;

/// Does the job that standard input asks for.
pub fn run() -> ExitCode {
    let mut lines = LineReader::new(BufReader::new(io::stdin()));
    let mouth = Mouth::default();
    let job = match lines.read::<Job>() {
        Ok(Some(job)) => job,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            mouth.say(&Message::Failed { cause: Cause::Exit, message: format!("read the job: {error}") });
            return ExitCode::FAILURE;
        }
    };
    let orders = Orders::listen(lines);
    let last = answer(&job, &mouth, &orders).unwrap_or_else(|failure| failure.into_message());
    let failed = matches!(last, Message::Failed { .. });
    mouth.say(&last);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn answer(job: &Job, mouth: &Mouth, orders: &Orders) -> Result<Message, Failure> {
    let (version, threads) = match job {
        Job::Train(job) => (job.version, job.threads),
        Job::Measure(job) => (job.version, job.threads),
    };
    if version != VERSION {
        let message = format!("the runner speaks version {version} of the protocol, this worker {VERSION}");
        return Err(Failure { cause: Cause::Exit, message });
    }
    // This thread is one of them: handing every kernel over to another costs small batches half their time.
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).use_current_thread().build_global();
    pool.map_err(|error| Failure { cause: Cause::Io, message: format!("start {threads} threads: {error}") })?;
    match job {
        Job::Train(job) => train_job::answer(job, mouth, orders),
        Job::Measure(job) => {
            let mut wait = |limit_s| quiet::wait(limit_s, &mut || mouth.say(&Message::Working));
            step::measure(job, &mut wait, &mut |measured| mouth.say(&Message::Measured(measured)))?;
            Ok(mouth.finished(None))
        }
    }
}

/// Why a job has no result.
struct Failure {
    cause: Cause,
    message: String,
}

impl Failure {
    fn into_message(self) -> Message {
        Message::Failed { cause: self.cause, message: self.message }
    }
}

impl Failure {
    /// A file that could not be read or written.
    fn of(error: &(dyn std::error::Error + 'static), doing: String) -> Self {
        Self { cause: of_file(error), message: format!("failed to {doing}: {}", chain(error)) }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let cause = match &error {
            TrainError::Network(_) => Cause::BadConfig,
            TrainError::Data(_) | TrainError::Checkpoint(_) => of_file(&error),
            TrainError::Tape(_) => Cause::Oom,
        };
        Self { cause, message: chain(&error) }
    }
}

impl From<WeightsFileError> for Failure {
    fn from(error: WeightsFileError) -> Self {
        Self { cause: of_file(&error), message: format!("failed to {}", chain(&error)) }
    }
}

/// Whether a file's error is its own or the whole disk's.
fn of_file(error: &(dyn std::error::Error + 'static)) -> Cause {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    let disk = chain.any(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(StorageFull | QuotaExceeded | ReadOnlyFilesystem))
    });
    if disk { Cause::Disk } else { Cause::Io }
}

/// An error with its sources: `failed to …: because …`.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::write_atomically;

    #[test]
    fn a_full_disk_is_told_from_a_missing_file() {
        // Every write to it says that there is no space left.
        let full = write_atomically(std::path::Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(of_file(&full), Cause::Disk);
        let missing = write_atomically(std::path::Path::new("/nowhere/at/all"), b"x").unwrap_err();
        assert_eq!(of_file(&missing), Cause::Io);
    }
}
