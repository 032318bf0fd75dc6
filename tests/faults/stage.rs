//! A sweep in a folder of its own, and what its database says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_effsweep");

/// Short trials of a very small network: `seeds` of each of four configurations, tested at two resolutions.
pub fn sweep(seeds: usize) -> String {
    let seeds: Vec<String> = (0..seeds).map(|seed| seed.to_string()).collect();
    format!(
        r#"
[sweep]
seeds = [{}]
objectives = ["max top1", "min macs"]

[data]
set = "shapes"
train_images = 64
test_images = 32

[model]
preset = "nano"
width = 0.25
depth = 0.3

[train]
epochs = 3

[measure]
enabled = false

[run]
retries = 1000
signals = [0, 3]

[grid]
norm = ["bn", "ln+pn"]
batch_size = [8, 16]
resolution = [{{ train = 16, test = [16, 24] }}]
"#,
        seeds.join(", ")
    )
}

/// A folder with a sweep.
pub struct Stage {
    folder: tempfile::TempDir,
}

/// A run that ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stderr: String,
}

impl Stage {
    pub fn new(sweep: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sweep.toml"), sweep).unwrap();
        Self { folder }
    }

    /// The same sweep of two seeds, or of ten, run in peace; once for all tests.
    pub fn undisturbed(seeds: usize) -> &'static Self {
        static FEW: OnceLock<Stage> = OnceLock::new();
        static MANY: OnceLock<Stage> = OnceLock::new();
        let stage = || {
            let stage = Stage::new(&sweep(seeds));
            let ended = stage.run(&[]);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            stage
        };
        if seeds == 2 { FEW.get_or_init(stage) } else { MANY.get_or_init(stage) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, yet to be started in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        self.settle(&mut command);
        command.args(arguments);
        command
    }

    /// Surroundings without the tester's own settings.
    pub fn settle(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).env_remove("EFFSWEEP_DB").stdin(Stdio::null());
    }

    /// Starts `effsweep run` with two workers.
    pub fn start(&self) -> Run {
        let mut command = self.command(&["run", "sweep.toml", "--workers", "2"]);
        Run(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Runs the sweep to its end, with two workers and these variables.
    pub fn run(&self, variables: &[(&str, &Path)]) -> Ended {
        let mut command = self.command(&["run", "sweep.toml", "--workers", "2"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        Ended { code: output.status.code(), stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// What the database answers, a line a row.
    #[track_caller]
    pub fn ask(&self, sql: &str) -> Vec<String> {
        let output = self.command(&["sql", sql, "--format", "csv"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8(output.stdout).unwrap().lines().skip(1).map(str::to_owned).collect()
    }

    /// Everything that trials that are through came to, but for times: weights, accuracies, epochs, signals.
    pub fn results(&self) -> BTreeSet<String> {
        let through = "FROM trials AS t JOIN configurations AS c ON c.id = t.configuration_id";
        let done = "t.state IN ('finished', 'diverged')";
        [
            format!("SELECT 'trial', t.key, t.state, t.weights_checksum, t.data_fingerprint {through} WHERE {done}"),
            format!(
                "SELECT 'epoch', t.key, e.epoch, e.train_loss, e.train_top1, e.learning_rate, e.images {through}
                 JOIN epochs AS e ON e.trial_id = t.id WHERE {done}"
            ),
            format!(
                "SELECT 'evaluation', t.key, e.test_resolution, e.images, e.top1_correct, e.top5_correct, e.loss
                 {through} JOIN evaluations AS e ON e.trial_id = t.id WHERE {done}"
            ),
            format!(
                "SELECT 'signals', t.key, l.finished_epochs, l.layer, l.place, s.channel, s.mean, s.deviation_variance
                 {through} JOIN layer_signals AS l ON l.trial_id = t.id
                 JOIN channel_signals AS s ON s.layer_signals_id = l.id WHERE {done}"
            ),
        ]
        .iter()
        .flat_map(|sql| self.ask(sql))
        .collect()
    }

    /// Passes if every trial was done once and came to what it comes to in peace, its weights on disk included.
    #[track_caller]
    pub fn assert_as(&self, undisturbed: &Self) {
        assert_eq!(self.ask("SELECT DISTINCT state FROM trials"), ["finished"]);
        let ends = "SELECT DISTINCT (SELECT count(*) FROM attempts WHERE trial_id = t.id AND state = 'finished') AS n,
                           (SELECT count(*) FROM attempts WHERE trial_id = t.id AND state = 'running') AS r
                    FROM trials AS t";
        assert_eq!(self.ask(ends), ["1,0"], "every trial ended once");
        let (here, there) = (self.results(), undisturbed.results());
        let differing: Vec<_> = here.symmetric_difference(&there).take(4).collect();
        assert!(differing.is_empty(), "{differing:#?}");
        let weights = self.ask("SELECT weights_path FROM trials ORDER BY key");
        for path in &weights {
            let read = |stage: &Self| fs::read(stage.path("results").join(path)).unwrap();
            assert!(read(self) == read(undisturbed), "{path}");
        }
    }

    /// Whether there is a database with its tables.
    pub fn is_there(&self) -> bool {
        self.command(&["status", "--quiet"]).output().unwrap().status.success()
    }

    /// Passes if what is recorded so far is part of what is recorded in peace.
    #[track_caller]
    pub fn assert_part_of(&self, undisturbed: &Self) {
        if self.is_there() {
            let there = undisturbed.results();
            let wrong: Vec<_> = self.results().difference(&there).take(4).cloned().collect();
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    }
}

/// A run under way.
pub struct Run(pub Child);

impl Run {
    pub fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Process ids of its workers.
    pub fn workers(&self) -> Vec<u32> {
        let tasks = format!("/proc/{}/task", self.0.id());
        let tasks = fs::read_dir(tasks).map_or_else(|_| Vec::new(), |tasks| tasks.flatten().collect());
        let children =
            |task: &fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let numbers =
            |text: String| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>();
        tasks.iter().map(children).flat_map(numbers).collect()
    }

    /// Kills the runner as the kernel does, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process that may be gone.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}

pub fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
