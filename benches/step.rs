//! Images a second of one training step and of inference, cell by cell of a table.
//!
//! ```text
//! cargo bench --bench step                                  every cell
//! cargo bench --bench step -- train ln+pn 16 4 64 32        one: norm, G, expansion, batch, side
//! cargo bench --bench step -- inference bn 1 6 64 32
//! ```
//!
//! `--threads N` sets the threads (2), `--seconds S` the time of a cell (3), `--activations` how a training step keeps
//! them (`f32`, `bf16`, `recomputed`). Images are made up; a training step is forward, backward and RMSProp. With a cell
//! on the command line, one line of JSON is printed for `compare.py`.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::time::{Duration, Instant};

use effsweep::arch::{Norm, Preset};
use effsweep::measure::resources::peak_rss_bytes;
use effsweep::model::Pass;
use effsweep::ops::{image, view};
use effsweep::sweep::Settings;
use effsweep::sweep::settings::{Activations, Expand};
use effsweep::train::{Trainee, smoothed};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLASSES: usize = 10;

#[derive(Debug, Clone)]
struct Cell {
    training: bool,
    norm: &'static str,
    group_size: usize,
    expansion: f64,
    batch: usize,
    side: usize,
}

/// The expansion that pays for a group size, as in the papers and between their points.
fn expansion(group_size: usize) -> f64 {
    match group_size {
        1 => 6.0,
        4 => 5.0,
        16 => 4.0,
        _ => 3.0,
    }
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for training in [true, false] {
        let mut add = |norm, group_size, batch, side| {
            let expansion = expansion(group_size);
            cells.push(Cell { training, norm, group_size, expansion, batch, side });
        };
        for group_size in [1, 4, 16, 64] {
            for norm in ["bn", "gn", "ln", "ln+pn"] {
                add(norm, group_size, 64, 32);
            }
        }
        for batch in [1, 8, 256] {
            for (norm, group_size) in [("bn", 1), ("bn", 16), ("ln+pn", 1), ("ln+pn", 16)] {
                add(norm, group_size, batch, 32);
            }
        }
        for side in [112, 224] {
            for (norm, group_size) in [("bn", 1), ("bn", 16), ("ln+pn", 1), ("ln+pn", 16)] {
                add(norm, group_size, 16, side);
            }
        }
    }
    cells
}

fn settings(cell: &Cell, activations: Activations) -> Settings {
    let mut settings = Settings::default();
    let model = &mut settings.model;
    model.preset = Preset::B0;
    model.norm = Norm::from_name(cell.norm).unwrap();
    model.group_size = cell.group_size;
    model.expand = Expand::Ratio(cell.expansion);
    model.round_to_group = cell.group_size == 64;
    model.dropout = Some(0.0);
    // Small images would be down-sampled to nothing.
    model.stem_stride = Some(if cell.side < 64 { 1 } else { 2 });
    settings.train.batch_size = cell.batch;
    settings.train.resolution = cell.side;
    settings.train.activations = activations;
    settings
}

/// Median seconds of a step.
fn median_step(cell: &Cell, activations: Activations, seconds: f64) -> f64 {
    let settings = settings(cell, activations);
    let mut trainee = Trainee::new(&settings, CLASSES, 0).unwrap();
    let labels: Vec<usize> = (0..cell.batch).map(|image| image % CLASSES).collect();
    let targets = smoothed(&labels, CLASSES, 0.1);
    let pixels: Vec<f32> =
        (0..cell.batch * cell.side * cell.side * 3).map(|i| ((i * 7919) as f32 * 0.001).sin()).collect();
    if cell.training {
        return median_of(seconds, || {
            let stream = ChaCha8Rng::seed_from_u64(0);
            trainee.step(pixels.clone(), targets.clone(), cell.side, 0.0, stream).unwrap();
        });
    }
    let mut pass = Pass::evaluation(&trainee.parameters);
    median_of(seconds, || {
        let images = image(pixels.clone(), (cell.batch, cell.side, cell.side, 3));
        std::hint::black_box(view(&trainee.network.forward(images, &mut pass)));
    })
}

/// Median seconds of what is called again and again.
fn median_of(seconds: f64, mut step: impl FnMut()) -> f64 {
    for _ in 0..2 {
        step();
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 3 || start.elapsed() < Duration::from_secs_f64(seconds) {
        let start = Instant::now();
        step();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut option = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.drain(at..at + 2).nth(1)
    };
    let threads = option("--threads").map_or(2, |word| word.parse().unwrap());
    let seconds = option("--seconds").map_or(3.0, |word| word.parse().unwrap());
    let activations =
        option("--activations").map_or(Activations::F32, |word| serde_json::from_value(word.into()).unwrap());
    rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global().unwrap();
    if let [kind, norm, group_size, expansion, batch, side] = words.as_slice() {
        let cell = Cell {
            training: kind == "train",
            norm: Norm::NAMES.into_iter().find(|name| name == norm).unwrap(),
            group_size: group_size.parse().unwrap(),
            expansion: expansion.parse().unwrap(),
            batch: batch.parse().unwrap(),
            side: side.parse().unwrap(),
        };
        let rate = cell.batch as f64 / median_step(&cell, activations, seconds);
        let peak_mib = peak_rss_bytes() as f64 / 1048576.0;
        println!("{{\"images_per_s\": {rate:.2}, \"peak_mib\": {peak_mib:.1}}}");
        return;
    }
    println!("{:<10} {:<6} {:>3} {:>6} {:>5} {:>11}", "", "norm", "G", "batch", "side", "images/s");
    for cell in cells() {
        let kind = if cell.training { "training" } else { "inference" };
        let rate = cell.batch as f64 / median_step(&cell, activations, seconds);
        println!(
            "{kind:<10} {:<6} {:>3} {:>6} {:>5} {rate:>11.1}",
            cell.norm, cell.group_size, cell.batch, cell.side
        );
    }
}
