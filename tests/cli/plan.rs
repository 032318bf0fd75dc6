//! `effsweep plan`: counts, tables, and that it only looks.

use std::fs;
use std::time::{Duration, Instant};

use super::here::{Here, ROOT};
use super::transcript::play;

#[test]
fn a_plan_is_counted_and_listed() {
    let here = Here::new();
    here.write(
        "a.toml",
        "[sweep]\ndescription = \"Which norm?\"\nseeds = [0, 1]\n\n[grid]\nnorm = [\"bn\", \"ln+pn\"]\n\
         group_size = [1, 4]\n\"train.lr\" = [0.01, 0.02]\n",
    );
    play("plan", &here);
    assert!(!here.path("results").exists(), "a plan makes no database");
}

#[test]
fn the_resolved_file_is_the_same_sweep() {
    let here = Here::new();
    fs::copy(format!("{ROOT}/sweeps/quickstart.toml"), here.path("quickstart.toml")).unwrap();
    let resolved = here.call(&["plan", "quickstart.toml", "--resolved"]).done().stdout;
    let grid = here.read("quickstart.toml");
    let grid = &grid[grid.find("[grid]").unwrap()..];
    here.write("resolved.toml", &format!("{resolved}\n{grid}"));
    let rows = |file: &str| here.call(&["plan", file, "--format", "csv"]).done().stdout;
    assert_eq!(rows("quickstart.toml"), rows("resolved.toml"));
}

#[test]
fn csv_and_json_hold_every_configuration() {
    let here = Here::new();
    here.write("a.toml", "[grid]\n\"train.lr\" = [0.01, 0.02, 0.03]\nnorm = [\"bn\", \"gn\", \"ln\", \"in\", \"ln+pn\"]\nbatch_size = [8, 16]\n");
    let csv = here.call(&["plan", "a.toml", "--format", "csv"]).done();
    assert_eq!((csv.stdout.lines().count(), csv.stderr.as_str()), (31, ""));
    let json = here.call(&["plan", "a.toml", "--format", "json", "--limit", "4"]).done();
    let rows: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 4);
    assert_eq!(rows[3]["train.lr"], 0.01);
    assert_eq!(rows[3]["batch_size"], 16);
}

#[test]
fn a_hundred_thousand_points_are_planned_in_a_second() {
    let here = Here::new();
    let values = |count: usize| {
        let values: Vec<String> = (1..=count).map(|n| format!("{:.4}", n as f64 / 1000.0)).collect();
        values.join(", ")
    };
    here.write(
        "large.toml",
        &format!(
            "[grid]\nnorm = [\"bn\", \"gn\", \"ln\", \"ln+pn\"]\ngroup_size = [1, 4]\nbatch_size = [16, 32, 64, 128]\n\
             \"train.lr\" = [{}]\n\"train.momentum\" = [{}]\n",
            values(80),
            values(40),
        ),
    );
    let start = Instant::now();
    let plan = here.call(&["plan", "large.toml"]).done();
    let elapsed = start.elapsed();
    println!("{elapsed:?}");
    assert!(plan.stdout.contains("102400 configurations"), "{}", plan.stdout);
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
}
