//! One task of a job, on whatever node Slurm gives it.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::error::ClusterError;
use super::folder::{Job, JobFolder};
use super::slurm::Slurm;
use crate::runner::{Event, Phases, Run, RunOptions, Summary, catch_preemption, merge};
use crate::store::{Access, Key, Store};
use crate::sweep::Sweep;

/// Longest time between an epoch's end and the shard that tells of it. Trials' ends are told at once.
const SHARE_EVERY: Duration = Duration::from_secs(10);

/// Share of the memory that Slurm gives a task which trials may plan with.
const MEMORY_SHARE: f64 = 0.9;

/// What of a job is to be worked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A task of the array: trials to train and evaluate.
    Task(usize),
    /// Measurements of what is trained, alone on the node.
    Measure,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub struct Worked {
    /// What was done.
    pub summary: Summary,
    /// Whether Slurm wants the node back, and the task waits for another one.
    pub requeued: bool,
}

/// Works through a part of the job in `folder`, and tells what happens. Called again, here or on another node, it goes on
/// where the shard and the checkpoints are.
///
/// # Errors
/// If the program is not the one that the job was made with, or files cannot be read or written.
pub fn work(
    folder: &JobFolder,
    part: Part,
    program: &Path,
    emit: &mut dyn FnMut(&Event),
) -> Result<Worked, ClusterError> {
    let job = folder.job()?;
    if program_hash(program)? != job.program_hash {
        return Err(ClusterError::OtherProgram { job: folder.path().to_owned() });
    }
    let sweep = Sweep::load(&folder.sweep_file(&job))?;
    let scratch = Scratch::new()?;
    let database = scratch.file("shard.db");
    let (name, only) = match part {
        Part::Measure => ("measure".to_owned(), None),
        Part::Task(number) => (number.to_string(), Some(trials(folder, &job, number)?)),
    };
    let shard = Shard { folder, name, database: &database };
    shard.begin(part, only.as_ref(), &scratch)?;

    let run = Run::prepare(&sweep, &database, options(part, only, &sweep, folder))?;
    let preempted = Arc::new(AtomicBool::new(false));
    let (noted, interrupter) = (Arc::clone(&preempted), run.interrupter());
    let caught = catch_preemption(move |preemption| {
        noted.fetch_or(preemption, Ordering::Relaxed);
        interrupter.ask();
    });
    let _caught = caught.map_err(crate::runner::RunError::Signals)?;
    let (mut shared, mut failed) = (Instant::now(), None);
    let summary = run.go(&mut |event| {
        emit(&event);
        if failed.is_none() && (is_end(&event) || is_step(&event) && shared.elapsed() >= SHARE_EVERY) {
            failed = shard.share(&scratch).err();
            shared = Instant::now();
        }
    })?;
    shard.share(&scratch)?;
    let requeued = summary.stopped && preempted.load(Ordering::Relaxed);
    if requeued {
        // Slurm ends this process for that: all is written.
        drop(scratch);
        Slurm.requeue(&env::var("SLURM_JOB_ID").unwrap_or_default())?;
    }
    Ok(Worked { summary, requeued })
}

/// BLAKE3 of a program, hexadecimal.
pub(super) fn program_hash(program: &Path) -> Result<String, ClusterError> {
    let mut hasher = blake3::Hasher::new();
    let hashed = fs::File::open(program).and_then(|file| hasher.update_reader(file).map(drop));
    hashed.map_err(|source| ClusterError::File { doing: "read", path: program.to_owned(), source })?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn trials(folder: &JobFolder, job: &Job, number: usize) -> Result<HashSet<Key>, ClusterError> {
    let task = job.tasks.get(number).ok_or_else(|| ClusterError::NoSuchTask {
        job: folder.path().to_owned(),
        task: number,
        last: job.tasks.len().saturating_sub(1),
    })?;
    Ok(task.trials.iter().filter_map(|key| key.parse().ok()).collect())
}

fn options(part: Part, only: Option<HashSet<Key>>, sweep: &Sweep, folder: &JobFolder) -> RunOptions {
    let number = |name: &str| env::var(name).ok()?.parse::<usize>().ok();
    let threads = sweep.settings().run.threads.max(1);
    let memory = number("SLURM_MEM_PER_NODE").filter(|mib| *mib > 0);
    RunOptions {
        // A node without control groups lets everybody see all of its processors.
        workers: number("SLURM_CPUS_PER_TASK").map(|cpus| (cpus / threads).max(1)),
        memory: memory.map(|mib| (mib as f64 * MEMORY_SHARE) as u64 * (1 << 20)),
        only,
        files: Some(folder.files()),
        phases: match part {
            Part::Task(_) => Phases::Train,
            Part::Measure => Phases::Measure,
        },
        ..RunOptions::default()
    }
}

fn is_end(event: &Event) -> bool {
    matches!(
        event,
        Event::TrialFinished { .. }
            | Event::TrialDiverged { .. }
            | Event::TrialFailed { .. }
            | Event::TrialStopped { .. }
    )
}

fn is_step(event: &Event) -> bool {
    matches!(event, Event::Epoch { .. } | Event::Evaluated { .. } | Event::Measured { .. })
}

/// The database of a task, on this node and as others see it.
struct Shard<'a> {
    folder: &'a JobFolder,
    name: String,
    database: &'a Path,
}

impl Shard<'_> {
    /// Fetches what an earlier run of this task left, or what the job starts with.
    fn begin(&self, part: Part, only: Option<&HashSet<Key>>, scratch: &Scratch) -> Result<(), ClusterError> {
        let mine = self.folder.shard(&self.name);
        if mine.exists() {
            copy(&mine, self.database)?;
        }
        let others = match part {
            Part::Measure => self.folder.shards()?,
            Part::Task(_) => Some(self.folder.start()).filter(|start| start.exists()).into_iter().collect(),
        };
        if others.is_empty() {
            return Ok(());
        }
        let mut store = Store::open(self.database, Access::Write)?;
        let near = scratch.file("other.db");
        for other in others.iter().filter(|other| **other != mine) {
            copy(other, &near)?;
            match only {
                Some(only) => {
                    let keys: Vec<Key> = only.iter().copied().collect();
                    store.copy_from(&near, Some(&keys))?;
                }
                None => drop(merge(&mut store, &near, &self.folder.files())?),
            }
        }
        Ok(())
    }

    /// Puts a whole copy, as it is now, where others find it.
    fn share(&self, scratch: &Scratch) -> Result<(), ClusterError> {
        let whole = scratch.file("whole.db");
        match fs::remove_file(&whole) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(ClusterError::File { doing: "replace", path: whole, source });
            }
            _ => {}
        }
        Store::open(self.database, Access::Write)?.write_copy(&whole)?;
        let bytes = fs::read(&whole).map_err(|source| ClusterError::File {
            doing: "read",
            path: whole.clone(),
            source,
        })?;
        self.folder.write(&format!("shards/{}.db", self.name), &bytes).map(drop)
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), ClusterError> {
    fs::copy(from, to).map(drop).map_err(|source| ClusterError::File {
        doing: "copy",
        path: from.to_owned(),
        source,
    })
}

/// A folder on this machine's own disk that goes with its owner.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new one, where the system keeps temporary files.
    pub(super) fn new() -> Result<Self, ClusterError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let job = env::var("SLURM_JOB_ID").map(|id| format!("{id}-")).unwrap_or_default();
        let path = env::temp_dir().join(format!("effsweep-{job}{}-{number}", process::id()));
        // One of the same name is of a process that is long gone.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).map_err(|source| ClusterError::File {
            doing: "make",
            path: path.clone(),
            source,
        })?;
        Ok(Self { path })
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is the system's to clear away.
        let _ = fs::remove_dir_all(&self.path);
    }
}
