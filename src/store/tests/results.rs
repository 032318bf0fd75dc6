use super::Swept;
use crate::store::fixture::{code, end, evaluation, machine, measurement, trained};
use crate::store::{
    Claim, Code, EvaluationRow, Key, MeasureKind, MeasurementRow, Mode, Outcome, Reader, Store, ToMeasure,
    Value, Wanted,
};

/// One trained and evaluated trial.
fn finish(swept: &mut Swept) -> Claim {
    let Swept { store, sweep, runner, .. } = swept;
    let claim = store.claim_next(*sweep, runner).unwrap().unwrap();
    store.record_evaluation(&evaluation(claim.trial, 32, 900)).unwrap();
    store.record_evaluation(&evaluation(claim.trial, 40, 850)).unwrap();
    store.end_attempt(claim.attempt, &end(trained())).unwrap();
    claim
}

fn record(store: &mut Store, row: &MeasurementRow) {
    // The newest is told by its time, in milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(2));
    store.record_measurement(row, &[0.1, 0.2, 0.3]).unwrap();
}

fn numbers(swept: &Swept, sql: &str) -> Vec<Vec<f64>> {
    let reader = Reader::open(&swept.path).unwrap();
    let mut query = reader.query(sql).unwrap();
    let mut rows = query.run(&[]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        found.push(
            row.into_iter()
                .map(|value| match value {
                    Value::Integer(integer) => integer as f64,
                    Value::Real(real) => real,
                    Value::Null => f64::INFINITY,
                    other => panic!("{other:?}"),
                })
                .collect(),
        );
    }
    found
}

const NULL: f64 = f64::INFINITY;

#[test]
fn a_result_is_one_row_with_accuracy_and_speed_at_its_resolution() {
    let mut swept = Swept::new();
    let claim = finish(&mut swept);
    let machine = swept.runner.machine_id;
    let rates = [
        (MeasureKind::Train, 32, 300.0),
        (MeasureKind::Inference, 32, 1000.0),
        (MeasureKind::Inference, 40, 640.0),
    ];
    for (kind, resolution, rate) in rates {
        let row = measurement(claim.configuration, machine, kind, resolution, rate);
        record(&mut swept.store, &row);
    }
    let sql = "SELECT test_resolution, aliased, top1, top5, train_images_per_s, inference_images_per_s,
                      inference_images_per_s_low, peak_memory_mib, attempts, train_time_s
               FROM results ORDER BY test_resolution";
    let expected = [
        [32.0, 0.0, 0.9, 0.99, 300.0, 1000.0, 999.0, 64.0, 1.0, 2.0],
        [40.0, 1.0, 0.85, 0.99, 300.0, 640.0, 639.0, 64.0, 1.0, 2.0],
    ];
    assert_eq!(numbers(&swept, sql), expected);
}

#[test]
fn a_fine_tuned_result_pays_for_its_fine_tuning() {
    let mut swept = Swept::new();
    let claim = finish(&mut swept);
    let machine = swept.runner.machine_id;
    record(&mut swept.store, &measurement(claim.configuration, machine, MeasureKind::Train, 32, 300.0));
    let tuned = EvaluationRow {
        fine_tuning: "top".to_owned(),
        fine_tune_s: Some(1.0),
        ..evaluation(claim.trial, 32, 950)
    };
    swept.store.record_evaluation(&tuned).unwrap();
    let sql = "SELECT fine_tuning = 'top', top1, train_time_s, fine_tune_time_s, train_images_per_s,
                      train_images_per_s_high
               FROM results WHERE test_resolution = 32 ORDER BY fine_tuning";
    // Two seconds of training, one of fine-tuning: two thirds of the rate.
    let expected = [[0.0, 0.9, 2.0, NULL, 300.0, 301.0], [1.0, 0.95, 3.0, 1.0, 200.0, 301.0 * 2.0 / 3.0]];
    let found = numbers(&swept, sql);
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!(found == expected || (found - expected).abs() < 1e-9, "{found} {expected}");
    }
    assert_eq!(found.len(), 2);
}

#[test]
fn a_sweeps_results_have_a_row_for_everything_it_asks_for() {
    let mut swept = Swept::new();
    finish(&mut swept);
    let claim = swept.store.claim_next(swept.sweep, &swept.runner).unwrap().unwrap();
    swept.store.end_attempt(claim.attempt, &end(Outcome::Diverged { epoch: 1, step: 2 })).unwrap();
    let sql = "SELECT count(*), count(top1), count(*) FILTER (WHERE state = 'diverged'),
                      count(*) FILTER (WHERE state = 'planned') FROM sweep_results WHERE sweep = 'quickstart'";
    assert_eq!(numbers(&swept, sql), [[16.0, 2.0, 2.0, 12.0]]);
    let status = "SELECT trials, planned, running, finished, diverged, failed FROM trial_status";
    assert_eq!(numbers(&swept, status), [[8.0, 6.0, 0.0, 1.0, 1.0, 0.0]]);
}

#[test]
fn rounds_are_pooled_by_their_median() {
    let mut swept = Swept::new();
    let claim = finish(&mut swept);
    let (configuration, machine) = (claim.configuration, swept.runner.machine_id);
    let sql = "SELECT images_per_s, images_per_s_low, images_per_s_high, rounds, quiet FROM throughput
               WHERE kind = 'inference'";
    let expected = [
        (100.0, true, [100.0, 99.0, 101.0, 1.0, 1.0]),
        (300.0, true, [200.0, 99.0, 301.0, 2.0, 1.0]),
        (110.0, false, [110.0, 99.0, 301.0, 3.0, 0.0]),
    ];
    for (round, (rate, quiet, pooled)) in (0..).zip(expected) {
        let row = measurement(configuration, machine, MeasureKind::Inference, 32, rate);
        record(&mut swept.store, &MeasurementRow { round, quiet, ..row });
        assert_eq!(numbers(&swept, sql), [pooled]);
    }
    let shared = measurement(configuration, machine, MeasureKind::Inference, 32, 5.0);
    record(&mut swept.store, &MeasurementRow { mode: Mode::Shared, ..shared });
    assert_eq!(numbers(&swept, sql), [[110.0, 99.0, 301.0, 3.0, 0.0]], "a shared machine counts for nothing");
}

#[test]
fn results_show_the_machine_and_code_measured_last() {
    let mut swept = Swept::new();
    let claim = finish(&mut swept);
    let other = swept.store.register_machine(&machine("other")).unwrap();
    let newer = Code { program_version: "0.2.0".to_owned(), git_commit: None, ..code() };
    let on = |machine, rate| measurement(claim.configuration, machine, MeasureKind::Train, 32, rate);
    let here = swept.runner.machine_id;
    let sql = "SELECT train_images_per_s, train_machine_id FROM results WHERE test_resolution = 32";
    assert_eq!(numbers(&swept, sql), [[NULL, NULL]]);
    record(&mut swept.store, &on(here, 300.0));
    record(&mut swept.store, &on(other, 500.0));
    assert_eq!(numbers(&swept, sql), [[500.0, other.0 as f64]]);
    record(&mut swept.store, &MeasurementRow { code: newer, ..on(here, 330.0) });
    assert_eq!(numbers(&swept, sql), [[330.0, here.0 as f64]], "never pooled with older code");
    assert_eq!(numbers(&swept, "SELECT count(*), sum(newest) FROM throughput"), [[3.0, 1.0]]);
}

#[test]
fn a_machine_s_own_rates_are_told_apart() {
    let mut swept = Swept::new();
    let claim = finish(&mut swept);
    let other = swept.store.register_machine(&machine("other")).unwrap();
    let here = swept.runner.machine_id;
    let on = |machine, kind, rate| measurement(claim.configuration, machine, kind, 32, rate);
    assert!(swept.store.measuring_machines(swept.sweep).unwrap().is_empty());
    for (machine, kind, rate) in [
        (here, MeasureKind::Train, 300.0),
        (here, MeasureKind::Inference, 900.0),
        (other, MeasureKind::Train, 500.0),
    ] {
        record(&mut swept.store, &on(machine, kind, rate));
    }
    let machines = swept.store.measuring_machines(swept.sweep).unwrap();
    assert_eq!(machines.iter().map(|one| one.configurations).collect::<Vec<_>>(), [1, 1]);
    let rates = swept.store.rates_on(here, swept.sweep).unwrap();
    let of = |kind| rates.get(&(claim.configuration, kind, 32)).map(|rate| rate.median);
    assert_eq!((of(MeasureKind::Train), of(MeasureKind::Inference)), (Some(300.0), Some(900.0)));
    let rates = swept.store.rates_on(other, swept.sweep).unwrap();
    assert_eq!(rates.len(), 1);
}

#[test]
fn a_configuration_is_to_be_measured_until_every_step_has_its_rounds() {
    let mut swept = Swept::new();
    let machine_id = swept.runner.machine_id;
    let wanted = Wanted { machine_id, threads: 2, inference_batch_size: 64, rounds: 2 };
    assert_eq!(swept.store.configurations_to_measure(swept.sweep, &wanted).unwrap(), [], "none is trained");
    let claim = finish(&mut swept);
    let Swept { mut store, sweep, folder: _folder, .. } = swept;
    let settings = claim.settings.clone();
    let (id, key): (_, Key) = (claim.configuration, store.configuration(claim.configuration).unwrap().key);
    let left = |store: &Store, wanted: &Wanted| store.configurations_to_measure(sweep, wanted).unwrap();
    let to_measure = |rounds_done| {
        [ToMeasure { id, key, settings: settings.clone(), rounds_done, test_resolutions: vec![32, 40] }]
    };
    assert_eq!(left(&store, &wanted), to_measure(0));
    for round in 0..2 {
        let steps = [(MeasureKind::Train, 32), (MeasureKind::Inference, 32), (MeasureKind::Inference, 40)];
        for (kind, resolution) in steps {
            assert_eq!(left(&store, &wanted), to_measure(round));
            let row = measurement(id, machine_id, kind, resolution, 100.0);
            record(&mut store, &MeasurementRow { round, ..row });
        }
    }
    assert_eq!(left(&store, &wanted), []);
    assert_eq!(left(&store, &Wanted { threads: 1, ..wanted }), to_measure(0));
    assert_eq!(left(&store, &Wanted { inference_batch_size: 1, ..wanted }), to_measure(0));
}

#[test]
fn samples_are_kept_in_order() {
    let mut swept = Swept::new();
    let claim = finish(&mut swept);
    let row = measurement(claim.configuration, swept.runner.machine_id, MeasureKind::Train, 32, 100.0);
    record(&mut swept.store, &row);
    let sql = "SELECT position, elapsed_s FROM samples ORDER BY position";
    assert_eq!(numbers(&swept, sql), [[0.0, 0.1], [1.0, 0.2], [2.0, 0.3]]);
}

#[test]
fn intervals_reach_as_far_as_rounds_lie_apart_and_never_get_narrower() {
    let Swept { mut store, sweep, runner, folder: _folder, .. } = Swept::new();
    let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
    for (round, rate) in [(0, 100.0), (1, 110.0)] {
        let row = measurement(claim.configuration, runner.machine_id, MeasureKind::Train, 32, rate);
        store.record_measurement(&MeasurementRow { round, ..row }, &[0.5]).unwrap();
    }
    let once = measurement(claim.configuration, runner.machine_id, MeasureKind::Inference, 32, 50.0);
    store.record_measurement(&once, &[0.5]).unwrap();
    assert_eq!(store.repeated_rounds(runner.machine_id, 2).unwrap(), [vec![100.0, 110.0]]);
    assert_eq!(store.probes(runner.machine_id, 2).unwrap().len(), 3);
    assert!(store.repeated_rounds(runner.machine_id, 1).unwrap().is_empty());
    let mut ends = |reach: f64| -> (f64, f64) {
        store.widen_rounds(runner.machine_id, 2, reach).unwrap();
        let ends = "SELECT images_per_s_low, images_per_s_high FROM measurements WHERE kind = 'inference'";
        store.read("look", |db| db.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))).unwrap()
    };
    assert_eq!(ends(1.25), (40.0, 62.5));
    assert_eq!(ends(1.01), (40.0, 62.5));
}
