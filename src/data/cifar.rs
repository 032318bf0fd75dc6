//! CIFAR-10 and CIFAR-100, the binary version (Krizhevsky 2009, <https://www.cs.toronto.edu/~kriz/cifar.html>).
//!
//! A record is one label byte (CIFAR-100: coarse, then fine; we train on fine) and 3,072 pixel bytes,
//! planar: 1,024 red, 1,024 green, 1,024 blue, each 32 × 32 from the top left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::held::{Held, HeldSplit};
use super::resize::Channels;
use crate::sweep::settings::Data;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// The two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100.
    Hundred,
}

/// Where things lie in a set.
#[derive(Debug)]
struct Layout {
    /// Folder that its archive unpacks to.
    folder: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// File of class names, one a line.
    names: &'static str,
    classes: usize,
    /// Bytes before a record's pixels; the last one is the label.
    label_bytes: usize,
}

impl Kind {
    fn layout(self) -> Layout {
        match self {
            Self::Ten => Layout {
                folder: "cifar-10-batches-bin",
                train: &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                ],
                test: "test_batch.bin",
                names: "batches.meta.txt",
                classes: 10,
                label_bytes: 1,
            },
            Self::Hundred => Layout {
                folder: "cifar-100-binary",
                train: &["train.bin"],
                test: "test.bin",
                names: "fine_label_names.txt",
                classes: 100,
                label_bytes: 2,
            },
        }
    }
}

/// Reads the set at `path`: the folder of its files, or the one that its archive was unpacked in.
///
/// # Errors
/// If a file is missing or not what it should be, or more images are asked for than there are.
pub(super) fn open(path: &Path, kind: Kind, settings: &Data) -> Result<Held, DataError> {
    let layout = kind.layout();
    let folder = find(path, &layout)?;
    let classes = names(&folder.join(layout.names), layout.classes)?;
    let mut train = empty();
    for file in layout.train {
        append(&folder.join(file), &layout, &mut train)?;
    }
    let mut test = empty();
    append(&folder.join(layout.test), &layout, &mut test)?;
    Held::new(classes, train, test, settings)
}

fn empty() -> HeldSplit {
    HeldSplit { size: (SIDE, SIDE), channels: Channels::Rgb, bytes: Vec::new(), labels: Vec::new() }
}

/// The folder that holds the set's files.
fn find(path: &Path, layout: &Layout) -> Result<PathBuf, DataError> {
    fs::read_dir(path).map_err(|source| DataError::io(path, source))?;
    [path.to_owned(), path.join(layout.folder)]
        .into_iter()
        .find(|f| f.join(layout.test).is_file())
        .ok_or_else(|| {
            let found = format_args!("no `{}` in it or in `{}`", layout.test, layout.folder);
            DataError::format(path, found, format_args!("the files of `{}`", layout.folder))
        })
}

/// The class names, or the label numbers where the file of names is absent.
fn names(file: &Path, classes: usize) -> Result<Vec<String>, DataError> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((0..classes).map(|label| label.to_string()).collect());
        }
        Err(source) => return Err(DataError::io(file, source)),
    };
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() == classes {
        Ok(names)
    } else {
        Err(DataError::format(file, format_args!("{} names", names.len()), format_args!("{classes}")))
    }
}

/// Appends the records of a batch file.
fn append(file: &Path, layout: &Layout, split: &mut HeldSplit) -> Result<(), DataError> {
    let batch = fs::read(file).map_err(|source| DataError::io(file, source))?;
    let record_bytes = layout.label_bytes + 3 * PLANE;
    if batch.is_empty() || !batch.len().is_multiple_of(record_bytes) {
        let expected = format_args!("a multiple of {record_bytes} (one record)");
        return Err(DataError::format(file, format_args!("{} bytes", batch.len()), expected));
    }
    split.bytes.reserve(batch.len());
    for (number, record) in batch.chunks_exact(record_bytes).enumerate() {
        let (labels, pixels) = record.split_at(layout.label_bytes);
        let label = labels.last().copied().map_or(0, usize::from);
        if label >= layout.classes {
            let found = format_args!("label {label} in record {number}");
            return Err(DataError::format(file, found, format_args!("0 to {}", layout.classes - 1)));
        }
        split.labels.push(label);
        let (red, rest) = pixels.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        split.bytes.extend(red.iter().zip(green).zip(blue).flat_map(|((r, g), b)| [*r, *g, *b]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::super::dataset::{Dataset, Split, View, Window};
    use super::*;

    const WHOLE: View = View {
        window: Window { top: 0.0, left: 0.0, height: 32.0, width: 32.0 },
        mirrored: false,
        side: SIDE,
    };

    /// A record whose pixel at (y, x) is (10 · label, y, x).
    fn record(labels: &[u8]) -> Vec<u8> {
        let label = labels[labels.len() - 1];
        let mut record = labels.to_vec();
        record.extend(std::iter::repeat_n(label.wrapping_mul(10), PLANE));
        record.extend((0..PLANE).map(|i| (i / SIDE) as u8));
        record.extend((0..PLANE).map(|i| (i % SIDE) as u8));
        record
    }

    /// CIFAR-10 with labels 0 and 1 in each batch, 2 and 3 in the test batch.
    fn cifar10() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for batch in 1..=5 {
            let records = [record(&[0]), record(&[1])].concat();
            fs::write(folder.path().join(format!("data_batch_{batch}.bin")), records).unwrap();
        }
        let records = [record(&[2]), record(&[3])].concat();
        fs::write(folder.path().join("test_batch.bin"), records).unwrap();
        folder
    }

    fn open10(path: &Path) -> Result<Held, DataError> {
        open(path, Kind::Ten, &Data::default())
    }

    #[test]
    fn records_become_interleaved_images_in_file_order() {
        let folder = cifar10();
        let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
        fs::write(folder.path().join("batches.meta.txt"), names).unwrap();
        let set = open10(folder.path()).unwrap();
        assert_eq!((set.len(Split::Train), set.len(Split::Test)), (10, 2));
        assert_eq!(set.classes()[9], "truck");
        assert_eq!(set.label(Split::Train, 3), 1);
        let mut out = vec![0; 3 * PLANE];
        set.crop(Split::Test, 1, &WHOLE, &mut out).unwrap();
        let (y, x) = (7, 20);
        assert_eq!(out[3 * (y * SIDE + x)..][..3], [30, 7, 20]);
    }

    #[test]
    fn cifar_100_has_fine_labels_and_is_found_below_its_parent() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("cifar-100-binary");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("train.bin"), record(&[19, 99])).unwrap();
        fs::write(folder.join("test.bin"), record(&[3, 7])).unwrap();
        let set = open(parent.path(), Kind::Hundred, &Data::default()).unwrap();
        assert_eq!((set.label(Split::Train, 0), set.label(Split::Test, 0)), (99, 7));
        assert_eq!(set.classes().len(), 100);
    }

    #[test]
    fn the_fingerprint_hangs_on_pixels_and_subset() {
        let folder = cifar10();
        let whole = open10(folder.path()).unwrap().fingerprint();
        assert_eq!(whole, open10(folder.path()).unwrap().fingerprint());
        let part = Data { train_images: Some(4), ..Data::default() };
        assert_ne!(whole, open(folder.path(), Kind::Ten, &part).unwrap().fingerprint());
        let mut batch = [record(&[0]), record(&[1])].concat();
        batch[3000] ^= 1;
        fs::write(folder.path().join("data_batch_5.bin"), batch).unwrap();
        assert_ne!(whole, open10(folder.path()).unwrap().fingerprint());
    }

    #[test]
    fn what_is_wrong_with_a_batch_is_said() {
        let folder = cifar10();
        let batch = folder.path().join("data_batch_2.bin");
        for (bytes, expected) in [
            (record(&[10]), "found label 10 in record 0, expected 0 to 9"),
            (record(&[0])[1..].to_vec(), "found 3072 bytes, expected a multiple of 3073 (one record)"),
            (vec![], "found 0 bytes, expected a multiple of 3073 (one record)"),
        ] {
            fs::write(&batch, bytes).unwrap();
            let error = open10(folder.path()).unwrap_err().to_string();
            assert_eq!(error, format!("`{}`: {expected}", batch.display()));
        }
        fs::remove_file(&batch).unwrap();
        assert!(open10(folder.path()).unwrap_err().to_string().contains("data_batch_2.bin"));
    }

    #[test]
    fn another_folder_is_told_apart_from_a_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = open10(folder.path()).unwrap_err().to_string();
        assert!(error.contains("expected the files of `cifar-10-batches-bin`"), "{error}");
        assert!(matches!(open10(&folder.path().join("absent")), Err(DataError::Io { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_batch_or_an_error(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200), records in 0usize..3, label in 0u8..20,
        ) {
            let folder = cifar10();
            bytes.resize(bytes.len() + records * 3073, label);
            fs::write(folder.path().join("test_batch.bin"), &bytes).unwrap();
            let whole = !bytes.is_empty() && bytes.len() % 3073 == 0;
            let labels = bytes.chunks(3073).all(|record| record[0] < 10);
            prop_assert_eq!(open10(folder.path()).is_ok(), whole && labels);
        }
    }
}
