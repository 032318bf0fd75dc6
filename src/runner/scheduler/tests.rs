//! A sweep's life, played with a fake clock.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    slots: 2,
    timeout: Some(Duration::from_secs(100)),
    silence: Duration::from_secs(30),
    retries: 1,
    memory: None,
};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn started(limits: Limits, tasks: usize) -> Scheduler {
    let mut scheduler = Scheduler::new(limits, 0..tasks);
    let orders = scheduler.on(Happened::Ticked, at(0));
    assert!(orders.iter().all(|order| matches!(order, Order::Start(_))), "{orders:?}");
    scheduler
}

#[test]
fn a_free_slot_takes_the_next_task() {
    let mut scheduler = Scheduler::new(LIMITS, 0..3);
    assert_eq!(scheduler.on(Happened::Ticked, at(0)), [Order::Start(0), Order::Start(1)]);
    assert_eq!(
        scheduler.on(Happened::Ended(0, Ending::Done), at(1)),
        [Order::End(0, Verdict::Done), Order::Start(2)]
    );
    assert_eq!(scheduler.on(Happened::Ended(1, Ending::Done), at(1)), [Order::End(1, Verdict::Done)]);
    assert!(!scheduler.is_over());
    scheduler.on(Happened::Ended(2, Ending::Done), at(1));
    assert!(scheduler.is_over() && scheduler.left() == 0);
}

#[test]
fn silence_ends_an_attempt_and_kill_escalates_after_grace() {
    let mut scheduler = started(LIMITS, 1);
    scheduler.on(Happened::Heard(0), at(10));
    assert_eq!(scheduler.wake(), Some(at(40)));
    assert!(scheduler.on(Happened::Ticked, at(39)).is_empty());
    assert_eq!(scheduler.on(Happened::Ticked, at(40)), [Order::Terminate(0)]);
    assert_eq!(scheduler.wake(), Some(at(45)));
    assert_eq!(scheduler.on(Happened::Ticked, at(45)), [Order::Kill(0)]);
    assert_eq!(scheduler.wake(), None);
    let verdict = Verdict::Retry { cause: Cause::Hung, wait: at(1) };
    let ended = Happened::Ended(0, Ending::Failed(Cause::Killed));
    assert_eq!(scheduler.on(ended, at(46)), [Order::End(0, verdict)]);
    assert_eq!(scheduler.wake(), Some(at(47)));
    assert_eq!(scheduler.on(Happened::Ticked, at(47)), [Order::Start(0)]);
}

#[test]
fn a_talking_worker_still_has_a_deadline() {
    let mut scheduler = started(LIMITS, 1);
    for second in (0..100).step_by(10) {
        assert!(scheduler.on(Happened::Heard(0), at(second)).is_empty());
    }
    assert_eq!(scheduler.on(Happened::Heard(0), at(100)), [Order::Terminate(0)]);
    // It made it after all: a result is a result.
    let ended = Happened::Ended(0, Ending::Done);
    assert_eq!(scheduler.on(ended, at(101)), [Order::End(0, Verdict::Done)]);
}

#[test]
fn the_last_failure_gives_up() {
    let mut scheduler = started(LIMITS, 1);
    let panicked = Happened::Ended(0, Ending::Failed(Cause::Panic));
    scheduler.on(panicked, at(1));
    assert_eq!(scheduler.on(Happened::Ticked, at(2)), [Order::Start(0)]);
    assert_eq!(scheduler.on(panicked, at(3)), [Order::End(0, Verdict::GiveUp { cause: Cause::Panic })]);
    assert!(scheduler.is_over());
}

#[test]
fn running_out_of_memory_is_not_tried_again() {
    let mut scheduler = started(LIMITS, 1);
    let ended = Happened::Ended(0, Ending::Failed(Cause::Oom));
    assert_eq!(scheduler.on(ended, at(1)), [Order::End(0, Verdict::GiveUp { cause: Cause::Oom })]);
}

#[test]
fn the_first_request_asks_and_the_second_kills() {
    let mut scheduler = started(LIMITS, 3);
    assert_eq!(scheduler.on(Happened::StopAsked, at(5)), [Order::Stop(0), Order::Stop(1)]);
    assert_eq!(
        scheduler.on(Happened::Ended(0, Ending::Stopped), at(6)),
        [Order::End(0, Verdict::PutBack)],
        "nothing starts any more"
    );
    assert_eq!(scheduler.on(Happened::StopAsked, at(7)), [Order::Kill(1)]);
    assert!(scheduler.on(Happened::StopAsked, at(7)).is_empty());
    let ended = Happened::Ended(1, Ending::Failed(Cause::Killed));
    assert_eq!(scheduler.on(ended, at(8)), [Order::End(1, Verdict::PutBack)]);
    assert!(scheduler.is_over());
    assert_eq!(scheduler.left(), 1);
}

#[test]
fn who_does_not_stop_is_terminated_and_then_killed() {
    let mut scheduler = started(LIMITS, 1);
    scheduler.on(Happened::StopAsked, at(5));
    assert_eq!(scheduler.on(Happened::Ticked, at(15)), [Order::Terminate(0)]);
    assert_eq!(scheduler.on(Happened::Ticked, at(20)), [Order::Kill(0)]);
}

#[test]
fn a_crash_on_the_way_out_is_a_crash() {
    let mut scheduler = started(LIMITS, 1);
    scheduler.on(Happened::StopAsked, at(5));
    let ended = Happened::Ended(0, Ending::Failed(Cause::Panic));
    let verdict = Verdict::Retry { cause: Cause::Panic, wait: at(1) };
    assert_eq!(scheduler.on(ended, at(6)), [Order::End(0, verdict)]);
    assert!(scheduler.is_over(), "but nothing starts any more");
}

#[test]
fn a_worker_stopped_by_somebody_else_was_killed() {
    let mut scheduler = started(LIMITS, 1);
    let ended = Happened::Ended(0, Ending::Stopped);
    let verdict = Verdict::Retry { cause: Cause::Killed, wait: at(1) };
    assert_eq!(scheduler.on(ended, at(6)), [Order::End(0, verdict)]);
}

#[test]
fn limits_without_end_never_come() {
    let limits = Limits { timeout: Some(Duration::MAX), silence: Duration::MAX, ..LIMITS };
    let mut scheduler = Scheduler::new(limits, 0..1);
    scheduler.on(Happened::Ticked, at(1));
    assert!(scheduler.on(Happened::Heard(0), at(1 << 40)).is_empty());
    assert_eq!(scheduler.wake(), Some(Duration::MAX));
}

/// What the world does next.
#[test]
fn only_what_fits_beside_the_others_starts() {
    let mut scheduler = Scheduler::new(Limits { slots: 3, memory: Some(10), ..LIMITS }, 0..4);
    scheduler.weigh(|task| [6, 6, 4, 20][task]);
    // The second waits; the third, smaller, goes before it.
    assert_eq!(scheduler.on(Happened::Ticked, at(0)), [Order::Start(0), Order::Start(2)]);
    let ended = scheduler.on(Happened::Ended(0, Ending::Done), at(1));
    assert_eq!(ended, [Order::End(0, Verdict::Done), Order::Start(1)]);
    assert_eq!(scheduler.on(Happened::Ended(1, Ending::Done), at(2)), [Order::End(1, Verdict::Done)]);
    // Alone, what is expected to be too large may still try.
    let ended = scheduler.on(Happened::Ended(2, Ending::Done), at(3));
    assert_eq!(ended, [Order::End(2, Verdict::Done), Order::Start(3)]);
}

#[test]
fn who_ran_out_of_memory_beside_others_is_tried_once_more_alone() {
    let mut scheduler = started(Limits { retries: 0, ..LIMITS }, 3);
    let retry = Verdict::Retry { cause: Cause::Oom, wait: at(1) };
    let starved = Ending::Failed(Cause::Oom);
    assert_eq!(
        scheduler.on(Happened::Ended(0, starved), at(1)),
        [Order::End(0, retry), Order::Start(2)],
        "others go on"
    );
    assert!(scheduler.on(Happened::Ticked, at(5)).is_empty(), "it waits for all of them");
    scheduler.on(Happened::Ended(1, Ending::Done), at(6));
    let alone = scheduler.on(Happened::Ended(2, Ending::Done), at(7));
    assert_eq!(alone, [Order::End(2, Verdict::Done), Order::Start(0)]);
    let given_up = Verdict::GiveUp { cause: Cause::Oom };
    assert_eq!(scheduler.on(Happened::Ended(0, starved), at(8)), [Order::End(0, given_up)]);
}

#[test]
fn a_full_disk_stops_everybody_in_order() {
    let mut scheduler = started(LIMITS, 3);
    let full = scheduler.on(Happened::Ended(0, Ending::Failed(Cause::Disk)), at(1));
    assert_eq!(full, [Order::End(0, Verdict::PutBack), Order::Stop(1)]);
    let stopped = scheduler.on(Happened::Ended(1, Ending::Stopped), at(2));
    assert_eq!(stopped, [Order::End(1, Verdict::PutBack)]);
    assert!(scheduler.is_over() && scheduler.left() == 1, "{scheduler:?}");
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Heard(usize),
    Ended(usize, Ending),
    StopAsked,
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        4 => Just(Ending::Done),
        1 => Just(Ending::Stopped),
        4 => proptest::sample::select(Cause::ALL.to_vec()).prop_map(Ending::Failed),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u64..40).prop_map(Step::Wait),
        8 => (0usize..12).prop_map(Step::Heard),
        12 => (0usize..12, ending()).prop_map(|(task, ending)| Step::Ended(task, ending)),
        1 => Just(Step::StopAsked),
    ]
}

/// What an observer knows from the orders alone.
#[derive(Default)]
struct Observed {
    running: HashSet<Task>,
    over: HashSet<Task>,
    killed: HashSet<Task>,
    starts: HashMap<Task, u32>,
    stop_asked: bool,
    /// A failure came that would be everybody's.
    halted: bool,
}

impl Observed {
    fn take(&mut self, orders: Vec<Order>, limits: &Limits) -> Result<(), TestCaseError> {
        for order in orders {
            match order {
                Order::Start(task) => {
                    prop_assert!(!self.stop_asked, "{task} starts after a stop");
                    prop_assert!(!self.over.contains(&task), "{task} starts after its end");
                    prop_assert!(self.running.insert(task), "{task} runs twice");
                    prop_assert!(self.running.len() <= limits.slots);
                    let starts = self.starts.entry(task).or_default();
                    *starts += 1;
                    // One that ran out of memory beside others gets a try with nobody beside it.
                    prop_assert!(*starts <= limits.retries.max(1) + 1);
                    self.killed.remove(&task);
                }
                Order::End(task, verdict) => {
                    prop_assert!(self.running.remove(&task), "{task} ends without running");
                    prop_assert!(verdict != Verdict::PutBack || self.stop_asked || self.halted);
                    if !matches!(verdict, Verdict::Retry { .. }) {
                        prop_assert!(self.over.insert(task), "{task} ends twice");
                    }
                }
                Order::Stop(task) | Order::Terminate(task) => {
                    prop_assert!(self.running.contains(&task) && !self.killed.contains(&task));
                }
                Order::Kill(task) => {
                    prop_assert!(self.running.contains(&task));
                    prop_assert!(self.killed.insert(task), "{task} is killed twice");
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_task_ends_once_within_the_limits(
        steps in proptest::collection::vec(step(), 0..200),
        tasks in 0usize..12, slots in 1usize..5, retries in 0u32..3, timeout in proptest::option::of(1u64..90),
    ) {
        let limits = Limits { slots, timeout: timeout.map(at), silence: at(30), retries, memory: None };
        let mut scheduler = Scheduler::new(limits, 0..tasks);
        let mut observed = Observed::default();
        let mut now = at(0);
        observed.take(scheduler.on(Happened::Ticked, now), &limits)?;
        for step in steps {
            let event = match step {
                Step::Wait(seconds) => { now += at(seconds); Happened::Ticked }
                Step::Heard(task) => Happened::Heard(task),
                Step::Ended(task, ending) => {
                    observed.halted |= ending == Ending::Failed(Cause::Disk) && observed.running.contains(&task);
                    Happened::Ended(task, ending)
                }
                Step::StopAsked => { observed.stop_asked = true; Happened::StopAsked }
            };
            observed.take(scheduler.on(event, now), &limits)?;
            prop_assert_eq!(scheduler.left() + observed.over.len(), tasks);
        }
        // From here on workers do nothing but die when they are killed: limits alone must bring it to an end.
        for _ in 0..tasks * 8 * (retries as usize + 2) {
            if scheduler.is_over() { break; }
            now = now.max(scheduler.wake().unwrap_or(now));
            observed.take(scheduler.on(Happened::Ticked, now), &limits)?;
            for task in observed.killed.iter().copied().filter(|task| observed.running.contains(task)).collect::<Vec<_>>() {
                observed.take(scheduler.on(Happened::Ended(task, Ending::Failed(Cause::Killed)), now), &limits)?;
            }
        }
        prop_assert!(scheduler.is_over() && observed.running.is_empty());
        if !observed.stop_asked && !observed.halted {
            prop_assert_eq!(observed.over.len(), tasks);
        }
    }
}
