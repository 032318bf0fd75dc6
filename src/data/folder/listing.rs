//! Which files of a folder belong to which split and class.
//!
//! Either the folder has `train/` beside `val/`, `validation/` or `test/` (the first of them there is), with
//! a folder per class in each, or it is itself the folder of class folders and a share of each class
//! becomes its test images. Classes and files are in the order of their names' bytes. Every file within a
//! class folder, at any depth, is an image of the class, but for hidden files and desktop litter.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::error::DataError;

/// Names that split a folder, the training images first.
const TRAIN: &str = "train";
const TESTS: [&str; 3] = ["val", "validation", "test"];

/// Files that desktops leave in every folder.
const LITTER: [&str; 2] = ["Thumbs.db", "desktop.ini"];

/// Deepest folder below a class folder; a link that leads back to where it lies goes deeper.
const MAX_DEPTH: usize = 8;

/// Files of both splits.
#[derive(Debug)]
pub(super) struct Listing {
    /// Names of the class folders.
    pub classes: Vec<String>,
    pub train: Vec<Entry>,
    pub test: Vec<Entry>,
}

/// One image's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub path: PathBuf,
    /// Index of its class.
    pub label: usize,
}

impl Listing {
    /// Lists the folder `root`; `test_fraction` is for one without a split of its own.
    ///
    /// # Errors
    /// If a folder cannot be read, has no classes or a class no images, or the splits' classes differ.
    pub(super) fn read(root: &Path, test_fraction: f64) -> Result<Self, DataError> {
        let test = TESTS.iter().map(|name| root.join(name)).find(|folder| folder.is_dir());
        match (root.join(TRAIN), test) {
            (train, Some(test)) if train.is_dir() => Self::of_splits(&train, &test),
            _ => Self::of_classes(root, test_fraction),
        }
    }

    fn of_splits(train: &Path, test: &Path) -> Result<Self, DataError> {
        let (classes, train_entries) = class_files(train, 2)?;
        let (test_classes, mut test_entries) = class_files(test, 1)?;
        let labels = test_classes
            .iter()
            .map(|name| {
                classes.iter().position(|class| class == name).ok_or_else(|| {
                    let expected = format_args!("only those of `{}`", train.display());
                    DataError::format(test, format_args!("class `{name}`"), expected)
                })
            })
            .collect::<Result<Vec<usize>, _>>()?;
        for entry in &mut test_entries {
            entry.label = labels[entry.label];
        }
        Ok(Self { classes, train: train_entries, test: test_entries })
    }

    fn of_classes(root: &Path, test_fraction: f64) -> Result<Self, DataError> {
        let (classes, entries) = class_files(root, 2)?;
        if !(test_fraction > 0.0 && test_fraction < 1.0) {
            let problem = format!("{test_fraction} is not between 0 and 1");
            return Err(DataError::Setting { key: "data.test_fraction", problem });
        }
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for class in entries.chunk_by(|a, b| a.label == b.label) {
            let is_test = test_share(root, class, test_fraction);
            for (entry, is_test) in class.iter().zip(is_test) {
                if is_test { &mut test } else { &mut train }.push(entry.clone());
            }
        }
        if test.is_empty() {
            let expected = "two or more in some, for a test image";
            return Err(DataError::format(root, "one image in each class", expected));
        }
        Ok(Self { classes, train, test })
    }
}

/// Which files of a class become test images: those whose names hash lowest, rounded to the nearest count
/// but never none or all of two or more. The same file stays on its side when others come, mostly.
fn test_share(root: &Path, class: &[Entry], fraction: f64) -> Vec<bool> {
    let rounded = (class.len() as f64 * fraction).round() as usize;
    let count = rounded.max(1).min(class.len() - 1);
    let hash = |entry: &Entry| {
        let name = entry.path.strip_prefix(root).unwrap_or(&entry.path);
        blake3::hash(name.as_os_str().as_encoded_bytes())
    };
    let mut order: Vec<usize> = (0..class.len()).collect();
    order.sort_by_cached_key(|index| *hash(&class[*index]).as_bytes());
    let mut is_test = vec![false; class.len()];
    for index in &order[..count] {
        is_test[*index] = true;
    }
    is_test
}

/// The class folders in a folder, `least` at the least, and their files in order of class and name.
fn class_files(folder: &Path, least: usize) -> Result<(Vec<String>, Vec<Entry>), DataError> {
    let (mut classes, mut entries) = (Vec::new(), Vec::new());
    for path in visible(folder)?.into_iter().filter(|path| path.is_dir()) {
        let before = entries.len();
        collect(&path, classes.len(), 0, &mut entries)?;
        if entries.len() == before {
            return Err(DataError::format(&path, "no files", "the images of a class"));
        }
        classes.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    if classes.len() < least {
        let found = match classes.first() {
            Some(class) => format!("one folder, `{class}`"),
            None => "no folders".to_owned(),
        };
        let expected = "a folder per class, or `train` and `val` with a folder per class in each";
        return Err(DataError::format(folder, found, expected));
    }
    Ok((classes, entries))
}

/// Appends the files below a folder.
fn collect(folder: &Path, label: usize, depth: usize, entries: &mut Vec<Entry>) -> Result<(), DataError> {
    if depth > MAX_DEPTH {
        let expected = format_args!("at most {MAX_DEPTH}");
        return Err(DataError::format(folder, format_args!("{depth} folders in each other"), expected));
    }
    for path in visible(folder)? {
        if path.is_dir() {
            collect(&path, label, depth + 1, entries)?;
        } else {
            entries.push(Entry { path, label });
        }
    }
    Ok(())
}

/// What lies in a folder, sorted, without hidden files and litter.
fn visible(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io_error = |source| DataError::io(folder, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if !name.starts_with(b".") && !LITTER.iter().any(|litter| litter.as_bytes() == name) {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder_of(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(folder: &TempDir, entries: &[Entry]) -> Vec<(String, usize)> {
        let name = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
        entries.iter().map(|entry| (name(&entry.path), entry.label)).collect()
    }

    fn error(files: &[&str]) -> String {
        Listing::read(folder_of(files).path(), 0.2).unwrap_err().to_string()
    }

    #[test]
    fn a_split_of_its_own_is_kept_and_litter_left_out() {
        let folder = folder_of(&[
            "README",
            "train/b/2.png",
            "train/b/deeper/1.png",
            "train/b/.hidden",
            "train/a/Thumbs.db",
            "train/a/1.png",
            "val/b/3.png",
            "test/c/x",
        ]);
        let listing = Listing::read(folder.path(), 0.2).unwrap();
        assert_eq!(listing.classes, ["a", "b"]);
        let train = [("train/a/1.png", 0), ("train/b/2.png", 1), ("train/b/deeper/1.png", 1)];
        assert_eq!(names(&folder, &listing.train), train.map(|(name, label)| (name.to_owned(), label)));
        assert_eq!(names(&folder, &listing.test), [("val/b/3.png".to_owned(), 1)]);
    }

    #[test]
    fn a_share_of_each_class_becomes_test_images_wherever_the_folder_lies() {
        let files: Vec<String> = (0..20).map(|i| format!("{}/{i}.png", ["a", "b"][i % 2])).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let (one, two) = (folder_of(&files), folder_of(&files));
        let listing = Listing::read(one.path(), 0.3).unwrap();
        for label in 0..2 {
            assert_eq!(listing.test.iter().filter(|entry| entry.label == label).count(), 3);
            assert_eq!(listing.train.iter().filter(|entry| entry.label == label).count(), 7);
        }
        let again = Listing::read(two.path(), 0.3).unwrap();
        assert_eq!(names(&one, &listing.test), names(&two, &again.test));
    }

    #[test]
    fn neither_split_of_a_small_class_is_empty() {
        let folder = folder_of(&["a/1", "a/2", "b/1"]);
        for fraction in [0.01, 0.99] {
            let listing = Listing::read(folder.path(), fraction).unwrap();
            assert_eq!((listing.train.len(), listing.test.len()), (2, 1), "{fraction}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(error(&["a/1", "b/1"]).contains("found one image in each class, expected two or more"));
        assert!(error(&["readme"]).contains("found no folders, expected a folder per class"));
        assert!(error(&["train/1.png"]).contains("found one folder, `train`, expected"));
        assert!(error(&["a/1", "b/.hidden"]).ends_with("found no files, expected the images of a class"));
        let stranger = error(&["train/a/1", "train/b/1", "val/a/1", "val/c/1"]);
        assert!(stranger.contains("found class `c`, expected only those of"), "{stranger}");
        let folder = folder_of(&["a/1", "a/2", "b/1"]);
        let fraction = Listing::read(folder.path(), f64::NAN).unwrap_err().to_string();
        assert_eq!(fraction, "`data.test_fraction`: NaN is not between 0 and 1");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_ends() {
        let folder = folder_of(&["a/1", "b/1"]);
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("a/again")).unwrap();
        let error = Listing::read(folder.path(), 0.2).unwrap_err().to_string();
        assert!(error.ends_with("found 9 folders in each other, expected at most 8"), "{error}");
    }
}
