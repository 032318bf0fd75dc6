//! The phase that trains and evaluates: claims trials, hands them to workers, writes down what they report.
//!
//! Epochs and signals are gathered and written about once a second; an attempt's end, with the state it leaves its
//! trial in, is one transaction, after them.

mod rows;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::crew::{Duty, End};
use super::error::RunError;
use super::event::{Event, Namer, Subject, Summary, TrialTask};
use super::exit::Conclusion;
use super::files::Files;
use super::memory::Memory;
use super::register::number;
use super::scheduler::{Task, Verdict};
use crate::protocol::{Cause, Job, Message, Test, TrainJob, VERSION};
use crate::store::{
    self, AttemptStart, Claim, ConfigurationId, EpochRow, Key, LayerSignalsRow, Next, Outcome, Store,
    SweepId, TrialId,
};
use crate::sweep::Settings;
use crate::sweep::settings::Keep;
use rows::{attempt_end, epoch_row, evaluation_row, signals_row};

/// A trial that needs a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrialWork {
    pub trial: TrialId,
    pub key: Key,
    pub configuration: ConfigurationId,
    pub seed: u64,
    pub task: TrialTask,
}

/// The phase.
pub(super) struct Training<'a> {
    pub store: &'a mut Store,
    pub sweep: SweepId,
    pub runner: &'a store::Runner,
    pub work: Vec<TrialWork>,
    /// What trials take.
    pub memory: Memory,
    /// What all of them together may take, bytes.
    pub budget: Option<u64>,
    /// Trials that would take more alone.
    pub refused: &'a mut HashSet<TrialId>,
    /// Why nothing starts any more, if it is neither the user's wish nor an error here.
    pub halted: Option<String>,
    /// `[measure]` and `[run]`, which hold for the whole sweep.
    pub settings: &'a Settings,
    pub files: &'a Files,
    pub namer: &'a Namer,
    pub emit: &'a mut dyn FnMut(Event),
    pub summary: &'a mut Summary,
    pub attempts: HashMap<Task, Attempt>,
    pub epochs: Vec<EpochRow>,
    pub signals: Vec<LayerSignalsRow>,
}

/// A worker at a trial.
pub(super) struct Attempt {
    claim: Claim,
    task: TrialTask,
    subject: Arc<Subject>,
}

impl Duty for Training<'_> {
    fn begin(&mut self, task: Task) -> Result<Option<Job>, RunError> {
        let Some(work) = self.work.get(task).copied() else { return Ok(None) };
        if self.refuses(&work)? {
            return Ok(None);
        }
        let claim = match work.task {
            TrialTask::Train => self.store.claim_trial(self.sweep, work.trial, self.runner)?,
            TrialTask::Evaluate => self.store.claim_evaluation(self.sweep, work.trial, self.runner)?,
        };
        let Some(claim) = claim else { return Ok(None) };
        let settings = self.resolve(&claim)?;
        let subject = Arc::new(self.namer.trial(claim.key.to_string(), &settings, claim.seed));
        (self.emit)(Event::TrialStarted {
            trial: Arc::clone(&subject),
            attempt: claim.number,
            epochs: settings.train.epochs,
            task: work.task,
        });
        let job = TrainJob {
            version: VERSION,
            trial: claim.key.to_string(),
            settings,
            seed: claim.seed,
            tests: tests(&claim)?,
            threads: self.runner.threads as usize,
            checkpoints: self.files.checkpoints(claim.key),
            weights: self.files.weights(claim.key),
            weights_checksum: claim.weights_checksum.clone(),
        };
        self.attempts.insert(task, Attempt { claim, task: work.task, subject });
        Ok(Some(Job::Train(Box::new(job))))
    }

    fn begun(&mut self, task: Task, pid: u32) -> Result<(), RunError> {
        if let Some(attempt) = self.attempts.get(&task) {
            self.store.set_worker(attempt.claim.attempt, pid)?;
        }
        Ok(())
    }

    fn heard(&mut self, task: Task, message: Message) -> Result<(), RunError> {
        let Some(attempt) = self.attempts.get(&task) else { return Ok(()) };
        let trial = Arc::clone(&attempt.subject);
        match message {
            Message::Started { data_id, resumed_epochs, .. } => {
                let start =
                    AttemptStart { data_fingerprint: data_id, resumed_epochs: number(resumed_epochs) };
                self.store.start_attempt(attempt.claim.attempt, &start)?;
                if resumed_epochs > 0 && attempt.task == TrialTask::Train {
                    (self.emit)(Event::TrialResumed { trial, epochs: resumed_epochs });
                }
            }
            Message::Progress(report) => (self.emit)(Event::Progress { trial, report }),
            Message::Epoch(report) => {
                self.epochs.push(epoch_row(attempt.claim.trial, &report));
                (self.emit)(Event::Epoch { trial, report });
            }
            Message::Signals(report) => self.signals.push(signals_row(attempt.claim.trial, &report)),
            Message::Evaluated(report) => {
                self.store.record_evaluation(&evaluation_row(&attempt.claim, &report))?;
                (self.emit)(Event::Evaluated { trial, report });
            }
            // Checkpoints concern the worker alone, and the others end a job or measure.
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, task: Task, end: End) -> Result<(), RunError> {
        self.settle()?;
        let Some(attempt) = self.attempts.remove(&task) else { return Ok(()) };
        let outcome = self.outcome(&attempt, &end)?;
        self.store.end_attempt(attempt.claim.attempt, &attempt_end(outcome, &end))?;
        if let (Conclusion::Finished { .. }, TrialTask::Train, Some(peak)) =
            (&end.conclusion, attempt.task, end.exit.peak_rss_bytes)
        {
            self.memory.saw(attempt.claim.configuration, peak);
        }
        if let Conclusion::Failed { cause: Cause::Disk, message } = &end.conclusion {
            self.halted.get_or_insert_with(|| message.clone());
        }
        if matches!(end.conclusion, Conclusion::Finished { .. } | Conclusion::Diverged { .. }) {
            self.clean_up(&attempt)?;
        }
        self.tell(&attempt, &end)
    }

    fn stopping(&mut self, at_once: bool) {
        (self.emit)(Event::Stopping { at_once });
    }

    fn need(&self, task: Task) -> u64 {
        self.work.get(task).map_or(0, |work| self.memory.need(work.configuration))
    }

    fn settle(&mut self) -> Result<(), RunError> {
        if !self.epochs.is_empty() {
            self.store.record_epochs(&self.epochs)?;
            self.epochs.clear();
        }
        if !self.signals.is_empty() {
            self.store.record_signals(&self.signals)?;
            self.signals.clear();
        }
        Ok(())
    }
}

impl Training<'_> {
    /// The configuration's settings from the database, with this sweep's way to run and measure.
    fn resolve(&self, claim: &Claim) -> Result<Settings, RunError> {
        settings(&claim.settings, self.settings, || claim.key.to_string())
    }

    /// Whether the trial would take more memory alone than all may take together; says so, if.
    fn refuses(&mut self, work: &TrialWork) -> Result<bool, RunError> {
        let need = self.memory.need(work.configuration);
        let Some(budget) = self.budget.filter(|budget| need > *budget) else { return Ok(false) };
        self.refused.insert(work.trial);
        self.summary.refused += 1;
        let configuration = self.store.configuration(work.configuration)?;
        let settings = settings(&configuration.settings, self.settings, || configuration.key.to_string())?;
        let trial = Arc::new(self.namer.trial(work.key.to_string(), &settings, work.seed));
        (self.emit)(Event::TrialRefused { trial, need, budget });
        Ok(true)
    }

    fn outcome(&self, attempt: &Attempt, end: &End) -> Result<Outcome, RunError> {
        let claim = &attempt.claim;
        Ok(match (&end.conclusion, end.verdict) {
            (Conclusion::Finished { .. }, _) if attempt.task == TrialTask::Evaluate => Outcome::Evaluated,
            (Conclusion::Finished { weights }, _) => Outcome::Trained {
                train_s: self.store.epochs(claim.trial)?.iter().map(|epoch| epoch.elapsed_s).sum(),
                weights_path: self.keeps_weights().then(|| self.files.weights_in_database(claim.key)),
                weights_checksum: weights.clone(),
            },
            (Conclusion::Diverged { epoch, step }, _) => {
                Outcome::Diverged { epoch: number(*epoch), step: number(*step) }
            }
            (_, Verdict::Retry { cause, .. }) => {
                Outcome::Failed { cause: cause.name().to_owned(), next: Next::Retry }
            }
            (_, Verdict::GiveUp { cause }) => {
                Outcome::Failed { cause: cause.name().to_owned(), next: Next::GiveUp }
            }
            (_, Verdict::PutBack | Verdict::Done) => Outcome::Stopped,
        })
    }

    /// Whether final weights stay, at least until the run ends.
    fn keeps_weights(&self) -> bool {
        self.settings.run.keep != Keep::None
    }

    fn clean_up(&self, attempt: &Attempt) -> Result<(), RunError> {
        let key = attempt.claim.key;
        self.files.remove_checkpoints(key).map_err(|source| RunError::File {
            doing: "remove the checkpoints",
            path: self.files.checkpoints(key),
            source,
        })?;
        if !self.keeps_weights() && attempt.claim.weights_path.is_none() {
            self.files.remove_weights(key).map_err(|source| RunError::File {
                doing: "remove the weights",
                path: self.files.weights(key),
                source,
            })?;
        }
        Ok(())
    }

    /// Tells and counts what became of the trial.
    fn tell(&mut self, attempt: &Attempt, end: &End) -> Result<(), RunError> {
        let trial = Arc::clone(&attempt.subject);
        let event = match (&end.conclusion, end.verdict) {
            (Conclusion::Finished { .. }, _) => {
                let train_s =
                    self.store.epochs(attempt.claim.trial)?.iter().map(|epoch| epoch.elapsed_s).sum();
                match attempt.task {
                    TrialTask::Train => self.summary.finished += 1,
                    TrialTask::Evaluate => self.summary.evaluated += 1,
                }
                Event::TrialFinished { trial, train_s }
            }
            (Conclusion::Diverged { epoch, step }, _) => {
                self.summary.diverged += 1;
                Event::TrialDiverged { trial, epoch: *epoch, step: *step }
            }
            (conclusion, Verdict::Retry { cause, wait }) => {
                Event::TrialRetrying { trial, cause, message: conclusion.message(), wait }
            }
            (conclusion, Verdict::GiveUp { cause }) => {
                match (attempt.task, cause) {
                    (TrialTask::Train, Cause::Oom) => self.summary.out_of_memory += 1,
                    (TrialTask::Train, _) => self.summary.failed += 1,
                    (TrialTask::Evaluate, _) => self.summary.unmeasured += 1,
                }
                Event::TrialFailed { trial, cause, message: conclusion.message() }
            }
            (_, Verdict::PutBack | Verdict::Done) => Event::TrialStopped { trial },
        };
        // A trial put back is over for the scheduler and not for the sweep.
        self.summary.left += usize::from(matches!(event, Event::TrialStopped { .. }));
        (self.emit)(event);
        Ok(())
    }
}

/// Settings as the database has them, completed by the sweep's sections that are no part of a trial.
pub(super) fn settings(
    text: &str,
    sweep: &Settings,
    key: impl FnOnce() -> String,
) -> Result<Settings, RunError> {
    let trial: Settings =
        serde_json::from_str(text).map_err(|source| RunError::Settings { key: key(), source })?;
    let (fine_tune, measure, run) = (sweep.fine_tune.clone(), sweep.measure.clone(), sweep.run.clone());
    Ok(Settings { fine_tune, measure, run, ..trial })
}

/// What a worker is asked for.
fn tests(claim: &Claim) -> Result<Vec<Test>, RunError> {
    let test = |test: &store::Test| {
        let fine_tuning = test.fine_tuning.parse().map_err(|source| RunError::FineTuning { source })?;
        Ok(Test { resolution: test.resolution as usize, fine_tuning })
    };
    claim.tests.iter().map(test).collect()
}
