//! How fast images are made ready for training: decoded, cropped at random, resized, normalised, batched.
//!
//! ```text
//! cargo bench --bench pipeline -- data/imagenette 128
//! python benches/peers/dataloader.py data/imagenette 128
//! ```
//!
//! The first number is of a pass that decodes every file, as every pass does of a set that is larger than what is kept
//! decoded; the second of a pass over decoded images. Without a folder, images are drawn and written first.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::path::PathBuf;
use std::time::Instant;

use effsweep::data::{Epoch, TrainLoader, open};
use effsweep::sweep::settings::{Data, ImageSet};

/// Images per batch.
const BATCH: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    let side: usize = arguments.get(1).map_or(128, |side| side.parse().unwrap());
    let settings = match arguments.first() {
        Some(path) => Data {
            set: ImageSet::Folder,
            path: Some(PathBuf::from(path)),
            crop_min_area: 0.25,
            ..Data::default()
        },
        None => {
            println!("drawings, as no folder was named");
            Data { train_images: Some(2000), test_images: Some(10), ..Data::default() }
        }
    };
    for threads in [1, 2] {
        let set = open(&settings).unwrap();
        for pass in ["decoding", "decoded before"] {
            let epoch = Epoch { seed: 0, number: 0, first_step: 0 };
            let start = Instant::now();
            let loader = TrainLoader::new(set.clone(), &settings, BATCH, side, epoch, threads).unwrap();
            let images: usize = loader.map(|batch| batch.unwrap().labels.len()).sum();
            let rate = images as f64 / start.elapsed().as_secs_f64();
            println!("{side} pixels, {threads} threads, {pass}: {rate:.0} images/s of {images}");
        }
    }
}
