//! What a plan asks.

use super::super::fixture::*;
use super::super::*;

#[test]
fn a_plan_sees_accuracies_rounds_and_speeds_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, sweep, runner) = swept(&folder.path().join("a.db"));
    let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
    store.record_epochs(&[epoch(claim.trial, 0), epoch(claim.trial, 1)]).unwrap();
    store.record_evaluation(&evaluation(claim.trial, 32, 800)).unwrap();
    store.end_attempt(claim.attempt, &end(trained())).unwrap();
    for _ in 0..2 {
        let row = measurement(claim.configuration, runner.machine_id, MeasureKind::Train, 32, 500.0);
        store.record_measurement(&row, &[0.1, 0.2]).unwrap();
    }
    assert!(store.evaluated().unwrap().contains(&(claim.key, 32)));
    let step = Step { configuration: key(0), kind: MeasureKind::Train, resolution: 32, batch_size: 64 };
    assert_eq!(store.measured("m", 2).unwrap().get(&step), Some(&2));
    assert!(store.measured("m", 1).unwrap().is_empty() && store.measured("other", 2).unwrap().is_empty());
    let speeds = store.training_speeds("m").unwrap();
    assert_eq!(speeds.len(), 1);
    assert_eq!((speeds[0].configuration, speeds[0].images), (key(0), 2048));
    assert!((speeds[0].images_per_s - 2048.0 / 0.2).abs() < 1e-6);
    assert!(store.training_speeds("other").unwrap().is_empty());
}

#[test]
fn failed_trials_are_planned_again_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, sweep, runner) = swept(&folder.path().join("a.db"));
    let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
    let failed = Outcome::Failed { cause: "oom".to_owned(), next: Next::GiveUp };
    store.end_attempt(claim.attempt, &end(failed)).unwrap();
    assert_eq!(store.progress(sweep).unwrap().failed, 1);
    assert_eq!(store.replan_failed(sweep).unwrap(), 1);
    assert_eq!(store.progress(sweep).unwrap().failed, 0);
    assert_eq!(store.claim_next(sweep, &runner).unwrap().unwrap().number, 2);
}
