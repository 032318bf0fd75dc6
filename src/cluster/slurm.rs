//! Slurm by its own commands: the only file that knows how they are called and what they answer.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use super::error::ClusterError;

/// The size of arrays that Slurm allows where it does not say.
const USUAL_ARRAY_SIZE: usize = 1001;

/// The Slurm that the commands on the search path belong to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slurm;

/// A job, or a task of an array, that Slurm still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Number within the array; `None` of a job that is no array.
    pub task: Option<usize>,
    /// `PENDING`, `RUNNING`, …
    pub state: String,
    /// Why it waits, or `None`.
    pub reason: String,
}

impl Slurm {
    /// How many tasks an array may have at most.
    ///
    /// # Errors
    /// If Slurm does not answer.
    pub fn most_tasks(self) -> Result<usize, ClusterError> {
        let said = ask("ask for the largest array", "scontrol", ["show", "config"])?;
        // The largest index is one less.
        Ok(setting(&said, "MaxArraySize").unwrap_or(USUAL_ARRAY_SIZE).max(1))
    }

    /// Submits a script, to be run in `folder`; after the job `after`, however that ends, if there is one. Slurm's number.
    ///
    /// # Errors
    /// If Slurm refuses it.
    pub fn submit(self, script: &Path, folder: &Path, after: Option<&str>) -> Result<String, ClusterError> {
        let mut options = vec!["--parsable".to_owned(), format!("--chdir={}", folder.display())];
        options.extend(after.map(|id| format!("--dependency=afterany:{id}")));
        options.push(script.display().to_string());
        let said = ask("submit the job", "sbatch", &options)?;
        // `number;cluster` where there are several clusters.
        let id = said.trim().split(';').next().unwrap_or_default().to_owned();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ClusterError::Refused { doing: "submit the job", command: "sbatch", said });
        }
        Ok(id)
    }

    /// The tasks of that job which wait or run.
    ///
    /// # Errors
    /// If Slurm does not answer.
    pub fn queued(self, id: &str) -> Result<Vec<TaskState>, ClusterError> {
        let options = ["--noheader", "--array", "--format=%i|%T|%r", "--jobs", id];
        let output = call("squeue", options)?;
        if !output.status.success() {
            let said = said(&output);
            // What ended some minutes ago is forgotten.
            return match said.contains("Invalid job id") {
                true => Ok(Vec::new()),
                false => Err(ClusterError::Refused { doing: "look into the queue", command: "squeue", said }),
            };
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(task_state).collect())
    }

    /// How the tasks of that job ended, where Slurm keeps accounts: number and state.
    pub fn accounted(self, id: &str) -> Vec<(usize, String)> {
        let options =
            ["--noheader", "--allocations", "--array", "--parsable2", "--format=JobID,State", "--jobs", id];
        let Ok(output) = call("sacct", options) else { return Vec::new() };
        let line = |line: &str| {
            let (job, state) = line.split_once('|')?;
            Some((job.split_once('_')?.1.parse().ok()?, state.split(' ').next()?.to_owned()))
        };
        if !output.status.success() {
            return Vec::new();
        }
        String::from_utf8_lossy(&output.stdout).lines().filter_map(line).collect()
    }

    /// Puts the job of that number, or the task of an array, back into the queue; one that runs is ended.
    ///
    /// # Errors
    /// If Slurm refuses.
    pub fn requeue(self, id: &str) -> Result<(), ClusterError> {
        ask("put the task back into the queue", "scontrol", ["requeue", id]).map(drop)
    }

    /// Cancels a job with all of its tasks.
    ///
    /// # Errors
    /// If Slurm refuses.
    pub fn cancel(self, id: &str) -> Result<(), ClusterError> {
        ask("cancel the job", "scancel", [id]).map(drop)
    }
}

fn call(
    command: &'static str,
    options: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<Output, ClusterError> {
    let output = Command::new(command).args(options).output();
    output.map_err(|source| ClusterError::NoSlurm { command, source })
}

fn ask(
    doing: &'static str,
    command: &'static str,
    options: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<String, ClusterError> {
    let output = call(command, options)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(ClusterError::Refused { doing, command, said: said(&output) })
    }
}

/// What a command complained of, on one line.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { output.status.to_string() } else { lines.join("; ") }
}

/// `Name = 1001` among the lines of `scontrol show config`.
fn setting(config: &str, name: &str) -> Option<usize> {
    let line = config.lines().find_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix('='))?;
    line.trim().parse().ok()
}

/// `17_3|PENDING|Resources`.
fn task_state(line: &str) -> Option<TaskState> {
    let mut fields = line.trim().split('|');
    let (id, state, reason) = (fields.next()?, fields.next()?, fields.next().unwrap_or_default());
    let task = id.split_once('_').and_then(|(_, task)| task.parse().ok());
    Some(TaskState { task, state: state.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let config = "Configuration data\nMaxArraySize            = 20001\nMaxJobCount             = 20000\n";
        assert_eq!(setting(config, "MaxArraySize"), Some(20001));
        assert_eq!(setting(config, "MaxWhatever"), None);
        let state = task_state("17_3|PENDING|BeginTime\n").unwrap();
        assert_eq!(
            (state.task, state.state.as_str(), state.reason.as_str()),
            (Some(3), "PENDING", "BeginTime")
        );
        assert_eq!(task_state("18|RUNNING|None").unwrap().task, None);
        assert_eq!(task_state(""), None);
    }
}
