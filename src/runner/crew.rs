//! The workers of one phase: carries out what the scheduler orders, and tells it what happened.
//!
//! What a phase does with its tasks is its [`Duty`]; training and measuring differ in nothing else.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::error::RunError;
use super::exit::{Conclusion, Exit};
use super::process::{News, Worker};
use super::scheduler::{Ending, Happened, Order, Scheduler, Task, Verdict};
use crate::protocol::{Job, Message};

/// Longest time without a look at the clock and at what waits to be written.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a phase does with its tasks.
pub(super) trait Duty {
    /// The task's job, now that it may start; `None` if there is nothing to do any more.
    fn begin(&mut self, task: Task) -> Result<Option<Job>, RunError>;

    /// Its worker runs.
    fn begun(&mut self, task: Task, pid: u32) -> Result<(), RunError>;

    /// Its worker said something.
    fn heard(&mut self, task: Task, message: Message) -> Result<(), RunError>;

    /// Its worker is gone, and this is what follows.
    fn ended(&mut self, task: Task, end: End) -> Result<(), RunError>;

    /// The user asked to stop, for the first time or again.
    fn stopping(&mut self, at_once: bool);

    /// About once a second, and at the end: time to write what was gathered.
    fn settle(&mut self) -> Result<(), RunError>;

    /// Memory that the task is expected to take at most, bytes; 0 if nothing is known.
    fn need(&self, _task: Task) -> u64 {
        0
    }
}

/// A worker that is gone, with what that means and what follows.
pub(super) struct End {
    pub exit: Box<Exit>,
    pub conclusion: Conclusion,
    pub verdict: Verdict,
}

/// Where everything that happens to a run arrives.
#[derive(Debug)]
pub(super) struct Inbox {
    sender: Sender<Mail>,
    receiver: Receiver<Mail>,
    stops: usize,
}

#[derive(Debug)]
enum Mail {
    /// Of the worker with that number.
    News(u64, News),
    StopAsked,
}

/// Asks a run to stop: once to finish cleanly, twice to stop at once.
#[derive(Debug, Clone)]
pub struct Interrupter(Sender<Mail>);

impl Interrupter {
    /// Asks. Nothing happens if the run is over.
    pub fn ask(&self) {
        // The receiver is gone with the run.
        let _ = self.0.send(Mail::StopAsked);
    }
}

impl Inbox {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver, stops: 0 }
    }

    pub(super) fn interrupter(&self) -> Interrupter {
        Interrupter(self.sender.clone())
    }

    /// Whether a stop was asked for.
    pub(super) fn is_stopped(&self) -> bool {
        self.stops > 0
    }
}

/// Runs the scheduler's tasks until nothing runs any more. Returns how many are left.
///
/// Where something cannot be written down or no worker be started, the others are asked to stop as if the user had,
/// so that their checkpoints are on disk when the error is returned.
pub(super) fn drive(
    duty: &mut impl Duty,
    scheduler: Scheduler,
    inbox: &mut Inbox,
    command: &[OsString],
) -> Result<usize, RunError> {
    let mut crew = Crew {
        duty,
        scheduler,
        command,
        sender: inbox.sender.clone(),
        start: Instant::now(),
        hired: 0,
        workers: HashMap::new(),
        failure: None,
    };
    let mut event = if inbox.is_stopped() { Happened::StopAsked } else { Happened::Ticked };
    let mut settled = Instant::now();
    loop {
        crew.take(event);
        if crew.scheduler.is_over() {
            crew.tell(|duty| duty.settle());
            return crew.failure.map_or(Ok(crew.scheduler.left()), Err);
        }
        if settled.elapsed() >= LONGEST_WAIT {
            crew.tell(|duty| duty.settle());
            settled = Instant::now();
        }
        if crew.failure.is_some() && !crew.scheduler.is_stopping() {
            event = Happened::StopAsked;
            continue;
        }
        event = match inbox.receiver.recv_timeout(crew.patience()) {
            Ok(Mail::News(number, news)) => crew.hear(number, news),
            Ok(Mail::StopAsked) => {
                inbox.stops += 1;
                crew.duty.stopping(inbox.stops > 1);
                Happened::StopAsked
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Happened::Ticked,
        };
    }
}

struct Crew<'a, D> {
    duty: &'a mut D,
    scheduler: Scheduler,
    command: &'a [OsString],
    sender: Sender<Mail>,
    start: Instant,
    /// Workers hired so far: each has a number of its own, so that news of an earlier one is not taken for its.
    hired: u64,
    workers: HashMap<Task, Hired>,
    /// Why the phase ends early. From then on the duty is told nothing more.
    failure: Option<RunError>,
}

struct Hired {
    number: u64,
    worker: Worker,
    exit: Option<(Box<Exit>, Conclusion)>,
}

impl<D: Duty> Crew<'_, D> {
    fn patience(&self) -> Duration {
        let wake = self.scheduler.wake().map(|wake| wake.saturating_sub(self.start.elapsed()));
        wake.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT))
    }

    /// Tells the duty, unless the phase has failed; an answer, unless it fails by that.
    fn tell<T>(&mut self, what: impl FnOnce(&mut D) -> Result<T, RunError>) -> Option<T> {
        if self.failure.is_some() {
            return None;
        }
        what(self.duty).map_err(|error| self.failure = Some(error)).ok()
    }

    /// Carries out everything that follows from `event`.
    fn take(&mut self, event: Happened) {
        if !matches!(event, Happened::Heard(_)) {
            self.scheduler.weigh(|task| self.duty.need(task));
        }
        let mut orders = VecDeque::from(self.scheduler.on(event, self.start.elapsed()));
        while let Some(order) = orders.pop_front() {
            match order {
                Order::Start(task) => {
                    if let Some(ending) = self.hire(task) {
                        let ended = Happened::Ended(task, ending);
                        orders.extend(self.scheduler.on(ended, self.start.elapsed()));
                    }
                }
                Order::Stop(task) => self.with(task, Worker::stop),
                Order::Terminate(task) => self.with(task, |worker| worker.terminate()),
                Order::Kill(task) => self.with(task, |worker| worker.kill()),
                Order::End(task, verdict) => {
                    let exit = self.workers.remove(&task).and_then(|hired| hired.exit);
                    if let Some((exit, conclusion)) = exit {
                        self.tell(|duty| duty.ended(task, End { exit, conclusion, verdict }));
                    }
                }
            }
        }
    }

    /// Starts the task's worker. Where there is nothing to do or no worker to be had, how that ends.
    fn hire(&mut self, task: Task) -> Option<Ending> {
        let job = match self.tell(|duty| duty.begin(task)) {
            Some(Some(job)) => job,
            Some(None) => return Some(Ending::Done),
            None => return Some(Ending::Stopped),
        };
        self.hired += 1;
        let (number, sender) = (self.hired, self.sender.clone());
        let tell = move |news| {
            // Nobody listens to a worker that was dropped.
            let _ = sender.send(Mail::News(number, news));
        };
        match Worker::start(self.command, &job, tell) {
            Ok(worker) => {
                let pid = worker.pid();
                self.workers.insert(task, Hired { number, worker, exit: None });
                self.tell(|duty| duty.begun(task, pid));
                None
            }
            Err(source) => {
                let program = self.command.first().map(|program| program.display().to_string());
                let command = program.unwrap_or_default();
                self.failure.get_or_insert(RunError::Worker { command, source });
                Some(Ending::Stopped)
            }
        }
    }

    fn with(&mut self, task: Task, act: impl FnOnce(&mut Worker)) {
        if let Some(hired) = self.workers.get_mut(&task) {
            act(&mut hired.worker);
        }
    }

    /// What a worker's news means to the scheduler.
    fn hear(&mut self, number: u64, news: News) -> Happened {
        let Some((task, hired)) = self.workers.iter_mut().find(|(_, hired)| hired.number == number) else {
            return Happened::Ticked;
        };
        let task = *task;
        match news {
            News::Said(message) => {
                self.tell(|duty| duty.heard(task, message));
                Happened::Heard(task)
            }
            News::Gone(exit) => {
                let conclusion = exit.conclusion();
                let ending = match &conclusion {
                    Conclusion::Finished { .. } | Conclusion::Diverged { .. } => Ending::Done,
                    Conclusion::Stopped => Ending::Stopped,
                    Conclusion::Failed { cause, .. } => Ending::Failed(*cause),
                };
                hired.exit = Some((exit, conclusion));
                Happened::Ended(task, ending)
            }
        }
    }
}
