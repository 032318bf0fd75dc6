//! What is there and what is left to do, from a sweep's keys and the database, before anything is written.
//!
//! Only keys are looked at: settings of a configuration are made when somebody asks for them, so that a plan of a
//! million points takes as long as hashing and looking up their keys.

use std::collections::{HashMap, HashSet};

use super::error::RunError;
use super::files::Files;
use super::register::{key, number};
use crate::store::{Key, MeasureKind, Store, StoreError, TrainingSpeed, TrialState};
use crate::sweep::{ConfigurationKey, Sweep, TestResolution};

/// What is left to do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// How many of everything.
    pub counts: Counts,
    /// Trials that need a worker, in the sweep's order; failed ones too, which wait for somebody to ask for them.
    pub todo: Vec<Todo>,
    /// Configurations that lack rounds of measurements here, once they have a finished trial.
    pub to_measure: Vec<ToMeasure>,
}

/// How many trials are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Trials that the sweep asks for.
    pub trials: usize,
    /// Of those, finished.
    pub finished: usize,
    /// Diverged, which is a result as well.
    pub diverged: usize,
    /// Given up in an earlier run.
    pub failed: usize,
    /// Running just now, under another run.
    pub running: usize,
    /// Begun and with a checkpoint.
    pub unfinished: usize,
    /// Not begun, or begun without getting to a checkpoint.
    pub new: usize,
    /// Finished trials that lack an accuracy which the sweep asks for.
    pub unevaluated: usize,
    /// Configurations that lack a measurement on this machine.
    pub unmeasured: usize,
    /// Trials that an earlier edition of this sweep asked for and this one does not. Their results stay.
    pub orphaned: usize,
}

impl Counts {
    /// Trials whose results are kept.
    pub fn kept(&self) -> usize {
        self.finished + self.diverged
    }
}

/// A trial that needs a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Todo {
    /// Index of its configuration in the sweep.
    pub configuration: usize,
    /// Its seed.
    pub seed: u64,
    /// Why.
    pub why: Why,
}

/// Why a trial needs a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It was never trained.
    New,
    /// It has a checkpoint.
    Unfinished,
    /// It was given up.
    Failed,
    /// It is finished and lacks an accuracy.
    Unevaluated,
}

/// A configuration that lacks rounds of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToMeasure {
    /// Its index in the sweep.
    pub configuration: usize,
    /// How many rounds it lacks.
    pub rounds: u32,
}

/// What a database knows, as far as plans ask.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Of every trial: its state, and whether the sweep asked for it when it was last registered. One map for both:
    /// of a million trials it is most of what planning holds.
    trials: HashMap<Key, (TrialState, bool)>,
    /// How many the sweep asked for.
    asked_before: usize,
    /// By fine-tuning.
    evaluated: HashMap<String, HashSet<(Key, u32)>>,
    checkpointed: HashSet<Key>,
    unmeasurable: HashSet<Key>,
    train_rounds: HashMap<Key, u32>,
    inference_rounds: HashMap<(Key, u32), u32>,
    pub(super) speeds: Vec<TrainingSpeed>,
}

/// Where and how measurements are to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Fingerprint of the machine.
    pub fingerprint: String,
    /// Threads of a measurement.
    pub threads: u32,
}

impl Known {
    /// Reads what `store` knows of the sweep's trials, and of measurements at that place.
    ///
    /// # Errors
    /// If the database, or the folder of checkpoints beside it, cannot be read.
    pub fn read(store: &Store, sweep: &Sweep, place: &Place) -> Result<Self, RunError> {
        let mut trials = HashMap::with_capacity(store.trial_count()? as usize);
        store.each_trial(|key, state| {
            trials.insert(key, (state, false));
        })?;
        let mut asked_before = 0;
        match store.sweep(sweep.name()) {
            Ok((id, _)) => store.each_sweep_key(id, |key| {
                if let Some((_, asked)) = trials.get_mut(&key) {
                    *asked = true;
                    asked_before += 1;
                }
            })?,
            Err(StoreError::UnknownSweep { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let files = Files::of(store.path());
        let checkpointed = files.checkpointed().map_err(|source| RunError::File {
            doing: "look for checkpoints beside",
            path: store.path().to_owned(),
            source,
        })?;
        let inference_batch = number(sweep.settings().measure.inference_batch_size);
        let (mut train_rounds, mut inference_rounds) = (HashMap::new(), HashMap::new());
        for (step, rounds) in store.measured(&place.fingerprint, place.threads)? {
            match step.kind {
                // A configuration trains at one resolution and batch size.
                MeasureKind::Train => drop(train_rounds.insert(step.configuration, rounds)),
                MeasureKind::Inference if step.batch_size == inference_batch => {
                    inference_rounds.insert((step.configuration, step.resolution), rounds);
                }
                MeasureKind::Inference => {}
            }
        }
        Ok(Self {
            trials,
            evaluated: store.evaluated()?,
            checkpointed,
            asked_before,
            unmeasurable: store.unmeasurable(&place.fingerprint, place.threads)?,
            train_rounds,
            inference_rounds,
            speeds: store.training_speeds(Some(&place.fingerprint))?,
        })
    }

    /// The same, with speeds of trials wherever they trained.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn with_speeds_of_all_machines(self, store: &Store) -> Result<Self, RunError> {
        Ok(Self { speeds: store.training_speeds(None)?, ..self })
    }

    /// Whether a trial lacks an accuracy after that fine-tuning.
    fn lacks(&self, trial: Key, tests: &[TestResolution], fine_tuning: &str) -> bool {
        let there = self.evaluated.get(fine_tuning);
        tests.iter().any(|test| there.is_none_or(|there| !there.contains(&(trial, number(test.side)))))
    }

    /// Rounds that are there of every measurement of a configuration.
    fn rounds(&self, configuration: Key, tests: &[TestResolution]) -> u32 {
        let of = |rounds: Option<&u32>| rounds.copied().unwrap_or(0);
        let train = of(self.train_rounds.get(&configuration));
        let inference =
            tests.iter().map(|test| of(self.inference_rounds.get(&(configuration, number(test.side)))));
        inference.fold(train, u32::min)
    }
}

impl Plan {
    /// What of `sweep` is left to do, given what is known.
    pub fn of(sweep: &Sweep, known: &Known) -> Self {
        Self::among(sweep, known, None)
    }

    /// As [`Plan::of`], of these trials only.
    pub fn among(sweep: &Sweep, known: &Known, only: Option<&HashSet<Key>>) -> Self {
        let measure = sweep.settings().measure;
        let rounds = if measure.enabled { number(measure.rounds) } else { 0 };
        let mut plan = Self::default();
        plan.counts.trials = only.map_or(sweep.trial_count(), HashSet::len);
        // Memory that is never written to costs nothing; doubling holds three times as much in the end.
        plan.todo.reserve_exact(plan.counts.trials);
        plan.to_measure.reserve_exact(sweep.keys().len());
        plan.counts.orphaned = known.asked_before;
        let fine_tunings: Vec<String> = sweep.fine_tunings().iter().map(ToString::to_string).collect();
        for (configuration, (key, tests)) in sweep.keys().enumerate() {
            let mut promising = false;
            for &seed in sweep.seeds() {
                if only.is_some_and(|only| !only.contains(&super::register::key(key.trial(seed).as_bytes())))
                {
                    continue;
                }
                promising |= plan.add(known, configuration, (key, seed), (tests, &fine_tunings));
            }
            let key = super::register::key(key.as_bytes());
            let lacking = rounds.saturating_sub(known.rounds(key, tests));
            if promising && lacking > 0 && !known.unmeasurable.contains(&key) {
                plan.to_measure.push(ToMeasure { configuration, rounds: lacking });
            }
        }
        plan.counts.unmeasured = plan.to_measure.len();
        plan
    }

    /// Takes in a trial. Whether it is finished or will be.
    fn add(
        &mut self,
        known: &Known,
        configuration: usize,
        (of, seed): (ConfigurationKey, u64),
        (tests, fine_tunings): (&[TestResolution], &[String]),
    ) -> bool {
        let counts = &mut self.counts;
        let mut todo = |why| self.todo.push(Todo { configuration, seed, why });
        if known.trials.is_empty() {
            counts.new += 1;
            todo(Why::New);
            return true;
        }
        let trial = key(of.trial(seed).as_bytes());
        let seen = known.trials.get(&trial);
        if let Some((_, true)) = seen {
            counts.orphaned -= 1;
        }
        match seen.map(|(state, _)| state) {
            None => {
                counts.new += 1;
                todo(Why::New);
            }
            Some(TrialState::Planned) if known.checkpointed.contains(&trial) => {
                counts.unfinished += 1;
                todo(Why::Unfinished);
            }
            Some(TrialState::Planned) => {
                counts.new += 1;
                todo(Why::New);
            }
            Some(TrialState::Running) => counts.running += 1,
            Some(TrialState::Failed) => {
                counts.failed += 1;
                todo(Why::Failed);
                return false;
            }
            Some(TrialState::Diverged) => {
                counts.diverged += 1;
                return false;
            }
            Some(TrialState::Finished) => {
                counts.finished += 1;
                if fine_tunings.iter().any(|name| known.lacks(trial, tests, name)) {
                    counts.unevaluated += 1;
                    todo(Why::Unevaluated);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::*;

    fn sweep(grid: &str) -> Sweep {
        Sweep::parse(&format!("[sweep]\nseeds = [0, 1]\n[grid]\n{grid}\n"), Path::new("a.toml")).unwrap()
    }

    fn trial(sweep: &Sweep, configuration: usize, seed: u64) -> Key {
        key(sweep.keys().nth(configuration).unwrap().0.trial(seed).as_bytes())
    }

    /// A database in which these trials have these states, and finished ones all accuracies.
    fn known(sweep: &Sweep, states: &[(usize, u64, TrialState)]) -> Known {
        let mut known = Known::default();
        for &(configuration, seed, state) in states {
            let key = trial(sweep, configuration, seed);
            known.trials.insert(key, (state, true));
            known.asked_before += 1;
            if state == TrialState::Finished {
                let (_, tests) = sweep.keys().nth(configuration).unwrap();
                let evaluated = known.evaluated.entry("none".to_owned()).or_default();
                evaluated.extend(tests.iter().map(|test| (key, number(test.side))));
            }
        }
        known
    }

    #[test]
    fn without_a_database_everything_is_new() {
        let sweep = sweep("norm = [\"bn\", \"ln\"]");
        let plan = Plan::of(&sweep, &Known::default());
        assert_eq!(plan.counts, Counts { trials: 4, new: 4, unmeasured: 2, ..Counts::default() });
        assert_eq!(plan.todo.len(), 4);
    }

    #[test]
    fn each_state_has_its_place() {
        let sweep = sweep("norm = [\"bn\", \"gn\", \"ln\"]");
        let mut known = known(
            &sweep,
            &[
                (0, 0, TrialState::Finished),
                (0, 1, TrialState::Diverged),
                (1, 0, TrialState::Failed),
                (1, 1, TrialState::Failed),
                (2, 0, TrialState::Planned),
                (2, 1, TrialState::Planned),
            ],
        );
        known.checkpointed.insert(trial(&sweep, 2, 1));
        known.trials.insert(Key(1), (TrialState::Planned, true));
        known.asked_before += 1;
        let plan = Plan::of(&sweep, &known);
        let expected = Counts {
            trials: 6,
            finished: 1,
            diverged: 1,
            failed: 2,
            unfinished: 1,
            new: 1,
            unmeasured: 2,
            orphaned: 1,
            ..Counts::default()
        };
        assert_eq!(plan.counts, expected);
        let why: Vec<Why> = plan.todo.iter().map(|todo| todo.why).collect();
        assert_eq!(why, [Why::Failed, Why::Failed, Why::New, Why::Unfinished]);
        let measured: Vec<usize> = plan.to_measure.iter().map(|one| one.configuration).collect();
        assert_eq!(measured, [0, 2], "what only failed is not measured");
    }

    #[test]
    fn a_test_resolution_added_later_needs_an_evaluation_and_a_measurement() {
        let before = sweep("resolution = [{ train = 32, test = [32] }]");
        let finished = [(0, 0, TrialState::Finished), (0, 1, TrialState::Finished)];
        let mut known = known(&before, &finished);
        let configuration = key(before.keys().next().unwrap().0.as_bytes());
        known.train_rounds.insert(configuration, 2);
        known.inference_rounds.insert((configuration, 32), 2);
        assert_eq!(Plan::of(&before, &known).counts, Counts { trials: 2, finished: 2, ..Counts::default() });

        let after = sweep("resolution = [{ train = 32, test = [32, 40] }]");
        let plan = Plan::of(&after, &known);
        assert_eq!((plan.counts.finished, plan.counts.unevaluated, plan.counts.new), (2, 2, 0));
        assert_eq!(plan.to_measure, [ToMeasure { configuration: 0, rounds: 2 }]);
    }

    #[test]
    fn an_added_value_runs_its_own_points_and_no_other() {
        let before = sweep("batch_size = [32, 64]\nnorm = [\"bn\", \"ln\"]");
        let states: Vec<_> =
            (0..4).flat_map(|c| [0, 1].map(|seed| (c, seed, TrialState::Finished))).collect();
        let known = known(&before, &states);
        let after = sweep("batch_size = [32, 64, 128]\nnorm = [\"bn\", \"ln\"]");
        let plan = Plan::of(&after, &known);
        assert_eq!((plan.counts.kept(), plan.counts.new, plan.counts.orphaned), (8, 4, 0));
        assert!(plan.todo.iter().all(|todo| todo.why == Why::New));
    }

    /// A bound that only a change of the order of growth breaks, whatever the build and the machine.
    #[test]
    fn ten_thousand_points_are_planned_at_once() {
        let values: Vec<String> = (1..=5000).map(|n| format!("{:.4}", f64::from(n) / 10_000.0)).collect();
        let sweep = sweep(&format!("\"train.lr\" = [{}]", values.join(", ")));
        let states: Vec<(ConfigurationKey, u64)> =
            sweep.keys().take(4995).flat_map(|(key, _)| [(key, 0), (key, 1)]).collect();
        let mut known = Known::default();
        for (configuration, seed) in states {
            let trial = key(configuration.trial(seed).as_bytes());
            known.trials.insert(trial, (TrialState::Finished, false));
            known.evaluated.entry("none".to_owned()).or_default().insert((trial, 32));
        }
        let start = Instant::now();
        let plan = Plan::of(&sweep, &known);
        println!("{:?} for {} trials", start.elapsed(), plan.counts.trials);
        assert_eq!((plan.counts.finished, plan.counts.new, plan.todo.len()), (9990, 10, 10));
        assert!(start.elapsed().as_secs_f64() < 2.0);
    }
}
