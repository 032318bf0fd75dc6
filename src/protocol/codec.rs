//! JSON lines with a longest length: a peer that writes without end costs no memory.

use std::io::{self, BufRead, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest line either side accepts, newline included. A measurement of thousands of samples fits.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// A line that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The pipe failed.
    #[error("the pipe failed")]
    Io(#[from] io::Error),
    /// The line was longer than [`MAX_LINE_BYTES`].
    #[error("a line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// The last line has no newline: its writer died in the middle of it.
    #[error("the last line was cut off")]
    Truncated,
    /// The line is no message.
    #[error("not a message: `{line}`")]
    Malformed {
        /// Its beginning.
        line: String,
        /// What serde made of it.
        #[source]
        source: serde_json::Error,
    },
}

/// Writes `message` as one line and flushes.
///
/// # Errors
/// [`CodecError::Io`] if the pipe failed, [`CodecError::TooLong`] if the line would not be accepted.
pub fn write_line<T: Serialize>(mut writer: impl Write, message: &T) -> Result<(), CodecError> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::from)?;
    line.push(b'\n');
    if line.len() > MAX_LINE_BYTES {
        return Err(CodecError::TooLong);
    }
    writer.write_all(&line)?;
    writer.flush()?;
    Ok(())
}

/// Reads messages line by line.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> LineReader<R> {
    /// Reads from `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, line: Vec::new() }
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// If the pipe failed, or the line is too long, cut off, or no such message.
    pub fn read<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CodecError> {
        self.line.clear();
        let mut limited = io::Read::take(&mut self.reader, MAX_LINE_BYTES as u64);
        if limited.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() != Some(&b'\n') {
            let full = self.line.len() == MAX_LINE_BYTES;
            return Err(if full { CodecError::TooLong } else { CodecError::Truncated });
        }
        serde_json::from_slice(&self.line).map(Some).map_err(|source| CodecError::Malformed {
            line: String::from_utf8_lossy(&self.line[..self.line.len().min(200)]).trim_end().to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cause, ChannelReport, Message, ProgressReport, SignalPlace, SignalsReport};
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Message>, CodecError> {
        LineReader::new(bytes).read()
    }

    #[test]
    fn a_message_is_read_back() {
        let message = Message::Failed { cause: Cause::Io, message: "a\nb \"c\"".to_owned() };
        let mut line = Vec::new();
        write_line(&mut line, &message).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(read(&line).unwrap(), Some(message));
    }

    #[test]
    fn a_cut_off_line_is_an_error() {
        assert!(matches!(read(b"{\"finished\":"), Err(CodecError::Truncated)));
    }

    #[test]
    fn an_endless_line_is_an_error() {
        assert!(matches!(read(&vec![b'x'; 2 * MAX_LINE_BYTES]), Err(CodecError::TooLong)));
    }

    #[test]
    fn the_signals_of_a_widest_message_are_read_back() {
        // As many digits as a double takes.
        let long = -1.234_567_890_123_456_7e-300;
        let channel =
            ChannelReport { mean: long, mean_variance: long, deviation: long, deviation_variance: long };
        let message = Message::Signals(SignalsReport {
            finished_epochs: usize::MAX,
            layer: usize::MAX,
            name: "blocks.1000.project".to_owned(),
            place: SignalPlace::Post,
            images: 64,
            pixels: usize::MAX,
            first_channel: usize::MAX,
            channels: vec![channel; SignalsReport::MOST_CHANNELS],
        });
        let mut line = Vec::new();
        write_line(&mut line, &message).unwrap();
        assert_eq!(read(&line).unwrap(), Some(message));
    }

    #[test]
    fn the_end_is_no_message() {
        assert!(matches!(read(b""), Ok(None)));
    }

    #[test]
    fn a_message_never_holds_a_nan_silently() {
        let line = serde_json::to_string(&Message::Progress(ProgressReport {
            epoch: 0,
            step: 0,
            steps: 1,
            loss: f32::NAN,
            images_per_s: 1.0,
        }));
        assert!(read(format!("{}\n", line.unwrap()).as_bytes()).is_err());
    }
}
