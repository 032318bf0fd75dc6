//! What the runner orders, and whether it is still there.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::protocol::{LineReader, Order};

/// Whether to stop: because the runner ordered it, or because its end of the pipe is closed, which it keeps
/// open as long as it lives.
#[derive(Debug, Clone)]
pub(super) struct Orders(Arc<AtomicBool>);

impl Orders {
    /// Listens from now on, on a thread of its own.
    pub(super) fn listen(mut lines: LineReader<impl BufRead + Send + 'static>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let orders = Self(Arc::clone(&stop));
        std::thread::spawn(move || {
            // There is one order so far; an end, or anything that is no order, means the same.
            let _ = lines.read::<Order>();
            stop.store(true, Ordering::Relaxed);
        });
        orders
    }

    pub(super) fn stop(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
