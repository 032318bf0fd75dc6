//! Checkpoints: everything a trial needs to go on as if it had never stopped.
//!
//! A file is a header of 8 bytes magic and 32 bytes BLAKE3 checksum, then a safetensors file: the
//! parameters, the averages and the optimizer's vectors by number, with the [`Progress`] as metadata. It is
//! written under a temporary name, synced and renamed, and the one before it is kept: a file that is cut off
//! or damaged is noticed by its checksum, and the earlier one is used.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::durable::{WriteError, write_atomically};
use crate::protocol::{EpochReport, SignalsReport};

const MAGIC: &[u8; 8] = b"EFFSWCK1";
const HEADER: usize = MAGIC.len() + blake3::OUT_LEN;

/// Checkpoints that are kept: the newest, and one to fall back to.
const KEPT: usize = 2;

/// A checkpoint that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The folder could not be made or listed.
    #[error("use the folder `{}`", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The state could not be encoded.
    #[error("encode a checkpoint: {0}")]
    Encode(String),
}

/// Where a trial stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Hash of everything that decides what the trial computes: another trial's checkpoint is not used.
    pub identity: String,
    /// Epochs finished.
    pub epochs: usize,
    /// Steps done in the epoch after them.
    pub step: usize,
    /// Sums over those steps: the loss times images, the hits, images, seconds.
    pub loss_sum: f64,
    pub hits: usize,
    pub images: usize,
    pub elapsed_s: f64,
    /// Steps of the optimizer, updates of the averages.
    pub optimizer_steps: u64,
    pub average_updates: u64,
    /// Reports of the finished epochs.
    pub history: Vec<EpochReport>,
    /// Signals recorded so far.
    #[serde(default)]
    pub signals: Vec<SignalsReport>,
}

/// A checkpoint's content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checkpoint {
    pub progress: Progress,
    /// All vectors, in the trainee's fixed order.
    pub vectors: Vec<Vec<f32>>,
}

const METADATA: &str = "effsweep";

impl Checkpoint {
    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let bytes: Vec<Vec<u8>> =
            self.vectors.iter().map(|v| v.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
        let tensors = self.vectors.iter().zip(&bytes).enumerate().map(|(index, (vector, bytes))| {
            TensorView::new(Dtype::F32, vec![vector.len()], bytes).map(|view| (format!("{index:06}"), view))
        });
        let tensors = tensors.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let progress = serde_json::to_string(&self.progress).map_err(|error| error.to_string())?;
        let metadata = HashMap::from([(METADATA.to_owned(), progress)]);
        let body = safetensors::serialize(tensors, Some(metadata)).map_err(|error| error.to_string())?;
        let mut file = Vec::with_capacity(HEADER + body.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(blake3::hash(&body).as_bytes());
        file.extend_from_slice(&body);
        Ok(file)
    }

    /// `None` where anything about the bytes is wrong.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(HEADER..)?;
        let checksum = bytes.get(MAGIC.len()..HEADER)?;
        if !bytes.starts_with(MAGIC) || blake3::hash(body).as_bytes() != checksum {
            return None;
        }
        let (_, header) = SafeTensors::read_metadata(body).ok()?;
        let progress = serde_json::from_str(header.metadata().as_ref()?.get(METADATA)?).ok()?;
        let file = SafeTensors::deserialize(body).ok()?;
        let vector = |index: usize| {
            let tensor = file.tensor(&format!("{index:06}")).ok()?;
            let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Some(values.collect())
        };
        let vectors = (0..file.len()).map(vector).collect::<Option<Vec<Vec<f32>>>>()?;
        Some(Self { progress, vectors })
    }

    /// Writes the checkpoint into `folder` and prunes all but the newest two.
    pub(super) fn save(&self, folder: &Path) -> Result<(), CheckpointError> {
        let of_folder = |source| CheckpointError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(of_folder)?;
        let Progress { epochs, step, .. } = self.progress;
        let path = folder.join(format!("epoch-{epochs:05}-step-{step:07}.ckpt"));
        write_atomically(&path, &self.to_bytes().map_err(CheckpointError::Encode)?)?;
        for old in newest_first(folder).map_err(of_folder)?.iter().skip(KEPT) {
            // A leftover costs disk, nothing else.
            let _ = fs::remove_file(old);
        }
        Ok(())
    }

    /// The newest checkpoint in `folder` that is whole and belongs to `identity`; `None` if there is none.
    pub(super) fn load(folder: &Path, identity: &str) -> Option<Self> {
        let files = newest_first(folder).ok()?;
        files.iter().find_map(|path| {
            let checkpoint = Self::from_bytes(&fs::read(path).ok()?)?;
            (checkpoint.progress.identity == identity).then_some(checkpoint)
        })
    }
}

fn newest_first(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ckpt"));
    // Names sort as epochs and steps do.
    paths.sort_unstable();
    paths.reverse();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(epochs: usize) -> Checkpoint {
        let history = vec![EpochReport {
            epoch: 0,
            train_loss: 0.1,
            train_top1: 0.3,
            learning_rate: 0.1 + 0.2,
            images: 10,
            elapsed_s: 1.0 / 3.0,
        }];
        let progress = Progress {
            identity: "a".to_owned(),
            epochs,
            step: 3,
            loss_sum: 0.1 + 0.2,
            history,
            ..Progress::default()
        };
        Checkpoint {
            progress,
            vectors: vec![vec![f32::MIN_POSITIVE / 4.0, -0.0], Vec::new(), vec![epochs as f32]],
        }
    }

    #[test]
    fn a_checkpoint_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(7).save(folder.path()).unwrap();
        assert_eq!(Checkpoint::load(folder.path(), "a"), Some(checkpoint(7)));
    }

    #[test]
    fn the_newest_two_are_kept_and_another_trials_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        for epochs in [1, 2, 10] {
            checkpoint(epochs).save(folder.path()).unwrap();
        }
        assert_eq!(newest_first(folder.path()).unwrap().len(), 2);
        assert_eq!(Checkpoint::load(folder.path(), "a"), Some(checkpoint(10)));
        assert_eq!(Checkpoint::load(folder.path(), "b"), None);
    }

    #[test]
    fn any_damage_is_noticed_and_the_one_before_is_used() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(1).save(folder.path()).unwrap();
        checkpoint(2).save(folder.path()).unwrap();
        let newest = &newest_first(folder.path()).unwrap()[0];
        let whole = fs::read(newest).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Checkpoint::from_bytes(&damaged), None, "byte {at}");
            assert_eq!(Checkpoint::from_bytes(&whole[..at]), None, "cut at {at}");
        }
        fs::write(newest, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(Checkpoint::load(folder.path(), "a"), Some(checkpoint(1)));
    }

    #[test]
    fn no_folder_is_no_checkpoint() {
        assert_eq!(Checkpoint::load(Path::new("/nowhere/at/all"), "a"), None);
    }
}
