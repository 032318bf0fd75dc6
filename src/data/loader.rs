//! Batches for training and evaluation, prepared ahead on background threads.
//!
//! A batch is the same, bit for bit, for any number of threads: each image's pixels hang on its index and,
//! in training, on seed and epoch alone.

use std::iter::FusedIterator;
use std::sync::Arc;

use super::augment::{Augment, centre};
use super::dataset::{Dataset, Split, View};
use super::error::DataError;
use super::normalize::normalize;
use super::pipeline::Pipeline;
use super::stream::Stream;
use crate::sweep::settings::Data;

/// Images that pass through the network together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Normalized pixels, `(n, side, side, 3)`.
    pub images: Vec<f32>,
    /// Label of each image.
    pub labels: Vec<usize>,
    /// Index of each image within its split.
    pub indices: Vec<usize>,
    /// Side of the images, pixels.
    pub side: usize,
}

/// Which pass over the training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The trial's seed.
    pub seed: u64,
    /// Number of the epoch, from 0.
    pub number: usize,
    /// Step to start at; above 0 where an epoch is resumed.
    pub first_step: usize,
}

/// Training steps of an epoch: whole batches only, but for a set smaller than one.
pub fn steps_per_epoch(images: usize, batch_size: usize) -> usize {
    (images / batch_size.max(1)).max(images.min(1))
}

/// The order in which an epoch of that number shows its images.
pub fn training_order(images: usize, seed: u64, number: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images).collect();
    Stream::new("effsweep training order v1", &[seed, number as u64]).shuffle(&mut order);
    order
}

/// The batches of one training epoch, shuffled and augmented.
#[derive(Debug)]
pub struct TrainLoader {
    batches: Pipeline<Batch>,
}

impl TrainLoader {
    /// Starts preparing the batches of `epoch`, images `side` pixels wide, on `threads` threads.
    ///
    /// The order hangs on the epoch's seed and number. The last images that make no whole batch sit this epoch out,
    /// unless they are all there is. A batch size of 0 counts as 1, as does a thread count of 0.
    ///
    /// # Errors
    /// If a thread cannot be started; what is wrong with an image comes with its batch.
    pub fn new(
        set: Arc<dyn Dataset>,
        settings: &Data,
        batch_size: usize,
        side: usize,
        epoch: Epoch,
        threads: usize,
    ) -> Result<Self, DataError> {
        Self::resized(set, settings, batch_size, &[side], epoch, threads)
    }

    /// As [`TrainLoader::new`], each step's images of its own side; `sides` begin anew where they end.
    ///
    /// # Errors
    /// As [`TrainLoader::new`].
    pub fn resized(
        set: Arc<dyn Dataset>,
        settings: &Data,
        batch_size: usize,
        sides: &[usize],
        epoch: Epoch,
        threads: usize,
    ) -> Result<Self, DataError> {
        let Epoch { seed, number, first_step } = epoch;
        let batch_size = batch_size.max(1);
        let steps = steps_per_epoch(set.len(Split::Train), batch_size);
        let first_step = first_step.min(steps);
        let order = training_order(set.len(Split::Train), seed, number);
        let augments: Vec<Augment> = sides.iter().map(|side| Augment::new(settings, *side, seed)).collect();
        let batches = Pipeline::start(threads, steps - first_step, move |item| {
            let start = (first_step + item) * batch_size;
            let indices = order[start..order.len().min(start + batch_size)].to_vec();
            let augment = &augments[(first_step + item) % augments.len()];
            let show = |index, out: &mut [u8]| augment.show(&*set, index, number, out);
            batch(&*set, Split::Train, indices, augment.side(), show)
        })?;
        Ok(Self { batches })
    }
}

/// The images of a split in order, as evaluation sees them; the last batch may be smaller.
#[derive(Debug)]
pub struct EvalLoader {
    batches: Pipeline<Batch>,
}

impl EvalLoader {
    /// Starts preparing batches of the split, images `side` pixels wide, on `threads` threads.
    ///
    /// A batch size of 0 counts as 1, as does a thread count of 0.
    ///
    /// # Errors
    /// If a thread cannot be started; what is wrong with an image comes with its batch.
    pub fn new(
        set: Arc<dyn Dataset>,
        settings: &Data,
        split: Split,
        side: usize,
        batch_size: usize,
        threads: usize,
    ) -> Result<Self, DataError> {
        let ratio = settings.test_crop_ratio;
        let source = Arc::clone(&set);
        Self::of(set, split, side, batch_size, threads, move |index, out| {
            show_centre(&*source, split, index, ratio, side, out)
        })
    }

    /// Starts preparing these batches of the split, each a list of indices, empty ones too.
    ///
    /// # Errors
    /// If a thread cannot be started; what is wrong with an image comes with its batch.
    pub fn listed(
        set: Arc<dyn Dataset>,
        settings: &Data,
        split: Split,
        side: usize,
        lists: Vec<Vec<usize>>,
        threads: usize,
    ) -> Result<Self, DataError> {
        let ratio = settings.test_crop_ratio;
        let batches = Pipeline::start(threads, lists.len(), move |item| {
            let indices = lists.get(item).cloned().unwrap_or_default();
            batch(&*set, split, indices, side, |index, out| {
                show_centre(&*set, split, index, ratio, side, out)
            })
        })?;
        Ok(Self { batches })
    }

    /// Batches of images that `show` writes, given an index.
    pub(super) fn of(
        set: Arc<dyn Dataset>,
        split: Split,
        side: usize,
        batch_size: usize,
        threads: usize,
        show: impl Fn(usize, &mut [u8]) -> Result<(), DataError> + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let (images, batch_size) = (set.len(split), batch_size.max(1));
        let batches = Pipeline::start(threads, images.div_ceil(batch_size), move |item| {
            let indices = (item * batch_size..images.min((item + 1) * batch_size)).collect();
            batch(&*set, split, indices, side, &show)
        })?;
        Ok(Self { batches })
    }
}

/// Writes an image as evaluation sees it, `(side, side, 3)`.
pub(super) fn show_centre(
    set: &dyn Dataset,
    split: Split,
    index: usize,
    ratio: f64,
    side: usize,
    out: &mut [u8],
) -> Result<(), DataError> {
    let window = centre(set.size(split, index), ratio);
    set.crop(split, index, &View { window, mirrored: false, side }, out)
}

/// The batch of those images, each written by `show`.
pub(super) fn batch(
    set: &dyn Dataset,
    split: Split,
    indices: Vec<usize>,
    side: usize,
    show: impl Fn(usize, &mut [u8]) -> Result<(), DataError>,
) -> Result<Batch, DataError> {
    let mut rgb = vec![0; side * side * 3];
    let mut images = Vec::with_capacity(indices.len() * rgb.len());
    for index in &indices {
        show(*index, &mut rgb)?;
        normalize(&rgb, &mut images);
    }
    let labels = indices.iter().map(|index| set.label(split, *index)).collect();
    Ok(Batch { images, labels, indices, side })
}

impl Iterator for TrainLoader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error ends the iteration early.
        (self.batches.remaining().min(1), Some(self.batches.remaining()))
    }
}

impl Iterator for EvalLoader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.batches.remaining().min(1), Some(self.batches.remaining()))
    }
}

impl FusedIterator for TrainLoader {}
impl FusedIterator for EvalLoader {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::open;
    use crate::sweep::settings::Crop;

    fn settings() -> Data {
        Data { train_images: Some(50), test_images: Some(23), ..Data::default() }
    }

    const FIRST: Epoch = Epoch { seed: 1, number: 0, first_step: 0 };

    fn train(settings: &Data, batch_size: usize, epoch: Epoch, threads: usize) -> Vec<Batch> {
        let set = open(settings).unwrap();
        let loader = TrainLoader::new(set, settings, batch_size, 12, epoch, threads).unwrap();
        loader.map(Result::unwrap).collect()
    }

    #[test]
    fn batches_are_the_same_for_any_number_of_threads() {
        for crop in [Crop::RandomResized, Crop::PadAndShift, Crop::None] {
            let settings = Data { crop, ..settings() };
            let one = train(&settings, 8, FIRST, 1);
            assert_eq!(one.len(), 6);
            for threads in [2, 5] {
                assert_eq!(one, train(&settings, 8, FIRST, threads), "{crop:?}, {threads} threads");
            }
        }
    }

    #[test]
    fn a_resumed_epoch_goes_on_where_it_stopped() {
        let whole = train(&settings(), 8, FIRST, 1);
        for first_step in [1, 4, 6, 9] {
            let rest = train(&settings(), 8, Epoch { first_step, ..FIRST }, 2);
            assert_eq!(whole[first_step.min(6)..], rest, "from {first_step}");
        }
    }

    #[test]
    fn sides_may_change_from_step_to_step() {
        let set = open(&settings()).unwrap();
        let load = |first_step, threads| -> Vec<Batch> {
            let epoch = Epoch { first_step, ..FIRST };
            let sides = [12, 16, 20];
            let loader = TrainLoader::resized(set.clone(), &settings(), 8, &sides, epoch, threads).unwrap();
            loader.map(Result::unwrap).collect()
        };
        let whole = load(0, 2);
        assert_eq!(whole.iter().map(|batch| batch.side).collect::<Vec<_>>(), [12, 16, 20, 12, 16, 20]);
        assert!(whole.iter().all(|batch| batch.images.len() == 8 * batch.side * batch.side * 3));
        assert_eq!(whole[2..], load(2, 1));
        let plain = train(&settings(), 8, FIRST, 1);
        assert!(whole[0] == plain[0] && whole[1].indices == plain[1].indices);
    }

    #[test]
    fn an_epoch_shows_every_image_once_in_an_order_of_its_own() {
        let order = |epoch| -> Vec<usize> {
            train(&settings(), 10, epoch, 2).into_iter().flat_map(|batch| batch.indices).collect()
        };
        let first = order(FIRST);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_ne!(first, order(Epoch { number: 1, ..FIRST }));
        assert_ne!(first, order(Epoch { seed: 2, ..FIRST }));
    }

    #[test]
    fn images_and_labels_belong_together() {
        let settings = Data { crop: Crop::None, flip: false, ..settings() };
        let set = open(&settings).unwrap();
        let side = 12;
        for batch in train(&settings, 16, FIRST, 2) {
            for (i, index) in batch.indices.iter().enumerate() {
                let mut rgb = vec![0; side * side * 3];
                show_centre(&*set, Split::Train, *index, 1.0, side, &mut rgb).unwrap();
                let mut expected = Vec::new();
                normalize(&rgb, &mut expected);
                assert_eq!(batch.images[i * rgb.len()..][..rgb.len()], expected);
                assert_eq!(batch.labels[i], set.label(Split::Train, *index));
            }
        }
    }

    #[test]
    fn evaluation_keeps_order_and_the_incomplete_batch() {
        let settings = settings();
        let set = open(&settings).unwrap();
        let batches: Vec<Batch> =
            EvalLoader::new(set, &settings, Split::Test, 10, 8, 3).unwrap().map(Result::unwrap).collect();
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.labels.len()).collect();
        assert_eq!(sizes, [8, 8, 7]);
        let indices: Vec<usize> = batches.iter().flat_map(|batch| batch.indices.clone()).collect();
        assert_eq!(indices, (0..23).collect::<Vec<_>>());
        assert!(batches.iter().all(|batch| batch.images.len() == batch.labels.len() * 300));
    }

    #[test]
    fn incomplete_batches_are_dropped_unless_they_are_all_there_is() {
        for (images, batch_size, steps) in [(50, 8, 6), (48, 8, 6), (7, 8, 1), (0, 8, 0), (5, 0, 5)] {
            assert_eq!(steps_per_epoch(images, batch_size), steps, "{images} by {batch_size}");
        }
        let settings = Data { train_images: Some(5), ..settings() };
        assert_eq!(train(&settings, 8, FIRST, 2)[0].labels.len(), 5);
    }
}
