//! Signals as requests to stop.
//!
//! The handler itself only wakes a thread, which passes each signal on: what the first and the second mean is the
//! scheduler's matter.

use std::io;
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

/// Signals are passed on as long as this lives. After it, they are ignored.
#[derive(Debug)]
pub struct Caught {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Calls `asked` for every SIGINT and SIGTERM from now on.
///
/// # Errors
/// If the system refuses a handler or a thread.
pub fn catch(asked: impl Fn() + Send + 'static) -> io::Result<Caught> {
    catch_these(&[SIGINT, SIGTERM], move |_| asked())
}

/// Calls `asked` for every SIGINT, SIGTERM and SIGUSR1, by which a cluster says that it will take the machine away; it is
/// told whether it was that.
///
/// # Errors
/// If the system refuses a handler or a thread.
pub fn catch_preemption(asked: impl Fn(bool) + Send + 'static) -> io::Result<Caught> {
    catch_these(&[SIGINT, SIGTERM, SIGUSR1], move |signal| asked(signal == SIGUSR1))
}

fn catch_these(signals: &[i32], asked: impl Fn(i32) + Send + 'static) -> io::Result<Caught> {
    let mut signals = Signals::new(signals)?;
    let handle = signals.handle();
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            asked(signal);
        }
    })?;
    Ok(Caught { handle, thread: Some(thread) })
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It panicked only if `asked` did.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_signal_is_one_request() {
        let (sender, receiver) = mpsc::channel();
        let caught = catch(move || sender.send(()).unwrap()).unwrap();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::raise(signal).unwrap();
            receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        drop(caught);
        assert!(receiver.recv().is_err(), "the thread is gone");
    }
}
