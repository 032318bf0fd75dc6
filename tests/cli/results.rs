//! A whole sweep, and every way to look at what came out.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::here::Here;
use super::tiny::{TINY, swept};

const COUNTS: &str = "SELECT (SELECT count(*) FROM trials WHERE state = 'finished') AS finished, \
                      (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM results) AS results";

fn sql(here: &Here, statement: &str) -> String {
    here.call(&["sql", statement, "--format", "csv"]).done().stdout
}

#[test]
fn a_sweep_is_run_once() {
    let here = swept();
    assert_eq!(sql(here, COUNTS), "finished,attempts,results\n4,4,8\n");
    let again = here.call(&["run", "tiny.toml"]).done();
    assert_eq!(sql(here, COUNTS), "finished,attempts,results\n4,4,8\n");
    // A header, a line, and each of four configurations at two resolutions.
    assert_eq!(again.stdout.lines().count(), 2 + 4 * 2, "{}", again.stdout);
    assert!(again.stdout.contains('●'), "{}", again.stdout);
}

#[test]
fn the_front_is_written_beside_the_database() {
    let here = swept();
    let front = here.read("results/tiny-front.csv");
    assert_eq!(front, here.call(&["pareto", "tiny", "--csv", "-"]).done().stdout);
    let mut reader = csv::Reader::from_reader(front.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert!(!rows.is_empty());
    let top1 = |row: &BTreeMap<String, String>| row["top1"].parse::<f64>().unwrap();
    let macs = |row: &BTreeMap<String, String>| row["macs"].parse::<u64>().unwrap();
    for (a, b) in rows.iter().zip(rows.iter().skip(1)) {
        // Sorted by accuracy, each next one must be cheaper (or the same in both).
        assert!(top1(a) > top1(b) && macs(a) > macs(b) || top1(a) == top1(b) && macs(a) == macs(b), "{front}");
    }
    assert!(rows.iter().all(|row| row["on_front"] == "1" && row["n_seeds"] == "1"));
}

#[test]
fn threads_change_no_accuracy_and_no_weight() {
    let here = Here::new();
    here.write("tiny.toml", TINY);
    here.call(&["run", "tiny.toml", "--threads", "2", "--workers", "1"]).done();
    for statement in [
        "SELECT key, weights_checksum FROM trials ORDER BY key",
        "SELECT t.key, e.test_resolution, e.top1_correct, e.top5_correct, e.loss
         FROM evaluations AS e JOIN trials AS t ON t.id = e.trial_id ORDER BY t.key, e.test_resolution",
        "SELECT t.key, e.epoch, e.train_loss FROM epochs AS e JOIN trials AS t ON t.id = e.trial_id ORDER BY t.key",
    ] {
        let found = sql(&here, statement);
        assert!(found.lines().count() > 4);
        assert_eq!(found, sql(swept(), statement));
    }
}

#[test]
fn an_added_value_runs_its_own_trials_and_no_other() {
    let here = Here::new();
    super::tiny::database(&here);
    here.write("tiny.toml", &TINY.replace("batch_size = [8, 16]", "batch_size = [8, 16, 32]"));
    let plan = here.call(&["plan", "tiny.toml"]).done().stdout;
    assert!(plan.contains("4 kept, 2 new"), "{plan}");
    here.call(&["run", "tiny.toml"]).done();
    assert_eq!(sql(&here, COUNTS), "finished,attempts,results\n6,6,12\n");
}

#[test]
fn the_database_is_read_while_a_sweep_runs() {
    let here = Here::new();
    here.write("tiny.toml", TINY);
    let mut run = here.command();
    let mut run = run.args(["run", "tiny.toml", "--workers", "1"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    let (mut answers, mut last) = (0, 0);
    while run.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120));
        let called = here.call(&["sql", "SELECT count(*) FROM results", "--format", "csv"]);
        if called.code == Some(0) {
            answers += 1;
            let results: i64 = called.stdout.lines().nth(1).unwrap().parse().unwrap();
            assert!(results >= last, "{results} after {last}");
            last = results;
        } else {
            // Not yet: the file is not there, or its tables are not.
            assert!(answers == 0, "{}", called.stderr);
        }
    }
    assert!(run.wait().unwrap().success());
    assert!(answers > 0, "no answer while it ran");
}

#[test]
fn the_commands_to_try_next_work_as_they_are_printed() {
    let here = swept();
    let said = here.call(&["run", "tiny.toml"]).done().stderr;
    let (_, next) = said.split_once("next:\n").unwrap_or_else(|| panic!("{said}"));
    let commands: Vec<&str> = next.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(commands.len() >= 3, "{said}");
    for command in commands {
        let called = here.shell(command);
        assert!(called.code == Some(0) && !called.stdout.is_empty(), "{command}\n{}", called.transcript());
    }
}

#[test]
fn every_result_is_exported() {
    let here = swept();
    let all = here.call(&["export"]).done().stdout;
    assert_eq!(all.lines().count(), 9);
    here.call(&["export", "tiny", "--format", "json", "--output", "tiny.json"]).done();
    let rows: serde_json::Value = serde_json::from_str(&here.read("tiny.json")).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 8);
    assert!(rows[0]["top1"].is_f64() && rows[0]["sweep"] == "tiny", "{}", rows[0]);
}

#[test]
fn a_front_may_be_drawn_over_other_metrics() {
    let here = swept();
    let all = here.call(&["pareto", "--all", "--objectives", "max top5, min test_loss, min parameters", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&all.done().stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 8);
    assert!(rows.as_array().unwrap().iter().any(|row| row["on_front"] == 1));
}

#[test]
fn a_trial_and_its_configuration_are_shown() {
    let here = swept();
    let key = sql(here, "SELECT key FROM trials ORDER BY key LIMIT 1");
    let key = key.lines().nth(1).unwrap();
    let trial = here.call(&["show", &key[..8]]).done().stdout;
    for part in ["configuration", "model.width", "0.25", "attempts", "epochs", "accuracies", key] {
        assert!(trial.contains(part), "{part}\n{trial}");
    }
    let of = sql(here, &format!("SELECT configuration_key FROM results WHERE trial_key = '{key}' LIMIT 1"));
    let configuration = here.call(&["show", of.lines().nth(1).unwrap()]).done().stdout;
    assert!(configuration.contains(key), "{configuration}");
}

#[test]
fn the_status_counts_trials_by_state() {
    let status = swept().call(&["status", "--format", "json"]).done().stdout;
    let rows: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&rows[0]["sweep"], &rows[0]["trials"], &rows[0]["finished"]), (&"tiny".into(), &4.into(), &4.into()));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let called = swept().shell("effsweep export | head -n 1 >/dev/null; effsweep completions bash | head -n 1");
    assert_eq!((called.code, called.stderr.as_str()), (Some(0), ""), "{}", called.stdout);
}
