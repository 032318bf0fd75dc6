//! The one thing every image set can do: give a rectangle of an image at a side.

use super::error::DataError;

/// Which images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Those a network learns from.
    Train,
    /// Those it is judged by.
    Test,
}

/// A set of labelled images in two splits.
///
/// Indices run from 0 to [`len`](Self::len); methods panic beyond it.
pub trait Dataset: Send + Sync {
    /// Names of the classes; a label is an index into it.
    fn classes(&self) -> &[String];

    /// Images of a split.
    fn len(&self, split: Split) -> usize;

    /// Label of an image.
    fn label(&self, split: Split, index: usize) -> usize;

    /// Height and width of an image, the unit of [`Window`]. Drawings, which have detail at every
    /// resolution, are 1 × 1.
    fn size(&self, split: Split, index: usize) -> (usize, usize);

    /// Writes the view of an image to `out`: `(side, side, 3)` bytes, RGB, rows from the top.
    ///
    /// Sets in files resize bilinearly, as Pillow does: where the view shrinks the image, the triangle
    /// filter widens with it, so that detail blurs rather than aliases. Drawings are rendered at `side`.
    ///
    /// # Errors
    /// If the image's file cannot be read or decoded.
    fn crop(&self, split: Split, index: usize, view: &View, out: &mut [u8]) -> Result<(), DataError>;

    /// Short hash of what the set is: kind, sizes, and names or content of files. Two sets with the same
    /// fingerprint show the same images in the same order.
    fn fingerprint(&self) -> String;
}

/// A look at an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The rectangle looked at.
    pub window: Window,
    /// Whether it is mirrored left to right.
    pub mirrored: bool,
    /// Side of the square it becomes, pixels.
    pub side: usize,
}

/// A rectangle within an image, in its pixels; fractions of pixels count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Distance from the image's top.
    pub top: f64,
    /// Distance from the image's left.
    pub left: f64,
    /// Height, above 0.
    pub height: f64,
    /// Width, above 0.
    pub width: f64,
}

impl Window {
    /// The window of that height and width at the share `(down, right)` of the room it leaves in an image
    /// of `size` (height, width): `(0.5, 0.5)` is the centre.
    ///
    /// Lengths are cut to multiples of 2⁻²⁰ pixel, which f64 adds without rounding, so that a window never
    /// leaves the image by a last bit.
    pub(super) fn within(size: (usize, usize), height: f64, width: f64, down: f64, right: f64) -> Self {
        let exact = |length: f64| (length * LENGTHS_PER_PIXEL).floor() / LENGTHS_PER_PIXEL;
        let (image_height, image_width) = (size.0 as f64, size.1 as f64);
        let height = exact(height.min(image_height)).max(1.0 / LENGTHS_PER_PIXEL);
        let width = exact(width.min(image_width)).max(1.0 / LENGTHS_PER_PIXEL);
        let top = exact((image_height - height) * down);
        let left = exact((image_width - width) * right);
        Self { top, left, height, width }
    }
}

/// Steps in which a window's lengths are counted.
const LENGTHS_PER_PIXEL: f64 = (1u32 << 20) as f64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_stays_within_its_image(
            size in (1usize..20_000, 1usize..20_000), share in (0.0f64..=1.0, 0.0f64..=1.0), place in (0.0f64..=1.0, 0.0f64..=1.0),
        ) {
            let (height, width) = (size.0 as f64, size.1 as f64);
            let window = Window::within(size, height * share.0, width * share.1, place.0, place.1);
            prop_assert!(window.top >= 0.0 && window.left >= 0.0 && window.height > 0.0 && window.width > 0.0);
            prop_assert!(window.top + window.height <= height && window.left + window.width <= width);
        }
    }
}
