//! A folder per class of JPEG or PNG files.
//!
//! Opening looks into the header of every file in use, so that all unreadable ones are named at once and
//! before anything trains. Where all images fit a bound they are decoded once and kept; beyond it each look
//! decodes its file again.

mod decode;
mod jpeg;
mod listing;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use self::decode::{Decoded, Header, decode, examine};
use self::listing::{Entry, Listing};
use super::dataset::{Dataset, Split, View};
use super::error::{DataError, UnreadableFile};
use super::held::short;
use super::pipeline::panic_message;
use super::resize::{Channels, Pixels, resize};
use super::subset::balanced;
use crate::sweep::settings::Data;

/// Most bytes of decoded images that a set keeps: several trials run at a time, each with its own.
const KEPT_BYTES: usize = 512 << 20;

/// An image folder.
#[derive(Debug)]
pub(super) struct Folder {
    classes: Vec<String>,
    train: Vec<Photo>,
    test: Vec<Photo>,
    fingerprint: String,
    /// Whether decoded images are kept.
    keeps: bool,
}

/// One image.
#[derive(Debug)]
struct Photo {
    entry: Entry,
    header: Header,
    kept: OnceLock<Decoded>,
}

impl Folder {
    /// Opens the folder, or the part of it that `settings` asks for.
    ///
    /// # Errors
    /// If its layout is not understood, files are unreadable, or more images are asked for than there are.
    pub(super) fn open(root: &Path, settings: &Data) -> Result<Self, DataError> {
        Self::open_keeping(root, settings, KEPT_BYTES)
    }

    fn open_keeping(root: &Path, settings: &Data, kept_bytes: usize) -> Result<Self, DataError> {
        let listing = Listing::read(root, settings.test_fraction)?;
        let mut unreadable = Vec::new();
        let train = part(listing.train, settings.train_images, "data.train_images")?;
        let test = part(listing.test, settings.test_images, "data.test_images")?;
        let train = photos(train, &mut unreadable)?;
        let test = photos(test, &mut unreadable)?;
        if !unreadable.is_empty() {
            return Err(DataError::Unreadable { files: unreadable });
        }
        let bytes = |photo: &Photo| photo.header.size.0 * photo.header.size.1 * 3;
        let keeps = train.iter().chain(&test).map(bytes).sum::<usize>() <= kept_bytes;
        let fingerprint = fingerprint(root, &listing.classes, [&train, &test]);
        Ok(Self { classes: listing.classes, train, test, fingerprint, keeps })
    }

    /// A set without classes whose test images are `files`, in order, but for those that are unreadable.
    pub(super) fn of_files(files: Vec<PathBuf>) -> Result<(Self, Vec<UnreadableFile>), DataError> {
        let entries = files.into_iter().map(|path| Entry { path, label: 0 }).collect();
        let mut unreadable = Vec::new();
        let test = photos(entries, &mut unreadable)?;
        let fingerprint = fingerprint(Path::new(""), &[], [&[], &test]);
        Ok((Self { classes: Vec::new(), train: Vec::new(), test, fingerprint, keeps: false }, unreadable))
    }

    /// The test images' files.
    pub(super) fn test_files(&self) -> impl Iterator<Item = &Path> {
        self.test.iter().map(|photo| photo.entry.path.as_path())
    }

    fn split(&self, split: Split) -> &[Photo] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

impl Dataset for Folder {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn len(&self, split: Split) -> usize {
        self.split(split).len()
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.split(split)[index].entry.label
    }

    fn size(&self, split: Split, index: usize) -> (usize, usize) {
        self.split(split)[index].header.size
    }

    fn crop(&self, split: Split, index: usize, view: &View, out: &mut [u8]) -> Result<(), DataError> {
        let photo = &self.split(split)[index];
        if let Some(decoded) = photo.kept.get() {
            return show(decoded, view, out);
        }
        let decoded = photo.decode()?;
        show(&decoded, view, out)?;
        if self.keeps {
            // Another thread may have been first, with the same pixels.
            let _ = photo.kept.set(decoded);
        }
        Ok(())
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

impl Photo {
    fn decode(&self) -> Result<Decoded, DataError> {
        let path = &self.entry.path;
        let unreadable =
            |problem| DataError::Unreadable { files: vec![UnreadableFile { path: path.clone(), problem }] };
        let decoded = decode(path).map_err(unreadable)?;
        if decoded.size != self.header.size {
            return Err(unreadable("has changed since the set was opened".to_owned()));
        }
        Ok(decoded)
    }
}

fn show(decoded: &Decoded, view: &View, out: &mut [u8]) -> Result<(), DataError> {
    let (height, width) = decoded.size;
    let pixels = Pixels { height, width, channels: Channels::Rgb, bytes: &decoded.rgb };
    resize(pixels, view, out).map_err(|problem| DataError::View { problem })
}

/// A balanced part of a split's files.
fn part(entries: Vec<Entry>, count: Option<usize>, key: &'static str) -> Result<Vec<Entry>, DataError> {
    let labels: Vec<usize> = entries.iter().map(|entry| entry.label).collect();
    Ok(balanced(&labels, count, key)?.into_iter().map(|index| entries[index].clone()).collect())
}

/// The files with their headers, in order, read on all cores; those that have none go to `unreadable`.
fn photos(entries: Vec<Entry>, unreadable: &mut Vec<UnreadableFile>) -> Result<Vec<Photo>, DataError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(threads).max(1);
    let headers = thread::scope(|scope| {
        let read = |part: &'_ [Entry]| part.iter().map(|entry| examine(&entry.path)).collect::<Vec<_>>();
        let parts: Vec<_> = entries.chunks(share).map(|part| scope.spawn(move || read(part))).collect();
        let mut headers = Vec::with_capacity(entries.len());
        for part in parts {
            headers
                .extend(part.join().map_err(|panic| DataError::Panicked { message: panic_message(&panic) })?);
        }
        Ok(headers)
    })?;
    let mut photos = Vec::with_capacity(entries.len());
    for (entry, header) in entries.into_iter().zip(headers) {
        match header {
            Ok(header) => photos.push(Photo { entry, header, kept: OnceLock::new() }),
            Err(problem) => unreadable.push(UnreadableFile { path: entry.path, problem }),
        }
    }
    Ok(photos)
}

/// Hash of class names, and of every file's name and length: content would take a minute for large sets.
fn fingerprint(root: &Path, classes: &[String], splits: [&[Photo]; 2]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("effsweep image set, folder v1");
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    classes.iter().for_each(|name| field(name.as_bytes()));
    for split in splits {
        field(&(split.len() as u64).to_le_bytes());
        for photo in split {
            let path = &photo.entry.path;
            field(path.strip_prefix(root).unwrap_or(path).as_os_str().as_encoded_bytes());
            field(&(photo.header.file_bytes as u64).to_le_bytes());
        }
    }
    short(&hasher)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{Rgb, RgbImage};
    use tempfile::TempDir;

    use super::super::dataset::Window;
    use super::decode::tests::{jpeg, png};
    use super::*;

    /// Two classes of four images each, 4 × 6 pixels, whose level tells class and number.
    fn set() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (label, class) in ["cat", "dog"].into_iter().enumerate() {
            fs::create_dir(folder.path().join(class)).unwrap();
            for number in 0..4 {
                let level = (100 * label + 20 * number) as u8;
                let image = RgbImage::from_pixel(6, 4, Rgb([level; 3]));
                // Names lie on purpose: the content decides.
                let bytes = if number % 2 == 0 { jpeg(&image) } else { png(&image.into()) };
                fs::write(folder.path().join(class).join(format!("{number}.jpg")), bytes).unwrap();
            }
        }
        folder
    }

    fn settings() -> Data {
        Data { test_fraction: 0.25, ..Data::default() }
    }

    fn level(set: &Folder, split: Split, index: usize) -> Result<u8, DataError> {
        let window = Window::within(set.size(split, index), 4.0, 4.0, 0.5, 0.5);
        let mut out = [0; 12];
        set.crop(split, index, &View { window, mirrored: false, side: 2 }, &mut out)?;
        Ok(out[0])
    }

    #[test]
    fn images_are_the_same_kept_or_decoded_again() {
        let folder = set();
        let kept = Folder::open(folder.path(), &settings()).unwrap();
        let again = Folder::open_keeping(folder.path(), &settings(), 8 * 72 - 1).unwrap();
        assert!(kept.keeps && !again.keeps);
        assert_eq!((kept.len(Split::Train), kept.len(Split::Test)), (6, 2));
        assert_eq!((kept.classes(), kept.size(Split::Test, 0)), (&["cat".into(), "dog".into()][..], (4, 6)));
        for split in [Split::Train, Split::Test] {
            for index in 0..kept.len(split) {
                let label = kept.label(split, index);
                let shown = level(&kept, split, index).unwrap();
                assert_eq!(usize::from(shown) / 90, label, "{split:?} {index}: {shown}");
                assert_eq!(shown, level(&kept, split, index).unwrap());
                assert_eq!(shown, level(&again, split, index).unwrap());
            }
        }
    }

    #[test]
    fn every_unreadable_file_is_named() {
        let folder = set();
        fs::write(folder.path().join("cat/0.jpg"), "").unwrap();
        fs::write(folder.path().join("dog/notes.txt"), "a note").unwrap();
        let error = Folder::open(folder.path(), &settings()).unwrap_err().to_string();
        assert!(error.starts_with("2 image files are unreadable:"), "{error}");
        assert!(error.contains("cat/0.jpg`: is empty"), "{error}");
        assert!(error.contains("dog/notes.txt`: is neither JPEG nor PNG"), "{error}");
    }

    #[test]
    fn a_file_that_changes_later_is_named_at_its_use() {
        let folder = set();
        let set = Folder::open(folder.path(), &settings()).unwrap();
        let path = &set.train[0].entry.path;
        fs::write(path, png(&RgbImage::new(4, 4).into())).unwrap();
        let error = level(&set, Split::Train, 0).unwrap_err().to_string();
        assert!(error.ends_with("has changed since the set was opened"), "{error}");
        fs::remove_file(path).unwrap();
        let error = level(&set, Split::Train, 0).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }

    #[test]
    fn the_fingerprint_hangs_on_files_and_not_on_where_they_lie() {
        let (one, two) = (set(), set());
        let print =
            |folder: &TempDir, settings: &Data| Folder::open(folder.path(), settings).unwrap().fingerprint();
        assert_eq!(print(&one, &settings()), print(&two, &settings()));
        let part = Data { train_images: Some(2), ..settings() };
        assert_ne!(print(&one, &settings()), print(&one, &part));
        fs::rename(two.path().join("cat/1.jpg"), two.path().join("cat/9.jpg")).unwrap();
        assert_ne!(print(&one, &settings()), print(&two, &settings()));
    }
}
