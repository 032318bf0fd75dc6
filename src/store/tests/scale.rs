use std::time::Instant;

use super::Swept;
use crate::store::fixture::{epoch, evaluation, point, sweep};
use crate::store::{Reader, TrialId, Value};

#[test]
fn twenty_thousand_trials_are_registered_listed_and_joined_quickly() {
    let Swept { mut store, runner, path, folder: _folder, .. } = Swept::new();
    let began = Instant::now();
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
    // Two orders of magnitude of room: this is about a scan per row, not about the machine.
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
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
fn epochs_are_written_in_batches_at_speed() {
    let Swept { mut store, folder: _folder, .. } = Swept::new();
    let rows: Vec<_> = (1..=8).flat_map(|trial| (0..5_000).map(move |n| epoch(TrialId(trial), n))).collect();
    let began = Instant::now();
    store.record_epochs(&rows).unwrap();
    let rate = rows.len() as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} epochs/s");
    assert!(rate > 20_000.0, "{rate:.0} epochs/s, where 100 000 are expected of an idle machine");
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
