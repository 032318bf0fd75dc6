//! A run, from the lock to the summary.
//!
//! [`Run::prepare`] takes the database's lock, gives back what dead runs held, registers the sweep and plans;
//! [`Run::go`] trains and evaluates with several workers until nothing is planned any more, and when no other run
//! shares the database (any longer) measures with one worker at a time. Everything is in the database as soon as it
//! is known, so that a run may end at any moment.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::code::code;
use super::crew::{Inbox, Interrupter, drive};
use super::error::RunError;
use super::estimate::estimate;
use super::event::{Event, Namer, Summary, TrialTask};
use super::files::Files;
use super::keep::keep_front;
use super::measuring::{Measuring, Round, rounds, widen};
use super::memory::{self, Memory};
use super::plan::{Known, Place, Plan};
use super::register::{Register, key, number, sweep_row};
use super::scheduler::{Limits, Scheduler};
use super::settling::{self, Observation};
use super::signal::{self, Caught};
use super::training::{Training, TrialWork};
use crate::measure::machine::Machine;
use crate::store::{
    Access, Company, Key, MachineRow, PlannedTrial, Point, RunLock, RunRow, Runner, Store, SweepId,
    ToMeasure, TrialId, Wanted,
};
use crate::sweep::Sweep;
use crate::sweep::settings::{Keep, Settings};

/// How to run; what is not set is as the sweep file says.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Trials at a time.
    pub workers: Option<usize>,
    /// Threads of each trial.
    pub threads: Option<usize>,
    /// Rounds of measurements that each configuration is to have.
    pub rounds: Option<usize>,
    /// Memory of all workers together, bytes.
    pub memory: Option<u64>,
    /// Whether other runs may work on the database at the same time.
    pub share: bool,
    /// Numbers of finished epochs after which signals are recorded.
    pub signals: Option<Vec<usize>>,
    /// How many observations may be made beyond what the sweep file asks for, to settle what its front leaves undecided.
    pub settle: usize,
    /// Whether trials that were given up are tried again.
    pub retry_failed: bool,
    /// The trials that this run is for; all of the sweep's if absent.
    pub only: Option<HashSet<Key>>,
    /// Where weights and checkpoints go; beside the database if absent.
    pub files: Option<Files>,
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
    lock: RunLock,
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
        let company = if options.share { Company::Shared } else { Company::Alone };
        let lock = RunLock::acquire(database, company)?;
        let mut store = Store::open(database, Access::Write)?;
        store.release_dead()?;
        let registered = store.configuration_keys()?;
        if !is_new {
            register.prepare(sweep, &registered)?;
        }
        let (machine, mut settings) = (Machine::this(), sweep.settings());
        if let Some(signals) = &options.signals {
            settings.run.signals.clone_from(signals);
        }
        // Whoever asks for measurements alone wants them.
        settings.measure.enabled |= options.phases == Phases::Measure;
        if let Some(rounds) = options.rounds {
            settings.measure.rounds = rounds;
        }
        let known = Known::read(&store, sweep, &place(&machine, &settings))?;
        let plan = Plan::among(sweep, &known, options.only.as_ref());
        let points =
            register.points(sweep, &registered).filter_map(|point| within(point, options.only.as_ref()));
        let id = store.register_sweep(&sweep_row(sweep), points)?.sweep;
        if options.retry_failed {
            store.replan_failed(id)?;
            store.replan_measurements(id)?;
        }
        let files = options.files.clone().unwrap_or_else(|| Files::of(database));
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
            lock,
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
    /// If the database cannot be written, no worker be started, or the disk is full. Workers write their checkpoints
    /// then, as far as they can; the next run goes on with their trials.
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
        let runner = self.begin()?;
        let done = self.phases(&runner, &command, emit, &mut summary);
        // A disk that let nothing be written does not let this be written either.
        let ended = self.store.end_run(runner.run);
        done?;
        ended?;
        summary.elapsed = start.elapsed();
        emit(Event::RunEnded(summary));
        Ok(summary)
    }

    fn phases(
        &mut self,
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        if self.options.phases != Phases::Measure {
            self.train_all(runner, command, emit, summary)?;
        }
        summary.stopped = self.inbox.is_stopped();
        let last = self.lock.try_alone()?;
        if self.settings.measure.enabled && self.options.phases != Phases::Train {
            if last {
                self.measure(runner, command, emit, summary)?;
            } else {
                emit(Event::LeftToOthers);
            }
        }
        if last {
            self.settle(runner, command, emit, summary)?;
        }
        summary.stopped = self.inbox.is_stopped();
        if self.settings.run.keep == Keep::Front && last && summary.left == 0 {
            keep_front(&mut self.store, self.id, self.sweep, &self.files)?;
        }
        Ok(())
    }

    /// Trains until nothing is planned any more: what a run beside this one held when it died is planned again.
    fn train_all(
        &mut self,
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        let mut refused = HashSet::new();
        let mut work = self.trials()?;
        while !work.is_empty() {
            self.train(work, &mut refused, runner, command, emit, summary)?;
            if self.inbox.is_stopped() {
                break;
            }
            self.store.release_dead()?;
            work = self.planned()?;
            work.retain(|one| !refused.contains(&one.trial));
        }
        Ok(())
    }

    fn train(
        &mut self,
        work: Vec<TrialWork>,
        refused: &mut HashSet<TrialId>,
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        let limits = self.limits(self.workers());
        let scheduler = Scheduler::new(limits, 0..work.len());
        let mut training = Training {
            memory: Memory::of(self.store.memory_facts(self.id)?),
            budget: limits.memory,
            store: &mut self.store,
            sweep: self.id,
            runner,
            work,
            refused,
            halted: None,
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
        let halted = training.halted;
        summary.left += left;
        halted.map_or(Ok(()), |message| Err(RunError::Halted { message }))
    }

    /// Trials to train, then finished ones to evaluate.
    fn trials(&self) -> Result<Vec<TrialWork>, RunError> {
        let mut trials = self.planned()?;
        trials.extend(self.store.missing_evaluations(self.id)?.iter().map(|one| TrialWork {
            trial: one.trial_id,
            key: one.key,
            configuration: one.configuration_id,
            seed: one.seed,
            task: TrialTask::Evaluate,
        }));
        Ok(trials)
    }

    fn planned(&self) -> Result<Vec<TrialWork>, RunError> {
        let train = |one: &PlannedTrial| TrialWork {
            trial: one.id,
            key: one.key,
            configuration: one.configuration_id,
            seed: one.seed,
            task: TrialTask::Train,
        };
        Ok(self.store.planned_trials(self.id)?.iter().map(train).collect())
    }

    /// Observes what would settle most, again and again.
    fn settle(
        &mut self,
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        for _ in 0..self.options.settle {
            if self.inbox.is_stopped() {
                break;
            }
            let Some(step) = settling::next(&self.store, self.sweep, self.sweep.objectives())? else {
                emit(Event::Settled);
                break;
            };
            let place = self.sweep.keys().position(|(of, _)| key(of.as_bytes()) == step.configuration);
            let Some(one) = place.and_then(|place| self.sweep.configuration(place)) else { break };
            let subject = Namer::of(self.sweep).configuration(one.key.to_string(), &one.settings);
            emit(Event::Settling {
                configuration: Arc::new(subject),
                observation: step.observation,
                share: step.share,
            });
            match step.observation {
                Observation::Seed => {
                    let with = |seed| key(one.key.trial(seed).as_bytes());
                    self.store.ask_for_another_seed(self.id, step.configuration, with)?;
                    self.train_all(runner, command, emit, summary)?;
                }
                Observation::Round => {
                    let (runner, wanted) = self.wanted(runner, u32::MAX);
                    let mut one = self.store.configurations_to_measure(self.id, &wanted)?;
                    one.retain(|one| one.key == step.configuration);
                    let rounds: Vec<Round> =
                        one.iter().map(|one| Round { configuration: 0, round: one.rounds_done }).collect();
                    self.measure_rounds(&one, &rounds, &runner, command, emit, summary)?;
                }
            }
        }
        Ok(())
    }

    /// Who measures, and what is wanted of a measurement.
    fn wanted(&self, runner: &Runner, rounds: u32) -> (Runner, Wanted) {
        let runner = Runner { threads: measuring_threads(&self.settings), ..runner.clone() };
        let wanted = Wanted {
            machine_id: runner.machine_id,
            threads: runner.threads,
            inference_batch_size: number(self.settings.measure.inference_batch_size),
            rounds,
        };
        (runner, wanted)
    }

    fn measure(
        &mut self,
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        let (runner, wanted) = self.wanted(runner, number(self.settings.measure.rounds));
        let configurations = self.store.configurations_to_measure(self.id, &wanted)?;
        let rounds = rounds(&configurations, wanted.rounds);
        self.measure_rounds(&configurations, &rounds, &runner, command, emit, summary)
    }

    fn measure_rounds(
        &mut self,
        configurations: &[ToMeasure],
        rounds: &[Round],
        runner: &Runner,
        command: &[OsString],
        emit: &mut dyn FnMut(Event),
        summary: &mut Summary,
    ) -> Result<(), RunError> {
        if rounds.is_empty() || self.inbox.is_stopped() {
            summary.left += rounds.len();
            return Ok(());
        }
        emit(Event::MeasuringStarted { configurations: configurations.len(), rounds: rounds.len() });
        let scheduler = Scheduler::new(self.limits(1), 0..rounds.len());
        let mut measuring = Measuring {
            store: &mut self.store,
            runner,
            configurations,
            rounds,
            settings: &self.settings,
            namer: &Namer::of(self.sweep),
            emit,
            summary,
            running: HashMap::new(),
            given_up: HashSet::new(),
        };
        let left = drive(&mut measuring, scheduler, &mut self.inbox, command)?;
        summary.left += left;
        widen(&mut self.store, runner)
    }

    fn limits(&self, slots: usize) -> Limits {
        let run = &self.settings.run;
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Limits {
            slots,
            timeout: run.timeout_min.map(|minutes| seconds(minutes * 60.0)),
            silence: seconds(run.hung_after_s),
            retries: run.retries,
            memory: self.memory(),
        }
    }

    fn threads(&self) -> usize {
        self.options.threads.unwrap_or(self.settings.run.threads).max(1)
    }

    fn workers(&self) -> usize {
        workers(self.options.workers.or(self.settings.run.workers), self.threads())
    }

    fn memory(&self) -> Option<u64> {
        let asked = self.settings.run.memory_mib.map(|mib| mib.saturating_mul(1 << 20));
        self.options.memory.or(asked).or_else(memory::budget)
    }

    fn command(&self) -> Result<Vec<OsString>, RunError> {
        if !self.options.worker_command.is_empty() {
            return Ok(self.options.worker_command.clone());
        }
        let program = std::env::current_exe()
            .map_err(|source| RunError::Worker { command: "effsweep".to_owned(), source })?;
        Ok(vec![program.into(), "worker".into()])
    }

    /// Notes machine and run in the database.
    fn begin(&mut self) -> Result<Runner, RunError> {
        let machine_id = self.store.register_machine(&machine_row(&self.machine))?;
        let code = code(self.sweep.path());
        let run = self.store.begin_run(&RunRow {
            sweep_id: self.id,
            machine_id,
            lease: self.lock.lease().to_owned(),
            pid: std::process::id(),
            workers: number(self.workers()),
            memory_bytes: self.memory(),
            program_version: code.program_version.clone(),
        })?;
        Ok(Runner { run, machine_id, threads: number(self.threads()), code })
    }
}

/// What of a point belongs to the trials that a run is for.
fn within(mut point: Point, only: Option<&HashSet<Key>>) -> Option<Point> {
    if let Some(only) = only {
        point.trials.retain(|trial| only.contains(&trial.key));
    }
    (!point.trials.is_empty()).then_some(point)
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
