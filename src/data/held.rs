//! Sets of small images of one size, held in memory as bytes: what CIFAR and IDX files become.

use super::dataset::{Dataset, Split, View};
use super::error::DataError;
use super::resize::{Channels, Pixels, resize};
use super::subset::balanced;
use crate::sweep::settings::Data;

/// A set in memory.
#[derive(Debug)]
pub(super) struct Held {
    classes: Vec<String>,
    train: HeldSplit,
    test: HeldSplit,
    fingerprint: String,
}

/// The images of a split, one after the other.
#[derive(Debug)]
pub(super) struct HeldSplit {
    /// Height and width of every image.
    pub size: (usize, usize),
    /// Bytes of a pixel.
    pub channels: Channels,
    /// Pixels of all images: `(n, h, w, channels)`.
    pub bytes: Vec<u8>,
    /// Label of each image, below the number of classes.
    pub labels: Vec<usize>,
}

impl HeldSplit {
    fn image_bytes(&self) -> usize {
        self.size.0 * self.size.1 * self.channels as usize
    }

    fn image(&self, index: usize) -> Pixels<'_> {
        let bytes = &self.bytes[index * self.image_bytes()..][..self.image_bytes()];
        Pixels { height: self.size.0, width: self.size.1, channels: self.channels, bytes }
    }

    /// Keeps a balanced part.
    fn reduce(&mut self, count: Option<usize>, key: &'static str) -> Result<(), DataError> {
        let kept = balanced(&self.labels, count, key)?;
        if kept.len() < self.labels.len() {
            self.bytes = kept.iter().map(|index| self.image(*index).bytes).collect::<Vec<_>>().concat();
            self.labels = kept.iter().map(|index| self.labels[*index]).collect();
        }
        Ok(())
    }

    fn hash_into(&self, hasher: &mut blake3::Hasher) {
        for number in [self.labels.len(), self.size.0, self.size.1, self.channels as usize] {
            hasher.update(&(number as u64).to_le_bytes());
        }
        for label in &self.labels {
            hasher.update(&(*label as u64).to_le_bytes());
        }
        hasher.update(&self.bytes);
    }
}

impl Held {
    /// A set of those images, or of the part of them that `settings` asks for.
    ///
    /// # Errors
    /// If more images are asked for than there are.
    pub(super) fn new(
        classes: Vec<String>,
        mut train: HeldSplit,
        mut test: HeldSplit,
        settings: &Data,
    ) -> Result<Self, DataError> {
        train.reduce(settings.train_images, "data.train_images")?;
        test.reduce(settings.test_images, "data.test_images")?;
        let mut hasher = blake3::Hasher::new_derive_key("effsweep image set, held v1");
        for name in &classes {
            hasher.update(name.as_bytes()).update(b"\n");
        }
        train.hash_into(&mut hasher);
        test.hash_into(&mut hasher);
        let fingerprint = short(&hasher);
        Ok(Self { classes, train, test, fingerprint })
    }

    fn split(&self, split: Split) -> &HeldSplit {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

impl Dataset for Held {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn len(&self, split: Split) -> usize {
        self.split(split).labels.len()
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.split(split).labels[index]
    }

    fn size(&self, split: Split, _index: usize) -> (usize, usize) {
        self.split(split).size
    }

    fn crop(&self, split: Split, index: usize, view: &View, out: &mut [u8]) -> Result<(), DataError> {
        resize(self.split(split).image(index), view, out).map_err(|problem| DataError::View { problem })
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// The first 16 hexadecimal digits of a hash: 64 bits tell apart any sets that one database will meet.
pub(super) fn short(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..16].to_owned()
}
