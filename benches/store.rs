//! How much the results database bears. `cargo bench --bench store`; with a million trials and ten million epochs,
//! in minutes and 2 GB: `cargo bench --bench store -- million`

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use effsweep::runner::{Known, Place, Plan, Run, RunOptions};
use effsweep::store::{
    Access, Asked, AttemptEnd, Claim, Code, ConfigurationRow, EpochRow, EvaluationRow, Key, MachineRow,
    Outcome, Point, PointTrial, RunRow, Runner, Store, SweepId, SweepRow, Test, TrialId, UNTUNED,
};
use effsweep::sweep::Sweep;

/// Claiming processes.
const PROCESSES: usize = 16;

/// Where the program lies.
const PROGRAM: &str = env!("CARGO_BIN_EXE_effsweep");

fn told(what: &str, took: Duration, count: usize) {
    let seconds = took.as_secs_f64();
    let rate = count as f64 / seconds;
    println!("{what:<66} {:>9.1} ms  {rate:>9.0} /s", seconds * 1e3);
}

fn key(number: u64) -> Key {
    Key(u128::from(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(number))
}

fn point(number: u64) -> Point {
    let norm = ["bn", "gn", "ln", "ln+pn"][number as usize % 4];
    let configuration = ConfigurationRow {
        key: key(number),
        preset: "nano".to_owned(),
        norm: norm.to_owned(),
        norm_groups: None,
        group_size: [1, 4, 16, 64][number as usize / 4 % 4],
        expand_ratio: 6.0,
        batch_size: 64,
        train_resolution: 32,
        epochs: 10,
        optimizer: "rmsprop".to_owned(),
        learning_rate: 0.015_625,
        image_set: "shapes".to_owned(),
        canonical: format!("number={number}\n"),
        settings: "{}".to_owned(),
        classes: 10,
        parameters: 60_000 + number,
        macs: 3_000_000,
        activation_bytes: 400_000,
        macs_deviation: 0.0,
        parameters_deviation: 0.0,
        effective_group_sizes: "[1,1,1]".to_owned(),
        deviating_blocks: 0,
    };
    Point {
        configuration: Asked::New(Box::new(configuration)),
        trials: vec![PointTrial { key: key(1_000_000_007 + number), seed: 0, position: number }],
        tests: vec![Test { resolution: 32, fine_tuning: UNTUNED.to_owned(), aliased: false }],
    }
}

fn sweep_row(name: &str) -> SweepRow {
    SweepRow {
        name: name.to_owned(),
        description: None,
        path: None,
        text: "[sweep]\n".to_owned(),
        objectives: r#"["max top1"]"#.to_owned(),
    }
}

/// A database with a sweep of so many trials.
fn registered(path: &Path, trials: u64) -> (Store, SweepId) {
    let mut store = Store::open(path, Access::Write).unwrap();
    let start = Instant::now();
    let sweep = store.register_sweep(&sweep_row("wide"), (0..trials).map(point)).unwrap().sweep;
    told(&format!("registering {trials} trials"), start.elapsed(), trials as usize);
    (store, sweep)
}

fn runner(store: &mut Store, sweep_id: SweepId) -> Runner {
    let machine = MachineRow {
        fingerprint: "m".to_owned(),
        hostname: "bench".to_owned(),
        cpu_model: "A CPU".to_owned(),
        logical_cpus: 2,
        memory_bytes: None,
        os: "Linux".to_owned(),
        architecture: "x86_64".to_owned(),
        simd: "avx2".to_owned(),
    };
    let machine_id = store.register_machine(&machine).unwrap();
    let run = RunRow {
        sweep_id,
        machine_id,
        lease: format!("bench-{}", std::process::id()),
        pid: std::process::id(),
        workers: 2,
        memory_bytes: None,
        program_version: "0.1.0".to_owned(),
    };
    let code = Code { program_version: "0.1.0".to_owned(), git_commit: None, git_dirty: None };
    Runner { run: store.begin_run(&run).unwrap(), machine_id, threads: 1, code }
}

fn end() -> AttemptEnd {
    AttemptEnd {
        outcome: Outcome::Trained {
            train_s: 1.0,
            weights_path: None,
            weights_checksum: Some("b3".to_owned()),
        },
        exit_status: Some(0),
        signal: None,
        message: None,
        log_tail: None,
        peak_rss_bytes: Some(64 << 20),
        user_cpu_s: Some(1.0),
        system_cpu_s: Some(0.1),
    }
}

/// Claims and finishes every planned trial that nobody else does, beginning with number `first`.
fn claim_all(store: &mut Store, sweep: SweepId, first: usize) -> Vec<Claim> {
    let runner = runner(store, sweep);
    let mut trials: Vec<TrialId> = store.planned_trials(sweep).unwrap().iter().map(|one| one.id).collect();
    let first = first.min(trials.len());
    trials.rotate_left(first);
    let mut claims = Vec::new();
    for trial in trials {
        if let Some(claim) = store.claim_trial(sweep, trial, &runner).unwrap() {
            store.end_attempt(claim.attempt, &end()).unwrap();
            claims.push(claim);
        }
    }
    claims
}

fn claims(folder: &Path) {
    let trials = 10_000;
    let (mut store, sweep) = registered(&folder.join("claims.db"), trials);
    let start = Instant::now();
    let claimed = claim_all(&mut store, sweep, 0).len();
    told(
        &format!("claiming and finishing {claimed} trials, WAL, synchronous=FULL"),
        start.elapsed(),
        claimed,
    );
}

fn many_claimers(folder: &Path) {
    let path = folder.join("many.db");
    let trials = 10_000;
    let (store, sweep) = registered(&path, trials);
    let start = Instant::now();
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let first = number * trials as usize / PROCESSES;
            command.args(["claim", &path.display().to_string(), &sweep.0.to_string(), &first.to_string()]);
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut claimed = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "a claimer met an error");
        claimed.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
    }
    told(&format!("the same by {PROCESSES} processes at once"), start.elapsed(), claimed.len());
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), trials as usize, "none twice");
    assert_eq!((claimed.len(), store.progress(sweep).unwrap().finished), (trials as usize, trials));
}

fn epoch(trial_id: TrialId, epoch: u32) -> EpochRow {
    EpochRow {
        trial_id,
        epoch,
        train_loss: 1.0 / f64::from(epoch + 1),
        train_top1: 0.5,
        learning_rate: 0.01,
        images: 50_000,
        elapsed_s: 1.5,
    }
}

/// Epochs as a run writes them: about a second's at a time.
fn epochs(store: &mut Store, trials: u64, each: u32) {
    let rows: Vec<EpochRow> = (1..=trials.cast_signed())
        .flat_map(|trial| (0..each).map(move |number| epoch(TrialId(trial), number)))
        .collect();
    let start = Instant::now();
    rows.chunks(50_000).for_each(|rows| store.record_epochs(rows).unwrap());
    told(&format!("recording {} epochs, 50,000 a transaction", rows.len()), start.elapsed(), rows.len());
}

/// What a command takes, from its start to its end; the quickest of three.
fn command(what: &str, arguments: &[&str], path: &Path) {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let output = Command::new(PROGRAM).args(arguments).arg("--db").arg(path).output().unwrap();
        best = best.min(start.elapsed());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    told(what, best, 1);
}

fn million(folder: &Path) {
    let path = folder.join("million.db");
    let (mut store, sweep) = registered(&path, 1_000_000);
    for chunk in 0..10 {
        let first = chunk * 100_000 + 1;
        let rows: Vec<EpochRow> = (first..first + 100_000)
            .flat_map(|trial| (0..10).map(move |number| epoch(TrialId(trial), number)))
            .collect();
        let start = Instant::now();
        rows.chunks(50_000).for_each(|rows| store.record_epochs(rows).unwrap());
        if chunk % 9 == 0 {
            told(
                &format!("epochs {} to {}", chunk * 1_000_000, (chunk + 1) * 1_000_000),
                start.elapsed(),
                rows.len(),
            );
        }
    }
    let runner = runner(&mut store, sweep);
    for trial in (1..=1_000_000).step_by(1000).map(TrialId) {
        let claim = store.claim_trial(sweep, trial, &runner).unwrap().unwrap();
        store.end_attempt(claim.attempt, &end()).unwrap();
        let evaluation = EvaluationRow {
            trial_id: trial,
            test_resolution: 32,
            fine_tuning: UNTUNED.to_owned(),
            fine_tune_s: None,
            aliased: false,
            images: 1000,
            top1_correct: (trial.0 % 997) as u32,
            top5_correct: 1000,
            loss: 1.0,
            elapsed_s: 1.0,
        };
        store.record_evaluation(&evaluation).unwrap();
    }
    drop(store);
    command("effsweep status", &["status"], &path);
    command("effsweep status wide", &["status", "wide"], &path);
    let best = "SELECT trial_key, norm, group_size, top1 FROM results WHERE norm = 'ln' AND top1 > 0.7 ORDER BY top1 DESC";
    command("sql: results of a norm above an accuracy, the best first", &["sql", best], &path);
    let course = "SELECT e.epoch, e.train_loss FROM epochs AS e JOIN trials AS t ON t.id = e.trial_id
                  WHERE t.key = (SELECT trial_key FROM results LIMIT 1)";
    command("sql: one trial's epochs", &["sql", course], &path);
    let failed = "SELECT count(*) FROM trials WHERE state = 'failed'";
    command("sql: counting every trial of a state", &["sql", failed], &path);
    let rows = "SELECT * FROM sweep_results LIMIT 100000";
    command(
        "sql: 100,000 rows of sweep_results, 44 columns, as CSV",
        &["sql", rows, "--format", "csv"],
        &path,
    );
    println!("{} MiB", fs::metadata(&path).unwrap().len() >> 20);
}

/// A sweep of `sizes · rates` points.
fn grid(rates: usize) -> Sweep {
    let rates: Vec<String> = (1..=rates).map(|n| format!("{:.6}", n as f64 / 1e6)).collect();
    let text = format!(
        "[sweep]\nname = \"grid\"\n[grid]\nnorm = [\"bn\", \"ln\"]\ngroup_size = [1, 2, 4, 8, 16]\n\"train.lr\" = [{}]\n",
        rates.join(", ")
    );
    Sweep::parse(&text, Path::new("grid.toml")).unwrap()
}

fn planning(folder: &Path, rates: usize) {
    let path = folder.join(format!("plan{rates}.db"));
    let start = Instant::now();
    drop(Run::prepare(&grid(rates - 1), &path, RunOptions::default()).unwrap());
    told(&format!("preparing a run of {} points", 10 * (rates - 1)), start.elapsed(), 10 * rates);
    // In a process of its own, whose memory is its own.
    let mut child = Command::new(std::env::current_exe().unwrap());
    let status = child.args(["plan", &path.display().to_string(), &rates.to_string()]).status().unwrap();
    assert!(status.success());
}

fn plan(path: &Path, rates: usize) {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let sweep = grid(rates);
        let store = Store::open(path, Access::Read).unwrap();
        let place = Place { fingerprint: String::new(), threads: 2 };
        let plan = Plan::of(&sweep, &Known::read(&store, &sweep, &place).unwrap());
        best = best.min(start.elapsed());
        assert_eq!(plan.counts.trials, 10 * rates);
    }
    let what = format!("planning {} points, all but 10 of them known, in {} MiB", 10 * rates, peak_mib());
    told(&what, best, 10 * rates);
}

/// Largest resident size of this process, MiB.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) >> 10
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["claim", path, sweep, first] = words.as_slice() {
        let mut store = Store::open(Path::new(path), Access::Write).unwrap();
        let claims = claim_all(&mut store, SweepId(sweep.parse().unwrap()), first.parse().unwrap());
        claims.iter().for_each(|claim| println!("{}", claim.key));
        return;
    }
    if let ["plan", path, rates] = words.as_slice() {
        plan(Path::new(path), rates.parse().unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    if words == ["million"] {
        planning(folder.path(), 100_000);
        million(folder.path());
        return;
    }
    if words == ["claims"] {
        claims(folder.path());
        return;
    }
    planning(folder.path(), 1000);
    claims(folder.path());
    many_claimers(folder.path());
    let (mut store, _) = registered(&folder.path().join("epochs.db"), 10_000);
    epochs(&mut store, 10_000, 50);
}
