use rusqlite::Connection;

use super::Swept;
use crate::store::fixture::signals;
use crate::store::{Reader, SignalPlace, StoreError, TrialId, Value};

/// What `sql` answers.
fn ask(swept: &Swept, sql: &str) -> Vec<Vec<Value>> {
    let reader = Reader::open(&swept.path).unwrap();
    let mut query = reader.query(sql).unwrap();
    let mut rows = query.run(&[]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        found.push(row);
    }
    found
}

#[test]
fn the_view_adds_up_what_channels_send_on() {
    let mut swept = Swept::new();
    let mut pre = signals(TrialId(1), 5, 0, SignalPlace::Pre);
    // Powers of 1 + 1 + 4 + 4 and 4 + 0 + 0 + 0.
    pre.channels[1].mean = -2.0;
    (pre.channels[1].mean_variance, pre.channels[1].deviation, pre.channels[1].deviation_variance) =
        (0.0, 0.0, 0.0);
    swept.store.record_signals(&[pre, signals(TrialId(1), 5, 0, SignalPlace::Post)]).unwrap();
    let rows = ask(
        &swept,
        "SELECT place, channels, power, mean_power, mean_variance, deviation_power, deviation_variance,
                channel_collapse, instance_variability
         FROM signals WHERE trial_id = 1 ORDER BY place DESC",
    );
    let numbers = |row: &[Value]| -> Vec<f64> {
        let real = |value: &Value| match value {
            Value::Integer(integer) => *integer as f64,
            Value::Real(real) => *real,
            _ => f64::NAN,
        };
        row[1..].iter().map(real).collect()
    };
    assert_eq!(numbers(&rows[0]), [2.0, 7.0, 2.5, 0.5, 2.0, 2.0, 2.5 / 7.0, 2.5 / 7.0]);
    assert_eq!(numbers(&rows[1]), [2.0, 18.0, 9.0, 1.0, 4.0, 4.0, 0.5, 5.0 / 18.0]);
}

#[test]
fn what_is_told_again_takes_the_place_of_the_first() {
    let mut swept = Swept::new();
    let row = signals(TrialId(1), 0, 3, SignalPlace::Post);
    let (mut early, mut late) = (row.clone(), row.clone());
    early.channels[0].mean = 7.0;
    late.channels.remove(0);
    swept.store.record_signals(&[early, row]).unwrap();
    swept.store.record_signals(&[late]).unwrap();
    let channels = ask(&swept, "SELECT channel, mean FROM channel_signals ORDER BY channel");
    let expected = [0, 1].map(|channel| vec![Value::Integer(channel), Value::Real(3.0)]);
    assert_eq!(channels, expected);
    assert_eq!(ask(&swept, "SELECT count(*) FROM layer_signals"), [[Value::Integer(1)]]);
}

#[test]
fn of_layers_with_a_nan_among_them_none_is_kept() {
    let mut swept = Swept::new();
    let mut broken = signals(TrialId(1), 0, 1, SignalPlace::Pre);
    broken.channels[1].deviation = f64::NAN;
    let refused = swept.store.record_signals(&[signals(TrialId(1), 0, 0, SignalPlace::Pre), broken]);
    assert!(matches!(refused, Err(StoreError::Sqlite { .. })), "{refused:?}");
    assert_eq!(ask(&swept, "SELECT count(*) FROM layer_signals"), [[Value::Integer(0)]]);
}

#[test]
fn they_go_with_their_trial() {
    let mut swept = Swept::new();
    swept.store.record_signals(&[signals(TrialId(1), 0, 0, SignalPlace::Pre)]).unwrap();
    let db = Connection::open(&swept.path).unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    db.execute_batch("DELETE FROM sweep_trials; DELETE FROM trials WHERE id = 1").unwrap();
    assert_eq!(ask(&swept, "SELECT count(*) FROM channel_signals"), [[Value::Integer(0)]]);
}

/// A database may hold millions of channels; a question about one trial must not read them all.
#[test]
fn a_question_about_one_trial_reads_its_signals_alone() {
    let swept = Swept::new();
    for condition in ["trial_key = 'a'", "trial_id = 1 AND finished_epochs = 2"] {
        let plan = ask(&swept, &format!("EXPLAIN QUERY PLAN SELECT * FROM signals WHERE {condition}"));
        for row in plan {
            let Some(Value::Text(step)) = row.last() else { panic!("{row:?}") };
            assert!(!step.starts_with("SCAN") || step.contains("signals"), "{condition}: {step}");
            assert!(!step.starts_with("SCAN l") && !step.starts_with("SCAN s "), "{condition}: {step}");
        }
    }
}
