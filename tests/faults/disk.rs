//! A disk that fails: one write, sync or rename in so many, or all of them for want of space.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::stage::{Stage, pause, sweep};

/// The library that stands before libc; `None`, said aloud, where there is no C compiler.
pub fn faulty() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/faulty_disk.c");
            let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faulty_disk.so");
            let mut compiler = Command::new("cc");
            compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
            let built = cfg!(all(target_os = "linux", target_env = "gnu"))
                && compiler.status().is_ok_and(|status| status.success());
            if !built {
                eprintln!(
                    "SKIPPED: no C compiler for a library before glibc; faults of the disk are not tested"
                );
            }
            built.then_some(library)
        })
        .as_deref()
}

#[test]
fn no_wrong_result_is_recorded_on_a_failing_disk() {
    survives(2, 6);
}

#[test]
#[ignore = "minutes: the long form"]
fn no_wrong_result_is_recorded_in_sixty_runs_on_a_failing_disk() {
    survives(10, 60);
}

/// Runs so many times on a disk that fails more and more seldom, then on a sound one.
fn survives(seeds: usize, runs: usize) {
    let Some(library) = faulty() else { return };
    let undisturbed = Stage::undisturbed(seeds);
    let stage = Stage::new(&sweep(seeds).replace("retries = 1000", "retries = 0"));
    let folder = stage.path("results");
    let mut failed = 0;
    for run in 0..runs {
        let one_in = (20 * (run + 1)).to_string();
        let variables =
            [("LD_PRELOAD", library), ("FAULTY_UNDER", &folder), ("FAULTY_ONE_IN", Path::new(&one_in))];
        let ended = stage.run(&variables);
        failed += usize::from(ended.code != Some(0));
        assert!(matches!(ended.code, Some(0..=1)), "{:?}\n{}", ended.code, ended.stderr);
        stage.assert_part_of(undisturbed);
        if stage.is_there() {
            stage.command(&["retry", "--yes", "--quiet"]).output().unwrap();
        }
    }
    let ended = stage.run(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    stage.assert_as(undisturbed);
    println!("{failed} of {runs} runs failed on the way");
    assert!(failed > 0);
}

#[test]
fn a_full_disk_stops_the_run_in_order_and_says_so() {
    let Some(library) = faulty() else { return };
    let undisturbed = Stage::undisturbed(2);
    let stage = Stage::new(&sweep(2));
    let (folder, full) = (stage.path("results"), stage.path("full"));
    let variables = [("LD_PRELOAD", library), ("FAULTY_UNDER", &folder), ("FAULTY_FULL", &full)];
    let mut said = String::new();
    for wait in [600, 1200, 1800] {
        let ended = std::thread::scope(|scope| {
            let run = scope.spawn(|| stage.run(&variables));
            pause(wait);
            fs::write(&full, "").unwrap();
            run.join().unwrap()
        });
        fs::remove_file(&full).unwrap();
        if ended.code != Some(0) {
            assert_eq!(ended.code, Some(1), "{}", ended.stderr);
            said = ended.stderr;
        }
        stage.assert_part_of(undisturbed);
    }
    let full = |line: &str| line.contains("disk is full") || line.contains("No space left");
    assert!(said.lines().any(|line| line.starts_with("error: ")) && said.lines().any(full), "{said}");
    let ended = stage.run(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    stage.assert_as(undisturbed);
}
