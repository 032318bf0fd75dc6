//! Evaluation images of one split at one side, prepared once and shown many times.

use std::sync::Arc;

use super::dataset::{Dataset, Split};
use super::error::DataError;
use super::loader::{EvalLoader, show_centre};
use super::pipeline::Pipeline;
use crate::sweep::settings::Data;

/// Most bytes of prepared images; a larger split is prepared anew at each pass.
const PREPARED_BYTES: usize = 256 << 20;

/// Images prepared together by a thread.
const CHUNK: usize = 64;

/// A split as evaluation sees it, its pixels kept where they fit 256 MiB.
pub struct PreparedSplit {
    set: Arc<dyn Dataset>,
    settings: Data,
    split: Split,
    side: usize,
    /// `(n, side, side, 3)` bytes.
    rgb: Option<Arc<Vec<u8>>>,
}

impl PreparedSplit {
    /// Prepares the split, images `side` pixels wide, on `threads` threads.
    ///
    /// # Errors
    /// If an image cannot be read or a thread not be started.
    pub fn new(
        set: Arc<dyn Dataset>,
        settings: &Data,
        split: Split,
        side: usize,
        threads: usize,
    ) -> Result<Self, DataError> {
        Self::within(set, settings, split, side, threads, PREPARED_BYTES)
    }

    fn within(
        set: Arc<dyn Dataset>,
        settings: &Data,
        split: Split,
        side: usize,
        threads: usize,
        bytes: usize,
    ) -> Result<Self, DataError> {
        let (images, image_bytes) = (set.len(split), side * side * 3);
        let mut prepared = Self { set, settings: settings.clone(), split, side, rgb: None };
        if images.saturating_mul(image_bytes) <= bytes {
            let (set, ratio) = (Arc::clone(&prepared.set), settings.test_crop_ratio);
            let chunks = Pipeline::start(threads, images.div_ceil(CHUNK), move |chunk| {
                let indices = chunk * CHUNK..images.min((chunk + 1) * CHUNK);
                let mut rgb = vec![0; indices.len() * image_bytes];
                for (index, out) in indices.zip(rgb.chunks_exact_mut(image_bytes)) {
                    show_centre(&*set, split, index, ratio, side, out)?;
                }
                Ok(rgb)
            })?;
            prepared.rgb = Some(Arc::new(chunks.collect::<Result<Vec<_>, _>>()?.concat()));
        }
        Ok(prepared)
    }

    /// Images of the split.
    pub fn images(&self) -> usize {
        self.set.len(self.split)
    }

    /// A pass over the images in order, prepared ahead on `threads` threads: what [`EvalLoader::new`] gives.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn batches(&self, batch_size: usize, threads: usize) -> Result<EvalLoader, DataError> {
        let (set, split, side) = (Arc::clone(&self.set), self.split, self.side);
        let Some(rgb) = self.rgb.clone() else {
            return EvalLoader::new(set, &self.settings, split, side, batch_size, threads);
        };
        EvalLoader::of(set, split, side, batch_size, threads, move |index, out| {
            out.copy_from_slice(&rgb[index * out.len()..][..out.len()]);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Batch, open};

    #[test]
    fn a_prepared_split_shows_what_the_loader_shows() {
        let settings = Data { test_images: Some(130), test_crop_ratio: 0.875, ..Data::default() };
        let set = open(&settings).unwrap();
        let collect = |loader: EvalLoader| loader.map(Result::unwrap).collect::<Vec<Batch>>();
        let loader = EvalLoader::new(Arc::clone(&set), &settings, Split::Test, 9, 50, 2).unwrap();
        let expected = collect(loader);
        for bytes in [PREPARED_BYTES, 0] {
            let prepared =
                PreparedSplit::within(Arc::clone(&set), &settings, Split::Test, 9, 2, bytes).unwrap();
            assert_eq!(prepared.rgb.is_some(), bytes > 0);
            assert_eq!(prepared.images(), 130);
            for _ in 0..2 {
                assert_eq!(collect(prepared.batches(50, 2).unwrap()), expected);
            }
        }
    }
}
