use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;

use super::Swept;
use crate::store::fixture::point;
use crate::store::{Reader, StoreError, Value};

fn all(reader: &Reader, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut query = reader.query(sql)?;
    let mut rows = query.run(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(row);
    }
    Ok(found)
}

#[test]
fn a_query_answers_with_names_and_values() {
    let Swept { path, folder: _folder, .. } = Swept::new();
    let reader = Reader::open(&path).unwrap();
    let query = reader.query("SELECT name, 1 AS one, NULL, 0.5 FROM sweeps").unwrap();
    assert_eq!(query.columns(), ["name", "one", "NULL", "0.5"]);
    let rows = all(&reader, "SELECT name, ?1, NULL, 0.5 FROM sweeps", &[Value::Integer(7)]).unwrap();
    let name = Value::Text("quickstart".to_owned());
    assert_eq!(rows, [[name, Value::Integer(7), Value::Null, Value::Real(0.5)]]);
}

#[test]
fn a_statement_that_would_write_is_refused() {
    let Swept { path, folder, .. } = Swept::new();
    let reader = Reader::open(&path).unwrap();
    let elsewhere = folder.path().join("elsewhere.db");
    let statements = [
        "DELETE FROM trials".to_owned(),
        "UPDATE trials SET state = 'planned' RETURNING id".to_owned(),
        "WITH x AS (SELECT 1) INSERT INTO sweeps (name) SELECT * FROM x".to_owned(),
        "CREATE TEMP TABLE t (x)".to_owned(),
        "DROP VIEW results".to_owned(),
        "PRAGMA user_version = 9".to_owned(),
        "PRAGMA query_only = 0".to_owned(),
        "BEGIN".to_owned(),
        format!("ATTACH '{}' AS x", elsewhere.display()),
        format!("VACUUM INTO '{}'", elsewhere.display()),
    ];
    for sql in statements {
        let refused = all(&reader, &sql, &[]);
        assert!(matches!(refused, Err(StoreError::WouldWrite)), "{sql}: {refused:?}");
    }
    // Answered or refused, but without effect.
    for sql in
        ["PRAGMA journal_mode = DELETE", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA writable_schema = 1"]
    {
        let _ = all(&reader, sql, &[]);
    }
    assert!(!elsewhere.exists());
    let mode: String =
        Connection::open(&path).unwrap().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(all(&reader, "SELECT 1 FROM trials", &[]).unwrap().len(), 8);
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let Swept { path, folder: _folder, .. } = Swept::new();
    let reader = Reader::open(&path).unwrap();
    let cases = [
        ("SELECT top2\nFROM results", "no such column: top2, line 1, column 8"),
        ("SELECT top1\nFROM result", "no such table: result"),
        ("SELECT 'é',\n  norm FROM results WHERE", "incomplete input"),
        ("hello", "near \"hello\": syntax error, line 1, column 1"),
        ("SELECT 1; SELECT 2", "more than one statement; one at a time is allowed"),
        ("SELECT ?1", "it takes 1 values, 0 were given"),
        ("", "it is empty"),
        ("-- nothing", "it is empty"),
        ("SELECT json_extract('no json', '$.x')", "malformed JSON"),
    ];
    for (sql, expected) in cases {
        match all(&reader, sql, &[]) {
            Err(StoreError::BadQuery { message }) => assert_eq!(message, expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(all(&reader, "SELECT 1;  -- a comment", &[]).is_ok());
}

#[test]
fn readers_work_while_a_writer_is_at_it() {
    let Swept { mut store, path, folder: _folder, .. } = Swept::new();
    let (written, wait_written) = mpsc::channel();
    let (read, wait_read) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            store
                .write("hold", |tx| {
                    tx.execute("UPDATE trials SET state = 'running'", [])?;
                    written.send(()).unwrap();
                    wait_read.recv().unwrap();
                    Ok(())
                })
                .unwrap();
        });
        wait_written.recv().unwrap();
        let reader = Reader::open(&path).unwrap();
        let running = "SELECT 1 FROM trials WHERE state = 'running'";
        assert_eq!(all(&reader, running, &[]).unwrap().len(), 0, "what is not committed is not seen");
        read.send(()).unwrap();
    });
    let reader = Reader::open(&path).unwrap();
    assert_eq!(all(&reader, "SELECT 1 FROM trials WHERE state = 'running'", &[]).unwrap().len(), 8);
}

#[test]
fn a_long_read_sees_one_state_and_stops_no_writer() {
    let Swept { mut store, path, folder: _folder, .. } = Swept::new();
    let reader = Reader::open(&path).unwrap();
    let mut query = reader.query("SELECT key FROM trials").unwrap();
    let mut rows = query.run(&[]).unwrap();
    rows.next().unwrap().unwrap();
    let more = crate::store::fixture::sweep("more");
    store.register_sweep(&more, (100..200).map(|n| point(n, 1))).unwrap();
    let mut seen = 1;
    while rows.next().unwrap().is_some() {
        seen += 1;
    }
    assert_eq!(seen, 8);
}
