//! One JPEG or PNG file to RGB bytes.
//!
//! The format is told by content, never by name. Grayscale and palette become RGB, 16 bits 8, CMYK RGB;
//! what is transparent shows white, as a page would. EXIF orientation is applied, colour profiles are not.
//! Files that were cut off are refused: JPEG decoders would fill the rest with gray and say nothing.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

/// Longest file that is read: far above any photograph.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Most pixels that are decoded: a 64-megapixel photograph. A few kilobytes can claim billions.
const MAX_PIXELS: u64 = 64 << 20;

/// A decoded image: `(height, width, 3)` bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub size: (usize, usize),
    pub rgb: Vec<u8>,
}

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Height and width of the upright image.
    pub size: (usize, usize),
    /// Length of the file.
    pub file_bytes: usize,
}

/// The header of a file that looks whole.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn examine(path: &Path) -> Result<Header, String> {
    let bytes = read(path)?;
    let mut decoder = decoder(&bytes)?;
    let turned = quarter_turned(decoder.orientation().map_err(|error| error.to_string())?);
    Ok(Header { size: size(&decoder, turned), file_bytes: bytes.len() })
}

/// The image in a file.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn decode(path: &Path) -> Result<Decoded, String> {
    let bytes = read(path)?;
    let mut decoder = decoder(&bytes)?;
    let orientation = decoder.orientation().map_err(|error| error.to_string())?;
    let size = size(&decoder, quarter_turned(orientation));
    let pixels = if is_jpeg(&bytes) { super::jpeg::rgb(&bytes)? } else { None };
    let mut image = match pixels {
        Some(rgb) => from_rgb(&decoder, rgb)?,
        None => DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?,
    };
    image.apply_orientation(orientation);
    let rgb = if image.color().has_alpha() { on_white(image) } else { image.into_rgb8().into_raw() };
    Ok(Decoded { size, rgb })
}

/// The image of a file whose header `decoder` has read.
fn from_rgb(decoder: &impl ImageDecoder, rgb: Vec<u8>) -> Result<DynamicImage, String> {
    let (width, height) = decoder.dimensions();
    let image = RgbImage::from_raw(width, height, rgb);
    image.map(Into::into).ok_or_else(|| "has another size than its header says".to_owned())
}

fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8])
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    // A folder may hold a pipe, whose opening would wait for ever.
    if !fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("is longer than {MAX_FILE_BYTES} bytes"));
    }
    Ok(bytes)
}

/// A decoder that has read the header and refuses too large an image.
fn decoder(bytes: &[u8]) -> Result<impl ImageDecoder + '_, String> {
    if bytes.is_empty() {
        return Err("is empty".to_owned());
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let whole = match reader.format() {
        Some(ImageFormat::Jpeg) => jpeg_ends(bytes),
        Some(ImageFormat::Png) => png_ends(bytes),
        _ => return Err("is neither JPEG nor PNG".to_owned()),
    };
    if !whole {
        return Err("is cut off".to_owned());
    }
    let decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    match u64::from(width) * u64::from(height) {
        0 => Err("has no pixels".to_owned()),
        1..=MAX_PIXELS => Ok(decoder),
        _ => Err(format!("is {width} × {height}; at most {MAX_PIXELS} pixels are decoded")),
    }
}

/// Whether an end marker follows the last scan. Within a scan's data 0xff is always stuffed, so that
/// neither marker occurs there by chance.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    let (start_of_scan, end_of_image) = (0xda, 0xd9);
    matches!((last(start_of_scan), last(end_of_image)), (Some(start), Some(end)) if start < end)
}

/// Whether there is an end chunk.
fn png_ends(bytes: &[u8]) -> bool {
    bytes.windows(8).any(|chunk| chunk == b"\0\0\0\0IEND")
}

fn quarter_turned(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Height and width of the upright image.
fn size(decoder: &impl ImageDecoder, turned: bool) -> (usize, usize) {
    let (width, height) = decoder.dimensions();
    let (height, width) = if turned { (width, height) } else { (height, width) };
    (height as usize, width as usize)
}

/// RGB bytes of an image laid on white.
fn on_white(image: DynamicImage) -> Vec<u8> {
    let rgba = image.into_rgba8().into_raw();
    let (pixels, _) = rgba.as_chunks::<4>();
    let blend = |level: u8, alpha: u8| {
        let alpha = u32::from(alpha);
        ((u32::from(level) * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    pixels.iter().flat_map(|&[r, g, b, alpha]| [r, g, b].map(|level| blend(level, alpha))).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{GrayImage, LumaA, Rgb, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    /// An image 3 wide and 2 high in which every pixel differs.
    fn small() -> RgbImage {
        RgbImage::from_fn(3, 2, |x, y| Rgb([100 * x as u8, 200 * y as u8, 50]))
    }

    pub fn jpeg(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 100).encode_image(image).unwrap();
        bytes
    }

    pub fn png(image: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    /// The JPEG with an EXIF block that says `orientation`.
    pub fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        [&jpeg[..2], &exif, &jpeg[2..]].concat()
    }

    fn decoded(bytes: &[u8]) -> Result<Decoded, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image");
        fs::write(&file, bytes).unwrap();
        let image = decode(&file)?;
        assert_eq!(examine(&file).unwrap(), Header { size: image.size, file_bytes: bytes.len() });
        Ok(image)
    }

    #[test]
    fn kinds_of_png_become_rgb() {
        let rgb = decoded(&png(&small().into())).unwrap();
        assert_eq!(rgb, Decoded { size: (2, 3), rgb: small().into_raw() });
        let gray = decoded(&png(&GrayImage::from_raw(2, 1, vec![7, 250]).unwrap().into())).unwrap();
        assert_eq!(gray.rgb, [7, 7, 7, 250, 250, 250]);
        let deep = DynamicImage::from(small()).into_rgb16();
        assert_eq!(decoded(&png(&deep.into())).unwrap().rgb, small().into_raw());
    }

    #[test]
    fn what_is_transparent_shows_white() {
        let image = RgbaImage::from_fn(3, 1, |x, _| Rgba([0, 100, 200, [0, 255, 51][x as usize]]));
        assert_eq!(decoded(&png(&image.into())).unwrap().rgb, [255, 255, 255, 0, 100, 200, 204, 224, 244]);
        let gray = image::GrayAlphaImage::from_pixel(1, 1, LumaA([9, 0]));
        assert_eq!(decoded(&png(&gray.into())).unwrap().rgb, [255; 3]);
    }

    #[test]
    fn exif_orientation_is_applied() {
        let image = RgbImage::from_fn(16, 8, |x, _| Rgb([if x < 8 { 250 } else { 5 }; 3]));
        // Where the bright half lies after each orientation, and the size (height, width).
        for (orientation, size, bright) in [
            (1, (8, 16), (4, 2)),
            (2, (8, 16), (4, 13)),
            (3, (8, 16), (4, 13)),
            (6, (16, 8), (2, 4)),
            (8, (16, 8), (13, 4)),
        ] {
            let upright = decoded(&oriented(&jpeg(&image), orientation)).unwrap();
            assert_eq!(upright.size, size, "orientation {orientation}");
            let level = upright.rgb[3 * (bright.0 * size.1 + bright.1)];
            assert!(level > 200, "orientation {orientation}: {level}");
        }
    }

    #[test]
    fn what_is_no_whole_image_is_named() {
        let (jpeg, png) = (jpeg(&small()), png(&small().into()));
        for (bytes, expected) in [
            (&b""[..], "is empty"),
            (b"GIF89a\x01\0\x01\0", "is neither JPEG nor PNG"),
            (b"hello", "is neither JPEG nor PNG"),
            (&jpeg[..jpeg.len() - 2], "is cut off"),
            (&png[..png.len() - 5], "is cut off"),
        ] {
            assert_eq!(decoded(bytes).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_decompression_bomb_is_refused_by_its_header() {
        let mut bytes = png(&small().into());
        bytes[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        assert_eq!(decoded(&bytes).unwrap_err(), "is 65535 × 65535; at most 67108864 pixels are decoded");
    }

    proptest! {
        #[test]
        fn damage_is_an_error_or_another_image(at in 0usize..2000, byte: u8, as_png: bool) {
            let mut bytes = if as_png { png(&small().into()) } else { jpeg(&small()) };
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(image) = decoded(&bytes) {
                prop_assert_eq!(image.rgb.len(), image.size.0 * image.size.1 * 3);
            }
        }
    }
}
