//! What the runner orders, and whether it is still there.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGTERM, SIGUSR1};

use crate::protocol::{LineReader, Order};

/// How long a worker whose runner died may take to write its checkpoint: nobody is left who would press it.
const ORPHANS_GRACE: Duration = Duration::from_secs(20);

/// Whether to stop: because the runner ordered it, or because its end of the pipe is closed, which it keeps
/// open as long as it lives.
#[derive(Debug, Clone)]
pub(super) struct Orders(Arc<AtomicBool>);

impl Orders {
    /// Listens from now on, on a thread of its own, which ends the process if it outlives its runner for too long.
    pub(super) fn listen(mut lines: LineReader<impl BufRead + Send + 'static>) -> Self {
        leave_to_the_runner();
        let stop = Arc::new(AtomicBool::new(false));
        let orders = Self(Arc::clone(&stop));
        std::thread::spawn(move || {
            while let Ok(Some(Order::Stop)) = lines.read::<Order>() {
                stop.store(true, Ordering::Relaxed);
            }
            // An end, or anything that is no order: it is gone.
            stop.store(true, Ordering::Relaxed);
            std::thread::sleep(ORPHANS_GRACE);
            eprintln!("the runner is gone, and the work could not be put aside in time");
            std::process::exit(1);
        });
        orders
    }

    pub(super) fn stop(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A cluster, or a service manager, sends these to all processes of a job at once. What is to be done is the runner's
/// matter, which gets them too and gives its orders; without this, every worker would be dead before it heard them.
fn leave_to_the_runner() {
    for signal in [SIGTERM, SIGUSR1] {
        // Where the system refuses, they kill as before.
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}
