//! The phase that measures: one worker at a time, alone on the machine, configurations interleaved.
//!
//! A slow drift of the machine would favour whoever is measured early. So each round visits all configurations before
//! the next begins, in an order of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::crew::{Duty, End};
use super::error::RunError;
use super::event::{Event, Namer, Subject, Summary};
use super::exit::{Conclusion, Exit};
use super::register::number;
use super::scheduler::{Task, Verdict};
use super::training::settings;
use crate::analysis::interval::{Interval, median, median_interval, pooled_reach};
use crate::measure::quiet::QUIET_LOAD;
use crate::protocol::{self, Cause, Job, MeasureJob, Measured, Message, VERSION};
use crate::store::{MeasureKind, MeasurementFailureRow, MeasurementRow, Mode, Runner, Store, ToMeasure};
use crate::sweep::Settings;

/// How far the probe's rates before and after may lie apart in a measurement that counts as quiet, as a share.
const QUIET_DRIFT: f64 = 0.1;

/// Seed of the orders of the rounds: any, but the same one, so that a measurement can be repeated as it was.
const ORDER_SEED: u64 = 0x00ef_f5ee;

/// A round of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    /// Index among the configurations to measure.
    pub configuration: usize,
    /// Its number, from 0.
    pub round: u32,
}

/// Every round that is missing, round by round, each in an order of its own.
pub(super) fn rounds(configurations: &[ToMeasure], wanted: u32) -> Vec<Round> {
    let mut all = Vec::new();
    for round in 0..wanted {
        let lacking = configurations.iter().enumerate().filter(|(_, one)| one.rounds_done <= round);
        let mut order: Vec<Round> =
            lacking.map(|(configuration, _)| Round { configuration, round }).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(ORDER_SEED ^ u64::from(round)));
        all.append(&mut order);
    }
    all
}

/// The phase.
pub(super) struct Measuring<'a> {
    pub store: &'a mut Store,
    pub runner: &'a Runner,
    pub configurations: &'a [ToMeasure],
    pub rounds: &'a [Round],
    pub settings: &'a Settings,
    pub namer: &'a Namer,
    pub emit: &'a mut dyn FnMut(Event),
    pub summary: &'a mut Summary,
    pub running: HashMap<Task, Arc<Subject>>,
    /// Configurations whose round failed for good: further ones would as well.
    pub given_up: HashSet<usize>,
}

impl Duty for Measuring<'_> {
    fn begin(&mut self, task: Task) -> Result<Option<Job>, RunError> {
        let Some((round, one)) = self.find(task) else { return Ok(None) };
        if self.given_up.contains(&round.configuration) {
            return Ok(None);
        }
        let settings = settings(&one.settings, self.settings, || one.key.to_string())?;
        let classes = self.store.configuration(one.id)?.classes as usize;
        let test_resolutions = one.test_resolutions.iter().map(|side| *side as usize).collect();
        let subject = Arc::new(self.namer.configuration(one.key.to_string(), &settings));
        (self.emit)(Event::Measuring { configuration: Arc::clone(&subject), round: round.round as usize });
        self.running.insert(task, subject);
        let threads = self.runner.threads as usize;
        let job = MeasureJob { version: VERSION, settings, classes, test_resolutions, threads };
        Ok(Some(Job::Measure(Box::new(job))))
    }

    fn begun(&mut self, _task: Task, _pid: u32) -> Result<(), RunError> {
        Ok(())
    }

    fn heard(&mut self, task: Task, message: Message) -> Result<(), RunError> {
        let (Message::Measured(measured), Some(configuration)) = (message, self.running.get(&task)) else {
            return Ok(());
        };
        let configuration = Arc::clone(configuration);
        let Some((round, one)) = self.find(task) else { return Ok(()) };
        let Some(row) = row(&measured, one, round, self.runner) else { return Ok(()) };
        let samples: Vec<f64> = measured.samples.iter().map(|sample| sample.elapsed_s).collect();
        self.store.record_measurement(&row, &samples)?;
        (self.emit)(Event::Measured {
            configuration,
            round: round.round as usize,
            kind: measured.kind,
            resolution: measured.resolution,
            images_per_s: row.images_per_s,
            quiet: row.quiet,
        });
        Ok(())
    }

    fn ended(&mut self, task: Task, end: End) -> Result<(), RunError> {
        let (Some(configuration), Some((round, one))) = (self.running.remove(&task), self.find(task)) else {
            return Ok(());
        };
        if let (Conclusion::Failed { message, .. }, Verdict::GiveUp { cause }) =
            (&end.conclusion, end.verdict)
        {
            let failure = failure(&end.exit, cause, message, one, round, self.runner);
            self.store.record_measurement_failure(&failure)?;
            self.given_up.insert(round.configuration);
        }
        let round = round.round as usize;
        let failed = |cause, message, retry| Event::MeasurementFailed {
            configuration: Arc::clone(&configuration),
            round,
            cause,
            message,
            retry,
        };
        let event = match (&end.conclusion, end.verdict) {
            (Conclusion::Finished { .. }, _) => {
                self.summary.measured += 1;
                Event::RoundMeasured { configuration, round }
            }
            (conclusion, Verdict::Retry { cause, wait }) => failed(cause, conclusion.message(), Some(wait)),
            (conclusion, Verdict::GiveUp { cause }) => {
                self.summary.unmeasured += 1;
                failed(cause, conclusion.message(), None)
            }
            (_, Verdict::PutBack | Verdict::Done) => {
                self.summary.left += 1;
                return Ok(());
            }
        };
        (self.emit)(event);
        Ok(())
    }

    fn stopping(&mut self, at_once: bool) {
        (self.emit)(Event::Stopping { at_once });
    }

    fn settle(&mut self) -> Result<(), RunError> {
        Ok(())
    }
}

/// Widens the intervals of a machine's rounds by how far one round of it lies from another: each by itself knows only
/// how steps differ within a second. Where no configuration has been measured twice, the probe tells how far the machine
/// drifts within a round.
pub(super) fn widen(store: &mut Store, runner: &Runner) -> Result<(), RunError> {
    let logarithms = |rates: &[f64]| rates.iter().map(|rate| rate.ln()).collect::<Vec<_>>();
    let rounds = store.repeated_rounds(runner.machine_id, runner.threads)?;
    let mut groups: Vec<Vec<f64>> = rounds.iter().map(|rates| logarithms(rates)).collect();
    if groups.is_empty() {
        let probes = store.probes(runner.machine_id, runner.threads)?;
        groups = probes.iter().map(|rates| logarithms(rates)).collect();
    }
    if let Some(reach) = pooled_reach(&groups) {
        store.widen_rounds(runner.machine_id, runner.threads, reach.exp())?;
    }
    Ok(())
}

impl<'a> Measuring<'a> {
    fn find(&self, task: Task) -> Option<(Round, &'a ToMeasure)> {
        let round = *self.rounds.get(task)?;
        Some((round, self.configurations.get(round.configuration)?))
    }
}

/// The row of a measurement; `None` if it has no samples.
fn failure(
    exit: &Exit,
    cause: Cause,
    message: &str,
    one: &ToMeasure,
    round: Round,
    runner: &Runner,
) -> MeasurementFailureRow {
    MeasurementFailureRow {
        configuration_id: one.id,
        machine_id: runner.machine_id,
        threads: runner.threads,
        round: round.round,
        cause: cause.name().to_owned(),
        exit_status: exit.status,
        signal: exit.signal,
        message: message.to_owned(),
        log_tail: Some(exit.log.clone()).filter(|log| !log.is_empty()),
        peak_rss_bytes: exit.peak_rss_bytes,
        program_version: runner.code.program_version.clone(),
    }
}

fn row(measured: &Measured, one: &ToMeasure, round: Round, runner: &Runner) -> Option<MeasurementRow> {
    let times: Vec<f64> = measured.samples.iter().map(|sample| sample.elapsed_s).collect();
    let typical = median(&times).filter(|seconds| *seconds > 0.0)?;
    // Too few for an interval: all that was seen.
    let spread = median_interval(&times).unwrap_or_else(|| Interval {
        low: times.iter().copied().fold(f64::INFINITY, f64::min),
        high: times.iter().copied().fold(0.0, f64::max),
    });
    let images = measured.batch_size as f64;
    Some(MeasurementRow {
        configuration_id: one.id,
        machine_id: runner.machine_id,
        kind: match measured.kind {
            protocol::MeasureKind::Train => MeasureKind::Train,
            protocol::MeasureKind::Inference => MeasureKind::Inference,
        },
        resolution: number(measured.resolution),
        batch_size: number(measured.batch_size),
        threads: number(measured.threads),
        mode: Mode::Exclusive,
        round: round.round,
        images_per_s: images / typical,
        images_per_s_low: images / spread.high,
        images_per_s_high: images / spread.low,
        probe_before: Some(measured.probe_before),
        probe_after: Some(measured.probe_after),
        foreign_load: measured.foreign_load,
        quiet: is_quiet(measured),
        peak_rss_bytes: Some(measured.peak_rss_bytes).filter(|bytes| *bytes > 0),
        clock_mhz: measured.clock_mhz,
        waited_s: Some(measured.waited_s),
        first_batch_s: measured.first_batch_s,
        code: runner.code.clone(),
    })
}

/// Whether nothing disturbed it, as far as is known.
fn is_quiet(measured: &Measured) -> bool {
    let drift = (measured.probe_after / measured.probe_before - 1.0).abs();
    measured.foreign_load.is_none_or(|load| load <= QUIET_LOAD) && drift <= QUIET_DRIFT
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::protocol::Sample;
    use crate::store::{Code, ConfigurationId, Key, MachineId, RunId};

    fn to_measure(number: i64, rounds_done: u32) -> ToMeasure {
        ToMeasure {
            id: ConfigurationId(number),
            key: Key(number.unsigned_abs().into()),
            settings: "{}".to_owned(),
            rounds_done,
            test_resolutions: vec![32],
        }
    }

    fn measured(times: &[f64]) -> Measured {
        Measured {
            kind: protocol::MeasureKind::Train,
            resolution: 32,
            batch_size: 64,
            threads: 2,
            samples: times.iter().map(|elapsed_s| Sample { elapsed_s: *elapsed_s }).collect(),
            probe_before: 100.0,
            probe_after: 101.0,
            foreign_load: Some(0.01),
            peak_rss_bytes: 0,
            clock_mhz: None,
            waited_s: 0.0,
            first_batch_s: None,
        }
    }

    fn runner() -> Runner {
        let code = Code { program_version: "0".to_owned(), git_commit: None, git_dirty: None };
        Runner { run: RunId(1), machine_id: MachineId(1), threads: 2, code }
    }

    #[test]
    fn a_round_visits_everyone_before_the_next_begins() {
        let configurations: Vec<ToMeasure> = (0..20).map(|n| to_measure(n, 0)).collect();
        let rounds = rounds(&configurations, 3);
        assert_eq!(rounds.len(), 60);
        let orders: Vec<Vec<usize>> =
            rounds.chunks(20).map(|round| round.iter().map(|one| one.configuration).collect()).collect();
        for (number, order) in orders.iter().enumerate() {
            assert_eq!(order.iter().collect::<HashSet<_>>().len(), 20);
            assert!(rounds[number * 20..][..20].iter().all(|one| one.round as usize == number));
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2]);
        assert_eq!(rounds, super::rounds(&configurations, 3), "the same every time");
    }

    #[test]
    fn rounds_that_are_there_are_not_taken_again() {
        let rounds = rounds(&[to_measure(0, 1), to_measure(1, 0), to_measure(2, 2)], 2);
        let taken: HashSet<(usize, u32)> = rounds.iter().map(|one| (one.configuration, one.round)).collect();
        assert_eq!(taken, HashSet::from([(0, 1), (1, 0), (1, 1)]));
    }

    #[test]
    fn images_per_second_are_of_the_median_step() {
        let round = Round { configuration: 0, round: 1 };
        let row = |times: &[f64]| super::row(&measured(times), &to_measure(0, 0), round, &runner());
        let few = row(&[0.5, 0.25, 1.0]).unwrap();
        assert_eq!((few.images_per_s, few.images_per_s_low, few.images_per_s_high), (128.0, 64.0, 256.0));
        assert!(few.quiet && few.peak_rss_bytes.is_none());
        assert!(row(&[]).is_none());
    }

    #[test]
    fn others_and_a_drifting_machine_are_not_quiet() {
        let quiet = measured(&[1.0]);
        assert!(is_quiet(&quiet) && is_quiet(&Measured { foreign_load: None, ..quiet.clone() }));
        assert!(!is_quiet(&Measured { foreign_load: Some(0.2), ..quiet.clone() }));
        assert!(!is_quiet(&Measured { probe_after: 80.0, ..quiet.clone() }));
        assert!(!is_quiet(&Measured { probe_after: f64::NAN, ..quiet }));
    }
}
