use std::collections::HashMap;

use rusqlite::Connection;

use super::Swept;
use super::schema::{columns, objects};
use crate::store::fixture::{end, epoch, evaluation, measurement, signals, trained};
use crate::store::{MeasureKind, Next, Outcome, Reader, SignalPlace};

const DOCUMENT: &str = include_str!("../../../docs/database.md");

/// The columns that each section's table names.
fn documented() -> HashMap<&'static str, Vec<&'static str>> {
    let mut sections = HashMap::new();
    for section in DOCUMENT.split("\n### `").skip(1) {
        let (name, body) = section.split_once('`').unwrap();
        // The section ends where the next one of any level begins.
        let body = body.split_once("\n## ").map_or(body, |(body, _)| body);
        let rows = body.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        sections.insert(name, rows.map(|(column, _)| column).collect());
    }
    sections
}

/// The blocks of SQL that the document prints.
fn examples() -> impl Iterator<Item = &'static str> {
    DOCUMENT.split("```sql\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(sql, _)| sql)
}

#[test]
fn every_table_view_and_column_is_documented() {
    let swept = Swept::new();
    let db = Connection::open(&swept.path).unwrap();
    let documented = documented();
    let results = &documented["results"];
    for (kind, name) in objects(&db) {
        if matches!(kind.as_str(), "index" | "trigger") {
            continue;
        }
        let mut known =
            documented.get(name.as_str()).unwrap_or_else(|| panic!("no section on {name}")).clone();
        if matches!(name.as_str(), "sweep_results" | "trial_overview") {
            known.extend(results);
        }
        let there: Vec<String> = columns(&db, &name)
            .into_iter()
            .map(|column| column.split([' ', '!']).next().unwrap().to_owned())
            .collect();
        for column in &there {
            assert!(known.contains(&column.as_str()), "{name}.{column} is not documented");
        }
        for column in &documented[name.as_str()] {
            assert!(there.iter().any(|there| there == column), "there is no {name}.{column}");
        }
    }
}

#[test]
fn the_six_examples_run_as_printed() {
    let Swept { mut store, sweep, runner, path, folder: _folder } = Swept::new();
    for correct in [900, 850] {
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        let failure = Outcome::Failed { cause: "killed".to_owned(), next: Next::Retry };
        store.end_attempt(claim.attempt, &end(failure)).unwrap();
        let claim = store.claim_next(sweep, &runner).unwrap().unwrap();
        store.record_epochs(&[epoch(claim.trial, 0), epoch(claim.trial, 1)]).unwrap();
        let places = SignalPlace::ALL.iter().flat_map(|place| [(0, *place), (1, *place)]);
        let layers: Vec<_> = places.map(|(layer, place)| signals(claim.trial, 2, layer, place)).collect();
        store.record_signals(&layers).unwrap();
        for (resolution, correct) in [(32, correct), (40, correct + 20)] {
            store.record_evaluation(&evaluation(claim.trial, resolution, correct)).unwrap();
            let (configuration, kind) = (claim.configuration, MeasureKind::Inference);
            let row = measurement(
                configuration,
                runner.machine_id,
                kind,
                resolution,
                32_000.0 / f64::from(resolution),
            );
            store.record_measurement(&row, &[0.1]).unwrap();
        }
        store.end_attempt(claim.attempt, &end(trained())).unwrap();
    }
    let reader = Reader::open(&path).unwrap();
    assert_eq!(examples().count(), 6);
    for (sql, expected) in examples().zip([1, 2, 1, 2, 2, 2]) {
        let mut query = reader.query(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let mut rows = query.run(&[]).unwrap();
        let mut count = 0;
        while rows.next().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, expected, "{sql}");
    }
}
