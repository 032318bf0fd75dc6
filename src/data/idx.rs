//! IDX files (MNIST, Fashion-MNIST and their kin), plain or gzip.
//!
//! A file is a magic number (0, 0, type, rank), one big-endian u32 a dimension, and the values
//! (<http://yann.lecun.com/exdb/mnist/>). Images are unsigned bytes `(n, h, w)`, labels unsigned bytes `(n)`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::error::DataError;
use super::held::{Held, HeldSplit};
use super::resize::Channels;
use crate::sweep::settings::Data;

/// Most values of one file: EMNIST, the largest set in use, has half of it. Keeps a header or a
/// compressed file from asking for all memory.
const MAX_VALUES: usize = 1 << 30;

/// The type code of unsigned bytes.
const UNSIGNED_BYTE: u8 = 0x08;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads the four files of a set in the folder `path`.
///
/// # Errors
/// If a file is missing or not what it should be, or more images are asked for than there are.
pub(super) fn open(path: &Path, settings: &Data) -> Result<Held, DataError> {
    std::fs::read_dir(path).map_err(|source| DataError::io(path, source))?;
    let train = split(path, &["train"])?;
    let test = split(path, &["t10k", "test"])?;
    let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    let classes = (0..=largest).map(|label| label.to_string()).collect();
    Held::new(classes, train, test, settings)
}

fn split(folder: &Path, prefixes: &[&str]) -> Result<HeldSplit, DataError> {
    let images_file = find(folder, prefixes, "images", 3)?;
    let labels_file = find(folder, prefixes, "labels", 1)?;
    let images = Values::read(&images_file, 3)?;
    let labels = Values::read(&labels_file, 1)?;
    let (count, height, width) = (images.dims[0], images.dims[1], images.dims[2]);
    if labels.dims[0] != count {
        let found = format_args!("{} labels", labels.dims[0]);
        let expected = format_args!("{count}, one an image of `{}`", images_file.display());
        return Err(DataError::format(&labels_file, found, expected));
    }
    Ok(HeldSplit {
        size: (height, width),
        channels: Channels::Gray,
        bytes: images.values,
        labels: labels.values.into_iter().map(usize::from).collect(),
    })
}

/// The file of a split's images or labels, in either spelling, plain or gzip.
fn find(folder: &Path, prefixes: &[&str], what: &str, rank: usize) -> Result<PathBuf, DataError> {
    for prefix in prefixes {
        for joint in ['-', '.'] {
            for end in ["", ".gz"] {
                let file = folder.join(format!("{prefix}-{what}{joint}idx{rank}-ubyte{end}"));
                if file.is_file() {
                    return Ok(file);
                }
            }
        }
    }
    let name = format!("`{}-{what}-idx{rank}-ubyte`", prefixes[0]);
    Err(DataError::format(
        folder,
        format_args!("no {name} in it"),
        format_args!("that file or {name} with `.gz`"),
    ))
}

/// What an IDX file holds.
#[derive(Debug)]
struct Values {
    dims: Vec<usize>,
    values: Vec<u8>,
}

impl Values {
    /// Reads a file of unsigned bytes in `rank` dimensions, none of them 0.
    fn read(file: &Path, rank: u8) -> Result<Self, DataError> {
        let io_error = |source| DataError::io(file, source);
        let mut raw = BufReader::new(File::open(file).map_err(io_error)?);
        let zipped = raw.fill_buf().map_err(io_error)?.starts_with(&GZIP_MAGIC);
        let mut reader: Box<dyn Read> =
            if zipped { Box::new(MultiGzDecoder::new(raw)) } else { Box::new(raw) };

        let magic = read_word(&mut reader, file)?;
        if magic != [0, 0, UNSIGNED_BYTE, rank] {
            let found = format_args!("magic number {:#010x}", u32::from_be_bytes(magic));
            let expected = u32::from_be_bytes([0, 0, UNSIGNED_BYTE, rank]);
            return Err(DataError::format(file, found, format_args!("{expected:#010x}")));
        }
        let dims = (0..rank)
            .map(|_| Ok(u32::from_be_bytes(read_word(&mut reader, file)?) as usize))
            .collect::<Result<Vec<usize>, DataError>>()?;
        let total = dims.iter().try_fold(1usize, |total, dim| total.checked_mul(*dim));
        let Some(total @ 1..=MAX_VALUES) = total else {
            let expected = format_args!("1 to {MAX_VALUES} values");
            return Err(DataError::format(file, format_args!("dimensions {dims:?}"), expected));
        };
        // The buffer grows with what is really there, not with what the header says.
        let mut values = Vec::new();
        reader.take(total as u64 + 1).read_to_end(&mut values).map_err(io_error)?;
        if values.len() != total {
            let found = if values.len() < total { values.len().to_string() } else { "more".to_owned() };
            let expected = format_args!("{total} ({dims:?} in its header)");
            return Err(DataError::format(file, format_args!("{found} values"), expected));
        }
        Ok(Self { dims, values })
    }
}

/// The next four bytes of a header.
fn read_word(reader: &mut impl Read, file: &Path) -> Result<[u8; 4], DataError> {
    let mut word = [0; 4];
    reader.read_exact(&mut word).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DataError::format(file, "its end within the header", "an IDX file"),
        _ => DataError::io(file, error),
    })?;
    Ok(word)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::super::dataset::{Dataset, Split, View, Window};
    use super::*;

    fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, UNSIGNED_BYTE, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Three training images of 2 × 3 pixels, labels 0, 4, 1, and one test image, in mixed spellings.
    fn set() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("train-images-idx3-ubyte", idx(&[3, 2, 3], &(0..18).collect::<Vec<_>>()));
        write("train-labels.idx1-ubyte", idx(&[3], &[0, 4, 1]));
        write("t10k-images-idx3-ubyte.gz", gzip(&idx(&[1, 2, 3], &[9; 6])));
        write("t10k-labels-idx1-ubyte.gz", gzip(&idx(&[1], &[2])));
        folder
    }

    fn open_plain(folder: &TempDir) -> Result<Held, DataError> {
        open(folder.path(), &Data::default())
    }

    #[test]
    fn both_spellings_are_read_plain_and_gzip() {
        let set = open_plain(&set()).unwrap();
        assert_eq!((set.len(Split::Train), set.len(Split::Test)), (3, 1));
        assert_eq!(set.classes(), ["0", "1", "2", "3", "4"]);
        assert_eq!((set.label(Split::Train, 1), set.label(Split::Test, 0)), (4, 2));
        assert_eq!(set.size(Split::Train, 0), (2, 3));
        let view = View {
            window: Window { top: 0.0, left: 1.0, height: 2.0, width: 2.0 },
            mirrored: false,
            side: 2,
        };
        let mut out = [0; 12];
        set.crop(Split::Train, 1, &view, &mut out).unwrap();
        assert_eq!(out, [7, 7, 7, 8, 8, 8, 10, 10, 10, 11, 11, 11]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let name = "train-images-idx3-ubyte";
        for (bytes, expected) in [
            (idx(&[18], &[0; 18]), "found magic number 0x00000801, expected 0x00000803"),
            (vec![0, 0], "found its end within the header, expected an IDX file"),
            (idx(&[3, 2, 3], &[0; 17]), "found 17 values, expected 18 ([3, 2, 3] in its header)"),
            (idx(&[3, 2, 3], &[0; 19]), "found more values, expected 18 ([3, 2, 3] in its header)"),
            (idx(&[0, 2, 3], &[]), "found dimensions [0, 2, 3], expected 1 to 1073741824 values"),
            (idx(&[u32::MAX; 3], &[]), "expected 1 to 1073741824 values"),
            (
                idx(&[3, 0x1000, 0x1000], &[]),
                "found 0 values, expected 50331648 ([3, 4096, 4096] in its header)",
            ),
        ] {
            let folder = set();
            std::fs::write(folder.path().join(name), bytes).unwrap();
            let error = open_plain(&folder).unwrap_err().to_string();
            assert!(error.contains(name) && error.ends_with(expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn labels_match_images() {
        let folder = set();
        std::fs::write(folder.path().join("train-labels.idx1-ubyte"), idx(&[2], &[0, 1])).unwrap();
        let error = open_plain(&folder).unwrap_err().to_string();
        assert!(error.contains("found 2 labels, expected 3, one an image of"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = set();
        std::fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte.gz")).unwrap();
        let error = open_plain(&folder).unwrap_err().to_string();
        assert!(error.contains("found no `t10k-labels-idx1-ubyte` in it"), "{error}");
    }

    #[test]
    fn a_cut_off_gzip_file_is_an_error() {
        let folder = set();
        let file = folder.path().join("t10k-images-idx3-ubyte.gz");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 9]).unwrap();
        assert!(matches!(open_plain(&folder), Err(DataError::Io { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_values_or_an_error(
            dims in prop::array::uniform3(prop_oneof![0u32..4, any::<u32>()]),
            values in prop::collection::vec(any::<u8>(), 0..40),
            cut in 0usize..60, zipped: bool,
        ) {
            let mut bytes = idx(&dims, &values);
            bytes.truncate(cut);
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("any");
            std::fs::write(&file, if zipped { gzip(&bytes) } else { bytes.clone() }).unwrap();
            let promised = dims.iter().map(|dim| u128::from(*dim)).product::<u128>();
            let whole = promised > 0 && bytes.len() >= 16 && (bytes.len() - 16) as u128 == promised;
            match Values::read(&file, 3) {
                Ok(read) => prop_assert!(whole && read.values.capacity() <= 4096),
                Err(_) => prop_assert!(!whole),
            }
        }

        #[test]
        fn noise_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100), zipped: bool) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("noise");
            let noise = if zipped { [&GZIP_MAGIC, &bytes[..]].concat() } else { bytes };
            std::fs::write(&file, noise).unwrap();
            prop_assert!(Values::read(&file, 3).is_err());
        }
    }
}
