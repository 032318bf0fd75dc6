//! Whole runs, with workers played by `sh`.
//!
//! The script reads its job and acts by the norm it finds there, so that one sweep holds trials that end in every
//! way there is. It counts its attempts in files beside the database.

use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use crate::protocol::Cause;
use crate::store::{AttemptState, Reader, TrialRecord, TrialState, Value};

/// What every fake worker can do. `$job` is its job, `$side` the test resolution.
const PRELUDE: &str = r#"
say() { printf '%s\n' "$1"; }
read -r job
seed=${job##*'"seed":'}; seed=${seed%%[,\}]*}
started() { say '{"started":{"train_images":100,"test_images":50,"classes":10,"data_id":"d","resumed_epochs":0}}'; }
epoch() { say '{"epoch":{"epoch":'"$1"',"train_loss":1.5,"train_top1":0.5,"learning_rate":0.01,"images":100,"elapsed_s":0.25}}'; }
evaluated() { say '{"evaluated":{"test_resolution":'"$1"',"images":50,"top1_correct":'"${2:-40}"',"top5_correct":50,"loss":0.5,"elapsed_s":0.1}}'; }
finished() { say '{"finished":{"weights":"b3","peak_rss_bytes":1048576}}'; }
measured() { say '{"measured":{"kind":"'"$1"'","resolution":'"$2"',"batch_size":64,"threads":1,"samples":[{"elapsed_s":0.5}],"probe_before":1.0,"probe_after":1.0,"foreign_load":0.0,"peak_rss_bytes":9,"waited_s":0.0}}'; }
tests() { t=${job#*'"tests":['}; t=${t%%]*}; echo "$t" | tr ',' '\n' | sed -n 's/.*"resolution"://p'; }
sides() { t=${job#*'"test_resolutions":['}; echo "${t%%]*}" | tr ',' ' '; }
measure() { measured train 32; for side in $(sides); do measured inference "$side"; done; finished; exit 0; }
evaluate() { for side in $(tests); do evaluated "$side"; done; }
train() { started; epoch 0; epoch 1; evaluate; finished; exit 0; }
case "$job" in '{"measure":'*) measure;; esac
"#;

/// A folder with a sweep, a database and a worker.
struct Stage {
    folder: TempDir,
    sweep: Sweep,
    worker: Vec<OsString>,
}

impl Stage {
    fn new(sweep: &str, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.sh");
        fs::write(&path, format!("{PRELUDE}\n{script}")).unwrap();
        let sweep = Sweep::parse(sweep, Path::new("stage.toml")).unwrap();
        Self { worker: vec!["sh".into(), path.into()], folder, sweep }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("results/a.db")
    }

    fn options(&self) -> RunOptions {
        RunOptions { workers: Some(4), worker_command: self.worker.clone(), ..RunOptions::default() }
    }

    fn run(&self) -> (Summary, Vec<Event>) {
        self.run_with(self.options())
    }

    fn run_with(&self, options: RunOptions) -> (Summary, Vec<Event>) {
        let run = Run::prepare(&self.sweep, &self.database(), options).unwrap();
        let mut events = Vec::new();
        let summary = run.go(&mut |event| events.push(event)).unwrap();
        (summary, events)
    }

    fn store(&self) -> Store {
        Store::open(&self.database(), Access::Read).unwrap()
    }

    /// The trial of the configuration with that norm.
    fn trial(&self, norm: &str) -> TrialRecord {
        let configuration =
            self.sweep.configurations().find(|one| one.settings.model.norm.to_string() == norm).unwrap();
        self.store().trial(&configuration.key.trial(self.sweep.seeds()[0]).to_string()).unwrap()
    }
}

/// How each attempt of a trial ended.
fn attempts(record: &TrialRecord) -> Vec<(AttemptState, Option<&str>)> {
    record.attempts.iter().map(|attempt| (attempt.state, attempt.cause.as_deref())).collect()
}

const ONE_EACH: &str = r#"
[run]
retries = 0
hung_after_s = 2.0
[measure]
rounds = 1
threads = 1
[grid]
norm = ["bn", "gn", "gn+pn", "in", "ln", "ln+pn", { kind = "gn", groups = 2 }, { kind = "gn", groups = 8 }]
"#;

#[test]
fn each_trial_ends_as_it_should_and_the_others_are_unharmed() {
    let stage = Stage::new(
        ONE_EACH,
        r#"case "$job" in
             *'"groups":2'*) started; sleep 600 & wait;;
             *'"groups":8'*) started; printf '{"epoch":{"ep';;
             *'"norm":"bn"'*) train;;
             *'"norm":"gn"'*) started; kill -9 $$;;
             *'"norm":"gn+pn"'*) echo 'thread main panicked at src/x.rs:1:1:' >&2; echo boom >&2; exit 101;;
             *'"norm":"in"'*) exit 3;;
             *'"norm":"ln"'*) started; epoch 0; say '{"diverged":{"epoch":1,"step":7}}'; exit 0;;
             *'"norm":"ln+pn"'*) started; echo garbage; sleep 600 & wait;;
           esac"#,
    );
    let (summary, events) = stage.run();
    let failed = |norm| {
        let record = stage.trial(norm);
        assert_eq!(record.trial.state, TrialState::Failed, "{norm}");
        assert_eq!(record.attempts.len(), 1, "{norm}");
        record.attempts[0].cause.clone().unwrap()
    };
    assert_eq!(failed("gn(2)"), "hung");
    assert_eq!(failed("gn(8)"), "exit");
    assert_eq!(failed("gn"), "killed");
    assert_eq!(failed("gn+pn"), "panic");
    assert_eq!(failed("in"), "exit");
    assert_eq!(failed("ln+pn"), "exit");

    let panicked = stage.trial("gn+pn").attempts.remove(0);
    assert_eq!(panicked.message.as_deref(), Some("thread main panicked at src/x.rs:1:1: boom"));
    assert_eq!((panicked.exit_status, panicked.signal), (Some(101), None));
    assert!(panicked.log_tail.unwrap().contains("boom") && panicked.pid.is_some());
    let diverged = stage.trial("ln");
    assert_eq!((diverged.trial.diverged_epoch, diverged.trial.diverged_step), (Some(1), Some(7)));
    let finished = stage.trial("bn");
    assert_eq!(finished.trial.state, TrialState::Finished);
    assert_eq!(
        (finished.trial.train_s, finished.epochs.len(), finished.evaluations.len()),
        (Some(0.5), 2, 1)
    );
    assert_eq!(finished.trial.data_fingerprint.as_deref(), Some("d"));
    assert_eq!(finished.trial.weights_checksum.as_deref(), Some("b3"));

    assert_eq!((summary.finished, summary.diverged, summary.failed), (1, 1, 6));
    assert_eq!((summary.measured, summary.left, summary.stopped), (1, 0, false));
    assert!(matches!(events.last(), Some(Event::RunEnded(told)) if *told == summary));
}

#[test]
fn a_second_run_has_nothing_to_do_and_failed_trials_wait_to_be_asked_for() {
    let stage =
        Stage::new(ONE_EACH, r#"case "$job" in *'"norm":"in"'*) [ -e "$0.fixed" ] || exit 3;; esac; train"#);
    assert_eq!(stage.run().0.failed, 1);
    let (again, events) = stage.run();
    assert_eq!(again, Summary { elapsed: again.elapsed, ..Summary::default() });
    assert!(
        !events.iter().any(|event| matches!(event, Event::TrialStarted { .. } | Event::Measuring { .. }))
    );

    fs::write(stage.folder.path().join("worker.sh.fixed"), "").unwrap();
    let (retried, _) = stage.run_with(RunOptions { retry_failed: true, ..stage.options() });
    assert_eq!((retried.finished, retried.measured), (1, 1));
    assert_eq!(
        attempts(&stage.trial("in")),
        [(AttemptState::Failed, Some("exit")), (AttemptState::Finished, None)]
    );
}

#[test]
fn a_failure_is_tried_again_with_what_was_left_of_it() {
    let stage = Stage::new(
        "[run]\nretries = 1\n[measure]\nenabled = false\n[grid]\nnorm = [\"bn\", \"ln\"]\n",
        r#"case "$job" in *'"norm":"ln"'*) [ -e "$0.tried" ] || { : > "$0.tried"; started; epoch 0; kill -9 $$; };; esac
           train"#,
    );
    let (summary, events) = stage.run();
    assert_eq!((summary.finished, summary.failed), (2, 0));
    let record = stage.trial("ln");
    assert_eq!(attempts(&record), [(AttemptState::Failed, Some("killed")), (AttemptState::Finished, None)]);
    assert_eq!(record.epochs.len(), 2, "an epoch that is told again is one epoch");
    assert!(events.iter().any(|event| matches!(
        event,
        Event::TrialRetrying { cause: Cause::Killed, wait, .. } if *wait == Duration::from_secs(1)
    )));
}

#[test]
fn measuring_waits_for_all_training_and_goes_one_by_one() {
    let stage = Stage::new(
        "[measure]\nrounds = 2\nthreads = 1\n[grid]\nnorm = [\"bn\", \"gn\", \"ln\"]\n\
         resolution = [{ train = 32, test = [32, 40] }]\n",
        "sleep 0.1; train",
    );
    let (summary, events) = stage.run();
    assert_eq!((summary.finished, summary.measured), (3, 6));
    let (mut running, mut measuring) = (0, 0);
    for event in &events {
        match event {
            Event::TrialStarted { .. } => running += 1,
            Event::TrialFinished { .. } => running -= 1,
            Event::Measuring { .. } => measuring += 1,
            Event::RoundMeasured { .. } => measuring -= 1,
            _ => {}
        }
        assert!(measuring == 0 || (measuring == 1 && running == 0), "{event:?}");
    }
    let measured = events.iter().filter(|event| matches!(event, Event::Measured { .. })).count();
    assert_eq!(measured, 2 * 3 * 3, "rounds × configurations × (training, two inferences)");
    assert_eq!(stage.run().0.measured, 0);
}

#[test]
fn a_test_resolution_added_later_is_evaluated_without_training() {
    let sweep = |tests: &str| {
        format!("[measure]\nenabled = false\n[grid]\nresolution = [{{ train = 32, test = [{tests}] }}]\n")
    };
    let mut stage = Stage::new(
        &sweep("32"),
        r#"case "$job" in *'"tests":[{"resolution":40,'*) started; evaluate; finished; exit 0;; esac; train"#,
    );
    assert_eq!(stage.run().0.finished, 1);
    stage.sweep = Sweep::parse(&sweep("32, 40"), Path::new("stage.toml")).unwrap();
    let (summary, events) = stage.run();
    assert_eq!((summary.finished, summary.evaluated), (0, 1));
    assert!(!events.iter().any(|event| matches!(event, Event::Epoch { .. })));
    let record = stage.trial("bn");
    let sides: Vec<u32> = record.evaluations.iter().map(|one| one.test_resolution).collect();
    assert_eq!((sides, record.epochs.len(), record.trial.state), (vec![32, 40], 2, TrialState::Finished));
}

#[test]
fn signals_are_kept_as_they_are_told_and_asked_for_by_the_flag() {
    let stage = Stage::new(
        "[run]\nsignals = [1]\n[measure]\nenabled = false\n",
        r#"channels() { say '{"signals":{"finished_epochs":3,"layer":0,"name":"stem","place":"pre","images":64,"pixels":9,'\
'"first_channel":'"$1"',"channels":[{"mean":'"$2"',"mean_variance":1.0,"deviation":2.0,"deviation_variance":3.0}]}}'; }
           case "$job" in *'"signals":[0,3]'*) started; channels 0 9.0; channels 0 4.0; channels 1 2.0;; esac
           train"#,
    );
    let (summary, _) = stage.run_with(RunOptions { signals: Some(vec![0, 3]), ..stage.options() });
    assert_eq!(summary.finished, 1);
    let reader = Reader::open(&stage.database()).unwrap();
    let sql =
        "SELECT finished_epochs, name, channels, power, mean_power, channel_collapse, instance_variability
               FROM signals";
    let mut query = reader.query(sql).unwrap();
    let mut rows = query.run(&[]).unwrap();
    let expected = [
        Value::Integer(3),
        Value::Text("stem".to_owned()),
        Value::Integer(2),
        // Channels with means 4 (told again in place of 9) and 2: 10 + 1 + 2² + 3.
        Value::Real(18.0),
        Value::Real(10.0),
        Value::Real(10.0 / 18.0),
        Value::Real(4.0 / 18.0),
    ];
    assert_eq!(rows.next().unwrap().unwrap(), expected);
    assert!(rows.next().unwrap().is_none());
}

/// Runs the stage and asks it to stop when `moment` has come, once or twice.
fn interrupted(stage: &Stage, times: usize, moment: fn(&Event) -> bool) -> (Summary, Vec<Event>) {
    let run = Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap();
    let interrupter = run.interrupter();
    let events = Mutex::new(Vec::new());
    let mut asked = false;
    let summary = run
        .go(&mut |event| {
            if !asked && moment(&event) {
                asked = true;
                (0..times).for_each(|_| interrupter.ask());
            }
            events.lock().unwrap().push(event);
        })
        .unwrap();
    (summary, events.into_inner().unwrap())
}

const THREE: &str =
    "[run]\nworkers = 1\n[measure]\nrounds = 1\nthreads = 1\n[grid]\nnorm = [\"bn\", \"gn\", \"ln\"]\n";

#[test]
fn a_stopped_run_leaves_in_time_and_goes_on_later() {
    let stage = Stage::new(
        THREE,
        r#"if [ ! -e "$0.go" ]; then started; epoch 0; read -r order; say '{"stopped":{"epochs":1}}'; exit 0; fi
           train"#,
    );
    let (summary, events) = interrupted(&stage, 1, |event| matches!(event, Event::Epoch { .. }));
    assert!(summary.stopped && summary.elapsed < Duration::from_secs(5), "{summary:?}");
    assert_eq!((summary.finished, summary.failed, summary.left), (0, 0, 3));
    assert!(events.contains(&Event::Stopping { at_once: false }));
    let states = |stage: &Stage| ["bn", "gn", "ln"].map(|norm| stage.trial(norm).trial.state);
    assert_eq!(states(&stage), [TrialState::Planned; 3]);
    let record = stage.trial("bn");
    assert_eq!((attempts(&record), record.epochs.len()), (vec![(AttemptState::Stopped, None)], 1));

    fs::write(stage.folder.path().join("worker.sh.go"), "").unwrap();
    let (summary, _) = stage.run();
    assert_eq!((summary.finished, summary.measured, summary.left), (3, 3, 0));
    assert_eq!(states(&stage), [TrialState::Finished; 3]);
}

#[test]
fn a_second_request_does_not_wait_for_anybody() {
    let stage = Stage::new(THREE, "trap '' TERM; started; epoch 0; while :; do sleep 1; done");
    let (summary, events) = interrupted(&stage, 2, |event| matches!(event, Event::Epoch { .. }));
    assert!(summary.stopped && summary.elapsed < Duration::from_secs(5), "{summary:?}");
    assert!(events.contains(&Event::Stopping { at_once: true }));
    let record = stage.trial("bn");
    assert_eq!(attempts(&record), [(AttemptState::Stopped, None)]);
    assert_eq!((record.trial.state, record.attempts[0].signal), (TrialState::Planned, Some(9)));
}

#[test]
fn what_a_dead_runner_held_is_taken_up_again() {
    let stage = Stage::new(THREE, "train");
    let mut dead = Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap();
    let runner = dead.begin().unwrap();
    dead.store.claim_next(dead.id, &runner).unwrap().unwrap();
    drop(dead);
    assert_eq!(stage.run().0.finished, 3);
    assert_eq!(attempts(&stage.trial("bn")), [(AttemptState::Stopped, None), (AttemptState::Finished, None)]);
}

#[test]
fn two_runs_do_not_share_a_database() {
    let stage = Stage::new(THREE, "train");
    let first = Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap();
    let second = Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap_err();
    assert!(second.to_string().contains(&std::process::id().to_string()), "{second}");
    drop(first);
    Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap();
}

#[test]
fn runs_that_share_train_every_trial_once_and_the_last_measures() {
    let stage = Stage::new(
        "[measure]\nrounds = 1\nthreads = 1\n[sweep]\nseeds = [0, 1, 2, 3, 4, 5]\n[grid]\nnorm = [\"bn\", \"ln\"]\n",
        "sleep 0.1; train",
    );
    let options = || RunOptions { share: true, workers: Some(2), ..stage.options() };
    let both = std::thread::scope(|scope| {
        let run = || {
            let run = Run::prepare(&stage.sweep, &stage.database(), options()).unwrap();
            run.go(&mut |_| ()).unwrap()
        };
        let one = scope.spawn(run);
        let other = scope.spawn(run);
        [one.join().unwrap(), other.join().unwrap()]
    });
    assert_eq!(both.iter().map(|summary| summary.finished).sum::<usize>(), 12, "{both:?}");
    assert!(both.iter().all(|summary| summary.finished > 0), "{both:?}");
    assert_eq!(both.iter().map(|summary| summary.measured).sum::<usize>(), 2, "{both:?}");
    for seed in 0..6 {
        let configuration = stage.sweep.configuration(0).unwrap().key;
        let record = stage.store().trial(&configuration.trial(seed).to_string()).unwrap();
        assert_eq!(attempts(&record), [(AttemptState::Finished, None)]);
    }
}

#[test]
fn a_trial_that_can_never_fit_is_refused_with_the_figure_and_stays_planned() {
    let stage = Stage::new(
        "[measure]\nenabled = false\n[grid]\nbatch_size = [8, 4096]\nresolution = [32]\n",
        "train",
    );
    let tight = RunOptions { memory: Some(1 << 30), ..stage.options() };
    let (summary, events) = stage.run_with(tight);
    assert_eq!((summary.finished, summary.refused, summary.left), (1, 1, 0));
    let refused = events.iter().find_map(|event| match event {
        Event::TrialRefused { need, budget, .. } => Some((*need, *budget)),
        _ => None,
    });
    let (need, budget) = refused.unwrap();
    assert!(need > 1 << 30 && budget == 1 << 30, "{need} {budget}");
    let (summary, _) = stage.run_with(RunOptions { memory: Some(1 << 50), ..stage.options() });
    assert_eq!((summary.finished, summary.refused), (1, 0));
}

#[test]
fn running_out_of_memory_is_a_result_and_is_recorded_once() {
    let stage = Stage::new(
        "[run]\nretries = 3\nworkers = 1\n[measure]\nenabled = false\n[grid]\nnorm = [\"bn\", \"ln\"]\n",
        r#"case "$job" in *'"norm":"ln"'*) started; echo 'memory allocation of 99 bytes failed' >&2; kill -6 $$;; esac
           train"#,
    );
    let options = RunOptions { workers: Some(1), ..stage.options() };
    let (summary, _) = stage.run_with(options);
    assert_eq!((summary.finished, summary.out_of_memory, summary.failed), (1, 1, 0));
    let record = stage.trial("ln");
    assert_eq!(attempts(&record), [(AttemptState::Failed, Some("oom"))]);
    assert_eq!(record.attempts[0].message.as_deref(), Some("memory allocation of 99 bytes failed"));
    assert_eq!(stage.run().0.finished, 0);
}

#[test]
fn a_full_disk_stops_the_run_in_order_and_loses_nothing() {
    let stage = Stage::new(
        THREE,
        r#"[ -e "$0.room" ] || { started; epoch 0; say '{"failed":{"cause":"disk","message":"No space left on device"}}'; exit 1; }
           train"#,
    );
    let run = Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap();
    let error = run.go(&mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    let full = stage.trial("bn");
    assert_eq!((full.trial.state, full.epochs.len()), (TrialState::Planned, 1));
    fs::write(stage.folder.path().join("worker.sh.room"), "").unwrap();
    assert_eq!(stage.run().0.finished, 3);
}

#[test]
fn a_measurement_that_was_given_up_waits_to_be_asked_for() {
    let stage = Stage::new(
        "[run]\nretries = 0\n[measure]\nrounds = 2\nthreads = 1\n[grid]\nnorm = [\"bn\", \"ln\"]\n",
        r#"measure() { :; }
           case "$job" in
             '{"measure":'*) case "$job" in *'"norm":"ln"'*) [ -e "$0.fixed" ] || exit 3;; esac
                 measured train 32; for side in $(tests); do measured inference "$side"; done; finished; exit 0;;
           esac
           train"#,
    );
    // The prelude measures before the script has a say.
    let worker = stage.folder.path().join("worker.sh");
    let text = fs::read_to_string(&worker).unwrap().replace("'{\"measure\":'*) measure;;", "'never') ;;");
    fs::write(&worker, text).unwrap();
    let (summary, _) = stage.run();
    assert_eq!((summary.finished, summary.measured, summary.unmeasured), (2, 2, 1));
    let (again, _) = stage.run();
    assert_eq!((again.measured, again.unmeasured, again.left), (0, 0, 0));
    fs::write(stage.folder.path().join("worker.sh.fixed"), "").unwrap();
    let (retried, _) = stage.run_with(RunOptions { retry_failed: true, ..stage.options() });
    assert_eq!((retried.measured, retried.unmeasured), (2, 0));
}

#[test]
fn a_worker_that_is_not_there_ends_the_run_and_loses_nothing() {
    let mut stage = Stage::new(THREE, "train");
    let worker = std::mem::replace(&mut stage.worker, vec!["/nowhere/effsweep".into()]);
    let run = Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap();
    let error = run.go(&mut |_| ()).unwrap_err();
    assert!(matches!(error, RunError::Worker { .. }), "{error}");
    stage.worker = worker;
    assert_eq!(stage.run().0.finished, 3);
}

/// Weights that its worker would leave, and whether the database names them.
fn weights(stage: &Stage, norm: &str) -> (bool, bool) {
    let record = stage.trial(norm);
    let files = Files::of(&stage.database());
    (files.weights(record.trial.key).exists(), record.trial.weights_path.is_some())
}

const WITH_WEIGHTS: &str = r#"w=${job##*'"weights":"'}; w=${w%%\"*}; mkdir -p "${w%/*}"; : > "$w"
    c=${job##*'"checkpoints":"'}; c=${c%%\"*}; mkdir -p "$c"
    case "$job" in *'"norm":"ln"'*) evaluate() { evaluated 32 20; };; esac; train"#;

fn kept(keep: &str) -> Stage {
    let text = format!(
        "[sweep]\nobjectives = [\"max top1\", \"min parameters\"]\n[run]\nkeep = \"{keep}\"\n\
        [measure]\nenabled = false\n[grid]\nnorm = [\"bn\", \"ln\"]\n"
    );
    let stage = Stage::new(&text, WITH_WEIGHTS);
    assert_eq!(stage.run().0.finished, 2);
    let checkpoints = Files::of(&stage.database()).checkpointed().unwrap();
    assert!(checkpoints.is_empty(), "{checkpoints:?}");
    stage
}

#[test]
fn weights_are_kept_as_asked() {
    let outcome = |keep| {
        let stage = kept(keep);
        (weights(&stage, "bn"), weights(&stage, "ln"))
    };
    assert_eq!(outcome("all"), ((true, true), (true, true)));
    assert_eq!(outcome("none"), ((false, false), (false, false)));
    // As many parameters, fewer right answers.
    assert_eq!(outcome("front"), ((true, true), (false, false)));
}

/// As the plan of a wide grid goes into a new database, and again into one that has it.
#[test]
#[ignore = "seconds of disk: cargo test --lib -- --ignored a_hundred_thousand_points --nocapture"]
fn a_hundred_thousand_points_are_registered() {
    let rates: Vec<String> = (1..=25_000).map(|n| format!("{:.5}", f64::from(n) / 50_000.0)).collect();
    let text = format!(
        "[grid]\nnorm = [\"bn\", \"ln\"]\ngroup_size = [1, 4]\n\"train.lr\" = [{}]\n",
        rates.join(", ")
    );
    let stage = Stage::new(&text, "train");
    for _ in 0..2 {
        let start = Instant::now();
        let run = Run::prepare(&stage.sweep, &stage.database(), stage.options()).unwrap();
        println!("{:?} for {} points", start.elapsed(), run.plan().counts.trials);
    }
}

/// Of two configurations whose seeds overlap, further seeds are trained until it is known which is better or no more are
/// allowed; they stay members of the sweep when it is run again.
#[test]
fn what_is_undecided_is_settled_by_further_seeds() {
    let sweep = r#"
[sweep]
seeds = [0, 1, 2]
objectives = ["max top1", "min parameters"]
[measure]
enabled = false
[grid]
"train.lr" = [0.1, 0.2]
"#;
    let stage = Stage::new(
        sweep,
        r#"case "$job" in *'"lr":0.1'*) right=$((30 + (seed * 5) % 3));; *) right=$((31 + (seed * 7) % 3));; esac
           evaluate() { for side in $(tests); do evaluated "$side" "$right"; done; }
           train"#,
    );
    let (summary, _) = stage.run();
    assert_eq!(summary.finished, 6);
    let (summary, events) = stage.run_with(RunOptions { settle: 3, ..stage.options() });
    let settled = events.iter().filter(|event| matches!(event, Event::Settling { .. })).count();
    assert!(settled == 3 || events.iter().any(|event| matches!(event, Event::Settled)), "{settled}");
    assert!(settled > 0);
    assert_eq!(summary.finished, settled);
    let members = |stage: &Stage| {
        let candidates = crate::runner::candidates(&stage.store(), stage.sweep.name()).unwrap();
        candidates.iter().map(|one| one.seeds.len()).sum::<usize>()
    };
    assert_eq!(members(&stage), 6 + settled);
    let (summary, _) = stage.run();
    assert_eq!((summary.finished, summary.left, members(&stage)), (0, 0, 6 + settled));
    let place = place(&Machine::this(), &stage.sweep.settings());
    let known = Known::read(&stage.store(), &stage.sweep, &place).unwrap();
    assert_eq!(Plan::of(&stage.sweep, &known).counts.orphaned, 0);
}
