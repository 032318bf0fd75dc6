//! Stretches of whole pixels, long enough to fill vectors.
//!
//! Few channels make short inner loops, which no vector unit likes. Per-channel vectors are therefore repeated
//! for as many pixels as make a stretch of about 256 values, and kernels run over stretches.

/// Values of a stretch, if pixels are smaller.
const STRETCH: usize = 256;

/// Values of a stretch of whole pixels.
pub(super) fn stretch(c: usize) -> usize {
    (STRETCH / c).max(1) * c
}

/// A per-channel vector, repeated for a stretch.
pub(super) fn repeated(channels: &[f32]) -> Vec<f32> {
    channels.repeat(stretch(channels.len()) / channels.len())
}

/// As [`repeated`], of a vector that is not needed otherwise.
#[inline(always)]
pub(super) fn stretched(channels: Vec<f32>) -> Vec<f32> {
    if stretch(channels.len()) == channels.len() { channels } else { repeated(&channels) }
}

/// Adds a stretch to its channels.
#[inline(always)]
pub(super) fn fold(totals: &mut [f64], values: &[f32]) {
    for pixel in values.chunks_exact(totals.len()) {
        totals.iter_mut().zip(pixel).for_each(|(total, value)| *total += f64::from(*value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_holds_whole_pixels() {
        assert_eq!([1, 3, 16, 96, 300].map(stretch), [256, 255, 256, 192, 300]);
        assert_eq!(repeated(&[1.0, 2.0, 3.0])[..5], [1.0, 2.0, 3.0, 1.0, 2.0]);
        assert_eq!(repeated(&[0.0; 300]).len(), 300);
    }

    #[test]
    fn folding_adds_pixel_by_pixel() {
        let mut totals = [1.0, 0.0];
        fold(&mut totals, &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(totals, [5.0, 6.0]);
    }
}
