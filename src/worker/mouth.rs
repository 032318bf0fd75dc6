//! What a worker says, on standard output.

use std::io;

use crate::measure::resources::peak_rss_bytes;
use crate::protocol::{Message, write_line};

/// The way to the runner. If nobody listens any more, nothing is said: the orders will tell.
#[derive(Debug, Default)]
pub(super) struct Mouth(());

impl Mouth {
    pub(super) fn say(&self, message: &Message) {
        if let Err(error) = write_line(io::stdout().lock(), message) {
            eprintln!("could not tell the runner: {error}");
        }
    }

    /// The last message of a job that went well.
    pub(super) fn finished(&self, weights: Option<String>) -> Message {
        Message::Finished { weights, peak_rss_bytes: peak_rss_bytes() }
    }
}
