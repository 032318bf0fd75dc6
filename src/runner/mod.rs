//! The parent: what is left to do, in which order, in which processes; what comes back goes into the database.
mod exit;
mod oom;
mod process;
mod retry;
mod scheduler;
pub mod signal;
mod usage;
