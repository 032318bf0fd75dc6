//! Trials that are left to do, handed to Slurm.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::batches::batches;
use super::collect::{Collected, collect};
use super::error::ClusterError;
use super::folder::{Job, JobFolder, Jobs, SlurmIds, Task};
use super::script::{self, Resources};
use super::slurm::Slurm;
use super::work::program_hash;
use crate::measure::machine::Machine;
use crate::runner::{self, Costs, Known, Phases, Plan, Run, RunOptions, Todo, Why, costs, lend, place};
use crate::store::{Access, Company, Key, RunLock, Store, StoreError};
use crate::sweep::Sweep;

/// A task is worth having from so much work on, seconds: starting one takes Slurm seconds.
const WORTH_S: f64 = 600.0;

/// What is to be submitted, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// The trials of each task.
    pub tasks: Vec<Vec<Key>>,
    /// Trials that are left to do and that Slurm has already.
    pub queued: usize,
    /// Of those to submit, the ones that are trained and lack accuracies.
    pub evaluations: Vec<Key>,
    /// About how long the longest task takes, seconds, if a trial of the sweep ever trained where the database knows of.
    pub longest_s: Option<f64>,
    /// Whether a job measures throughput.
    pub measures: bool,
    /// The array's script, for the folder it is to lie in.
    pub script: String,
}

impl Submission {
    /// Number of trials.
    pub fn trials(&self) -> usize {
        self.tasks.iter().map(Vec::len).sum()
    }
}

/// What there would be to submit for the sweep, as the database at `database` is now; nothing is written.
///
/// # Errors
/// If the database cannot be read, or Slurm does not say what it has.
pub fn plan(
    sweep: &Sweep,
    database: &Path,
    resources: &Resources,
    (measures, retry_failed): (bool, bool),
    slurm: Option<Slurm>,
) -> Result<Submission, ClusterError> {
    let settings = sweep.settings();
    let known = match Store::open(database, Access::Read) {
        Ok(store) => {
            let known = Known::read(&store, sweep, &place(&Machine::this(), &settings))?;
            known.with_speeds_of_all_machines(&store)?
        }
        Err(StoreError::NotFound { .. }) => Known::default(),
        Err(error) => return Err(error.into()),
    };
    let mut todo = Plan::of(sweep, &known).todo;
    todo.retain(|one| retry_failed || one.why != Why::Failed);
    let configurations: Vec<_> = sweep.keys().map(|(key, _)| key).collect();
    let key = |one: &Todo| {
        let configuration = configurations.get(one.configuration)?;
        Some(runner::key(configuration.trial(one.seed).as_bytes()))
    };
    let before = todo.len();
    let queued = match slurm {
        Some(slurm) => queued(database, slurm)?,
        None => HashSet::new(),
    };
    todo.retain(|one| key(one).is_some_and(|key| !queued.contains(&key)));
    let Costs { each, in_seconds } = costs(sweep, &todo, &known)?;
    let at_a_time = resources.cpus.unwrap_or(1) / settings.run.threads.max(1);
    let enough = in_seconds.then_some(WORTH_S * at_a_time.max(1) as f64);
    let most = slurm.map_or(Ok(usize::MAX), Slurm::most_tasks)?;
    let places = batches(&each, most, enough);
    let cost = |places: &Vec<usize>| places.iter().filter_map(|place| each.get(*place)).sum::<f64>();
    let longest = places.iter().map(cost).fold(0.0, f64::max) / at_a_time.max(1) as f64;
    let at = |places: &Vec<usize>| places.iter().filter_map(|place| key(todo.get(*place)?)).collect();
    let tasks: Vec<Vec<Key>> = places.iter().map(at).collect();
    let evaluations = todo.iter().filter(|one| one.why == Why::Unevaluated).filter_map(key).collect();
    let trials = tasks.iter().map(Vec::len).sum();
    let folder = database.with_extension("jobs").join(format!("{}-N", sweep.name()));
    Ok(Submission {
        queued: before - todo.len(),
        evaluations,
        longest_s: in_seconds.then_some(longest),
        measures: measures && settings.measure.enabled,
        script: script::training(
            &folder,
            Path::new("effsweep"),
            sweep.name(),
            (trials, tasks.len()),
            resources,
        ),
        tasks,
    })
}

/// Brings home what earlier jobs of the database came to, makes it know the sweep, and submits what is left to do and not
/// in Slurm's queue; `None` for the folder if that is nothing.
///
/// # Errors
/// If the database is in use or cannot be written, or Slurm refuses.
pub fn submit(
    sweep: &Sweep,
    database: &Path,
    resources: &Resources,
    (measures, retry_failed): (bool, bool),
    program: &Path,
) -> Result<(Collected, Submission, Option<JobFolder>), ClusterError> {
    let options = RunOptions { phases: Phases::Train, retry_failed, ..RunOptions::default() };
    drop(Run::prepare(sweep, database, options)?);
    let mut collected = Collected::default();
    // Before the lock is taken: a job of a sweep that the database has forgotten registers it again, which takes it too.
    for folder in Jobs::of(database).list()? {
        collected.add(collect(database, &folder)?);
    }
    // From here to the queue nobody else submits.
    let _lock = RunLock::acquire(database, Company::Alone)?;
    let submission = plan(sweep, database, resources, (measures, retry_failed), Some(Slurm))?;
    let measuring = submission.measures && (submission.trials() > 0 || lacks_measurements(sweep, database)?);
    if submission.trials() == 0 && !measuring {
        return Ok((collected, submission, None));
    }
    let folder = Jobs::of(database).make(sweep.name())?;
    let job = Job {
        sweep: sweep.name().to_owned(),
        file: sweep.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        program: program.to_owned(),
        program_hash: program_hash(program)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        resources: resources.clone(),
        tasks: submission.tasks.iter().map(|trials| task(trials)).collect(),
        measures: measuring,
    };
    folder.write(&job.file, sweep.text().as_bytes())?;
    if measuring || !submission.evaluations.is_empty() {
        // Whoever measures must know what was trained before.
        let keys = if measuring { None } else { Some(submission.evaluations.as_slice()) };
        lend(&Store::open(database, Access::Read)?, keys, &folder.start(), &folder.files())?;
    }
    folder.write_job(&job)?;
    let here = std::env::current_dir().map_err(|source| ClusterError::File {
        doing: "find",
        path: PathBuf::from("."),
        source,
    })?;
    let mut ids = SlurmIds::default();
    if !job.tasks.is_empty() {
        let counts = (submission.trials(), job.tasks.len());
        let text = script::training(folder.path(), program, sweep.name(), counts, resources);
        let path = folder.write("train.sbatch", text.as_bytes())?;
        ids.array = Some(Slurm.submit(&path, &here, None)?);
        folder.write_slurm_ids(&ids)?;
    }
    if measuring {
        let text = script::measuring(folder.path(), program, sweep.name(), resources);
        let path = folder.write("measure.sbatch", text.as_bytes())?;
        ids.measure = Some(Slurm.submit(&path, &here, ids.array.as_deref())?);
        folder.write_slurm_ids(&ids)?;
    }
    Ok((collected, submission, Some(folder)))
}

fn task(trials: &[Key]) -> Task {
    Task { trials: trials.iter().map(Key::to_string).collect() }
}

/// Whether trained configurations lack throughput measured on any machine.
fn lacks_measurements(sweep: &Sweep, database: &Path) -> Result<bool, ClusterError> {
    let store = Store::open(database, Access::Read)?;
    let (id, _) = store.sweep(sweep.name())?;
    Ok(store.has_unmeasured(id)?)
}

/// Trials in tasks of this database's jobs that wait or run.
fn queued(database: &Path, slurm: Slurm) -> Result<HashSet<Key>, ClusterError> {
    let mut queued = HashSet::new();
    for folder in Jobs::of(database).list()? {
        let Some(array) = folder.slurm_ids()?.array else { continue };
        let states = slurm.queued(&array)?;
        if states.is_empty() {
            continue;
        }
        let job = folder.job()?;
        let tasks = states.iter().filter_map(|state| job.tasks.get(state.task?));
        queued.extend(tasks.flat_map(|task| &task.trials).filter_map(|key| key.parse::<Key>().ok()));
    }
    Ok(queued)
}
