//! A run, from the lock to the summary.
//!
//! [`Run::prepare`] takes the database's lock, gives back what a dead runner held, registers the sweep and plans;
//! [`Run::go`] trains and evaluates with several workers, and when the last of them is gone measures with one at a
//! time. Everything is in the database as soon as it is known, so that a run may end at any moment.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::code::code;
use super::crew::{Inbox, Interrupter, drive};
use super::error::RunError;
use super::estimate::estimate;
use super::event::{Event, Namer, Summary, TrialTask};
use super::files::Files;
use super::keep::keep_front;
use super::measuring::{Measuring, rounds};
use super::plan::{Known, Place, Plan};
use super::register::{Register, number, sweep_row};
use super::scheduler::{Limits, Scheduler};
use super::signal::{self, Caught};
use super::training::{Training, TrialWork};
use crate::measure::machine::Machine;
use crate::store::{Access, MachineRow, RunLock, Runner, Store, SweepId, Wanted};
use crate::sweep::Sweep;
use crate::sweep::settings::{Keep, Settings};

/// How to run; what is not set is as the sweep file says.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Trials at a time.
    pub workers: Option<usize>,
    /// Threads of each trial.
    pub threads: Option<usize>,
    /// Numbers of finished epochs after which signals are recorded.
    pub signals: Option<Vec<usize>>,
    /// Whether trials that were given up are tried again.
    pub retry_failed: bool,
    /// What is done.
    pub phases: Phases,
    /// The worker's command and arguments; this program with `worker` if empty.
    pub worker_command: Vec<OsString>,
}

/// Which of its phases a run goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Phases {
    /// Training, evaluation, and measuring if the sweep file does not switch it off.
    #[default]
    All,
    /// Training and evaluation.
    Train,
    /// Measuring what is trained.
    Measure,
}

/// A run that is ready to go. Holds the database's lock.
#[derive(Debug)]
pub struct Run<'a> {
    sweep: &'a Sweep,
    options: RunOptions,
    settings: Settings,
    machine: Machine,
    store: Store,
    id: SweepId,
    files: Files,
    plan: Plan,
    estimate: Option<Duration>,
    inbox: Inbox,
    _lock: RunLock,
}

impl<'a> Run<'a> {
    /// Locks and opens the database at `database`, and makes it know the sweep.
    ///
    /// # Errors
    /// If another run holds the lock, the database cannot be written, or the images cannot be opened.
    pub fn prepare(sweep: &'a Sweep, database: &Path, options: RunOptions) -> Result<Self, RunError> {
        if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|source| RunError::File {
                doing: "create the folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        let mut register = Register::default();
        let is_new = !database.exists();
        if is_new {
            // What is wrong with the images must not leave an empty database behind.
            register.prepare(sweep, &HashSet::new())?;
        }
        let lock = RunLock::acquire(database)?;
        let mut store = Store::open(database, Access::Write)?;
        store.release_running()?;
        let registered = store.configuration_keys()?;
        if !is_new {
            register.prepare(sweep, &registered)?;
        }
        let (machine, mut settings) = (Machine::this(), sweep.settings());
        if let Some(signals) = &options.signals {
            settings.run.signals.clone_from(signals);
        }
        let known = Known::read(&store, sweep, &place(&machine, &settings))?;
        let plan = Plan::of(sweep, &known);
        let points = register.points(sweep, &registered);
        let id = store.register_sweep(&sweep_row(sweep), points)?.sweep;
        if options.retry_failed {
            store.replan_failed(id)?;
        }
        let files = Files::of(database);
        let mut run = Self {
            sweep,
            options,
            settings,
            machine,
            store,
            id,
            files,
            plan,
            estimate: None,
            inbox: Inbox::new(),
            _lock: lock,
        };
        run.estimate = estimate(sweep, &run.plan, &known, run.workers());
        Ok(run)
    }

    /// What was there and what is left to do.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// About how long it will take, where the database knows speeds.
    pub fn estimate(&self) -> Option<Duration> {
        self.estimate
    }

    /// A way to stop it from elsewhere.
    pub fn interrupter(&self) -> Interrupter {
        self.inbox.interrupter()
    }

    /// Makes SIGINT and SIGTERM stop it, as long as the result lives.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub fn catch_signals(&self) -> Result<Caught, RunError> {
        let interrupter = self.interrupter();
        signal::catch(move || interrupter.ask()).map_err(RunError::Signals)
    }

    /// Does everything that is left to do, and tells what happens.
    ///
    /// # Errors
    /// If the database cannot be written or no worker be started. Workers are killed then; their trials are planned
    /// again by the next run.
    pub fn go(mut self, emit: &mut dyn FnMut(Event)) -> Result<Summary, RunError> {
        let start = Instant::now();
        let mut summary = Summary::default();
        emit(Event::RunStarted {
            counts: self.plan.counts,
            workers: self.workers(),
            threads: self.threads(),
            estimate: self.estimate,
        });
        let command = self.command()?;
        let runner = self.runner(self.threads())?;
        if self.options.phases != Phases::Measure {
            self.train(&runner, &command, emit, &mut summary)?;
        }
        if self.settings.measure.enabled && self.options.phases != Phases::Train {
            self.measure(&runner, &command, emit, &mut summary)?;
        }
        summary.stopped = self.inbox.is_stopped();
        if self.settings.run.keep == Keep::Front && summary.left == 0 {
            keep_front(&mut self.store, self.id, self.sweep, &self.files)?;
        }
        summary.elapsed = start.elapsed();
        emit(Event::RunEnded(summary));
        Ok(summary)
    }

    fn train(
        &mut self,
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        let work = self.trials()?;
        let scheduler = Scheduler::new(self.limits(self.workers()), 0..work.len());
        let mut training = Training {
            store: &mut self.store,
            sweep: self.id,
            runner,
            work,
            settings: &self.settings,
            files: &self.files,
            namer: &Namer::of(self.sweep),
            emit,
            summary,
            attempts: HashMap::new(),
            epochs: Vec::new(),
            signals: Vec::new(),
        };
        let left = drive(&mut training, scheduler, &mut self.inbox, command)?;
        summary.left += left;
        Ok(())
    }

    /// Trials to train, then finished ones to evaluate.
    fn trials(&self) -> Result<Vec<TrialWork>, RunError> {
        let planned = self.store.planned_trials(self.id)?;
        let unevaluated = self.store.missing_evaluations(self.id)?;
        let train = planned.iter().map(|one| TrialWork { trial: one.id, task: TrialTask::Train });
        let evaluate =
            unevaluated.iter().map(|one| TrialWork { trial: one.trial_id, task: TrialTask::Evaluate });
        Ok(train.chain(evaluate).collect())
    }

    fn measure(
        &mut self,
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        let runner = Runner { threads: measuring_threads(&self.settings), ..runner.clone() };
        let wanted = Wanted {
            machine_id: runner.machine_id,
            threads: runner.threads,
            inference_batch_size: number(self.settings.measure.inference_batch_size),
            rounds: number(self.settings.measure.rounds),
        };
        let configurations = self.store.configurations_to_measure(self.id, &wanted)?;
        let rounds = rounds(&configurations, wanted.rounds);
        if rounds.is_empty() || self.inbox.is_stopped() {
            summary.left += rounds.len();
            return Ok(());
        }
        emit(Event::MeasuringStarted { configurations: configurations.len(), rounds: rounds.len() });
        let scheduler = Scheduler::new(self.limits(1), 0..rounds.len());
        let mut measuring = Measuring {
            store: &mut self.store,
            runner: &runner,
            configurations: &configurations,
            rounds: &rounds,
            settings: &self.settings,
            namer: &Namer::of(self.sweep),
            emit,
            summary,
            running: HashMap::new(),
        };
        let left = drive(&mut measuring, scheduler, &mut self.inbox, command)?;
        summary.left += left;
        Ok(())
    }

    fn limits(&self, slots: usize) -> Limits {
        let run = &self.settings.run;
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Limits {
            slots,
            timeout: run.timeout_min.map(|minutes| seconds(minutes * 60.0)),
            silence: seconds(run.hung_after_s),
            retries: run.retries,
        }
    }

    fn threads(&self) -> usize {
        self.options.threads.unwrap_or(self.settings.run.threads).max(1)
    }

    fn workers(&self) -> usize {
        workers(self.options.workers.or(self.settings.run.workers), self.threads())
    }

    fn command(&self) -> Result<Vec<OsString>, RunError> {
        if !self.options.worker_command.is_empty() {
            return Ok(self.options.worker_command.clone());
        }
        let program = std::env::current_exe()
            .map_err(|source| RunError::Worker { command: "effsweep".to_owned(), source })?;
        Ok(vec![program.into(), "worker".into()])
    }

    fn runner(&mut self, threads: usize) -> Result<Runner, RunError> {
        let machine_id = self.store.register_machine(&machine_row(&self.machine))?;
        Ok(Runner { machine_id, threads: number(threads), code: code(self.sweep.path()) })
    }
}

/// Where and how this machine measures a sweep of these settings.
pub fn place(machine: &Machine, settings: &Settings) -> Place {
    Place { fingerprint: machine.fingerprint(), threads: measuring_threads(settings) }
}

/// Trials at a time: `asked` for, or as many as have a core for each of their threads.
pub fn workers(asked: Option<usize>, threads: usize) -> usize {
    asked.unwrap_or_else(|| cores() / threads.max(1)).max(1)
}

fn measuring_threads(settings: &Settings) -> u32 {
    number(settings.measure.threads.unwrap_or_else(cores))
}

/// Processors that this process may use.
fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn machine_row(machine: &Machine) -> MachineRow {
    MachineRow {
        fingerprint: machine.fingerprint(),
        hostname: machine.hostname.clone(),
        cpu_model: machine.cpu.clone(),
        logical_cpus: number(machine.logical_cpus),
        memory_bytes: machine.memory_bytes,
        os: machine.os.clone(),
        architecture: machine.arch.to_owned(),
        simd: machine.simd.to_owned(),
    }
}

#[cfg(test)]
mod tests;
