//! A hung, a panicking, a memory-eating and a diverging trial in one sweep.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::disk::faulty;
use super::stage::{Stage, pause, signal};

/// Two plain trials, one that is never through, one that diverges and one of huge images. `memory_mib` lets that one
/// try, so that it is not refused beforehand.
const SWEEP: &str = r#"
[data]
set = "shapes"
train_images = 64
test_images = 32

[model]
preset = "nano"
width = 0.25
depth = 0.3

[measure]
enabled = false

[run]
retries = 0
hung_after_s = 10.0
memory_mib = 1000000

[grid]
"train.lr" = [0.01, 0.02]
"train.epochs" = [2]
batch_size = [8]
resolution = [16]

[[include]]
"train.lr" = 0.03
"train.epochs" = 100000
batch_size = 8
resolution = 16

[[include]]
"train.lr" = 1e30
batch_size = 8
resolution = 16

[[include]]
"train.lr" = 0.04
resolution = 256
batch_size = 64
"#;

#[test]
fn each_ends_as_designed_and_the_others_are_unharmed() {
    let Some(library) = faulty() else { return };
    let stage = Stage::new(SWEEP);
    let panic = stage.path("panic");
    fs::write(&panic, "").unwrap();
    let mut shell = Command::new("sh");
    stage.settle(&mut shell);
    // 2 GiB of address space for each process.
    let line = "ulimit -v 2097152; exec \"$0\" run sweep.toml --workers 2";
    shell.args(["-c", line, env!("CARGO_BIN_EXE_effsweep")]);
    shell.env("LD_PRELOAD", library).env("FAULTY_PANIC", &panic);
    let mut run = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();

    // Hung as a process hangs: it is there and says nothing.
    let worker = "SELECT a.pid FROM attempts AS a JOIN trials AS t ON t.id = a.trial_id
                  JOIN configurations AS c ON c.id = t.configuration_id
                  WHERE a.state = 'running' AND c.learning_rate = 0.03 AND a.pid IS NOT NULL
                      AND EXISTS (SELECT 1 FROM epochs WHERE trial_id = t.id)";
    let hanging = loop {
        pause(100);
        assert!(run.try_wait().unwrap().is_none(), "it ended before anything hung");
        if stage.is_there()
            && let [pid] = stage.ask(worker).as_slice()
        {
            break pid.parse().unwrap();
        }
    };
    signal(hanging, Signal::STOP);
    let status = run.wait().unwrap();

    let outcome = |rate: &str| {
        let sql = format!(
            "SELECT t.state, coalesce((SELECT group_concat(DISTINCT cause) FROM attempts WHERE trial_id = t.id), '-')
             FROM trials AS t JOIN configurations AS c ON c.id = t.configuration_id WHERE c.learning_rate = {rate}"
        );
        stage.ask(&sql).join(";")
    };
    let mut plain = [outcome("0.01"), outcome("0.02")];
    plain.sort();
    assert_eq!(plain, ["failed,panic", "finished,-"]);
    assert_eq!(outcome("0.03"), "failed,hung");
    assert_eq!(outcome("1e30"), "diverged,-");
    assert_eq!(outcome("0.04"), "failed,oom");
    assert_eq!(status.code(), Some(1), "two failed; diverging and running out of memory are results");

    let words = stage.ask("SELECT message FROM attempts WHERE cause = 'panic'").join("");
    assert!(words.contains("panicked at"), "{words}");
    let words = stage.ask("SELECT message FROM attempts WHERE cause = 'oom'").join("");
    assert!(words.contains("memory"), "{words}");
    let unknown =
        stage.ask("SELECT count(*) FROM attempts WHERE peak_rss_bytes IS NULL OR user_cpu_s IS NULL");
    assert_eq!(unknown, ["0"]);
}
