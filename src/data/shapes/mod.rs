//! `shapes`: built-in drawings of five outlines in two textures, ten classes.
//!
//! Coarse and fine both carry the class. The outline survives at 16 pixels; the texture is a grating that
//! stands or lies, of some ten periods over the image, and a lens as wide as the pixels leaves a sixth of
//! its contrast at 16 pixels, four tenths at 24, six tenths at 32. So resolution, and test against train
//! resolution, matter as they do for photographs. Size, place, tilt, colours, background, distractors and
//! noise are random.
//!
//! A drawing hangs on `shapes_seed`, split and index alone. Arithmetic that every platform rounds alike
//! (no sine, no exponential) draws the same bytes everywhere.

mod render;
mod scene;

use self::render::render;
use self::scene::{Outline, Scene, Texture};
use super::dataset::{Dataset, Split, View};
use super::error::DataError;
use super::held::short;
use crate::sweep::settings::Data;

/// Drawings where the settings name no number.
const TRAIN_IMAGES: usize = 2000;
const TEST_IMAGES: usize = 500;

/// The drawings' version: part of their fingerprint, raised whenever a pixel changes.
const VERSION: u64 = 1;

/// The set.
#[derive(Debug)]
pub(super) struct Shapes {
    classes: Vec<String>,
    seed: u64,
    train: usize,
    test: usize,
}

impl Shapes {
    /// The drawings of `settings`.
    ///
    /// # Errors
    /// If there would be none in a split, or a path is given.
    pub(super) fn new(settings: &Data) -> Result<Self, DataError> {
        if settings.path.is_some() {
            let problem = "set, but `shapes` are drawn and read no files".to_owned();
            return Err(DataError::Setting { key: "data.path", problem });
        }
        let count = |count: Option<usize>, default, key| match count.unwrap_or(default) {
            0 => Err(DataError::Setting { key, problem: "0 images; allowed: 1 or more".to_owned() }),
            count => Ok(count),
        };
        let classes = Outline::ALL
            .iter()
            .flat_map(|outline| Texture::ALL.map(|texture| format!("{} {}", texture.name(), outline.name())))
            .collect();
        Ok(Self {
            classes,
            seed: settings.shapes_seed,
            train: count(settings.train_images, TRAIN_IMAGES, "data.train_images")?,
            test: count(settings.test_images, TEST_IMAGES, "data.test_images")?,
        })
    }
}

impl Dataset for Shapes {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn len(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }

    fn label(&self, _split: Split, index: usize) -> usize {
        // Classes take turns: any number of images is balanced.
        index % self.classes.len()
    }

    fn size(&self, _split: Split, _index: usize) -> (usize, usize) {
        (1, 1)
    }

    fn crop(&self, split: Split, index: usize, view: &View, out: &mut [u8]) -> Result<(), DataError> {
        let label = self.label(split, index);
        let outline = Outline::ALL[label / Texture::ALL.len()];
        let texture = Texture::ALL[label % Texture::ALL.len()];
        render(&Scene::draw(self.seed, split, index, outline, texture), view, out);
        Ok(())
    }

    fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("effsweep image set, shapes v1");
        for number in [VERSION, self.seed, self.train as u64, self.test as u64] {
            hasher.update(&number.to_le_bytes());
        }
        short(&hasher)
    }
}

#[cfg(test)]
mod tests;
