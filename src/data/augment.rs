//! Which part of an image a network sees: at random in training, the centre in evaluation.

use super::dataset::{Dataset, Split, View, Window};
use super::error::DataError;
use super::stream::Stream;
use crate::sweep::settings::{Crop, Data};

/// Widest and narrowest aspect (width over height) of a random resized crop (TensorFlow's and torchvision's).
const ASPECT: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);

/// Draws of a random resized crop before it falls back to the centre (torchvision's).
const TRIES: usize = 10;

/// Share of the side by which pad-and-shift pads: 4 pixels at 32.
const PADDING: usize = 8;

/// The evaluation window: a square at the centre whose side is `ratio` of the shorter side.
///
/// The same as resizing the shorter side to `side / ratio` and cutting out the centre, in one step.
pub(super) fn centre(size: (usize, usize), ratio: f64) -> Window {
    let side = ratio * size.0.min(size.1) as f64;
    Window::within(size, side, side, 0.5, 0.5)
}

/// The random part of training images.
#[derive(Debug, Clone)]
pub(super) struct Augment {
    crop: Crop,
    min_area: f64,
    flip: bool,
    test_crop_ratio: f64,
    side: usize,
    seed: u64,
}

impl Augment {
    pub(super) fn new(settings: &Data, side: usize, seed: u64) -> Self {
        Self {
            crop: settings.crop,
            min_area: settings.crop_min_area,
            flip: settings.flip,
            test_crop_ratio: settings.test_crop_ratio,
            side,
            seed,
        }
    }

    /// Side of the images it makes, pixels.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Writes a training image as epoch `epoch` sees it, `(side, side, 3)`. What is drawn hangs on the
    /// seed, the epoch and the image alone.
    ///
    /// # Errors
    /// If the image cannot be read.
    pub(super) fn show(
        &self,
        set: &dyn Dataset,
        index: usize,
        epoch: usize,
        out: &mut [u8],
    ) -> Result<(), DataError> {
        let mut stream = Stream::new("effsweep augmentation v1", &[self.seed, epoch as u64, index as u64]);
        let mirrored = stream.coin() && self.flip;
        let size = set.size(Split::Train, index);
        let window = match self.crop {
            Crop::RandomResized => random_resized(size, self.min_area, &mut stream),
            Crop::PadAndShift | Crop::None => centre(size, self.test_crop_ratio),
        };
        set.crop(Split::Train, index, &View { window, mirrored, side: self.side }, out)?;
        if self.crop == Crop::PadAndShift {
            let padding = self.side / PADDING;
            let mut shift = || stream.below(2 * padding + 1) as isize - padding as isize;
            shift_reflected(out, self.side, shift(), shift());
        }
        Ok(())
    }
}

/// A window of random area (`min_area` to 1 of the image's) and aspect (log-uniform), at a random place.
///
/// Ten draws, then the largest central window of an allowed aspect, as in torchvision's
/// `RandomResizedCrop`; but windows are not rounded to whole pixels, which on small images would be coarse.
fn random_resized(size: (usize, usize), min_area: f64, stream: &mut Stream) -> Window {
    let (height, width) = (size.0 as f64, size.1 as f64);
    for _ in 0..TRIES {
        let area = height * width * stream.between(min_area, 1.0);
        let aspect = stream.between(ASPECT.0.ln(), ASPECT.1.ln()).exp();
        let (crop_height, crop_width) = ((area / aspect).sqrt(), (area * aspect).sqrt());
        if crop_height <= height && crop_width <= width {
            return Window::within(size, crop_height, crop_width, stream.uniform(), stream.uniform());
        }
    }
    Window::within(size, height.min(width / ASPECT.0), width.min(height * ASPECT.1), 0.5, 0.5)
}

/// Moves an image down and to the right; what comes in at the edges is the image reflected at its outermost
/// pixels, which keeps its statistics where black would not. Shifts are smaller than the side.
fn shift_reflected(image: &mut [u8], side: usize, down: isize, right: isize) {
    let source = image.to_vec();
    let reflected = |place: usize, shift: isize| {
        let place = (place as isize - shift).unsigned_abs();
        if place < side { place } else { 2 * (side - 1) - place }
    };
    for (y, row) in image.chunks_exact_mut(3 * side).enumerate() {
        let from = 3 * side * reflected(y, down);
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&source[from + 3 * reflected(x, right)..][..3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// A set that notes which views are asked for and shows nothing.
    struct Probe {
        size: (usize, usize),
        views: Mutex<Vec<View>>,
    }

    impl Probe {
        fn new(size: (usize, usize)) -> Self {
            Self { size, views: Mutex::default() }
        }

        fn views(&self, settings: &Data, images: usize, epoch: usize) -> Vec<View> {
            let augment = Augment::new(settings, 1, 7);
            for index in 0..images {
                augment.show(self, index, epoch, &mut [0; 3]).unwrap();
            }
            std::mem::take(&mut *self.views.lock().unwrap())
        }
    }

    impl Dataset for Probe {
        fn classes(&self) -> &[String] {
            &[]
        }
        fn len(&self, _: Split) -> usize {
            1
        }
        fn label(&self, _: Split, _: usize) -> usize {
            0
        }
        fn size(&self, _: Split, _: usize) -> (usize, usize) {
            self.size
        }
        fn crop(&self, _: Split, _: usize, view: &View, _: &mut [u8]) -> Result<(), DataError> {
            self.views.lock().unwrap().push(*view);
            Ok(())
        }
        fn fingerprint(&self) -> String {
            String::new()
        }
    }

    #[test]
    fn the_evaluation_window_is_the_central_square() {
        let window = centre((224, 448), 0.875);
        assert_eq!(window, Window { top: 14.0, left: 126.0, height: 196.0, width: 196.0 });
        assert_eq!(centre((5, 5), 1.0), Window { top: 0.0, left: 0.0, height: 5.0, width: 5.0 });
    }

    #[test]
    fn random_crops_fill_the_range_of_areas_and_aspects_that_is_allowed() {
        let settings = Data { crop_min_area: 0.3, ..Data::default() };
        let views = Probe::new((100, 100)).views(&settings, 4000, 0);
        let areas: Vec<f64> = views.iter().map(|v| v.window.height * v.window.width / 1e4).collect();
        let aspects: Vec<f64> = views.iter().map(|v| v.window.width / v.window.height).collect();
        let range = |values: &[f64]| {
            values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)))
        };
        let (low, high) = range(&areas);
        assert!((0.2999..0.31).contains(&low) && (0.98..=1.0).contains(&high), "areas {low} to {high}");
        let (low, high) = range(&aspects);
        assert!((0.7499..0.76).contains(&low) && (1.32..1.3334).contains(&high), "aspects {low} to {high}");
        let mirrored = views.iter().filter(|view| view.mirrored).count();
        assert!((1850..2150).contains(&mirrored), "{mirrored} of 4000 mirrored");
    }

    #[test]
    fn an_image_too_long_for_any_draw_gives_its_centre() {
        let settings = Data { crop_min_area: 0.9, ..Data::default() };
        let views = Probe::new((10, 100)).views(&settings, 1, 0);
        let width = views[0].window.width;
        assert!(views[0].window.height == 10.0 && (width - 40.0 / 3.0).abs() < 1e-5, "{views:?}");
        assert!((views[0].window.left - (100.0 - width) / 2.0).abs() < 1e-5, "{views:?}");
    }

    #[test]
    fn epochs_differ_and_repeat_themselves() {
        let probe = Probe::new((32, 32));
        let first = probe.views(&Data::default(), 5, 0);
        assert_eq!(first, probe.views(&Data::default(), 5, 0));
        assert_ne!(first, probe.views(&Data::default(), 5, 1));
        let still = Data { crop: Crop::None, flip: false, ..Data::default() };
        assert_eq!(probe.views(&still, 5, 0), probe.views(&still, 5, 1));
    }

    #[test]
    fn turning_the_flip_off_leaves_the_crops_alone() {
        let probe = Probe::new((32, 32));
        let windows = |flip| {
            let views = probe.views(&Data { flip, ..Data::default() }, 5, 0);
            views.into_iter().map(|view| view.window).collect::<Vec<_>>()
        };
        assert_eq!(windows(true), windows(false));
    }

    #[test]
    fn a_shift_reflects_at_the_edge() {
        let mut image: Vec<u8> = (0..9).flat_map(|i| [i; 3]).collect();
        shift_reflected(&mut image, 3, 1, -1);
        let levels: Vec<u8> = image.chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(levels, [4, 5, 4, 1, 2, 1, 4, 5, 4]);
    }

    proptest! {
        #[test]
        fn a_shift_back_restores_the_inside(side in 1usize..20, down in -2isize..3, right in -2isize..3) {
            let padding = (side / PADDING) as isize;
            let (down, right) = (down.clamp(-padding, padding), right.clamp(-padding, padding));
            let original: Vec<u8> = (0..3 * side * side).map(|i| (i % 251) as u8).collect();
            let mut image = original.clone();
            shift_reflected(&mut image, side, down, right);
            shift_reflected(&mut image, side, -down, -right);
            let inside = padding as usize..side - padding as usize;
            for y in inside.clone() {
                for x in inside.clone() {
                    prop_assert_eq!(image[3 * (y * side + x)], original[3 * (y * side + x)]);
                }
            }
        }
    }
}
