use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::Swept;
use crate::store::fixture::{epoch, point, sweep};
use crate::store::{Access, EpochRow, Kind, LATEST, Reader, Store, StoreError, TrialId};

#[test]
fn a_missing_database_is_not_made_by_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let error = Store::open(&path, Access::Read).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    assert_eq!(error.kind(), Kind::User);
    assert!(!path.exists());
}

#[test]
fn a_missing_folder_is_made_for_writing() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(&folder.path().join("a/b/new.db"), Access::Write).unwrap();
}

#[test]
fn what_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "not a database\n".repeat(100);
    fs::write(&path, &text).unwrap();
    for access in [Access::Read, Access::Write] {
        let error = Store::open(&path, access).unwrap_err();
        assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE history (command TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    for access in [Access::Read, Access::Write] {
        let error = Store::open(&path, access).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let Swept { store, path, folder: _folder, .. } = Swept::new();
    drop(store);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 8).unwrap();
    for access in [Access::Read, Access::Write] {
        let error = Store::open(&path, access).unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 8, known: LATEST, .. }), "{error}");
    }
}

#[test]
fn a_damaged_page_is_named_as_such() {
    let Swept { store, path, folder: _folder, .. } = Swept::new();
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    let body = bytes.len() / 4;
    bytes[body..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let result = Store::open(&path, Access::Read)
        .and_then(|store| store.trial_states().map(drop).and(store.sweep("quickstart").map(drop)));
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
}

#[test]
fn a_folder_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    for access in [Access::Read, Access::Write] {
        let error = Store::open(folder.path(), access).unwrap_err();
        assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
    }
}

#[test]
fn a_writer_that_never_ends_is_an_error_in_time() {
    let Swept { mut store, path, folder: _folder, .. } = Swept::new();
    store.read("wait less", |db| db.busy_timeout(std::time::Duration::from_millis(20))).unwrap();
    let shell = Connection::open(&path).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.register_sweep(&sweep("late"), []).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    shell.execute_batch("COMMIT").unwrap();
    store.register_sweep(&sweep("late"), []).unwrap();
}

#[test]
fn a_full_disk_loses_only_what_did_not_fit() {
    let Swept { mut store, sweep: id, folder: _folder, .. } = Swept::new();
    // SQLite takes its own page limit for a full disk.
    store
        .read("limit the pages", |db| {
            let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
            db.pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(()))
        })
        .unwrap();
    let error = store.register_sweep(&sweep("large"), (10..5000).map(|n| point(n, 1))).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Environment);
    assert_eq!(store.progress(id).unwrap().planned, 8);
    assert_eq!(store.sweep_names().unwrap(), ["quickstart"]);
}

#[test]
fn a_nan_loss_keeps_none_of_its_batch() {
    let Swept { mut store, folder: _folder, .. } = Swept::new();
    let trial = TrialId(1);
    let nan = EpochRow { train_loss: f64::NAN, ..epoch(trial, 1) };
    assert_eq!(store.record_epochs(&[epoch(trial, 0), nan]).unwrap_err().kind(), Kind::Bug);
    assert_eq!(store.epochs(trial).unwrap(), []);
}

#[test]
fn a_read_only_folder_is_read_and_not_written() {
    let Swept { store, path, folder, .. } = Swept::new();
    drop(store);
    let mut permissions = fs::metadata(folder.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(folder.path(), permissions).unwrap();
    if fs::write(folder.path().join("probe"), "").is_ok() {
        println!("skipped: this user writes read-only folders");
        return;
    }
    assert_eq!(Store::open(&path, Access::Read).unwrap().sweep_names().unwrap(), ["quickstart"]);
    Reader::open(&path).unwrap();
    let other = Store::open(&folder.path().join("new.db"), Access::Write).unwrap_err();
    assert_eq!(other.kind(), Kind::Environment);
    restore(folder.path());
}

/// Lets the temporary folder be removed.
fn restore(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}
