//! How far a run is, kept up from its events: what bars and lines say, without a terminal or a clock.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::report::number;
use crate::runner::{Event, Observation, Subject, Summary, TrialTask};

/// A run on its way.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Trials to be dealt with in this run.
    pub total: usize,
    /// Of those, how many are.
    pub ended: usize,
    /// Of those, how many failed.
    pub failed: usize,
    /// When it began.
    since: Option<Instant>,
    /// Trials that workers are at, by key.
    pub running: BTreeMap<String, Running>,
    /// Rounds of measurements to be taken, all together.
    pub rounds: usize,
    /// Of those, how many are.
    pub rounds_ended: usize,
    /// When the first of them began.
    measuring_since: Option<Instant>,
    /// What is measured now.
    pub measuring: Option<String>,
}

/// A trial that a worker is at.
#[derive(Debug)]
pub(super) struct Running {
    /// What people call it.
    pub label: String,
    /// Epochs of a whole training.
    epochs: usize,
    /// Epochs done, the last one in part.
    done: f64,
    /// Epochs done when this attempt began.
    first: f64,
    since: Instant,
    loss: Option<f32>,
    images_per_s: Option<f64>,
}

impl Running {
    fn new(label: &str, epochs: usize, now: Instant) -> Self {
        let label = label.to_owned();
        Self { label, epochs, done: 0.0, first: 0.0, since: now, loss: None, images_per_s: None }
    }

    /// How much of its training is done.
    pub(super) fn share(&self) -> f64 {
        (self.done / self.epochs.max(1) as f64).clamp(0.0, 1.0)
    }

    /// `epoch 3/6, loss 1.234, 812 images/s, 12.0 s left`.
    pub(super) fn state(&self, now: Instant) -> String {
        let epoch = (self.done.floor() as usize + 1).min(self.epochs.max(1));
        let mut parts = vec![format!("epoch {epoch}/{}", self.epochs)];
        parts.extend(self.loss.map(|loss| format!("loss {loss:.3}")));
        parts.extend(self.images_per_s.map(|rate| format!("{} images/s", number::rate(rate))));
        let here = self.done - self.first;
        if here > 0.0 {
            let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
            let left = (self.epochs as f64 - self.done).max(0.0) * elapsed / here;
            parts.push(format!("{} left", number::duration(left)));
        }
        parts.join(", ")
    }
}

impl Course {
    /// Takes in an event; the line that is to be said about it, once.
    pub(super) fn on(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::RunStarted { .. } => {
                self.since = Some(now);
                self.begin(event)
            }
            Event::TrialStarted { trial, attempt, epochs, task } => {
                self.running.insert(trial.key.clone(), Running::new(&trial.label, *epochs, now));
                // Those that were given up before are tried again only if the user asks for it.
                self.total = self.total.max(self.ended + self.running.len());
                Some(self.started(trial, *attempt, *task))
            }
            Event::TrialResumed { trial, epochs } => {
                let running = self.running.get_mut(&trial.key)?;
                (running.first, running.done) = (*epochs as f64, *epochs as f64);
                Some(format!("{trial}: goes on after epoch {epochs}"))
            }
            Event::Progress { trial, report } => {
                let running = self.running.get_mut(&trial.key)?;
                running.done = report.epoch as f64 + report.step as f64 / report.steps.max(1) as f64;
                (running.loss, running.images_per_s) = (Some(report.loss), Some(report.images_per_s));
                None
            }
            Event::Epoch { trial, report } => {
                let running = self.running.get_mut(&trial.key)?;
                running.done = report.epoch as f64 + 1.0;
                running.loss = Some(report.train_loss);
                running.images_per_s = Some(report.images as f64 / report.elapsed_s);
                None
            }
            Event::Evaluated { trial, report } => {
                let top1 = report.top1_correct as f64 / report.images.max(1) as f64;
                let tuned = match report.fine_tune_s {
                    Some(seconds) => {
                        format!(" after fine-tuning {} in {}", report.fine_tuning, number::duration(seconds))
                    }
                    None => String::new(),
                };
                let (top1, side) = (number::share(top1), report.test_resolution);
                Some(format!("{trial}: top-1 {top1} at {side} pixels{tuned}"))
            }
            Event::TrialFinished { .. }
            | Event::TrialDiverged { .. }
            | Event::TrialRetrying { .. }
            | Event::TrialFailed { .. }
            | Event::TrialRefused { .. }
            | Event::TrialStopped { .. } => self.end(event),
            Event::LeftToOthers => Some("other runs are still at work; the last of them measures".to_owned()),
            Event::Settling { configuration, observation, share } => {
                let what = match observation {
                    Observation::Seed => "another seed",
                    Observation::Round => "another round",
                };
                let share = 100.0 * share;
                Some(format!(
                    "settling: {what} of {configuration}, expected to settle {share:.0} % of what is undecided"
                ))
            }
            Event::Settled => Some("settled: nothing on the front is undecided".to_owned()),
            Event::MeasuringStarted { .. } => {
                self.measuring_since = Some(now);
                self.measure(event)
            }
            Event::Measuring { .. }
            | Event::Measured { .. }
            | Event::RoundMeasured { .. }
            | Event::MeasurementFailed { .. } => self.measure(event),
            Event::Stopping { at_once: false } => {
                Some("stopping: workers write their checkpoints; Ctrl-C again kills them".to_owned())
            }
            Event::Stopping { at_once: true } => Some("stopping at once".to_owned()),
            Event::RunEnded(summary) => Some(ended(summary)),
        }
    }

    /// How much of all training is done.
    pub(super) fn share(&self) -> f64 {
        let running: f64 = self.running.values().map(Running::share).sum();
        ((self.ended as f64 + running) / self.total.max(1) as f64).min(1.0)
    }

    /// `12/32 trials, 1 failed`.
    pub(super) fn counted(&self) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!("{}/{} trials{failed}", self.ended, self.total)
    }

    /// `, 3 m 12 s left` of training, as soon as that can be told.
    pub(super) fn training_left(&self, now: Instant) -> String {
        left(self.since, self.share(), now)
    }

    /// The same of measuring.
    pub(super) fn measuring_left(&self, now: Instant) -> String {
        left(self.measuring_since, self.rounds_ended as f64 / self.rounds.max(1) as f64, now)
    }

    fn begin(&mut self, event: &Event) -> Option<String> {
        let Event::RunStarted { counts, workers, threads, estimate } = event else { return None };
        self.total = counts.new + counts.unfinished + counts.unevaluated;
        let left = estimate
            .filter(|left| !left.is_zero())
            .map(|left| format!(", about {}", number::duration(left.as_secs_f64())));
        Some(format!(
            "{} trials to do, {} done before; {workers} at a time with {threads} thread{} each{}",
            self.total,
            counts.kept(),
            if *threads == 1 { "" } else { "s" },
            left.unwrap_or_default(),
        ))
    }

    fn started(&self, trial: &Subject, attempt: u32, task: TrialTask) -> String {
        let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        let what = match task {
            TrialTask::Train => "starts",
            TrialTask::Evaluate => "is evaluated further",
        };
        format!("{trial}: {what}{again}")
    }

    fn end(&mut self, event: &Event) -> Option<String> {
        let (trial, line, over) = match event {
            Event::TrialFinished { trial, train_s } => {
                (trial, format!("{trial}: finished after {} of training", number::duration(*train_s)), true)
            }
            Event::TrialDiverged { trial, epoch, step } => {
                (trial, format!("{trial}: diverged in epoch {}, step {step}", epoch + 1), true)
            }
            Event::TrialFailed { trial, cause, message } => {
                self.failed += 1;
                (trial, format!("{trial}: failed ({}): {message}", cause.name()), true)
            }
            Event::TrialRefused { trial, need, budget } => {
                let (need, budget) = (number::bytes(*need as f64), number::bytes(*budget as f64));
                (
                    trial,
                    format!(
                        "{trial}: not started: it would need about {need} of memory, and {budget} is there"
                    ),
                    true,
                )
            }
            Event::TrialRetrying { trial, cause, message, wait } => {
                let wait = number::duration(wait.as_secs_f64());
                (trial, format!("{trial}: failed ({}), again in {wait}: {message}", cause.name()), false)
            }
            Event::TrialStopped { trial } => (trial, format!("{trial}: stopped"), false),
            _ => return None,
        };
        self.running.remove(&trial.key);
        self.ended += usize::from(over);
        Some(line)
    }

    fn measure(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::MeasuringStarted { configurations, rounds } => {
                self.rounds = *rounds;
                Some(format!(
                    "measuring {configurations} configurations alone on the machine, {rounds} rounds in all"
                ))
            }
            Event::Measuring { configuration, .. } => {
                self.measuring = Some(configuration.label.clone());
                None
            }
            Event::Measured { configuration, kind, resolution, images_per_s, quiet, .. } => {
                let disturbed = if *quiet { "" } else { ", disturbed by others" };
                let rate = number::rate(*images_per_s);
                Some(format!(
                    "{configuration}: {} at {resolution} pixels {rate} images/s{disturbed}",
                    kind.name()
                ))
            }
            Event::RoundMeasured { .. } => {
                self.rounds_ended += 1;
                None
            }
            Event::MeasurementFailed { configuration, cause, message, retry, .. } => {
                self.rounds_ended += usize::from(retry.is_none());
                Some(format!("{configuration}: not measured ({}): {message}", cause.name()))
            }
            _ => None,
        }
    }
}

/// What is left of something that began at `since` and of which a share is done.
fn left(since: Option<Instant>, share: f64, now: Instant) -> String {
    let Some(since) = since.filter(|_| share > 0.0) else { return String::new() };
    let elapsed = now.saturating_duration_since(since).as_secs_f64();
    format!(", {} left", number::duration(elapsed * (1.0 - share) / share))
}

/// `30 finished, 1 diverged, 1 failed in 3 m 12 s; 4 left`.
fn ended(summary: &Summary) -> String {
    let counted = [
        (summary.finished, "finished"),
        (summary.diverged, "diverged"),
        (summary.failed, "failed"),
        (summary.out_of_memory, "out of memory"),
        (summary.refused, "not started for want of memory"),
        (summary.evaluated, "evaluated further"),
        (summary.measured, "rounds measured"),
        (summary.unmeasured, "without a measurement"),
    ];
    let counted = counted.into_iter().filter(|(count, _)| *count > 0);
    let mut parts: Vec<String> = counted.map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() {
        parts.push("nothing was done".to_owned());
    }
    let left = match (summary.left, summary.stopped) {
        (0, _) => String::new(),
        (left, false) => format!("; {left} left"),
        (left, true) => format!("; {left} left, with which the same command goes on"),
    };
    format!("{} in {}{left}", parts.join(", "), number::duration(summary.elapsed.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::protocol::{Cause, EpochReport};
    use crate::runner::Counts;

    fn trial(key: &str) -> Arc<Subject> {
        Arc::new(Subject { key: key.to_owned(), label: format!("bn {key}"), axes: Vec::new() })
    }

    fn begun(now: Instant) -> Course {
        let mut course = Course::default();
        let counts = Counts { trials: 3, finished: 1, new: 2, ..Counts::default() };
        let start = Event::RunStarted { counts, workers: 2, threads: 1, estimate: None };
        let line = course.on(&start, now).unwrap();
        assert_eq!(line, "2 trials to do, 1 done before; 2 at a time with 1 thread each");
        for key in ["a", "b"] {
            let task = TrialTask::Train;
            course.on(&Event::TrialStarted { trial: trial(key), attempt: 1, epochs: 4, task }, now);
        }
        course
    }

    fn epoch(key: &str, epoch: usize) -> Event {
        let report = EpochReport {
            epoch,
            train_loss: 1.5,
            train_top1: 0.5,
            learning_rate: 0.1,
            images: 100,
            elapsed_s: 0.5,
        };
        Event::Epoch { trial: trial(key), report }
    }

    #[test]
    fn what_is_left_follows_from_what_is_done() {
        let start = Instant::now();
        let mut course = begun(start);
        assert_eq!(course.training_left(start), "", "nothing is known yet");
        course.on(&epoch("a", 0), start);
        course.on(&epoch("b", 0), start);
        let later = start + Duration::from_secs(10);
        assert_eq!(course.share(), 0.25);
        assert_eq!(course.training_left(later), ", 30.0 s left");
        assert_eq!(course.running["a"].state(later), "epoch 2/4, loss 1.500, 200 images/s, 30.0 s left");
    }

    #[test]
    fn a_resumed_trial_is_as_fast_as_since_it_goes_on() {
        let start = Instant::now();
        let mut course = begun(start);
        course.on(&Event::TrialResumed { trial: trial("a"), epochs: 2 }, start);
        course.on(&epoch("a", 2), start);
        let state = course.running["a"].state(start + Duration::from_secs(5));
        assert!(state.ends_with("5.00 s left"), "{state}");
    }

    #[test]
    fn every_end_counts_and_only_a_failure_is_one() {
        let start = Instant::now();
        let mut course = begun(start);
        let message = || "out of luck".to_owned();
        let (cause, wait) = (Cause::Panic, Duration::from_secs(4));
        let retry = Event::TrialRetrying { trial: trial("a"), cause, message: message(), wait };
        assert_eq!(course.on(&retry, start).unwrap(), "bn a: failed (panic), again in 4.00 s: out of luck");
        assert_eq!((course.ended, course.failed, course.running.len()), (0, 0, 1));
        course.on(&Event::TrialFailed { trial: trial("a"), cause, message: message() }, start);
        course.on(&Event::TrialFinished { trial: trial("b"), train_s: 3.0 }, start);
        assert_eq!((course.counted().as_str(), course.share()), ("2/2 trials, 1 failed", 1.0));
    }

    #[test]
    fn an_end_says_what_was_done() {
        let elapsed = Duration::from_secs(192);
        let summary =
            Summary { finished: 30, failed: 1, left: 4, stopped: true, elapsed, ..Summary::default() };
        let said = "30 finished, 1 failed in 3 m 12 s; 4 left, with which the same command goes on";
        assert_eq!(ended(&summary), said);
    }
}
