//! `[data]`: which images a sweep trains on, and how training crops them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::forms;
use super::limit::{Limit, distinct, limit, share};
use super::{RESOLUTIONS, Section};

/// The `[data]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Kind of image set.
    pub set: ImageSet,
    /// Where it lies: the folder of the files; not for `shapes`. Relative paths start at the working directory.
    #[serde(with = "forms::path", skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Training images to use at most (balanced over classes); how many `shapes` draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Test images to use at most (balanced over classes); how many `shapes` draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
    /// Share of a `folder` without a split of its own that becomes its test images.
    pub test_fraction: f64,
    /// Which `shapes` are drawn; a trial's own seed does not change its images.
    pub shapes_seed: u64,
    /// How training crops.
    pub crop: Crop,
    /// Least share of the image's area that a random resized crop keeps.
    pub crop_min_area: f64,
    /// Whether training mirrors images left to right at random.
    pub flip: bool,
    /// Evaluation: side of the centre crop over the shorter side it is cut from (0.875 in the paper);
    /// 1 resizes without a crop, for images that have no margin to lose.
    pub test_crop_ratio: f64,
    /// Sides at which trained networks are tested, pixels; the train resolution if absent. The `test` half of
    /// the grid's `resolution`. Says what is asked of a trial, not what the trial is: never part of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_resolutions: Option<Vec<usize>>,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            set: ImageSet::Shapes,
            path: None,
            train_images: None,
            test_images: None,
            test_fraction: 0.2,
            shapes_seed: 0,
            crop: Crop::RandomResized,
            crop_min_area: 0.35,
            flip: true,
            test_crop_ratio: 1.0,
            test_resolutions: None,
        }
    }
}

impl Section for Data {
    const NAME: &'static str = "data";

    fn limits(&self) -> Vec<Limit> {
        let sides = self.test_resolutions.as_deref();
        let sides_fit = sides.is_none_or(|sides| {
            !sides.is_empty() && distinct(sides) && sides.iter().all(|side| RESOLUTIONS.contains(side))
        });
        vec![
            limit("train_images", self.train_images != Some(0), "at least 1"),
            limit("test_images", self.test_images != Some(0), "at least 1"),
            limit("test_fraction", share(self.test_fraction), "above 0 and below 1"),
            limit(
                "crop_min_area",
                share(self.crop_min_area) || self.crop_min_area == 1.0,
                "above 0, at most 1",
            ),
            limit(
                "test_crop_ratio",
                share(self.test_crop_ratio) || self.test_crop_ratio == 1.0,
                "above 0, at most 1",
            ),
            limit("test_resolutions", sides_fit, "different sides of 8 to 4096 pixels"),
        ]
    }
}

/// Kinds of image set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSet {
    /// Built-in drawings, rendered at whatever resolution is asked for.
    Shapes,
    /// CIFAR-10, binary batches.
    Cifar10,
    /// CIFAR-100, binary batches.
    Cifar100,
    /// IDX files (MNIST, Fashion-MNIST), plain or gzip.
    Idx,
    /// A folder per class of JPEG or PNG files.
    Folder,
}

impl ImageSet {
    /// Its name in sweep files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shapes => "shapes",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Idx => "idx",
            Self::Folder => "folder",
        }
    }
}

/// How a training image is cut to the train resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// A random rectangle of random area and aspect, resized (the paper's).
    RandomResized,
    /// Padded by an eighth and shifted at random (usual for CIFAR).
    PadAndShift,
    /// As in evaluation.
    None,
}
