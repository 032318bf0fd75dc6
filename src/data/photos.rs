//! Single image files, prepared exactly as evaluation prepares those of a set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dataset::{Dataset, Split};
use super::error::{DataError, UnreadableFile};
use super::folder::Folder;
use super::loader::{EvalLoader, show_centre};
use crate::sweep::settings::Data;

/// Image files without labels.
pub struct Photos {
    set: Arc<Folder>,
    settings: Data,
    side: usize,
}

impl Photos {
    /// Opens `files`, to be shown as squares of `side` pixels cut from their centres, `crop_ratio` of the shorter side
    /// wide. Those that are not readable as images are handed back.
    ///
    /// # Errors
    /// If a thread that reads headers panics, which is a bug.
    pub fn open(
        files: Vec<PathBuf>,
        crop_ratio: f64,
        side: usize,
    ) -> Result<(Self, Vec<UnreadableFile>), DataError> {
        let (set, unreadable) = Folder::of_files(files)?;
        let settings = Data { test_crop_ratio: crop_ratio, ..Data::default() };
        Ok((Self { set: Arc::new(set), settings, side }, unreadable))
    }

    /// The readable files, in the order of the batches.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.set.test_files()
    }

    /// Normalized pixels of all files in order, `batch_size` at a time, prepared ahead on `threads` threads.
    ///
    /// # Errors
    /// If a thread cannot be started; what is wrong with an image comes with its batch.
    pub fn batches(&self, batch_size: usize, threads: usize) -> Result<EvalLoader, DataError> {
        let set: Arc<Folder> = Arc::clone(&self.set);
        EvalLoader::new(set, &self.settings, Split::Test, self.side, batch_size, threads)
    }

    /// What is seen of file `index`: bytes `(side, side, 3)`, RGB.
    ///
    /// # Errors
    /// If the file cannot be decoded.
    ///
    /// # Panics
    /// If there are not so many files.
    pub fn pixels(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let mut out = vec![0; self.side * self.side * 3];
        let ratio = self.settings.test_crop_ratio;
        show_centre(&*self.set, Split::Test, index, ratio, self.side, &mut out)?;
        Ok(out)
    }

    /// Number of readable files.
    pub fn len(&self) -> usize {
        self.set.len(Split::Test)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::super::normalize::normalize;
    use super::*;

    #[test]
    fn files_come_in_order_and_unreadable_ones_are_handed_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let level = |x: u32, level: u8| Rgb([level, x as u8, 0]);
        for (name, shade) in [("b.png", 10), ("a.png", 20)] {
            RgbImage::from_fn(8, 8, |x, _| level(x, shade)).save(file(name)).unwrap();
        }
        std::fs::write(file("c.png"), "no image").unwrap();
        let files = ["b.png", "c.png", "a.png", "missing.png"].map(file).to_vec();
        let (photos, unreadable) = Photos::open(files, 0.5, 4).unwrap();
        assert!(photos.files().eq([file("b.png"), file("a.png")]));
        let named: Vec<&PathBuf> = unreadable.iter().map(|file| &file.path).collect();
        assert_eq!(named, [&file("c.png"), &file("missing.png")]);
        // The centre half of eight pixels.
        assert_eq!(photos.pixels(1).unwrap()[..12], [20, 2, 0, 20, 3, 0, 20, 4, 0, 20, 5, 0]);
        let mut expected = Vec::new();
        for index in 0..2 {
            normalize(&photos.pixels(index).unwrap(), &mut expected);
        }
        let batches: Vec<_> = photos.batches(1, 2).unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().flat_map(|batch| batch.images.clone()).collect::<Vec<_>>(), expected);
    }
}
