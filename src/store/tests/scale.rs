use std::time::Instant;

use super::Swept;
use crate::store::fixture::{evaluation, point, sweep};
use crate::store::{Reader, TrialId, Value};

#[test]
fn twenty_thousand_trials_are_registered_listed_and_joined() {
    let Swept { mut store, runner, path, folder: _folder, .. } = Swept::new();
    let registered = store.register_sweep(&sweep("wide"), (10..20_010).map(|n| point(n, 1))).unwrap();
    assert_eq!(registered.new, 20_000);
    assert_eq!(store.trial_states().unwrap().len(), 20_008);
    for trial in 9..109 {
        store.record_evaluation(&evaluation(TrialId(trial), 32, 900)).unwrap();
    }
    store.claim_next(registered.sweep, &runner).unwrap().unwrap();
    let reader = Reader::open(&path).unwrap();
    let mut query = reader.query("SELECT * FROM sweep_results WHERE sweep = 'wide'").unwrap();
    let mut rows = query.run(&[]).unwrap();
    let mut asked = 0;
    while rows.next().unwrap().is_some() {
        asked += 1;
    }
    assert_eq!(asked, 40_000);
}

/// With 20 000 measured trials that is four minutes against two seconds.
#[test]
fn no_view_scans_the_throughput_once_per_row() {
    let Swept { path, folder: _folder, .. } = Swept::new();
    let reader = Reader::open(&path).unwrap();
    for (view, joins) in [("trial_overview", 1), ("results", 2), ("sweep_results", 2)] {
        let mut query = reader.query(&format!("EXPLAIN QUERY PLAN SELECT * FROM {view}")).unwrap();
        let mut rows = query.run(&[]).unwrap();
        let mut indexed = 0;
        while let Some(row) = rows.next().unwrap() {
            let Some(Value::Text(step)) = row.last() else { panic!("{row:?}") };
            assert!(!step.starts_with("SCAN s"), "{view}: {step}");
            indexed += usize::from(step.starts_with("SEARCH s USING AUTOMATIC"));
        }
        assert_eq!(indexed, joins, "{view}");
    }
}

#[test]
#[ignore = "a minute of disk: cargo test --lib -- --ignored a_million_trials --nocapture"]
fn a_million_trials_are_registered() {
    let Swept { mut store, runner, folder: _folder, .. } = Swept::new();
    let time = |what: &str, began: Instant| println!("{what}: {:.2?}", began.elapsed());
    let began = Instant::now();
    let registered = store.register_sweep(&sweep("vast"), (10..1_000_010).map(|n| point(n, 1))).unwrap();
    time("registered", began);
    let began = Instant::now();
    store.register_sweep(&sweep("vast"), (10..1_000_010).map(|n| point(n, 1))).unwrap();
    time("registered again", began);
    let began = Instant::now();
    assert_eq!(store.trial_states().unwrap().len(), 1_000_008);
    time("states", began);
    let began = Instant::now();
    store.claim_next(registered.sweep, &runner).unwrap().unwrap();
    time("claimed", began);
    let began = Instant::now();
    store.progress(registered.sweep).unwrap();
    time("progress", began);
}
