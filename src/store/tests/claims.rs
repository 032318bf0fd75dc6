use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;

use super::Swept;
use crate::store::fixture::{asked, end, epoch, evaluation, point, run_of, runner, sweep, trained};
use crate::store::{
    Access, AttemptStart, AttemptState, Claim, Company, Job, Next, Outcome, RunLock, Runner, Store,
    StoreError, TrialState,
};

fn failed(next: Next) -> Outcome {
    Outcome::Failed { cause: "oom".to_owned(), next }
}

fn state(store: &Store, claim: &Claim) -> TrialState {
    store.trial(&claim.key.to_string()).unwrap().trial.state
}

#[test]
fn each_outcome_leads_its_trial_where_it_should() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let cases = [
        (trained(), TrialState::Finished, AttemptState::Finished),
        (Outcome::Diverged { epoch: 2, step: 7 }, TrialState::Diverged, AttemptState::Diverged),
        (failed(Next::GiveUp), TrialState::Failed, AttemptState::Failed),
        (failed(Next::Retry), TrialState::Planned, AttemptState::Failed),
        (Outcome::Stopped, TrialState::Planned, AttemptState::Stopped),
    ];
    for (outcome, trial_state, attempt_state) in cases {
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        assert_eq!(state(&store, &claim), TrialState::Running);
        store.end_attempt(claim.attempt, &end(outcome.clone())).unwrap();
        let record = store.trial(&claim.key.to_string()).unwrap();
        let attempt = record.attempts.last().unwrap();
        assert_eq!((record.trial.state, attempt.state), (trial_state, attempt_state), "{outcome:?}");
        let over = trial_state != TrialState::Planned;
        assert_eq!(record.trial.ended_at.is_some(), over, "{outcome:?}");
        assert_eq!(record.trial.git_commit.is_some(), over, "{outcome:?}");
    }
}

#[test]
fn an_attempt_is_read_back_as_written() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
    assert_eq!((claim.number, claim.failed_attempts, claim.job), (1, 0, Job::Train));
    let tests = [(32, false), (40, true)].map(|(resolution, aliased)| asked(resolution, aliased));
    assert_eq!(claim.tests, tests);
    store.set_worker(claim.attempt, 4711).unwrap();
    store
        .start_attempt(claim.attempt, &AttemptStart { data_fingerprint: "d".to_owned(), resumed_epochs: 3 })
        .unwrap();
    store.record_epochs(&[epoch(claim.trial, 0), epoch(claim.trial, 1)]).unwrap();
    store.record_evaluation(&evaluation(claim.trial, 32, 900)).unwrap();
    let mut failure = end(failed(Next::Retry));
    (failure.signal, failure.exit_status) = (Some(9), None);
    (failure.message, failure.log_tail) = (Some("killed".to_owned()), Some("…\nlast line\n".to_owned()));
    store.end_attempt(claim.attempt, &failure).unwrap();

    let record = store.trial(&claim.key.to_string()).unwrap();
    let attempt = &record.attempts[0];
    assert_eq!(attempt.pid, Some(4711));
    assert_eq!(attempt.resumed_epochs, Some(3));
    assert_eq!(attempt.cause.as_deref(), Some("oom"));
    assert_eq!((attempt.signal, attempt.exit_status), (Some(9), None));
    assert_eq!(attempt.log_tail, failure.log_tail);
    assert_eq!(attempt.peak_rss_bytes, failure.peak_rss_bytes);
    assert!(attempt.ended_at.as_ref() >= Some(&attempt.started_at));
    assert_eq!(record.trial.data_fingerprint.as_deref(), Some("d"));
    assert_eq!(record.epochs, [epoch(claim.trial, 0), epoch(claim.trial, 1)]);
    assert_eq!(record.evaluations, [evaluation(claim.trial, 32, 900)]);

    let again = store.claim_next(sweep, &runner).unwrap().unwrap();
    assert_eq!((again.trial, again.number, again.failed_attempts), (claim.trial, 2, 1));
    assert_eq!(again.tests.len(), 1, "what was evaluated is not asked for again");
}

#[test]
fn an_attempt_ends_once() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
    let wrong = store.end_attempt(claim.attempt, &end(Outcome::Evaluated));
    assert!(matches!(wrong, Err(StoreError::Stale { .. })), "it was to train");
    assert_eq!(state(&store, &claim), TrialState::Running, "a refused end changes nothing");
    store.end_attempt(claim.attempt, &end(failed(Next::GiveUp))).unwrap();
    let second = store.end_attempt(claim.attempt, &end(trained()));
    assert!(matches!(second, Err(StoreError::Stale { .. })));
    assert!(matches!(store.set_worker(claim.attempt, 1), Err(StoreError::Stale { .. })));
    assert_eq!(state(&store, &claim), TrialState::Failed);
}

#[test]
fn a_trial_is_claimed_by_one() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let trial = store.planned_trials(sweep).unwrap()[5].id;
    assert!(store.claim_trial(sweep, trial, &runner).unwrap().is_some());
    assert_eq!(store.claim_trial(sweep, trial, &runner).unwrap(), None);
}

#[test]
fn a_dead_runs_trials_are_planned_again() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let done = store.claim_next(sweep, &runner).unwrap().unwrap();
    store.end_attempt(done.attempt, &end(trained())).unwrap();
    let trained_on = store.claim_next(sweep, &runner).unwrap().unwrap();
    let evaluated = store.claim_evaluation(sweep, done.trial, &runner).unwrap().unwrap();
    assert_eq!(evaluated.number, 2);

    assert_eq!(store.release_dead().unwrap(), 2);
    assert_eq!(state(&store, &trained_on), TrialState::Planned);
    assert_eq!(state(&store, &done), TrialState::Finished);
    let attempt = &store.attempts(trained_on.trial).unwrap()[0];
    assert_eq!((attempt.state, attempt.ended_at.as_ref()), (AttemptState::Stopped, None));
    let again = store.claim_next(sweep, &runner).unwrap().unwrap();
    assert_eq!((again.trial, again.failed_attempts), (trained_on.trial, 0), "the trial is not to blame");
    assert_eq!(store.release_dead().unwrap(), 1);
    assert_eq!(store.release_dead().unwrap(), 0);
}

#[test]
fn what_a_live_run_holds_stays_its_own() {
    let Swept { mut store, sweep, runner, folder, .. } = Swept::new();
    let lock = RunLock::acquire(store.path(), Company::Shared).unwrap();
    let live = store.begin_run(&run_of(sweep, runner.machine_id, lock.lease())).unwrap();
    let dead = store.claim_next(sweep, &runner).unwrap().unwrap();
    let held = store.claim_next(sweep, &Runner { run: live, ..runner }).unwrap().unwrap();
    assert_eq!(store.release_dead().unwrap(), 1);
    assert_eq!(state(&store, &dead), TrialState::Planned);
    assert_eq!(state(&store, &held), TrialState::Running);
    drop(lock);
    assert_eq!(store.release_dead().unwrap(), 1);
    drop(folder);
}

#[test]
fn a_finished_trial_is_evaluated_where_a_sweep_asks_for_more() {
    let Swept { mut store, sweep: id, runner, folder: _folder, .. } = Swept::new();
    let claim = store.claim_next(id, &runner).unwrap().unwrap();
    store.record_evaluation(&evaluation(claim.trial, 32, 900)).unwrap();
    store.record_evaluation(&evaluation(claim.trial, 40, 850)).unwrap();
    store.end_attempt(claim.attempt, &end(trained())).unwrap();
    assert_eq!(store.missing_evaluations(id).unwrap(), []);

    let more = |resolution| asked(resolution, false);
    let mut wider = point(0, 2);
    wider.tests.extend([more(64), more(48)]);
    store.register_sweep(&sweep("quickstart"), [wider]).unwrap();
    let missing = store.missing_evaluations(id).unwrap();
    assert_eq!(missing.len(), 1);
    assert_eq!((missing[0].trial_id, missing[0].missing), (claim.trial, 2));
    assert!(missing[0].weights_path.is_some());

    let evaluate = store.claim_evaluation(id, claim.trial, &runner).unwrap().unwrap();
    assert_eq!((evaluate.job, evaluate.tests), (Job::Evaluate, vec![more(48), more(64)]));
    assert_eq!(store.claim_evaluation(id, claim.trial, &runner).unwrap(), None, "a worker is at it");
    store.record_evaluation(&evaluation(claim.trial, 48, 910)).unwrap();
    store.end_attempt(evaluate.attempt, &end(failed(Next::GiveUp))).unwrap();
    assert_eq!(state(&store, &claim), TrialState::Finished, "a failed evaluation takes no result away");
    assert_eq!(store.missing_evaluations(id).unwrap()[0].missing, 1);
    assert_eq!(store.progress(id).unwrap().evaluations_done, 3);

    store.forget_weights(claim.trial).unwrap();
    assert_eq!(store.missing_evaluations(id).unwrap()[0].weights_path, None);
}

#[test]
fn sixteen_threads_claim_two_hundred_trials_and_none_twice() {
    let Swept { mut store, path, folder: _folder, .. } = Swept::new();
    let registered = store.register_sweep(&sweep("wide"), (10..210).map(|n| point(n, 1))).unwrap();
    let runner = runner(&mut store, registered.sweep);
    let claimed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut store = Store::open(&path, Access::Write).unwrap();
                while let Some(claim) = store.claim_next(registered.sweep, &runner).unwrap() {
                    claimed.lock().unwrap().push(claim.key);
                    store.end_attempt(claim.attempt, &end(trained())).unwrap();
                }
            });
        }
    });
    let claimed = claimed.into_inner().unwrap();
    assert_eq!(claimed.len(), 200);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 200);
    assert_eq!(store.progress(registered.sweep).unwrap().finished, 200);
}
