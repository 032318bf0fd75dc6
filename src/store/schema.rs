//! The list of `migrations/*.sql`, oldest first. A released file never changes; a new schema is a new file.

use rusqlite_migration::{M, Migrations};

/// Every migration's file name and text. `user_version` counts those that a database has had.
pub(super) const FILES: &[(&str, &str)] = &[
    ("0001_initial.sql", include_str!("../../migrations/0001_initial.sql")),
    ("0002_signals.sql", include_str!("../../migrations/0002_signals.sql")),
    ("0003_runs.sql", include_str!("../../migrations/0003_runs.sql")),
    ("0004_measuring.sql", include_str!("../../migrations/0004_measuring.sql")),
    ("0005_counts.sql", include_str!("../../migrations/0005_counts.sql")),
    ("0006_settling.sql", include_str!("../../migrations/0006_settling.sql")),
    ("0007_fine_tuning.sql", include_str!("../../migrations/0007_fine_tuning.sql")),
];

/// The newest schema version, which this program writes.
pub const LATEST: usize = FILES.len();

/// "effs", in the header of every database of ours (set by the first migration).
pub(super) const APPLICATION_ID: i32 = 0x6566_6673;

/// The migrations as rusqlite_migration runs them.
pub(super) fn migrations() -> Migrations<'static> {
    Migrations::from_iter(FILES.iter().map(|(_, sql)| M::up(sql)))
}
