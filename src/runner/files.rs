//! Where a run's files lie: beside the database, in a folder of its name.
//!
//! ```text
//! results/effsweep.db
//! results/effsweep.files/weights/<trial>.safetensors     final weights
//! results/effsweep.files/checkpoints/<trial>/            of trials that are not done
//! ```

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::Key;

/// The files of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// The files of the database at `database`.
    pub fn of(database: &Path) -> Self {
        Self { folder: database.with_extension("files") }
    }

    /// Files in this folder, wherever their database is.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Final weights of a trial.
    pub fn weights(&self, trial: Key) -> PathBuf {
        self.folder.join("weights").join(weights_name(trial))
    }

    /// The same as the database has it: from the database's own folder, so that the two can be moved together.
    pub fn weights_in_database(&self, trial: Key) -> String {
        let folder = self.folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        format!("{folder}/weights/{}", weights_name(trial))
    }

    /// Checkpoints of a trial.
    pub fn checkpoints(&self, trial: Key) -> PathBuf {
        self.folder.join("checkpoints").join(trial.to_string())
    }

    /// The lock of the worker that is at a trial.
    pub fn tenancy(&self, trial: Key) -> PathBuf {
        self.checkpoints(trial).with_extension("lock")
    }

    /// Trials that have checkpoints.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn checkpointed(&self) -> io::Result<HashSet<Key>> {
        keys(&self.folder.join("checkpoints"), None)
    }

    /// Trials that have weights.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn weighted(&self) -> io::Result<HashSet<Key>> {
        keys(&self.folder.join("weights"), Some(".safetensors"))
    }

    /// Removes a trial's checkpoints, and their lock, if it has any.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn remove_checkpoints(&self, trial: Key) -> io::Result<()> {
        gone(fs::remove_dir_all(self.checkpoints(trial)))?;
        gone(fs::remove_file(self.tenancy(trial)))
    }

    /// Removes a trial's weights, if it has any.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn remove_weights(&self, trial: Key) -> io::Result<()> {
        gone(fs::remove_file(self.weights(trial)))
    }
}

fn weights_name(trial: Key) -> String {
    format!("{trial}.safetensors")
}

/// Trials whose keys name files or folders in `folder`, with that ending.
fn keys(folder: &Path, ending: Option<&str>) -> io::Result<HashSet<Key>> {
    let key = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        ending.map_or(Some(name), |ending| name.strip_suffix(ending))?.parse().ok()
    };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
        entries => entries?.filter_map(|entry| entry.map(key).transpose()).collect(),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_beside_their_database() {
        let files = Files::of(Path::new("results/a.b.db"));
        let trial = Key(0xab);
        let name = format!("{:0>32}", "ab");
        assert_eq!(files.weights(trial), Path::new(&format!("results/a.b.files/weights/{name}.safetensors")));
        assert_eq!(files.weights_in_database(trial), format!("a.b.files/weights/{name}.safetensors"));
    }

    #[test]
    fn checkpoints_are_found_by_their_trials() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(&folder.path().join("a.db"));
        assert!(files.checkpointed().unwrap().is_empty());
        fs::create_dir_all(files.checkpoints(Key(7))).unwrap();
        fs::create_dir_all(folder.path().join("a.files/checkpoints/something else")).unwrap();
        assert_eq!(files.checkpointed().unwrap(), HashSet::from([Key(7)]));
        files.remove_checkpoints(Key(7)).unwrap();
        files.remove_checkpoints(Key(7)).unwrap();
        assert!(files.checkpointed().unwrap().is_empty());
    }
}
