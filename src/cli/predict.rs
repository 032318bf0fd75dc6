//! `effsweep predict`: what a trained network says of images.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use clap::ArgGroup;

use super::Context;
use super::exit::{FAILED, Failure};
use super::look::Format;
use super::weights::{checked, of_trial};
use crate::data::Photos;
use crate::durable::write_atomically;
use crate::report::{Column, Kind, Rows, Value, csv, number};
use crate::weights::TrainedNetwork;

/// Show what a trained network takes images for.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("network").args(["weights", "trial"]).required(true)))]
#[command(after_help = "Examples:\n  \
    effsweep predict --trial 3f9c21ab --images photos/\n  \
    effsweep predict --weights b0.safetensors --images cat.jpg dog.png --resolution 288\n  \
    effsweep predict --weights b0.safetensors --images photos/ --logits logits.csv --format csv > top5.csv\n\n\
    Images are prepared as in evaluation: the centre crop, resized bilinearly. Weights say what network they are of;\n\
    `effsweep weights import` adds that to a state dict of timm's.")]
pub(super) struct Arguments {
    /// Weights of a trial, or of `effsweep weights`.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The beginning of a finished trial's key.
    #[arg(long, value_name = "KEY")]
    trial: Option<String>,
    /// JPEG or PNG files, and folders of them, whatever lies how deep.
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    images: Vec<PathBuf>,
    /// Side that images are shown at, pixels [default: what the weights say].
    #[arg(long, value_name = "PIXELS")]
    resolution: Option<usize>,
    /// Side of the centre crop over the image's shorter side [default: what the weights say].
    #[arg(long, value_name = "RATIO")]
    crop_ratio: Option<f64>,
    /// How many classes to show of each image.
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// Write the logits of all classes as CSV, a row an image.
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    /// Write what the network sees of each image as PNG into this folder.
    #[arg(long, value_name = "FOLDER")]
    pixels: Option<PathBuf>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Pixels of a batch at most, which bounds its memory: 64 images of 32 × 32, one of 256 × 256.
const PIXELS_OF_A_BATCH: usize = 64 * 32 * 32;

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let trained = match (&arguments.weights, &arguments.trial) {
        (Some(path), _) => TrainedNetwork::read(path)?.0,
        (None, key) => of_trial(key.as_deref().unwrap_or_default(), context)?,
    };
    let side = arguments.resolution.unwrap_or(trained.description.resolution);
    let crop_ratio = arguments.crop_ratio.unwrap_or(trained.description.crop_ratio);
    checked(side, crop_ratio)?;
    let (photos, unreadable) = Photos::open(files(&arguments.images)?, crop_ratio, side)?;
    for file in &unreadable {
        context.look.say(&format!("left out {file}"));
    }
    if photos.is_empty() {
        return Err(Failure::user("none of the images can be read"));
    }
    if let Some(folder) = &arguments.pixels {
        write_pixels(&photos, side, folder)?;
    }
    let logits = logits(&trained, &photos, side)?;
    let classes = &trained.description.classes;
    if let Some(path) = &arguments.logits {
        let mut bytes = Vec::new();
        csv::write(&logit_rows(&photos, classes, &logits), &mut bytes)?;
        write_atomically(path, &bytes)?;
    }
    let ranked: Vec<Vec<Guess<'_>>> =
        logits.iter().map(|logits| guesses(classes, logits, arguments.top)).collect();
    let rows = match arguments.format {
        Format::Table => across(&photos, &ranked),
        Format::Csv | Format::Json => along(&photos, &ranked),
    };
    context.look.write(&rows, arguments.format, None)?;
    if unreadable.is_empty() { Ok(()) } else { Err(Failure::silent(FAILED)) }
}

/// The images that paths name: files as they are, of folders every file whose name ends as an image's, by path.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        collect(path, &mut files).map_err(|error| {
            Failure::user_because(format_args!("failed to read `{}`", path.display()), &error)
        })?;
        if files.len() == before {
            return Err(Failure::user(format_args!("no JPEG or PNG file lies in `{}`", path.display())));
        }
    }
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        // A link to a folder may lead back to where it lies.
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            collect(&path, files)?;
        } else if is_image(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Logits of every image.
fn logits(trained: &TrainedNetwork, photos: &Photos, side: usize) -> Result<Vec<Vec<f32>>, Failure> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let batch_size = (PIXELS_OF_A_BATCH / (side * side)).clamp(1, 64);
    let mut all = Vec::with_capacity(photos.len());
    let mut logits_of = trained.classifier();
    for batch in photos.batches(batch_size, threads)? {
        let logits = logits_of(batch?.images, side);
        all.extend(logits.chunks_exact(trained.description.classes.len()).map(<[f32]>::to_vec));
    }
    Ok(all)
}

/// A class that an image may be of.
struct Guess<'a> {
    class: &'a str,
    probability: f64,
    logit: f32,
}

/// The likeliest classes, the first first; of equals, the earlier class.
fn guesses<'a>(classes: &'a [String], logits: &[f32], top: usize) -> Vec<Guess<'a>> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let share = |logit: f32| f64::from(logit - largest).exp();
    let total: f64 = logits.iter().map(|logit| share(*logit)).sum();
    let mut guesses: Vec<Guess<'_>> = classes
        .iter()
        .zip(logits)
        .map(|(class, logit)| Guess { class, probability: share(*logit) / total, logit: *logit })
        .collect();
    guesses.sort_by(|a, b| b.logit.total_cmp(&a.logit));
    guesses.truncate(top);
    guesses
}

fn name(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// For people: an image a row.
fn across(photos: &Photos, ranked: &[Vec<Guess<'_>>]) -> Rows {
    let top = ranked.first().map_or(0, Vec::len);
    let mut columns = vec![Column::plain("image")];
    columns.extend((1..=top).map(|rank| Column::plain(rank.to_string())));
    let mut rows = Rows::new(columns);
    for (path, guesses) in photos.files().zip(ranked) {
        let told = |guess: &Guess<'_>| format!("{} {}", guess.class, number::share(guess.probability)).into();
        rows.push(std::iter::once(name(path)).chain(guesses.iter().map(told)));
    }
    rows
}

/// For programs: a guess a row.
fn along(photos: &Photos, ranked: &[Vec<Guess<'_>>]) -> Rows {
    let mut rows = Rows::new(vec![
        Column::plain("image"),
        Column::plain("rank"),
        Column::plain("class"),
        Column::new("probability", Kind::Share),
        Column::plain("logit"),
    ]);
    for (path, guesses) in photos.files().zip(ranked) {
        for (rank, guess) in (1i64..).zip(guesses) {
            let numbers = [guess.probability, f64::from(guess.logit)].map(Value::Real);
            rows.push([name(path), rank.into(), guess.class.into()].into_iter().chain(numbers));
        }
    }
    rows
}

fn logit_rows(photos: &Photos, classes: &[String], logits: &[Vec<f32>]) -> Rows {
    let columns = std::iter::once("image").chain(classes.iter().map(String::as_str)).map(Column::plain);
    let mut rows = Rows::new(columns.collect());
    for (path, logits) in photos.files().zip(logits) {
        rows.push(
            std::iter::once(name(path)).chain(logits.iter().map(|logit| Value::Real(f64::from(*logit)))),
        );
    }
    rows
}

/// One PNG an image, under its number and name.
fn write_pixels(photos: &Photos, side: usize, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: &(dyn std::error::Error + 'static)| {
        Failure::user_because(format_args!("failed to write `{}`", path.display()), error)
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for (index, file) in photos.files().enumerate() {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{index:05}-{stem}.png"));
        let pixels = photos.pixels(index)?;
        let length = side as u32;
        image::save_buffer(&path, &pixels, length, length, image::ColorType::Rgb8)
            .map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_ranked_and_their_shares_are_of_all_classes() {
        let classes = ["a", "b", "c"].map(str::to_owned);
        let ranked = guesses(&classes, &[1.0, 3.0, 3.0], 2);
        assert_eq!(ranked.iter().map(|guess| guess.class).collect::<Vec<_>>(), ["b", "c"]);
        let expected = 1.0 / (2.0 + (-2f64).exp());
        assert!((ranked[0].probability - expected).abs() < 1e-12);
        // Far beyond what an exponential can hold.
        assert!((guesses(&classes, &[900.0, -900.0, 0.0], 1)[0].probability - 1.0).abs() < 1e-12);
    }

    #[test]
    fn folders_are_read_by_path_and_other_files_in_them_are_not_images() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.PNG", "b/1.jpg", "a.jpeg", "notes.txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let named = folder.path().join("notes.txt");
        let found = files(&[folder.path().to_owned(), named.clone()]).unwrap();
        let expected = ["a.jpeg", "b/1.jpg", "b/2.PNG", "notes.txt"].map(|name| folder.path().join(name));
        assert_eq!(found, expected);
    }
}
