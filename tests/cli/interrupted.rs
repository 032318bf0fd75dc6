//! Ctrl-C: the run leaves, says so in its exit code, and the next one goes on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::here::Here;
use super::tiny::TINY;

#[test]
fn ctrl_c_leaves_and_the_next_run_goes_on() {
    let here = Here::new();
    // Long enough to be interrupted on any machine.
    here.write("tiny.toml", &TINY.replace("epochs = 1", "epochs = 200"));
    let mut run = here.command();
    let run = run.args(["run", "tiny.toml", "--workers", "1"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = run.spawn().unwrap();
    let start = Instant::now();
    let begun = || {
        let called = here.call(&["sql", "SELECT count(*) FROM epochs", "--format", "csv"]);
        called.code == Some(0) && called.stdout.lines().nth(1).is_some_and(|count| count != "0")
    };
    while !begun() {
        assert!(start.elapsed() < Duration::from_secs(120), "no epoch");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(interrupt(&mut run), Some(130));
    let states = here.call(&["sql", "SELECT DISTINCT state FROM trials", "--format", "csv"]).done();
    assert_eq!(states.stdout, "state\nplanned\n");
    let plan = here.call(&["plan", "tiny.toml"]).done().stdout;
    assert!(plan.contains("1 unfinished"), "{plan}");

    let mut again = here.command();
    let again =
        again.args(["run", "tiny.toml", "--workers", "1"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut again = again.spawn().unwrap();
    let mut said = BufReader::new(again.stderr.take().unwrap()).lines().map(Result::unwrap);
    let resumed = said.find(|line| line.contains("goes on after epoch"));
    assert_eq!(interrupt(&mut again), Some(130));
    assert!(resumed.is_some());
    assert!(said.any(|line| line.ends_with("with which the same command goes on")));
}

/// Sends it what a terminal sends for Ctrl-C; its exit code.
fn interrupt(run: &mut Child) -> Option<i32> {
    let pid = rustix::process::Pid::from_child(run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    run.wait().unwrap().code()
}
