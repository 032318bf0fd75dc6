//! Bilinear resizing of a window, equal to Pillow's `resize(box=…, resample=BILINEAR)`.
//!
//! Half-pixel centres, window edges at fractions of pixels, and an antialiasing triangle filter where the
//! window shrinks. The paper's TensorFlow 1 code resizes without antialiasing; we do not follow it there,
//! because aliasing differs with the test resolution and would be measured as an effect of it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::dataset::View;

/// Bytes of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    /// One, the same for R, G and B.
    Gray = 1,
    /// Three: R, G, B.
    Rgb = 3,
}

/// A decoded image, its rows from the top without gaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels<'a> {
    pub height: usize,
    pub width: usize,
    pub channels: Channels,
    pub bytes: &'a [u8],
}

/// Writes the view of `pixels` to `out`, `(side, side, 3)`.
///
/// # Errors
/// What is wrong, if the window leaves the image or a buffer has another size than it should.
pub(super) fn resize(pixels: Pixels<'_>, view: &View, out: &mut [u8]) -> Result<(), String> {
    match pixels.channels {
        Channels::Rgb => resize_as(PixelType::U8x3, pixels, view, out)?,
        Channels::Gray => {
            let mut gray = vec![0; view.side * view.side];
            resize_as(PixelType::U8, pixels, view, &mut gray)?;
            for (rgb, level) in out.as_chunks_mut().0.iter_mut().zip(gray) {
                *rgb = [level; 3];
            }
        }
    }
    if view.mirrored {
        for row in out.chunks_exact_mut(view.side * 3) {
            row.as_chunks_mut::<3>().0.reverse();
        }
    }
    Ok(())
}

fn resize_as(kind: PixelType, pixels: Pixels<'_>, view: &View, out: &mut [u8]) -> Result<(), String> {
    let length = |length: usize| u32::try_from(length).map_err(|error| error.to_string());
    let source = ImageRef::new(length(pixels.width)?, length(pixels.height)?, pixels.bytes, kind)
        .map_err(|error| error.to_string())?;
    let side = length(view.side)?;
    let mut target = Image::from_slice_u8(side, side, out, kind).map_err(|error| error.to_string())?;
    let window = view.window;
    let options = ResizeOptions::new()
        .crop(window.left, window.top, window.width, window.height)
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::dataset::Window;
    use super::*;

    fn resized(bytes: &[u8], (height, width): (usize, usize), window: Window, side: usize) -> Vec<u8> {
        let mut out = vec![0; side * side * 3];
        let view = View { window, mirrored: false, side };
        resize(Pixels { height, width, channels: Channels::Gray, bytes }, &view, &mut out).unwrap();
        out.chunks(3).map(|rgb| rgb[0]).collect()
    }

    /// Pillow's algorithm (`Resample.c`) with f64 for its fixed point, in one dimension.
    fn pillow(line: &[u8], start: f64, length: f64, side: usize) -> Vec<f64> {
        let scale = length / side as f64;
        let support = scale.max(1.0);
        let pixel = |x: usize| {
            let centre = start + (x as f64 + 0.5) * scale;
            let first = ((centre - support + 0.5).max(0.0)) as usize;
            let end = ((centre + support + 0.5) as usize).min(line.len());
            let weight = |i: usize| (1.0 - ((i as f64 - centre + 0.5) / support).abs()).max(0.0);
            let total: f64 = (first..end).map(weight).sum();
            (first..end).map(|i| weight(i) * f64::from(line[i])).sum::<f64>() / total
        };
        (0..side).map(pixel).collect()
    }

    #[test]
    fn a_window_of_its_own_size_is_copied() {
        let image: Vec<u8> = (0..25).collect();
        let window = Window { top: 1.0, left: 2.0, height: 3.0, width: 3.0 };
        assert_eq!(resized(&image, (5, 5), window, 3), [7, 8, 9, 12, 13, 14, 17, 18, 19]);
    }

    #[test]
    fn a_line_is_resized_as_pillow_does_up_and_down() {
        let line: Vec<u8> = (0..16u32).map(|x| (x * x * 37 % 256) as u8).collect();
        let image: Vec<u8> = (0..16).flat_map(|_| line.clone()).collect();
        for (start, length, side) in [(0.0, 16.0, 5), (0.0, 16.0, 24), (1.25, 9.5, 7), (3.5, 4.0, 12)] {
            let window = Window { top: 0.0, left: start, height: 16.0, width: length };
            let out = resized(&image, (16, 16), window, side);
            let expected = pillow(&line, start, length, side);
            for (x, (got, expected)) in out.iter().zip(&expected).enumerate() {
                let error = (f64::from(*got) - expected).abs();
                assert!(error <= 1.0, "{start} {length} {side}, pixel {x}: {got} {expected}");
            }
        }
    }

    #[test]
    fn mirroring_reverses_rows() {
        let bytes: Vec<u8> = (0..12).collect();
        let window = Window { top: 0.0, left: 0.0, height: 2.0, width: 2.0 };
        let mut out = [0; 12];
        let pixels = Pixels { height: 2, width: 2, channels: Channels::Rgb, bytes: &bytes };
        resize(pixels, &View { window, mirrored: true, side: 2 }, &mut out).unwrap();
        assert_eq!(out, [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]);
    }

    #[test]
    fn a_window_outside_its_image_is_an_error() {
        let window = Window { top: 0.0, left: 1.0, height: 2.0, width: 2.0 };
        let pixels = Pixels { height: 2, width: 2, channels: Channels::Gray, bytes: &[0; 4] };
        assert!(resize(pixels, &View { window, mirrored: false, side: 2 }, &mut [0; 12]).is_err());
    }
}
