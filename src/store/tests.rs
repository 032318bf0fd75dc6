//! The store's contract, over database files as the program makes them.

mod claims;
mod documents;
mod faults;
mod reading;
mod results;
mod scale;
mod schema;
mod signals;
mod standing;
mod sweeps;
mod taking_back;

use std::path::PathBuf;

use tempfile::TempDir;

use super::fixture::swept;
use super::{Runner, Store, SweepId};

/// A database with the sweep `quickstart` (four points, two seeds, tests at 32 and 40) in a folder of its own.
struct Swept {
    store: Store,
    sweep: SweepId,
    runner: Runner,
    path: PathBuf,
    folder: TempDir,
}

impl Swept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("effsweep.db");
        let (store, sweep, runner) = swept(&path);
        Self { store, sweep, runner, path, folder }
    }
}
