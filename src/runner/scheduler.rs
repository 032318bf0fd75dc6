//! Who runs when, and how long: events in, orders out, with the time handed in.
//!
//! A [`Scheduler`] is a pure state machine. It knows tasks by number, no process, no clock and no database,
//! so that everything that may happen to a sweep can be played in a test. Times are since any fixed moment.
//!
//! What stays true: at most [`Limits::slots`] tasks run, and only as many as [`Limits::memory`] has room for; every
//! [`Order::Start`] is answered by one [`Order::End`] once its worker is gone; a task whose verdict is final never
//! starts again; after a request to stop, or a failure that would be everybody's, nothing starts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::retry::Policy;
use crate::protocol::Cause;

/// How long a worker that was told to stop may take to write its checkpoint; and again, after SIGTERM.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long a worker that is over its limits may take to leave after SIGTERM.
const TERMINATION_GRACE: Duration = Duration::from_secs(5);

/// How many waiting tasks are looked through for one that fits beside those that run.
const LOOK_AHEAD: usize = 64;

/// Number of a task, given out by whoever made the scheduler.
pub type Task = usize;

/// What no worker may exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tasks at a time.
    pub slots: usize,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
    /// Longest silence of a worker.
    pub silence: Duration,
    /// Attempts after the first one.
    pub retries: u32,
    /// Memory of all workers together, bytes.
    pub memory: Option<u64>,
}

/// What a scheduler is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A task's worker gave a sign of life.
    Heard(Task),
    /// A task's worker is gone.
    Ended(Task, Ending),
    /// The user wants it to stop; asked twice, at once.
    StopAsked,
    /// Nothing but time has passed.
    Ticked,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a result.
    Done,
    /// Because it was told to stop; its checkpoint is on disk.
    Stopped,
    /// Without a result.
    Failed(Cause),
}

/// What a scheduler wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Start a worker for this task.
    Start(Task),
    /// Tell its worker to write a checkpoint and leave.
    Stop(Task),
    /// Send its worker SIGTERM.
    Terminate(Task),
    /// Send its worker SIGKILL.
    Kill(Task),
    /// Its worker is gone, and this is what becomes of the task.
    End(Task, Verdict),
}

/// What becomes of a task whose worker is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has its result.
    Done,
    /// It was stopped with the run, and waits for the next.
    PutBack,
    /// It failed and is tried again after a while, unless the run stops before.
    Retry {
        /// Kind of failure.
        cause: Cause,
        /// The wait.
        wait: Duration,
    },
    /// It failed for good.
    GiveUp {
        /// Kind of failure.
        cause: Cause,
    },
}

/// The state of a run's tasks.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    fresh: VecDeque<Task>,
    /// Failed tasks by the time at which they are due.
    retrying: BTreeSet<(Duration, Task)>,
    failures: HashMap<Task, u32>,
    running: BTreeMap<Task, Running>,
    /// Bytes that each task is expected to take at most; 0 if nothing is known.
    needs: HashMap<Task, u64>,
    /// Tasks that ran out of memory beside others, and get another try with nobody beside them.
    hungry: HashSet<Task>,
    stopping: bool,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    since: Duration,
    heard: Duration,
    leaving: Option<Leaving>,
}

/// A worker on its way out.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    why: Why,
    /// The last thing that was done about it.
    pressed: Pressed,
    /// When more will be done.
    patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Stopping,
    Overstepped(Cause),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pressed {
    Asked,
    Terminated,
    Killed,
}

impl Scheduler {
    /// Tasks in the order in which they are to start.
    pub fn new(limits: Limits, tasks: impl IntoIterator<Item = Task>) -> Self {
        Self {
            limits: Limits { slots: limits.slots.max(1), ..limits },
            fresh: tasks.into_iter().collect(),
            retrying: BTreeSet::new(),
            failures: HashMap::new(),
            running: BTreeMap::new(),
            needs: HashMap::new(),
            hungry: HashSet::new(),
            stopping: false,
        }
    }

    /// Asks anew how much memory those that may start next are expected to take at most, bytes.
    pub fn weigh(&mut self, need: impl Fn(Task) -> u64) {
        let retrying = self.retrying.iter().map(|(_, task)| *task);
        let next: Vec<Task> = retrying.chain(self.fresh.iter().take(LOOK_AHEAD).copied()).collect();
        self.needs.extend(next.into_iter().map(|task| (task, need(task))));
    }

    /// Takes in an event and says what to do now, in order.
    pub fn on(&mut self, event: Happened, now: Duration) -> Vec<Order> {
        let mut orders = Vec::new();
        match event {
            Happened::Heard(task) => {
                if let Some(running) = self.running.get_mut(&task) {
                    running.heard = now;
                }
            }
            Happened::Ended(task, ending) => {
                let ended = self.end(task, ending, now);
                let halts = |cause| ended.is_some() && Policy::of(cause) == Policy::Halt;
                orders.extend(ended);
                if matches!(ending, Ending::Failed(cause) if halts(cause)) {
                    self.stop(now, &mut orders);
                }
            }
            Happened::StopAsked => self.stop(now, &mut orders),
            Happened::Ticked => {}
        }
        self.press(now, &mut orders);
        self.start(now, &mut orders);
        orders
    }

    /// Whether nothing runs and nothing will.
    pub fn is_over(&self) -> bool {
        self.running.is_empty() && (self.stopping || (self.fresh.is_empty() && self.retrying.is_empty()))
    }

    /// Whether nothing starts any more.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Tasks that have not come to a final verdict, running ones among them.
    pub fn left(&self) -> usize {
        self.fresh.len() + self.retrying.len() + self.running.len()
    }

    /// When to say [`Happened::Ticked`] if nothing else happens before; `None` if only events matter.
    pub fn wake(&self) -> Option<Duration> {
        let running = self.running.values().filter_map(|running| running.wake(&self.limits));
        let due = self.retrying.first().filter(|(_, task)| self.has_room(*task)).map(|(due, _)| *due);
        let room = !self.stopping && self.running.len() < self.limits.slots;
        running.chain(due.filter(|_| room)).min()
    }

    fn end(&mut self, task: Task, ending: Ending, now: Duration) -> Option<Order> {
        let running = self.running.remove(&task)?;
        let verdict = match (ending, running.leaving) {
            (Ending::Done, _) => Verdict::Done,
            (_, Some(Leaving { why: Why::Overstepped(cause), .. })) => self.failed(task, cause, now),
            (Ending::Stopped, Some(_)) => Verdict::PutBack,
            (Ending::Failed(cause), _) if Policy::of(cause) == Policy::Halt => Verdict::PutBack,
            // Its failure is our doing, unless it failed before we used force.
            (Ending::Failed(_), Some(leaving)) if leaving.pressed > Pressed::Asked => Verdict::PutBack,
            (Ending::Failed(cause), _) => self.failed(task, cause, now),
            // Somebody else told it to stop.
            (Ending::Stopped, None) => self.failed(task, Cause::Killed, now),
        };
        Some(Order::End(task, verdict))
    }

    fn failed(&mut self, task: Task, cause: Cause, now: Duration) -> Verdict {
        let failures = self.failures.entry(task).or_default();
        *failures += 1;
        let crowded = cause == Cause::Oom && !self.running.is_empty() && self.hungry.insert(task);
        let policy = if crowded { Policy::Retry } else { Policy::of(cause) };
        let retries = self.limits.retries.max(u32::from(crowded));
        match policy.wait(*failures, retries) {
            Some(wait) => {
                self.retrying.insert((now + wait, task));
                Verdict::Retry { cause, wait }
            }
            None => Verdict::GiveUp { cause },
        }
    }

    /// The first request asks every worker to leave; the second kills those that have not.
    fn stop(&mut self, now: Duration, orders: &mut Vec<Order>) {
        let again = std::mem::replace(&mut self.stopping, true);
        for (task, running) in &mut self.running {
            match &mut running.leaving {
                leaving @ None => {
                    *leaving =
                        Some(Leaving { why: Why::Stopping, pressed: Pressed::Asked, patience: now + GRACE });
                    orders.push(Order::Stop(*task));
                }
                Some(leaving) if again && leaving.pressed < Pressed::Killed => {
                    leaving.pressed = Pressed::Killed;
                    orders.push(Order::Kill(*task));
                }
                Some(_) => {}
            }
        }
    }

    /// Sends away who is over a limit, and presses those who should be gone.
    fn press(&mut self, now: Duration, orders: &mut Vec<Order>) {
        for (task, running) in &mut self.running {
            match &mut running.leaving {
                None => {
                    if let Some(cause) = running.overstepped(&self.limits, now) {
                        let (why, patience) = (Why::Overstepped(cause), now + TERMINATION_GRACE);
                        running.leaving = Some(Leaving { why, pressed: Pressed::Terminated, patience });
                        orders.push(Order::Terminate(*task));
                    }
                }
                Some(leaving) if now >= leaving.patience => match leaving.pressed {
                    Pressed::Asked => {
                        leaving.pressed = Pressed::Terminated;
                        leaving.patience = now + TERMINATION_GRACE;
                        orders.push(Order::Terminate(*task));
                    }
                    Pressed::Terminated => {
                        leaving.pressed = Pressed::Killed;
                        orders.push(Order::Kill(*task));
                    }
                    Pressed::Killed => {}
                },
                Some(_) => {}
            }
        }
    }

    fn start(&mut self, now: Duration, orders: &mut Vec<Order>) {
        while !self.stopping && self.running.len() < self.limits.slots {
            let Some(task) = self.next(now) else { break };
            self.running.insert(task, Running { since: now, heard: now, leaving: None });
            orders.push(Order::Start(task));
        }
    }

    /// Retries that are due go first: their checkpoints are warm, and their failures should show early. A task that
    /// does not fit waits until others have ended, while smaller ones behind it go on.
    fn next(&mut self, now: Duration) -> Option<Task> {
        let due = self.retrying.iter().copied().take_while(|(due, _)| *due <= now);
        if let Some(retry) = due.into_iter().find(|(_, task)| self.has_room(*task)) {
            self.retrying.remove(&retry);
            return Some(retry.1);
        }
        let fits = self.fresh.iter().take(LOOK_AHEAD).position(|task| self.has_room(*task))?;
        self.fresh.remove(fits)
    }

    /// Whether a task's memory fits beside that of those that run. Alone, anything may try.
    fn has_room(&self, task: Task) -> bool {
        let need = |task: &Task| match self.hungry.contains(task) {
            true => u64::MAX,
            false => self.needs.get(task).copied().unwrap_or(0),
        };
        let taken = self.running.keys().map(need).fold(need(&task), u64::saturating_add);
        self.running.is_empty()
            || (taken < u64::MAX && self.limits.memory.is_none_or(|memory| taken <= memory))
    }
}

impl Running {
    fn overstepped(&self, limits: &Limits, now: Duration) -> Option<Cause> {
        let over = |start: Duration, limit: Option<Duration>| {
            limit.is_some_and(|limit| now >= start.saturating_add(limit))
        };
        if over(self.since, limits.timeout) {
            Some(Cause::Timeout)
        } else if over(self.heard, Some(limits.silence)) {
            Some(Cause::Hung)
        } else {
            None
        }
    }

    fn wake(&self, limits: &Limits) -> Option<Duration> {
        match self.leaving {
            Some(Leaving { pressed: Pressed::Killed, .. }) => None,
            Some(leaving) => Some(leaving.patience),
            None => {
                let silent = self.heard.saturating_add(limits.silence);
                Some(limits.timeout.map_or(silent, |timeout| silent.min(self.since.saturating_add(timeout))))
            }
        }
    }
}

#[cfg(test)]
mod tests;
