use std::collections::BTreeSet;
use std::fmt::Write;

use rusqlite::Connection;

use super::Swept;
use crate::store::schema::{FILES, migrations};

/// BLAKE3 of every released migration: databases out there have had exactly this text.
const RELEASED: &[&str] = &[
    "09f017a0b4f62754d5141cedf9e1b918153bea7b77ad9e13d26b79e5aec09cee",
    "fb954501b9a3e8b3ad8b21376b26e89988648c8783ebaee862b01a446df1a0d2",
    "4bb52c7fe51797ebcfe67fe332f93f27d33a981c3818b2bf77c7429fdee54ffe",
    "7659b45f34eaa555abed468103cbdb00d0fd0c327e3e39f5db51afff9b15b71c",
    "c8b6f28955dc9689ff4624592710053245ba00ef36f1b364d737e23bc7bc7f25",
    "3f6ae845781f75623ebb3fe34e6feb7937b350d45ebe9bfc2fa12cbe4148c4f0",
    "56eda85e278f0f9415877e4058b9e825bbcb8b4f6a6a645282a2a139f1a83992",
];

#[test]
fn the_migrations_run() {
    migrations().validate().unwrap();
}

#[test]
fn a_released_migration_never_changes() {
    for ((name, sql), hash) in FILES.iter().zip(RELEASED) {
        assert_eq!(blake3::hash(sql.as_bytes()).to_hex().as_str(), *hash, "{name}");
    }
    assert_eq!(FILES.len(), RELEASED.len(), "every migration has its hash");
}

#[test]
fn the_list_is_the_folder() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let found: BTreeSet<String> =
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, found.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn the_schema_is_this() {
    let swept = Swept::new();
    let db = Connection::open(&swept.path).unwrap();
    let mut text = String::new();
    for (kind, name) in objects(&db) {
        writeln!(text, "{kind} {name}: {}", columns(&db, &name).join(", ")).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn accuracies_and_tests_of_older_databases_are_those_of_no_fine_tuning() {
    let mut db = Connection::open_in_memory().unwrap();
    migrations().to_version(&mut db, 6).unwrap();
    db.execute_batch(
        "PRAGMA foreign_keys = OFF;
         INSERT INTO sweep_tests VALUES (1, 2, 32, 0), (1, 2, 40, 1);
         INSERT INTO evaluations (id, trial_id, test_resolution, aliased, images, top1_correct, top5_correct, loss, elapsed_s)
         VALUES (5, 3, 32, 0, 100, 50, 90, 1.5, 0.5);",
    )
    .unwrap();
    migrations().to_latest(&mut db).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM sweep_tests WHERE fine_tuning = 'none'"), 2);
    assert_eq!(
        count("SELECT count(*) FROM evaluations WHERE id = 5 AND fine_tuning = 'none' AND top1 = 0.5"),
        1
    );
}

#[test]
fn every_table_is_strict() {
    let swept = Swept::new();
    let db = Connection::open(&swept.path).unwrap();
    let lax: i64 = db
        .query_row(
            "SELECT count(*) FROM pragma_table_list
             WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite%' AND NOT strict",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(lax, 0);
}

#[test]
fn every_column_of_a_view_has_a_type() {
    let swept = Swept::new();
    let db = Connection::open(&swept.path).unwrap();
    for (_, view) in objects(&db).into_iter().filter(|(kind, _)| kind == "view") {
        for column in columns(&db, &view) {
            assert!(column.contains(' '), "{view}.{column}");
        }
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let swept = Swept::new();
    let db = Connection::open(&swept.path).unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    let cases = [
        ("INSERT INTO machines VALUES (9, 'f', 'h', 'c', 'two', 1, 'o', 'a', 's')", "cannot store TEXT"),
        ("UPDATE trials SET state = 'done'", "CHECK"),
        ("UPDATE trials SET state = 'finished'", "CHECK"),
        ("UPDATE trials SET state = 'finished', train_s = 1", "CHECK"),
        ("UPDATE trials SET train_s = 1", "CHECK"),
        ("UPDATE trials SET diverged_epoch = 1", "CHECK"),
        ("UPDATE trials SET configuration_id = 99 WHERE id = 1", "FOREIGN KEY"),
        ("UPDATE trials SET configuration_id = 2 WHERE id = 1", "UNIQUE"),
        ("UPDATE trials SET key = 'short'", "CHECK"),
        ("DELETE FROM configurations", "FOREIGN KEY"),
        ("DELETE FROM trials", "FOREIGN KEY"),
        ("INSERT INTO epochs VALUES (99, 0, 1.0, 0.5, 0.1, 10, 1.0)", "FOREIGN KEY"),
        ("INSERT INTO epochs VALUES (1, 0, NULL, 0.5, 0.1, 10, 1.0)", "NOT NULL"),
        ("INSERT INTO epochs VALUES (1, 0, 1.0, 50.0, 0.1, 10, 1.0)", "CHECK"),
        ("INSERT INTO layer_signals VALUES (1, 99, 0, 0, 'stem', 'pre', 64, 9)", "FOREIGN KEY"),
        ("INSERT INTO layer_signals VALUES (1, 1, 0, 0, 'stem', 'mid', 64, 9)", "CHECK"),
        ("INSERT INTO channel_signals VALUES (9, 0, 0.0, 0.0, 0.0, 0.0)", "FOREIGN KEY"),
        ("UPDATE configurations SET settings = 'no json'", "CHECK"),
        ("UPDATE sweep_tests SET aliased = 2", "CHECK"),
        ("UPDATE sweep_trials SET trial_id = 1", "UNIQUE"),
    ];
    for (sql, reason) in cases {
        let refused = db.execute(sql, []).expect_err(sql).to_string();
        assert!(refused.contains(reason), "{sql}: {refused}");
    }
}

/// Tables, indexes and views, as `(kind, name)`.
pub fn objects(db: &Connection) -> Vec<(String, String)> {
    db.prepare(
        "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'
         ORDER BY type = 'index', type, name",
    )
    .unwrap()
    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
    .unwrap()
    .map(Result::unwrap)
    .collect()
}

/// Columns of a table, view or index: name, type, `!` where NOT NULL.
pub fn columns(db: &Connection, object: &str) -> Vec<String> {
    db.prepare(
        "SELECT concat_ws(' ', name, nullif(type, '')) || iif(\"notnull\", '!', '') FROM pragma_table_xinfo(?1)
         UNION ALL
         SELECT name FROM pragma_index_info(?1) WHERE ?1 NOT IN (SELECT name FROM pragma_table_list)",
    )
    .unwrap()
    .query_map([object], |row| row.get(0))
    .unwrap()
    .map(Result::unwrap)
    .collect()
}
