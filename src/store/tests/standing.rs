//! What a plan asks.

use super::Swept;
use crate::store::fixture::*;
use crate::store::*;

#[test]
fn a_plan_sees_accuracies_rounds_and_speeds_by_key() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
    store.record_epochs(&[epoch(claim.trial, 0), epoch(claim.trial, 1)]).unwrap();
    store.record_evaluation(&evaluation(claim.trial, 32, 800)).unwrap();
    store.end_attempt(claim.attempt, &end(trained())).unwrap();
    for _ in 0..2 {
        let row = measurement(claim.configuration, runner.machine_id, MeasureKind::Train, 32, 500.0);
        store.record_measurement(&row, &[0.1, 0.2]).unwrap();
    }
    assert!(store.evaluated().unwrap()["none"].contains(&(claim.key, 32)));
    let step = Step { configuration: key(0), kind: MeasureKind::Train, resolution: 32, batch_size: 64 };
    assert_eq!(store.measured("m", 2).unwrap().get(&step), Some(&2));
    assert!(store.measured("m", 1).unwrap().is_empty() && store.measured("other", 2).unwrap().is_empty());
    let speeds = store.training_speeds(Some("m")).unwrap();
    assert_eq!(speeds.len(), 1);
    assert_eq!((speeds[0].configuration, speeds[0].images), (key(0), 2048));
    assert!((speeds[0].images_per_s - 2048.0 / 0.2).abs() < 1e-6);
    assert!(store.training_speeds(Some("other")).unwrap().is_empty());
}

#[test]
fn failed_trials_are_planned_again_when_asked() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
    let failed = Outcome::Failed { cause: "oom".to_owned(), next: Next::GiveUp };
    store.end_attempt(claim.attempt, &end(failed)).unwrap();
    assert_eq!(store.progress(sweep).unwrap().failed, 1);
    assert_eq!(store.replan_failed(sweep).unwrap(), 1);
    assert_eq!(store.progress(sweep).unwrap().failed, 0);
    assert_eq!(store.claim_next(sweep, &runner).unwrap().unwrap().number, 2);
}

#[test]
fn weights_are_kept_for_the_sweep_that_alone_asks_for_them() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    for right in [800, 900] {
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        store.record_evaluation(&evaluation(claim.trial, 32, right)).unwrap();
        store.end_attempt(claim.attempt, &end(trained())).unwrap();
    }
    let kept = store.kept_weights(sweep).unwrap();
    assert_eq!(kept.len(), 2);
    store.forget_weights(kept[0].0).unwrap();
    store.register_sweep(&crate::store::fixture::sweep("other"), [point(0, 2)]).unwrap();
    assert!(store.kept_weights(sweep).unwrap().is_empty(), "another sweep asks for the rest");
}
