use super::Swept;
use crate::store::fixture::{end, epoch, evaluation, measurement, point, signals, sweep, trained};
use crate::store::{
    Access, Choice, Claim, Copied, Forgotten, MeasureKind, Next, Outcome, Runner, SignalPlace, Store,
    StoreError, SweepId, TrialId, TrialState,
};

fn conclude(store: &mut Store, sweep: SweepId, runner: &Runner, outcome: Outcome) -> Claim {
    let claim = store.claim_next(sweep, runner).unwrap().unwrap();
    store.record_epochs(&[epoch(claim.trial, 0)]).unwrap();
    store.record_evaluation(&evaluation(claim.trial, 32, 7)).unwrap();
    store.record_signals(&[signals(claim.trial, 0, 1, SignalPlace::Pre)]).unwrap();
    store.end_attempt(claim.attempt, &end(outcome)).unwrap();
    claim
}

fn failed(cause: &str) -> Outcome {
    Outcome::Failed { cause: cause.to_owned(), next: Next::GiveUp }
}

/// A finished, a diverged, and two given-up trials among eight.
fn ended() -> (Swept, [Claim; 4]) {
    let mut swept = Swept::new();
    let outcomes = [trained(), Outcome::Diverged { epoch: 1, step: 2 }, failed("oom"), failed("panic")];
    let claims = outcomes.map(|outcome| conclude(&mut swept.store, swept.sweep, &swept.runner, outcome));
    (swept, claims)
}

fn ids(store: &Store, choice: &Choice) -> Vec<TrialId> {
    store.choose(choice).unwrap().into_iter().map(|one| one.id).collect()
}

#[test]
fn trials_are_chosen_by_what_is_known_of_them() {
    let (swept, [finished, diverged, oom, panic]) = ended();
    let store = &swept.store;
    assert_eq!(ids(store, &Choice::default()).len(), 8);
    let states = vec![TrialState::Finished, TrialState::Diverged];
    assert_eq!(ids(store, &Choice { states, ..Choice::default() }), [finished.trial, diverged.trial]);
    let cause = Some("oom".to_owned());
    assert_eq!(ids(store, &Choice { cause: cause.clone(), ..Choice::default() }), [oom.trial]);
    let keys = vec![panic.key.to_string()];
    assert_eq!(ids(store, &Choice { keys: keys.clone(), ..Choice::default() }), [panic.trial]);
    assert!(ids(store, &Choice { keys, cause, ..Choice::default() }).is_empty());
    let unknown = Choice { keys: vec!["zz".to_owned()], ..Choice::default() };
    assert!(matches!(store.choose(&unknown), Err(StoreError::UnknownTrial { .. })));
}

#[test]
fn orphans_are_what_no_sweep_asks_for() {
    let (mut swept, [finished, ..]) = ended();
    swept.store.register_sweep(&sweep("quickstart"), (1..4).map(|n| point(n, 2))).unwrap();
    let orphaned = Choice { orphaned: true, ..Choice::default() };
    let orphans = swept.store.choose(&orphaned).unwrap();
    assert!(orphans.iter().any(|one| one.id == finished.trial && !one.asked_for), "{orphans:?}");
    assert_eq!(orphans.len(), 2);
    let of_sweep = Choice { sweep: Some(swept.sweep), ..orphaned };
    assert!(ids(&swept.store, &of_sweep).is_empty());
}

#[test]
fn what_was_given_up_or_diverged_is_planned_again_and_nothing_else() {
    let (mut swept, claims) = ended();
    let all = ids(&swept.store, &Choice::default());
    assert_eq!(swept.store.replan(&all).unwrap(), 3);
    let record = |claim: &Claim| swept.store.trial(&claim.key.to_string()).unwrap();
    let [finished, diverged, oom, _] = claims.each_ref().map(record);
    assert_eq!((finished.trial.state, finished.epochs.len()), (TrialState::Finished, 1));
    assert_eq!((diverged.trial.state, diverged.epochs.len()), (TrialState::Planned, 0));
    assert_eq!((oom.trial.state, oom.epochs.len()), (TrialState::Planned, 1));
    assert_eq!((diverged.attempts.len(), oom.attempts.len()), (1, 1), "what was tried stays on record");
}

#[test]
fn forgetting_leaves_what_is_asked_for_as_if_it_had_never_been_tried() {
    let (mut swept, [finished, ..]) = ended();
    swept.store.register_sweep(&sweep("quickstart"), (0..1).map(|n| point(n, 2))).unwrap();
    let running = swept.store.claim_trial(swept.sweep, TrialId(5), &swept.runner).unwrap().unwrap();
    let all = ids(&swept.store, &Choice::default());
    let forgotten = swept.store.forget(&all).unwrap();
    // Two of the point that stays; six of the three others, one of which runs.
    assert_eq!(forgotten, Forgotten { planned: 2, removed: 5, configurations: 2 });
    let record = swept.store.trial(&finished.key.to_string()).unwrap();
    assert_eq!(record.trial.state, TrialState::Planned);
    assert!(record.attempts.is_empty() && record.epochs.is_empty() && record.evaluations.is_empty());
    assert_eq!(record.trial.weights_path, None);
    assert_eq!(ids(&swept.store, &Choice::default()), [TrialId(1), TrialId(2), running.trial]);
}

#[test]
fn a_forgotten_sweep_leaves_its_trials() {
    let (mut swept, _) = ended();
    swept.store.forget_sweep(swept.sweep).unwrap();
    assert!(swept.store.sweep_names().unwrap().is_empty());
    assert_eq!(ids(&swept.store, &Choice { orphaned: true, ..Choice::default() }).len(), 8);
}

#[test]
fn a_copy_has_everything_and_a_second_one_adds_nothing() {
    let (mut swept, claims) = ended();
    let [finished, diverged, ..] = &claims;
    let row = measurement(finished.configuration, swept.runner.machine_id, MeasureKind::Train, 32, 100.0);
    swept.store.record_measurement(&row, &[0.5, 0.25]).unwrap();
    let path = swept.folder.path().join("other.db");
    let mut other = Store::open(&path, Access::Write).unwrap();
    // Row numbers differ here, and one of the trials is known, without a result.
    other.register_sweep(&sweep("another"), (9..11).chain(0..1).map(|n| point(n, 1))).unwrap();

    let chosen = [finished.key, diverged.key];
    let copied = other.copy_from(&swept.path, Some(&chosen)).unwrap();
    assert_eq!(copied, Copied { trials: 2, kept: 0, conflicts: vec![], accuracies: 0, measurements: 1 });
    let rest = other.copy_from(&swept.path, None).unwrap();
    assert_eq!(rest, Copied { trials: 6, kept: 2, conflicts: vec![], accuracies: 0, measurements: 0 });
    let again = other.copy_from(&swept.path, None).unwrap();
    assert_eq!((again.trials, again.measurements), (0, 0), "{again:?}");

    for claim in &claims {
        let key = claim.key.to_string();
        let (here, there) = (other.trial(&key).unwrap(), swept.store.trial(&key).unwrap());
        assert_eq!(here.trial.state, there.trial.state);
        assert_eq!(here.configuration, there.configuration);
        assert_eq!((here.trial.seed, &here.trial.ended_at), (there.trial.seed, &there.trial.ended_at));
        assert_eq!(here.epochs.len(), 1);
        assert_eq!(here.evaluations[0].top1_correct, there.evaluations[0].top1_correct);
        assert_eq!(here.attempts.len(), 1);
        assert_eq!(here.attempts[0].cause, there.attempts[0].cause);
    }
    let samples = |store: &Store| {
        store
            .read("count", |db| {
                db.query_row(
                    "SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM channel_signals)",
                    [],
                    |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
                )
            })
            .unwrap()
    };
    assert_eq!(samples(&other), samples(&swept.store));
}

#[test]
fn two_results_of_one_trial_are_told_apart_and_the_first_stays() {
    let (swept, [finished, ..]) = ended();
    let path = swept.folder.path().join("other.db");
    let (mut other, sweep, runner) = crate::store::fixture::swept(&path);
    let outcome =
        Outcome::Trained { train_s: 9.0, weights_path: None, weights_checksum: Some("elsewhere".to_owned()) };
    conclude(&mut other, sweep, &runner, outcome);
    let copied = other.copy_from(&swept.path, Some(&[finished.key])).unwrap();
    assert_eq!(
        copied,
        Copied { trials: 0, kept: 1, conflicts: vec![finished.key], accuracies: 0, measurements: 0 }
    );
    assert_eq!(other.trial(&finished.key.to_string()).unwrap().trial.train_s, Some(9.0));
}
