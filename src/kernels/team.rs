//! Threads that help with one piece of work after another and stay awake in between.
//!
//! A training step is a few hundred pieces of some hundred microseconds each, and a thread that has gone to sleep takes half
//! as long to wake as such a piece takes. So threads of the pool that have helped wait for more, awake, for a moment.

#![allow(unsafe_code)]

use std::cell::{OnceCell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::threads::range;

/// How long a helper waits for more: longer than what a step does on one thread takes.
const PATIENCE: Duration = Duration::from_millis(1);

/// Looks around, between which others may have the processor.
const LOOKS: usize = 64;

/// No piece.
const CLOSED: u64 = 0;

/// A piece of work: something to do for each number below a count.
type Piece<'a> = (&'a (dyn Fn(usize) + Sync), usize);

/// A thread and those that help it.
struct Team {
    leader: ThreadId,
    /// The work, while it is open.
    piece: UnsafeCell<Option<Piece<'static>>>,
    /// Which piece of the leader's is open, or [`CLOSED`].
    open: AtomicU64,
    /// Pieces there have been, which the leader alone counts.
    pieces: AtomicU64,
    /// Of each thread's share of the numbers, the next.
    next: Vec<AtomicUsize>,
    /// Helpers that may be reading the work.
    inside: AtomicUsize,
    /// Helpers that wait or work.
    serving: AtomicUsize,
    panicked: AtomicBool,
}

// SAFETY: `piece` is written by the leader alone, while nothing is open and every helper that saw something open has left.
// Helpers read it only between raising and lowering `inside`, and only if they see something open after raising. The leader
// closes before it looks at `inside`; as all agree on one order of these, either it sees the helper inside and waits, or the
// helper sees nothing open, or what was opened after the next write. What `piece` holds is `Sync`.
unsafe impl Sync for Team {}
// SAFETY: what it holds may be called from any thread.
unsafe impl Send for Team {}

thread_local! {
    static TEAM: OnceCell<Arc<Team>> = const { OnceCell::new() };
}

/// Calls `work` with every number below `count`, in no order, on this thread and what threads of its pool come to help.
///
/// # Panics
/// If `work` does.
pub(super) fn share(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let helpers = rayon::current_num_threads().min(count).saturating_sub(1);
    let team = TEAM.with(|team| team.get_or_init(|| Arc::new(Team::new())).clone());
    // Within a piece of its own, a thread goes on alone.
    if helpers == 0 || team.open.load(SeqCst) != CLOSED {
        (0..count).for_each(work);
        return;
    }
    team.call(helpers);
    team.lead((work, count));
}

impl Team {
    fn new() -> Self {
        Self {
            leader: thread::current().id(),
            piece: UnsafeCell::new(None),
            open: AtomicU64::new(CLOSED),
            pieces: AtomicU64::new(CLOSED),
            next: (0..rayon::current_num_threads()).map(|_| AtomicUsize::new(0)).collect(),
            inside: AtomicUsize::new(0),
            serving: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
        }
    }

    /// Asks the pool for as many helpers as are missing.
    fn call(self: &Arc<Self>, helpers: usize) {
        for _ in self.serving.load(SeqCst)..helpers {
            self.serving.fetch_add(1, SeqCst);
            let team = self.clone();
            rayon::spawn(move || team.serve());
        }
    }

    /// Opens a piece of work, takes part in it, and closes it when nobody is at it any more.
    fn lead(&self, piece: Piece<'_>) {
        struct Close<'a>(&'a Team);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                self.0.open.store(CLOSED, SeqCst);
                let mut waiting = Waiting::default();
                while self.0.inside.load(SeqCst) > 0 {
                    waiting.look();
                }
            }
        }
        // SAFETY: the work outlives its being read, as `Close` waits for all helpers to have left, even if it panics here.
        let longer = unsafe { std::mem::transmute::<Piece<'_>, Piece<'static>>(piece) };
        // SAFETY: nothing is open, and the last `Close` has seen all helpers leave: none reads this.
        unsafe { *self.piece.get() = Some(longer) };
        for (share, next) in self.next.iter().enumerate() {
            next.store(range(piece.1, self.next.len(), share).start, SeqCst);
        }
        self.panicked.store(false, SeqCst);
        self.open.store(self.pieces.fetch_add(1, SeqCst) + 1, SeqCst);
        let close = Close(self);
        self.work(piece);
        drop(close);
        if self.panicked.load(SeqCst) {
            resume_unwind(Box::new("a thread that helped panicked"));
        }
    }

    /// A thread's own share first, which is the same from piece to piece: what it has worked on is in its cache. Then what is
    /// left of others'.
    fn work(&self, (work, count): Piece<'_>) {
        let shares = self.next.len();
        let own = rayon::current_thread_index().unwrap_or(0);
        for share in (own..own + shares).map(|share| share % shares) {
            let end = range(count, shares, share).end;
            loop {
                let number = self.next[share].fetch_add(1, SeqCst);
                if number >= end {
                    break;
                }
                work(number);
            }
        }
    }

    /// Helps until there has been nothing to do for a while.
    fn serve(&self) {
        // The leader may be the one that the pool finds for it, while it waits for something else.
        if thread::current().id() != self.leader {
            let (mut waiting, mut helped) = (Waiting::default(), CLOSED);
            while waiting.since.elapsed() < PATIENCE {
                let open = self.open.load(SeqCst);
                if open == CLOSED || open == helped {
                    waiting.look();
                } else {
                    helped = self.help();
                    waiting = Waiting::default();
                }
            }
        }
        self.serving.fetch_sub(1, SeqCst);
    }

    /// Takes part in what is open, if anything still is: which that was.
    fn help(&self) -> u64 {
        self.inside.fetch_add(1, SeqCst);
        let open = self.open.load(SeqCst);
        if open != CLOSED {
            // SAFETY: it was open after this thread was counted inside: it stays as it is until this thread has left.
            let piece = unsafe { *self.piece.get() };
            if let Some(piece) = piece
                && catch_unwind(AssertUnwindSafe(|| self.work(piece))).is_err()
            {
                self.panicked.store(true, SeqCst);
            }
        }
        self.inside.fetch_sub(1, SeqCst);
        open
    }
}

/// Waiting awake.
struct Waiting {
    since: Instant,
    looks: usize,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { since: Instant::now(), looks: 0 }
    }
}

impl Waiting {
    fn look(&mut self) {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS) {
            thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    fn on_threads(threads: usize, f: impl FnOnce() + Send) {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f);
    }

    #[test]
    fn every_number_is_worked_on_once_in_every_piece() {
        for threads in [1, 2, 3, 7] {
            on_threads(threads, || {
                for count in (0..40).chain([1000]).cycle().take(1000) {
                    let done: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                    share(count, &|number| {
                        done[number].fetch_add(1, Relaxed);
                    });
                    assert!(done.iter().all(|times| times.load(Relaxed) == 1), "{threads} threads, {count}");
                }
            });
        }
    }

    #[test]
    fn work_may_share_work() {
        on_threads(3, || {
            let done = AtomicUsize::new(0);
            share(20, &|_| {
                share(20, &|_| {
                    done.fetch_add(1, Relaxed);
                });
            });
            assert_eq!(done.load(Relaxed), 400);
        });
    }

    #[test]
    fn threads_of_no_pool_and_several_at_once_are_helped() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicUsize::new(0);
                        share(50, &|number| {
                            sum.fetch_add(number, Relaxed);
                        });
                        assert_eq!(sum.load(Relaxed), 49 * 50 / 2);
                    }
                });
            }
        });
    }

    #[test]
    fn panics_come_through_and_the_team_goes_on() {
        on_threads(3, || {
            for bad in 0..30 {
                let shared = catch_unwind(|| share(30, &|number| assert!(number != bad)));
                assert!(shared.is_err(), "{bad}");
            }
            let done = AtomicUsize::new(0);
            share(30, &|_| {
                done.fetch_add(1, Relaxed);
            });
            assert_eq!(done.load(Relaxed), 30);
        });
    }

    #[test]
    fn what_has_waited_too_long_is_called_again() {
        on_threads(2, || {
            let team = || TEAM.with(|team| team.get().map(|team| team.serving.load(SeqCst)));
            share(8, &|_| ());
            let start = Instant::now();
            while team() != Some(0) {
                assert!(start.elapsed() < Duration::from_secs(30), "helpers go back to the pool");
                thread::sleep(PATIENCE);
            }
            // Each waits for the other: one thread alone would not get through.
            let arrived = AtomicUsize::new(0);
            share(2, &|_| {
                arrived.fetch_add(1, SeqCst);
                while arrived.load(SeqCst) < 2 {
                    thread::yield_now();
                }
            });
        });
    }
}
