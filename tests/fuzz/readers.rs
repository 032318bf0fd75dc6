//! Images: IDX, CIFAR's binary files, folders of JPEG and PNG.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use effsweep::data::{Dataset, Split, View, Window, open};
use effsweep::sweep::settings::{Data, ImageSet};
use image::{DynamicImage, ImageFormat};

use super::trial::{Target, read};

/// Where files are as quick as memory, if anywhere.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[test]
fn hundreds_of_image_files_are_read() {
    idx(300);
    cifar(100);
    photos(600);
}

#[test]
#[ignore = "minutes: the long form"]
fn a_million_image_files_are_read() {
    idx(400_000);
    cifar(50_000);
    photos(550_000);
}

/// Shows every image that the settings find, if they find any.
fn show(settings: &Data) {
    let Ok(set) = open(settings) else { return };
    for split in [Split::Train, Split::Test] {
        for index in 0..set.len(split).min(3) {
            look(set.as_ref(), split, index);
        }
    }
}

fn look(set: &dyn Dataset, split: Split, index: usize) {
    let (height, width) = set.size(split, index);
    let window = Window { top: 0.0, left: 0.0, height: height as f64, width: width as f64 };
    let mut out = vec![0; 8 * 8 * 3];
    drop(set.crop(split, index, &View { window, mirrored: false, side: 8 }, &mut out));
    assert!(set.label(split, index) < set.classes().len());
}

fn settings(set: ImageSet, path: &Path) -> Data {
    Data { set, path: Some(path.to_owned()), ..Data::default() }
}

/// An IDX file of `images` images of 6 × 5, or of their labels.
fn idx_file(images: u32, labels: bool) -> Vec<u8> {
    let dims: &[u32] = if labels { &[images] } else { &[images, 6, 5] };
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    let values: u32 = dims.iter().product();
    bytes.extend((0..values).map(|value| (value % 3) as u8));
    bytes
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(count: u64) {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    for (name, labels) in [
        ("train-images-idx3-ubyte", false),
        ("t10k-images-idx3-ubyte", false),
        ("t10k-labels-idx1-ubyte", true),
    ] {
        fs::write(path(name), idx_file(4, labels)).unwrap();
    }
    let settings = settings(ImageSet::Idx, folder.path());
    fs::write(path("train-labels-idx1-ubyte"), idx_file(4, true)).unwrap();
    assert!(open(&settings).is_ok());
    let corpus =
        [idx_file(4, true), zipped(&idx_file(4, true)), idx_file(4, false), zipped(&idx_file(400, false))];
    let target =
        Target { name: "IDX files", corpus: &corpus, words: &[], most_time: LONGEST, most_bytes: LARGEST };
    let mut turn = 0;
    read(&target, count, |input| {
        turn += 1;
        let name = ["train-labels-idx1-ubyte", "train-images-idx3-ubyte"][turn % 2];
        let sound = fs::read(path(name)).unwrap();
        fs::write(path(name), input).unwrap();
        show(&settings);
        fs::write(path(name), sound).unwrap();
    });
}

fn cifar(count: u64) {
    let folder = folder();
    let record = |label: u8| [vec![label], (0..3072).map(|byte| byte as u8).collect()].concat();
    let batch = [record(0), record(9)].concat();
    for number in 1..=5 {
        fs::write(folder.path().join(format!("data_batch_{number}.bin")), &batch).unwrap();
    }
    fs::write(folder.path().join("test_batch.bin"), &batch).unwrap();
    let names: String = (0..10).map(|class| format!("class {class}\n")).collect();
    fs::write(folder.path().join("batches.meta.txt"), &names).unwrap();
    let settings = settings(ImageSet::Cifar10, folder.path());
    assert!(open(&settings).is_ok());
    let files: [(&str, Vec<u8>); 2] = [("data_batch_3.bin", batch), ("batches.meta.txt", names.into_bytes())];
    let corpus = files.clone().map(|(_, bytes)| bytes);
    let target = Target {
        name: "CIFAR files",
        corpus: &corpus,
        words: &["\n"],
        most_time: LONGEST,
        most_bytes: LARGEST,
    };
    let mut turn = 0;
    read(&target, count, |input| {
        let (name, sound) = &files[turn % 2];
        turn += 1;
        fs::write(folder.path().join(name), input).unwrap();
        show(&settings);
        fs::write(folder.path().join(name), sound).unwrap();
    });
}

/// Decoding may take what the largest photograph takes that is let in: 64 million pixels, in and out.
const LARGEST: usize = 1 << 30;
const LONGEST: Duration = Duration::from_secs(30);

fn photos(count: u64) {
    let folder = folder();
    let place = |class: &str, name: &str| -> PathBuf { folder.path().join(class).join(name) };
    let corpus = encoded();
    for class in ["cat", "dog"] {
        fs::create_dir(folder.path().join(class)).unwrap();
        for number in 0..2 {
            fs::write(place(class, &format!("{number}.png")), &corpus[1]).unwrap();
        }
    }
    let settings = settings(ImageSet::Folder, folder.path());
    assert!(open(&settings).is_ok());
    let target = Target {
        name: "JPEG and PNG files",
        corpus: &corpus,
        words: &["IHDR", "IDAT", "JFIF"],
        most_time: LONGEST,
        most_bytes: LARGEST,
    };
    read(&target, count, |input| {
        fs::write(place("cat", "0.png"), input).unwrap();
        show(&settings);
    });
}

/// The same small picture in several kinds.
fn encoded() -> Vec<Vec<u8>> {
    let picture = DynamicImage::ImageRgb8(image::RgbImage::from_fn(19, 13, |x, y| {
        image::Rgb([(x * 13) as u8, (y * 19) as u8, ((x * y) % 256) as u8])
    }));
    let encode = |picture: &DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    vec![
        encode(&picture, ImageFormat::Jpeg),
        encode(&picture, ImageFormat::Png),
        encode(&DynamicImage::ImageLuma8(picture.to_luma8()), ImageFormat::Jpeg),
        encode(&DynamicImage::ImageRgba16(picture.to_rgba16()), ImageFormat::Png),
        encode(&DynamicImage::ImageLumaA8(picture.to_luma_alpha8()), ImageFormat::Png),
    ]
}
