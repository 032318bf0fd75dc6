//! A job's folder, and the folder of all jobs of a database.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::ClusterError;
use super::script::Resources;
use crate::durable::write_atomically;
use crate::runner::Files;

/// What was asked of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The sweep's name.
    pub sweep: String,
    /// The sweep file's name in the folder.
    pub file: String,
    /// The program that does the work.
    pub program: PathBuf,
    /// BLAKE3 of that program, hexadecimal.
    pub program_hash: String,
    /// Version of the program.
    pub version: String,
    /// What each task may have.
    pub resources: Resources,
    /// The tasks of the array.
    pub tasks: Vec<Task>,
    /// Whether a job of its own measures throughput, alone on its node.
    pub measures: bool,
}

/// One task of the array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Keys of its trials.
    pub trials: Vec<String>,
}

/// What Slurm calls a job's parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlurmIds {
    /// The array.
    pub array: Option<String>,
    /// The job that measures.
    pub measure: Option<String>,
}

/// A job's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFolder {
    path: PathBuf,
}

impl JobFolder {
    /// The folder at `path`.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was asked for.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn job(&self) -> Result<Job, ClusterError> {
        self.read("job.json")
    }

    /// What Slurm calls it; nothing before it was submitted.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn slurm_ids(&self) -> Result<SlurmIds, ClusterError> {
        if self.path.join("slurm.json").exists() { self.read("slurm.json") } else { Ok(SlurmIds::default()) }
    }

    /// Writes down what was asked for.
    pub(super) fn write_job(&self, job: &Job) -> Result<(), ClusterError> {
        self.write_json("job.json", job)
    }

    /// Writes down what Slurm calls it.
    pub(super) fn write_slurm_ids(&self, ids: &SlurmIds) -> Result<(), ClusterError> {
        self.write_json("slurm.json", ids)
    }

    /// Puts a file into it.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, ClusterError> {
        let path = self.path.join(name);
        write_atomically(&path, bytes)?;
        Ok(path)
    }

    /// The sweep file, as it was.
    pub(super) fn sweep_file(&self, job: &Job) -> PathBuf {
        self.path.join(&job.file)
    }

    /// What tasks begin with that only evaluate trials: their rows.
    pub(super) fn start(&self) -> PathBuf {
        self.path.join("start.db")
    }

    /// The results of a task, or of the job that measures.
    pub(super) fn shard(&self, name: &str) -> PathBuf {
        self.path.join("shards").join(format!("{name}.db"))
    }

    /// Weights and checkpoints of this job and its neighbours.
    pub(super) fn files(&self) -> Files {
        let jobs = self.path.parent().unwrap_or(Path::new("."));
        Files::in_folder(jobs.join("files"))
    }

    /// All shards that are there, by name.
    pub(super) fn shards(&self) -> Result<Vec<PathBuf>, ClusterError> {
        let folder = self.path.join("shards");
        let failed = |source| ClusterError::File { doing: "list", path: folder.clone(), source };
        let mut shards = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.extension().is_some_and(|ending| ending == "db") {
                shards.push(path);
            }
        }
        shards.sort();
        Ok(shards)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, ClusterError> {
        let path = self.path.join(name);
        let bytes = fs::read(&path).map_err(|source| ClusterError::File {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        serde_json::from_slice(&bytes).map_err(|source| ClusterError::Json { path, source })
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), ClusterError> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|source| ClusterError::Json { path: self.path.join(name), source })?;
        self.write(name, &bytes).map(drop)
    }
}

/// The folder of all jobs of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    folder: PathBuf,
}

impl Jobs {
    /// Those of the database at `path`, in a folder of its name beside it.
    pub fn of(database: &Path) -> Self {
        Self { folder: database.with_extension("jobs") }
    }

    /// Every job's folder, in the order of their names.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<JobFolder>, ClusterError> {
        let failed = |source| ClusterError::File { doing: "list", path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut jobs = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.join("job.json").exists() {
                jobs.push(JobFolder { path });
            }
        }
        jobs.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(jobs)
    }

    /// Makes the folder of a new job of that sweep, `<sweep>-<number>`.
    pub(super) fn make(&self, sweep: &str) -> Result<JobFolder, ClusterError> {
        let failed =
            |path: &Path, source| ClusterError::File { doing: "make", path: path.to_owned(), source };
        fs::create_dir_all(&self.folder).map_err(|source| failed(&self.folder, source))?;
        let folder = self.folder.canonicalize().map_err(|source| failed(&self.folder, source))?;
        let safe: String =
            sweep.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        let mut number = 1_u64;
        loop {
            let path = folder.join(format!("{safe}-{number}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(source) => return Err(failed(&path, source)),
                Ok(()) => {
                    for inner in ["shards", "logs"] {
                        let inner = path.join(inner);
                        fs::create_dir(&inner).map_err(|source| failed(&inner, source))?;
                    }
                    return Ok(JobFolder { path });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_has_a_folder_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::of(&folder.path().join("a.db"));
        assert!(jobs.list().unwrap().is_empty());
        let first = jobs.make("a sweep/of mine").unwrap();
        let second = jobs.make("a sweep/of mine").unwrap();
        assert!(
            first.path().ends_with("a.jobs/a_sweep_of_mine-1")
                && second.path().ends_with("a_sweep_of_mine-2")
        );
        assert!(jobs.list().unwrap().is_empty(), "nothing was asked for yet");
        assert_eq!(first.slurm_ids().unwrap(), SlurmIds::default());
        let ids = SlurmIds { array: Some("17".to_owned()), measure: None };
        first.write_slurm_ids(&ids).unwrap();
        assert_eq!(first.slurm_ids().unwrap(), ids);
    }

    #[test]
    fn half_written_shards_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let job = Jobs::of(&folder.path().join("a.db")).make("a").unwrap();
        for name in ["0.db", ".1.db.77-0.tmp", ".2.db", "3.txt"] {
            fs::write(job.path().join("shards").join(name), "").unwrap();
        }
        assert_eq!(job.shards().unwrap(), [job.shard("0")]);
    }
}
