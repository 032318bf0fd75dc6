//! The pixels of a JPEG file, bit for bit those of libjpeg-turbo, which Pillow, OpenCV and PyTorch read with.
//!
//! Decoders are free in how they round and how they widen subsampled colours; others differ from libjpeg by a few levels
//! of 255, which would make a network trained elsewhere see other images here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg::{ColorSpace, Decompress};

use super::super::pipeline::panic_message;

/// RGB bytes, rows from the top; `None` for the inks (CMYK) that libjpeg leaves to others.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn rgb(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    // The library unwinds where C would jump.
    catch_unwind(AssertUnwindSafe(|| decompress(bytes))).unwrap_or_else(|panic| Err(panic_message(&panic)))
}

fn decompress(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let opened = Decompress::new_mem(bytes).map_err(|error| error.to_string())?;
    if matches!(opened.color_space(), ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK) {
        return Ok(None);
    }
    let mut started = opened.rgb().map_err(|error| error.to_string())?;
    let pixels = started.read_scanlines::<u8>().map_err(|error| error.to_string())?;
    started.finish().map_err(|error| error.to_string())?;
    Ok(Some(pixels))
}
