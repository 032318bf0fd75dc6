//! The messages between a runner and its workers: JSON lines on the worker's pipes.
//!
//! The runner writes one [`Job`] to a worker's standard input and keeps that pipe open: its end is how a
//! worker learns that the runner died. The worker answers with [`Message`]s on its standard output until
//! one that ends the job; what it prints to standard error is its log.
//!
//! *Architecture invariant*: imports `sweep` for settings, and knows neither processes nor tensors.

mod codec;
mod message;

pub use codec::{CodecError, LineReader, MAX_LINE_BYTES, write_line};
pub use message::{
    Cause, ChannelReport, EpochReport, EvaluationReport, Job, MeasureJob, MeasureKind, Measured, Message,
    Order, ProgressReport, Sample, SignalPlace, SignalsReport, Test, TrainJob, VERSION,
};
