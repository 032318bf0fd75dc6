//! Workers played by `sh`.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::*;
use crate::protocol::{Cause, MeasureJob, VERSION};
use crate::runner::exit::Conclusion;
use crate::sweep::Settings;

fn job() -> Job {
    Job::Measure(Box::new(MeasureJob {
        version: VERSION,
        settings: Settings::default(),
        classes: 10,
        test_resolutions: vec![32],
        threads: 1,
    }))
}

fn start(script: &str) -> (Worker, Receiver<News>) {
    let (sender, receiver) = mpsc::channel();
    let command = ["sh", "-c", script].map(OsString::from);
    let tell = move |news| {
        // Dropped workers tell nobody.
        let _ = sender.send(news);
    };
    (Worker::start(&command, &job(), tell).unwrap(), receiver)
}

/// What it says, and its exit.
fn to_the_end(receiver: &Receiver<News>) -> (Vec<Message>, Exit) {
    let mut said = Vec::new();
    loop {
        match receiver.recv_timeout(Duration::from_secs(20)).unwrap() {
            News::Said(message) => said.push(message),
            News::Gone(exit) => return (said, *exit),
        }
    }
}

fn conclusion(script: &str) -> Conclusion {
    let (_worker, receiver) = start(script);
    to_the_end(&receiver).1.conclusion()
}

fn failure(script: &str) -> Option<Cause> {
    match conclusion(script) {
        Conclusion::Failed { cause, .. } => Some(cause),
        _ => None,
    }
}

const FINISHED: &str = r#"printf '{"finished":{"weights":"b3","peak_rss_bytes":7}}\n'"#;

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_worker_gets_its_job_and_is_heard() {
    let (_worker, receiver) = start(&format!(
        r#"read -r job; case "$job" in '{{"measure":'*) ;; *) exit 9;; esac
           printf '{{"checkpointed":{{"epochs":2}}}}\n'; echo some log >&2; {FINISHED}"#
    ));
    let (said, exit) = to_the_end(&receiver);
    assert_eq!(said, [Message::Checkpointed { epochs: 2 }]);
    assert_eq!((exit.status, exit.signal, exit.log.as_str()), (Some(0), None, "some log\n"));
    assert!(exit.peak_rss_bytes.is_some());
    assert_eq!(exit.conclusion(), Conclusion::Finished { weights: Some("b3".to_owned()) });
}

#[test]
fn what_goes_wrong_is_told_apart() {
    let cases = [
        ("exit 3", Cause::Exit),
        ("exit 101", Cause::Panic),
        ("kill -9 $$", Cause::Killed),
        ("kill -15 $$", Cause::Killed),
        ("echo this is no message; sleep 60", Cause::Exit),
        ("printf '{\"finished\":{\"wei'", Cause::Exit),
        ("printf '{\"version\":99}\\n'; sleep 60", Cause::Exit),
        ("exit 0", Cause::Exit),
    ];
    let wrong: Vec<_> = cases.iter().filter(|(script, cause)| failure(script) != Some(*cause)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_command_that_is_not_there_is_an_error() {
    let command = [OsString::from("/nowhere/effsweep"), "worker".into()];
    assert!(Worker::start(&command, &job(), |_| ()).is_err());
}

#[test]
fn stop_arrives_as_a_line() {
    let (mut worker, receiver) = start(
        r#"read -r job; read -r order; [ "$order" = '"stop"' ] && printf '{"stopped":{"epochs":1}}\n'"#,
    );
    worker.stop();
    assert_eq!(to_the_end(&receiver).1.conclusion(), Conclusion::Stopped);
}

#[test]
fn the_log_keeps_its_end() {
    let (_worker, receiver) =
        start("i=0; while [ $i -lt 20000 ]; do echo 0123456789 >&2; i=$((i+1)); done; echo end >&2");
    let log = to_the_end(&receiver).1.log;
    assert_eq!(log.len(), LOG_BYTES);
    assert!(log.ends_with("\nend\n"));
}

#[test]
fn sigterm_can_be_ignored_and_sigkill_cannot() {
    let (worker, receiver) =
        start("trap '' TERM; printf '{\"checkpointed\":{\"epochs\":0}}\\n'; while :; do sleep 1; done");
    assert!(matches!(receiver.recv_timeout(Duration::from_secs(20)), Ok(News::Said(_))));
    worker.terminate();
    assert!(receiver.recv_timeout(Duration::from_millis(300)).is_err(), "still there");
    worker.kill();
    assert_eq!(to_the_end(&receiver).1.signal, Some(9));
}

#[test]
fn no_child_of_a_worker_outlives_it() {
    let (_worker, receiver) = start("sleep 600 & echo $! >&2; exit 4");
    let exit = to_the_end(&receiver).1;
    let grandchild: u32 = exit.log.trim().parse().unwrap();
    assert_eq!(exit.status, Some(4));
    // Its new parent may take a moment to reap it.
    let gone = || {
        !is_alive(grandchild)
            || fs::read_to_string(format!("/proc/{grandchild}/stat")).is_ok_and(|s| s.contains(") Z "))
    };
    assert!((0..100).any(|_| gone() || {
        thread::sleep(Duration::from_millis(20));
        false
    }));
}

#[test]
fn dropping_a_worker_ends_and_reaps_it() {
    let (worker, receiver) = start("sleep 600");
    let pid = worker.pid();
    assert!(is_alive(pid));
    drop(worker);
    assert!(!is_alive(pid), "neither running nor a zombie");
    assert_eq!(to_the_end(&receiver).1.signal, Some(9));
}
