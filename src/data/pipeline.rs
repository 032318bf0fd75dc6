//! Work done ahead on background threads and handed over in order.
//!
//! Thread `k` of `n` makes the items `k`, `k + n`, …, each into a short queue of its own, and the consumer
//! goes round the queues: order needs no sorting, and no item depends on which thread was faster.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use super::error::DataError;

/// Finished items that wait over all queues; each thread holds one more, being made.
const WAITING: usize = 2;

/// An iterator over items made elsewhere. Ends after the first error; its threads end with it.
#[derive(Debug)]
pub(super) struct Pipeline<T> {
    lanes: Vec<Lane<T>>,
    next: usize,
    count: usize,
}

#[derive(Debug)]
struct Lane<T> {
    items: Receiver<Result<T, DataError>>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Pipeline<T> {
    /// Starts making `make(0)` to `make(count − 1)` on `threads` threads (at least one).
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(super) fn start(
        threads: usize,
        count: usize,
        make: impl Fn(usize) -> Result<T, DataError> + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let make = Arc::new(make);
        let threads = threads.clamp(1, count.max(1));
        let mut pipeline = Self { lanes: Vec::with_capacity(threads), next: 0, count };
        for first in 0..threads {
            let make = Arc::clone(&make);
            let (sender, items) = sync_channel(WAITING / threads);
            let work = move || {
                for item in (first..count).step_by(threads) {
                    let made = catch_unwind(AssertUnwindSafe(|| make(item)))
                        .unwrap_or_else(|panic| Err(DataError::Panicked { message: panic_message(&panic) }));
                    let failed = made.is_err();
                    if sender.send(made).is_err() || failed {
                        break;
                    }
                }
            };
            let thread = thread::Builder::new()
                .name(format!("data-{first}"))
                .spawn(work)
                .map_err(DataError::Thread)?;
            pipeline.lanes.push(Lane { items, thread });
        }
        Ok(pipeline)
    }

    /// Items still to come.
    pub(super) fn remaining(&self) -> usize {
        self.count - self.next
    }
}

impl<T> Pipeline<T> {
    /// Closes the queues, upon which threads end after the item they are at, and waits for them.
    fn end(&mut self) {
        self.next = self.count;
        let (items, threads): (Vec<_>, Vec<_>) =
            self.lanes.drain(..).map(|lane| (lane.items, lane.thread)).unzip();
        drop(items);
        for thread in threads {
            // Panics were caught and sent as errors.
            let _ = thread.join();
        }
    }
}

impl<T> Iterator for Pipeline<T> {
    type Item = Result<T, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let lane = &self.lanes[self.next % self.lanes.len()];
        let item = lane.items.recv().unwrap_or_else(|_| {
            Err(DataError::Panicked { message: "it ended before its work was done".to_owned() })
        });
        match item {
            Ok(_) => self.next += 1,
            Err(_) => self.end(),
        }
        Some(item)
    }
}

impl<T> Drop for Pipeline<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a panic said.
pub(super) fn panic_message(panic: &Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn items_come_in_order_from_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 50] {
            let make = |item: usize| {
                thread::sleep(Duration::from_micros(((item * 7919) % 5 * 100) as u64));
                Ok(item)
            };
            let items: Vec<usize> = Pipeline::start(threads, 40, make).unwrap().map(Result::unwrap).collect();
            assert_eq!(items, (0..40).collect::<Vec<_>>(), "{threads} threads");
        }
        assert!(Pipeline::start(2, 0, Ok).unwrap().next().is_none());
    }

    #[test]
    fn work_runs_ahead_by_a_few_items_only() {
        for threads in [1, 2, 4] {
            let made = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&made);
            let make = move |item| {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok::<usize, DataError>(item)
            };
            let _pipeline = Pipeline::start(threads, 1000, make).unwrap();
            thread::sleep(Duration::from_millis(50));
            let made = made.load(Ordering::SeqCst);
            assert!((threads..=threads + WAITING).contains(&made), "{threads} threads made {made}");
        }
    }

    #[test]
    fn threads_end_when_the_pipeline_is_dropped() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let make = move |item| {
            let _held = &held;
            Ok::<usize, DataError>(item)
        };
        let mut pipeline = Pipeline::start(3, 1000, make).unwrap();
        pipeline.next();
        assert!(Arc::strong_count(&alive) > 1);
        drop(pipeline);
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn a_panic_is_an_error_in_its_place_and_the_last_item() {
        let make = |item| if item == 3 { panic!("item {item} is cursed") } else { Ok(item) };
        let mut pipeline = Pipeline::start(2, 10, make).unwrap();
        for item in 0..3 {
            assert_eq!(pipeline.next().unwrap().unwrap(), item);
        }
        let error = pipeline.next().unwrap().unwrap_err().to_string();
        assert_eq!(error, "a thread that prepares batches panicked: item 3 is cursed");
        assert!(pipeline.next().is_none());
    }
}
