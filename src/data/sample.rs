//! A few training images to look at a network with.

use super::dataset::{Dataset, Split};
use super::error::DataError;
use super::loader::{Batch, batch, show_centre};
use super::subset::balanced;
use crate::sweep::settings::Data;

/// `count` training images, or all if there are fewer, as evaluation sees them, `side` pixels wide.
///
/// Balanced over classes (folders list theirs class by class), and the same for every trial on these images.
///
/// # Errors
/// If an image cannot be read.
pub fn sample(set: &dyn Dataset, settings: &Data, count: usize, side: usize) -> Result<Batch, DataError> {
    let labels: Vec<usize> = (0..set.len(Split::Train)).map(|index| set.label(Split::Train, index)).collect();
    let indices = balanced(&labels, Some(count.min(labels.len())), "data.train_images")?;
    let ratio = settings.test_crop_ratio;
    batch(set, Split::Train, indices, side, |index, out| {
        show_centre(set, Split::Train, index, ratio, side, out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{EvalLoader, open};

    #[test]
    fn a_sample_is_balanced_and_shown_as_in_evaluation() {
        let settings = Data { train_images: Some(200), test_crop_ratio: 0.875, ..Data::default() };
        let set = open(&settings).unwrap();
        let sample = sample(&*set, &settings, 30, 12).unwrap();
        for class in 0..set.classes().len() {
            assert_eq!(sample.labels.iter().filter(|label| **label == class).count(), 3, "class {class}");
        }
        let all = EvalLoader::new(set, &settings, Split::Train, 12, 200, 1).unwrap().next().unwrap().unwrap();
        let pixels = 12 * 12 * 3;
        for (at, index) in sample.indices.iter().enumerate() {
            assert_eq!(sample.labels[at], all.labels[*index]);
            assert_eq!(sample.images[at * pixels..][..pixels], all.images[index * pixels..][..pixels]);
        }
    }

    #[test]
    fn a_small_set_is_shown_whole() {
        let settings = Data { train_images: Some(7), ..Data::default() };
        let sample = sample(&*open(&settings).unwrap(), &settings, 64, 8).unwrap();
        assert_eq!(sample.indices, [0, 1, 2, 3, 4, 5, 6]);
    }
}
