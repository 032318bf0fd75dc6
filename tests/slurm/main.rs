//! A sweep on a real Slurm of two nodes, whose tasks are killed, put back and lose their node.
//!
//! Runs where Slurm and munge are installed and the tests run as root (`cluster.sh` beside this file starts a cluster of its
//! own and touches no other), and says loudly where not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_effsweep");

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(300);

const SWEEP: &str = r#"
[sweep]
name = "cluster"
seeds = [0, 1, 2]
objectives = ["max top1", "min macs"]
[data]
set = "shapes"
train_images = 128
test_images = 64
[model]
preset = "nano"
width = 0.25
depth = 0.3
[train]
epochs = 5
[fine_tune]
trained = ["none", "head"]
epochs = 1
[measure]
enabled = false
[grid]
norm = ["bn", "ln+pn"]
batch_size = [8, 16]
resolution = [{ train = 16, test = [16, 24] }, 24]
"#;

/// Why it cannot run here.
fn lacking() -> Option<String> {
    let found = |program: &str| {
        std::env::var_os("PATH")
            .is_some_and(|paths| std::env::split_paths(&paths).any(|folder| folder.join(program).exists()))
    };
    let missing: Vec<&str> =
        ["slurmctld", "slurmd", "munged", "sbatch", "squeue"].into_iter().filter(|one| !found(one)).collect();
    if !missing.is_empty() {
        return Some(format!("{} are not installed", missing.join(", ")));
    }
    let id = Command::new("id").arg("-u").output().unwrap();
    (id.stdout.trim_ascii() != b"0").then(|| "a cluster needs root".to_owned())
}

/// A cluster in a folder of its own, as long as this lives; one at a time, as its ports are fixed.
struct Cluster {
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Cluster {
    /// `None`, loudly, where it does not come up: that is no fault of the program's.
    fn start(test: &str) -> Option<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Self { folder: tempfile::tempdir().unwrap(), _alone: alone };
        let started = cluster.script("start");
        if !started.status.success() {
            let why = String::from_utf8_lossy(&started.stderr);
            eprintln!("SKIPPED: {test}, as no cluster comes up here:\n{why}");
            return None;
        }
        fs::create_dir(cluster.here()).unwrap();
        Some(cluster)
    }

    fn script(&self, what: &str) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slurm/cluster.sh");
        Command::new("bash").args([script, what]).arg(self.folder.path().join("slurm")).output().unwrap()
    }

    fn here(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    fn prepare(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.here())
            .env("SLURM_CONF", self.folder.path().join("slurm/slurm.conf"))
            .env("NO_COLOR", "1")
            .env_remove("EFFSWEEP_DB");
        command
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Output {
        self.prepare(program, arguments).output().unwrap()
    }

    #[track_caller]
    fn done(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments);
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{program} {arguments:?}\n{out}\n{err}");
        out + &err
    }

    /// As [`Self::done`], again and again for a while: a busy controller turns commands away.
    #[track_caller]
    fn insist(&self, program: &str, arguments: &[&str]) -> String {
        for _ in 0..50 {
            let output = self.command(program, arguments);
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            sleep(Duration::from_millis(200));
        }
        self.done(program, arguments)
    }

    /// Tells a task that its node is wanted, until it has noticed.
    ///
    /// Slurm 22.05 delivers the signal, and tells `scancel` to try again all the same, which it does until the task is gone.
    #[track_caller]
    fn warn(&self, task: &str, noticed: impl Fn() -> bool) {
        let mut scancel = self.prepare("scancel", &["--batch", "--signal=USR1", task]).spawn().unwrap();
        self.wait("the warning", |_| noticed());
        // It may have ended well.
        let _ = scancel.kill();
        scancel.wait().unwrap();
    }

    #[track_caller]
    fn effsweep(&self, arguments: &[&str]) -> String {
        self.done(PROGRAM, arguments)
    }

    /// Tasks in the queue with their states.
    fn queue(&self) -> BTreeMap<String, String> {
        let lines = self.insist("squeue", &["--noheader", "--array", "--format=%i %T"]);
        let pair =
            |line: &str| line.trim().split_once(' ').map(|(id, state)| (id.to_owned(), state.to_owned()));
        lines.lines().filter_map(pair).collect()
    }

    #[track_caller]
    fn wait(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !reached(self) {
            assert!(start.elapsed() < PATIENCE, "{what} takes too long: {:?}{}", self.queue(), self.logs());
            sleep(Duration::from_millis(200));
        }
    }

    /// What the tasks said last.
    fn logs(&self) -> String {
        let mut text = String::new();
        for job in 1..3 {
            let folder = self.here().join(format!("results/effsweep.jobs/cluster-{job}/logs"));
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let log = fs::read_to_string(entry.path()).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                text += &format!("\n{}: {last:?}", entry.path().display());
            }
        }
        text
    }

    fn sql(&self, database: &str, statement: &str) -> String {
        self.effsweep(&["sql", statement, "--format", "csv", "--db", database])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command("scancel", &["--user=root"]);
        sleep(Duration::from_millis(500));
        self.script("stop");
    }
}

/// The process that trains a task's trial, stopped as long as this lives.
struct Held {
    process: Pid,
}

impl Held {
    /// `array` and `task` as Slurm counts them. `None` if nothing of it is in training.
    fn trial(array: &str, task: usize) -> Option<Self> {
        let marks = [format!("SLURM_ARRAY_JOB_ID={array}"), format!("SLURM_ARRAY_TASK_ID={task}")];
        let trains = |folder: &Path| {
            let lines = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
            let (command, environment) = (lines("cmdline"), lines("environ"));
            command.split('\0').nth(1) == Some("worker")
                && marks.iter().all(|mark| environment.split('\0').any(|pair| pair == mark))
        };
        let mut processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let folder = processes.find(|folder| trains(folder))?;
        let process = Pid::from_raw(folder.file_name()?.to_str()?.parse().ok()?)?;
        kill_process(process, Signal::STOP).ok()?;
        Some(Self { process })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nobody is left to go on if the blow was a kill.
        let _ = kill_process(self.process, Signal::CONT);
    }
}

/// All that a trial came to, times aside.
const RESULTS: &str = "
    SELECT t.key, t.seed, t.state, t.weights_checksum, e.test_resolution, e.fine_tuning, e.images, e.top1_correct,
           e.top5_correct, e.loss
    FROM trials AS t JOIN evaluations AS e ON e.trial_id = t.id ORDER BY t.key, e.test_resolution, e.fine_tuning";

const EPOCHS: &str = "
    SELECT t.key, e.epoch, e.train_loss, e.train_top1, e.learning_rate
    FROM trials AS t JOIN epochs AS e ON e.trial_id = t.id ORDER BY t.key, e.epoch";

#[test]
fn a_sweep_survives_its_cluster() {
    if let Some(why) = lacking() {
        eprintln!("SKIPPED: a_sweep_survives_its_cluster, as {why}");
        return;
    }
    let Some(cluster) = Cluster::start("a_sweep_survives_its_cluster") else { return };
    fs::write(cluster.here().join("cluster.toml"), SWEEP).unwrap();
    cluster.effsweep(&["run", "cluster.toml", "--db", "local.db"]);

    let dry = cluster.effsweep(&["submit", "slurm", "cluster.toml", "--dry-run", "--cpus", "1"]);
    assert!(dry.contains("#SBATCH --array=0-23") && dry.contains("24 trials in 24 array tasks"), "{dry}");
    assert!(!cluster.here().join("results").exists(), "a dry run leaves nothing behind");

    let submitted = cluster.effsweep(&["submit", "slurm", "cluster.toml", "--cpus", "1", "--mem", "900M"]);
    assert!(submitted.contains("24 trials in 24 array tasks"), "{submitted}");
    let again = cluster.effsweep(&["submit", "slurm", "cluster.toml", "--cpus", "1"]);
    assert!(again.contains("nothing to submit") && again.contains("24 trials in Slurm's queue"), "{again}");

    // Four tasks at a time. As soon as they have come somewhere, two are killed, one is put back, and one is told that its node is
    // wanted; then a node goes. Their trials are held while the blow is under way, however long Slurm takes over it.
    let job = cluster.here().join("results/effsweep.jobs/cluster-1");
    let says = |number: usize, what: &str| {
        let log = job.join(format!("logs/{number}.out"));
        fs::read_to_string(log).is_ok_and(|log| log.contains(what))
    };
    let began = |number: usize| says(number, "starts");
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(job.join("job.json")).unwrap()).unwrap();
    let has_checkpoint = |number: usize| {
        let trial = plan["tasks"][number]["trials"][0].as_str().unwrap();
        let checkpoints = job.with_file_name("files").join("checkpoints").join(trial);
        fs::read_dir(checkpoints).is_ok_and(|found| found.count() > 0)
    };
    let array: String = submitted.split("array: ").nth(1).unwrap().trim().to_owned();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (cluster, says, has_checkpoint, array) = (&cluster, &says, &has_checkpoint, &array);
            scope.spawn(move || {
                let start = Instant::now();
                let _held = loop {
                    if has_checkpoint(number)
                        && let Some(held) = Held::trial(array, number)
                    {
                        break held;
                    }
                    assert!(start.elapsed() < PATIENCE, "task {number} never trains{}", cluster.logs());
                    sleep(Duration::from_millis(5));
                };
                let task = format!("{array}_{number}");
                match number {
                    0 | 1 => drop(cluster.insist("scancel", &["--signal=KILL", "--full", &task])),
                    2 => drop(cluster.insist("scontrol", &["requeue", &task])),
                    _ => cluster.warn(&task, || says(number, "stopping")),
                }
            });
        }
    });
    cluster.wait("the next tasks", |_| (4..24).any(began));
    let early = cluster.effsweep(&["collect"]);
    assert!(early.contains("shards"), "while it runs: {early}");
    cluster.insist("scontrol", &["update", "NodeName=n2", "State=DOWN", "Reason=test"]);
    sleep(Duration::from_secs(2));
    // It may be back by itself.
    cluster.command("scontrol", &["update", "NodeName=n2", "State=RESUME"]);
    cluster.wait("the first job", |cluster| cluster.queue().is_empty());

    let status = cluster.effsweep(&["status"]);
    assert!(status.contains("cluster-1"), "{status}");
    let second = cluster.effsweep(&["submit", "slurm", "cluster.toml", "--cpus", "1"]);
    assert!(
        second.contains("2 trials in 1 array task,"),
        "only what was killed is missing, and fits one task: {second}{}",
        cluster.logs()
    );
    cluster.wait("the second job", |cluster| cluster.queue().is_empty());

    let collected = cluster.effsweep(&["collect"]);
    assert!(collected.contains("25 shards: 2 trials"), "{collected}{}", cluster.logs());
    let twice = cluster.effsweep(&["collect", job.to_str().unwrap()]);
    assert!(twice.contains(": 0 trials, 0 further accuracies"), "{twice}");
    assert!(!twice.contains("otherwise"), "{twice}");

    let database = "results/effsweep.db";
    for statement in [RESULTS, EPOCHS] {
        let (here, there) = (cluster.sql("local.db", statement), cluster.sql(database, statement));
        assert!(here.lines().count() > 24 * 2);
        assert_eq!(here, there);
    }
    let trials =
        "SELECT count(*) AS trials, count(DISTINCT key) AS keys FROM trials WHERE state = 'finished'";
    assert_eq!(cluster.sql(database, trials), "trials,keys\n24,24\n");
    let weights = fs::read_dir(cluster.here().join("results/effsweep.files/weights")).unwrap().count();
    assert_eq!(weights, 24);
    assert_same_weights(&cluster.here().join("local.files"), &cluster.here().join("results/effsweep.files"));
}

fn assert_same_weights(one: &Path, other: &Path) {
    for entry in fs::read_dir(one.join("weights")).unwrap() {
        let path = entry.unwrap().path();
        let there = other.join("weights").join(path.file_name().unwrap());
        assert!(fs::read(&path).unwrap() == fs::read(&there).unwrap(), "{}", there.display());
    }
}

#[test]
fn ten_thousand_trials_are_submitted_in_one_array() {
    if let Some(why) = lacking() {
        eprintln!("SKIPPED: ten_thousand_trials_are_submitted_in_one_array, as {why}");
        return;
    }
    let Some(cluster) = Cluster::start("ten_thousand_trials_are_submitted_in_one_array") else { return };
    let seeds: Vec<String> = (0..1250).map(|seed| seed.to_string()).collect();
    let sweep = SWEEP.replace("seeds = [0, 1, 2]", &format!("seeds = [{}]", seeds.join(", ")));
    fs::write(cluster.here().join("cluster.toml"), sweep).unwrap();
    let start = Instant::now();
    let submitted = cluster.effsweep(&["submit", "slurm", "cluster.toml", "--cpus", "1", "--sbatch=--hold"]);
    println!("10,000 trials submitted in {:.2} s", start.elapsed().as_secs_f64());
    assert!(submitted.contains("10000 trials in 10000 array tasks"), "{submitted}");
    assert_eq!(cluster.queue().len(), 10_000);
    let cancelled = cluster.effsweep(&["cancel"]);
    assert!(cancelled.contains("10000 tasks cancelled"), "{cancelled}");
}
