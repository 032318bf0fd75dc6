//! How long large things take: grids, fronts, CSV. `cargo bench --bench scale`

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use effsweep::analysis::hypervolume::hypervolume;
use effsweep::analysis::pareto::{Direction, front, ranks};
use effsweep::report::{Column, Rows, Value, csv};
use effsweep::sweep::Sweep;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The quickest of a few runs.
fn quickest(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..5).map(time).min().unwrap()
}

fn told(what: &str, took: Duration) {
    println!("{what:<52} {:>9.1} ms", took.as_secs_f64() * 1e3);
}

/// A sweep file of `1,280 · epochs · batch sizes` points, a fifth of them with two test resolutions.
fn grid(epochs: usize, batch_sizes: usize) -> String {
    let list = |count: usize| (1..=count).map(|n| (2 * n).to_string()).collect::<Vec<_>>().join(", ");
    format!(
        "[grid]\ngroup_size = [1, 2, 4, 8]\nnorm = [\"bn\", \"gn\", \"ln\", \"ln+pn\"]\n\"train.lr\" = [0.1, 0.2, 0.3, 0.4]\n\
         \"train.weight_decay\" = [0.0, 0.1, 0.2, 0.3, 0.4]\n\
         resolution = [24, 32, {{ train = 40, test = [40, 72] }}, 64]\n\
         \"train.epochs\" = [{}]\nbatch_size = [{}]\n",
        list(epochs),
        list(batch_sizes)
    )
}

fn grids() {
    for (epochs, batch_sizes) in [(8, 10), (25, 32)] {
        let text = grid(epochs, batch_sizes);
        let mut points = 0;
        let took = quickest(|| points = Sweep::parse(&text, Path::new("grid.toml")).unwrap().len());
        told(&format!("checking and keying a grid of {points} points"), took);
    }
}

fn random_points<const K: usize>(count: usize) -> Vec<[f64; K]> {
    let mut stream = ChaCha8Rng::seed_from_u64(7);
    (0..count).map(|_| std::array::from_fn(|_| stream.random())).collect()
}

/// `points` moved onto the unit sphere's first octant, where none beats another.
fn on_sphere<const K: usize>(points: Vec<[f64; K]>) -> Vec<[f64; K]> {
    let norm = |point: &[f64; K]| point.iter().map(|x| x * x).sum::<f64>().sqrt();
    points.into_iter().map(|point| point.map(|x| x / norm(&point))).collect()
}

fn front_of<const K: usize>(what: &str, points: &[[f64; K]]) {
    let directions = [Direction::Maximize; K];
    let what = format!("front of {} {what} points, {K} objectives", points.len());
    told(&what, quickest(|| drop(black_box(front(points, &directions)))));
}

fn fronts() {
    front_of("random", &random_points::<2>(100_000));
    front_of("random", &random_points::<2>(1_000_000));
    front_of("random", &random_points::<3>(100_000));
    front_of("random", &random_points::<4>(100_000));
    front_of("unbeaten", &on_sphere(random_points::<3>(10_000)));
    front_of("unbeaten", &on_sphere(random_points::<4>(10_000)));
    let points = random_points::<2>(100_000);
    told(
        "ranks of 100000 random points, 2 objectives",
        quickest(|| drop(black_box(ranks(&points, &[Direction::Maximize; 2])))),
    );
}

fn volume_of<const K: usize>(points: &[[f64; K]]) {
    let what = format!("hypervolume of {} unbeaten points, {K} objectives", points.len());
    let volume = || {
        black_box(hypervolume(points, &[Direction::Maximize; K], &[0.0; K]));
    };
    told(&what, quickest(volume));
}

fn volumes() {
    volume_of(&on_sphere(random_points::<2>(100_000)));
    volume_of(&on_sphere(random_points::<3>(10_000)));
    volume_of(&on_sphere(random_points::<4>(300)));
    volume_of(&on_sphere(random_points::<5>(100)));
}

fn rows() {
    let columns = ["norm", "images", "top1", "rate", "loss", "error"].map(Column::plain).to_vec();
    let mut rows = Rows::new(columns);
    for index in 0..100_000i64 {
        let real = 1.0 / (index + 1) as f64;
        let numbers = [real, real * 1e3, -real].map(Value::Real);
        rows.push(["gn+pn".into(), index.into()].into_iter().chain(numbers).chain([Value::Null]));
    }
    told("100,000 rows as CSV", quickest(|| csv::write(&rows, &mut black_box(Vec::new())).unwrap()));
}

fn main() {
    grids();
    fronts();
    volumes();
    rows();
}
