use super::Swept;
use crate::store::fixture::{configuration, end, key, point, sweep, trained};
use crate::store::{
    Access, Asked, Choice, Kind, Outcome, Point, Reader, Store, StoreError, TrialState, Value,
};

#[test]
fn an_edited_sweep_adds_and_drops_trials_and_touches_no_result() {
    let Swept { mut store, sweep: id, runner, folder: _folder, .. } = Swept::new();
    let claim = store.claim_next(id, &runner).unwrap().unwrap();
    store.end_attempt(claim.attempt, &end(trained())).unwrap();

    let edited = store.register_sweep(&sweep("quickstart"), (1..6).map(|n| point(n, 2))).unwrap();
    assert_eq!((edited.sweep, edited.new, edited.kept, edited.orphaned), (id, 4, 6, 2));
    let orphan = store.trial(&claim.key.to_string()).unwrap();
    assert_eq!((orphan.trial.state, orphan.sweeps), (TrialState::Finished, vec![]));
    let mut keys = Vec::new();
    store.each_sweep_key(id, |key| keys.push(key)).unwrap();
    assert_eq!(keys.len(), 10);

    let again = store.register_sweep(&sweep("quickstart"), (0..4).map(|n| point(n, 2))).unwrap();
    assert_eq!((again.new, again.kept, again.orphaned), (0, 8, 4));
    assert_eq!(store.progress(id).unwrap().finished, 1);
}

#[test]
fn two_sweeps_share_a_trial() {
    let Swept { mut store, sweep: first, runner, folder: _folder, .. } = Swept::new();
    let second = store.register_sweep(&sweep("other"), [point(0, 1)]).unwrap();
    assert_eq!((second.new, second.kept, second.orphaned), (0, 1, 0));
    let claim = store.claim_next(second.sweep, &runner).unwrap().unwrap();
    store.end_attempt(claim.attempt, &end(trained())).unwrap();
    assert_eq!(store.progress(first).unwrap().finished, 1);
    assert_eq!(store.trial(&claim.key.to_string()).unwrap().sweeps, ["other", "quickstart"]);
    assert_eq!(store.claim_next(second.sweep, &runner).unwrap(), None);
    // Dropped by one, still asked for by the other.
    assert_eq!(store.register_sweep(&sweep("other"), []).unwrap().orphaned, 0);
}

#[test]
fn a_trial_twice_leaves_the_sweep_as_it_was() {
    let Swept { mut store, sweep: id, folder: _folder, .. } = Swept::new();
    let mut twice = point(7, 1);
    twice.trials[0].position = 5;
    let error = store.register_sweep(&sweep("quickstart"), [point(7, 1), twice]).unwrap_err();
    assert_eq!(error.kind(), Kind::Bug);
    assert_eq!(store.progress(id).unwrap().planned, 8);
    // Nothing of the failed registration is in the way of the next.
    store.register_sweep(&sweep("quickstart"), [point(7, 1)]).unwrap();
}

#[test]
fn trials_come_in_the_order_of_their_positions() {
    let Swept { mut store, sweep: id, runner, folder: _folder, .. } = Swept::new();
    // Seeds outermost: every configuration once before any twice.
    let reordered = (0..4).map(|n| {
        let mut point: Point = point(n, 2);
        for trial in &mut point.trials {
            trial.position = trial.seed * 4 + n;
        }
        point
    });
    store.register_sweep(&sweep("quickstart"), reordered).unwrap();
    let planned = store.planned_trials(id).unwrap();
    let seeds: Vec<u64> = planned.iter().map(|trial| trial.seed).collect();
    assert_eq!(seeds, [0, 0, 0, 0, 1, 1, 1, 1]);
    assert_eq!(store.claim_next(id, &runner).unwrap().unwrap().key, planned[0].key);
}

#[test]
fn a_sweep_and_a_configuration_are_read_back_as_written() {
    let Swept { store, sweep: id, folder: _folder, .. } = Swept::new();
    assert_eq!(store.sweep("quickstart").unwrap(), (id, sweep("quickstart")));
    let planned = store.planned_trials(id).unwrap();
    assert_eq!(store.configuration(planned[0].configuration_id).unwrap(), configuration(0));
    assert_eq!(store.trial_states().unwrap()[&key(1_000_000_007)], TrialState::Planned);
}

#[test]
fn an_unknown_sweep_is_answered_with_those_there_are() {
    let Swept { store, folder: _folder, .. } = Swept::new();
    let error = store.sweep("quickstrat").unwrap_err();
    assert!(matches!(&error, StoreError::UnknownSweep { known, .. } if known == &["quickstart"]), "{error}");
    assert_eq!(error.kind(), Kind::User);
}

#[test]
fn a_trial_is_found_by_the_beginning_of_its_key() {
    let Swept { store, sweep: id, folder: _folder, .. } = Swept::new();
    let key = store.planned_trials(id).unwrap()[3].key;
    assert_eq!(store.trial(&key.to_string()[..6]).unwrap().trial.key, key);
    assert!(matches!(store.trial(""), Err(StoreError::AmbiguousTrial { keys, .. }) if keys.len() == 4));
    for absent in ["zz", "%", "'"] {
        assert!(matches!(store.trial(absent), Err(StoreError::UnknownTrial { .. })), "{absent}");
    }
}

#[test]
fn a_known_configuration_is_asked_for_by_its_key() {
    let Swept { mut store, folder: _folder, .. } = Swept::new();
    assert_eq!(store.configuration_keys().unwrap(), (0..4).map(key).collect());
    let by_key = |number| Point { configuration: Asked::Known(key(number)), ..point(number, 2) };
    let registered = store.register_sweep(&sweep("quickstart"), [by_key(1)]).unwrap();
    assert_eq!(registered.orphaned, 6);
    assert_eq!(store.progress(registered.sweep).unwrap().planned, 2);
    assert!(store.register_sweep(&sweep("quickstart"), [by_key(9)]).is_err(), "nobody knows it");
    assert_eq!(store.progress(registered.sweep).unwrap().planned, 2, "and nothing changed");
}

#[test]
fn counts_follow_every_change_of_a_state() {
    let Swept { mut store, sweep: id, runner, path, folder: _folder } = Swept::new();
    store.register_sweep(&sweep("other"), (2..6).map(|n| point(n, 2))).unwrap();
    let agree = |store: &Store| {
        let reader = Reader::open(&path).unwrap();
        let counted =
            "SELECT sweep, trials, planned, running, finished, diverged, failed FROM trial_status ORDER BY 1";
        let scanned = "SELECT w.name, count(*), sum(t.state = 'planned'), sum(t.state = 'running'),
                           sum(t.state = 'finished'), sum(t.state = 'diverged'), sum(t.state = 'failed')
                       FROM sweeps AS w JOIN sweep_trials AS m ON m.sweep_id = w.id
                       JOIN trials AS t ON t.id = m.trial_id GROUP BY 1 ORDER BY 1";
        let rows = |sql: &str| {
            let mut query = reader.query(sql).unwrap();
            let mut rows = query.run(&[]).unwrap();
            std::iter::from_fn(|| rows.next().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(rows(counted), rows(scanned));
        store.progress(id).unwrap()
    };
    assert_eq!(agree(&store).planned, 8);
    let outcomes = [trained(), Outcome::Diverged { epoch: 0, step: 1 }, Outcome::Stopped];
    for outcome in outcomes {
        let trial = store.planned_trials(id).unwrap().last().unwrap().id;
        let claim = store.claim_trial(id, trial, &runner).unwrap().unwrap();
        assert_eq!(agree(&store).running, 1);
        store.end_attempt(claim.attempt, &end(outcome)).unwrap();
        agree(&store);
    }
    store.register_sweep(&sweep("other"), (3..4).map(|n| point(n, 2))).unwrap();
    agree(&store);
    let all: Vec<_> = store.choose(&Choice::default()).unwrap().iter().map(|one| one.id).collect();
    store.forget(&all).unwrap();
    agree(&store);
    store.forget_sweep(id).unwrap();
    let copy = path.with_file_name("copy.db");
    Store::open(&copy, Access::Write).unwrap().copy_from(&path, None).unwrap();
    let reader = Reader::open(&copy).unwrap();
    let mut query = reader.query("SELECT sweep, planned FROM trial_status").unwrap();
    let row = query.run(&[]).unwrap().next().unwrap().unwrap();
    assert_eq!(row, [Value::Text("other".to_owned()), Value::Integer(2)]);
}
