//! `[data]`: which images a sweep trains on, and how training crops them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The `[data]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Kind of image set.
    pub set: ImageSet,
    /// Where it lies: the folder of the files; not for `shapes`. Relative paths start at the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
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
