//! What a network sees: image sets, and everything between a file and a training batch.
//!
//! A [`Dataset`] answers one question, "this rectangle of that image at this side", and does so from a
//! drawing, from memory or from a file. Everything random (order, crops, mirroring) is drawn from streams
//! named by seed, epoch and image, so a batch is the same whatever thread made it and whenever.
//!
//! Images are bytes `(side, side, 3)`, RGB, rows from the top; batches are normalized floats
//! `(n, side, side, 3)`.
//!
//! *Architecture invariant*: imports `sweep` for its settings only. No tensor, no network, no database;
//! no global state, and no result that depends on the number of threads.

mod augment;
mod cifar;
mod dataset;
mod error;
mod folder;
mod held;
mod idx;
mod loader;
mod normalize;
mod photos;
mod pipeline;
mod prepared;
mod resize;
mod sample;
mod shapes;
mod stream;
mod subset;

use std::path::Path;
use std::sync::Arc;

pub use dataset::{Dataset, Split, View, Window};
pub use error::{DataError, UnreadableFile};
pub use loader::{Batch, Epoch, EvalLoader, TrainLoader, steps_per_epoch, training_order};
pub use normalize::{MEAN, STD};
pub use photos::Photos;
pub use prepared::PreparedSplit;
pub use sample::sample;

use crate::sweep::settings::{Data, ImageSet};

/// Opens the image set of `settings`, its subsets taken.
///
/// Files are read or, in a `folder`, looked into here, so that what is wrong with them is said before
/// anything trains.
///
/// # Errors
/// If the path is not set or not there, a file is not what it should be, or more images are asked for than
/// there are.
pub fn open(settings: &Data) -> Result<Arc<dyn Dataset>, DataError> {
    Ok(match settings.set {
        ImageSet::Shapes => Arc::new(shapes::Shapes::new(settings)?),
        ImageSet::Cifar10 => Arc::new(cifar::open(path(settings, "cifar10")?, cifar::Kind::Ten, settings)?),
        ImageSet::Cifar100 => {
            Arc::new(cifar::open(path(settings, "cifar100")?, cifar::Kind::Hundred, settings)?)
        }
        ImageSet::Idx => Arc::new(idx::open(path(settings, "idx")?, settings)?),
        ImageSet::Folder => Arc::new(folder::Folder::open(path(settings, "folder")?, settings)?),
    })
}

/// The folder of a set that lies in files.
fn path<'a>(settings: &'a Data, set: &str) -> Result<&'a Path, DataError> {
    settings.path.as_deref().ok_or_else(|| DataError::Setting {
        key: "data.path",
        problem: format!("not set, and `{set}` reads its images from the folder that it names"),
    })
}

#[cfg(test)]
mod tests;
