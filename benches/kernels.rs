//! Kernels of EfficientNet-B0's layers, one thread: GFLOP/s beside the processor's measured peak, and GB/s beside its memory's.
//!
//!   cargo bench --bench kernels                     everything
//!   cargo bench --bench kernels -- spatial 16       spatial convolutions in groups of 16

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;
use std::time::Instant;

use effsweep::kernels::conv::Plan;
use effsweep::kernels::{Activation, ConvGeometry, NormPass, Padding, Statistics, matmul};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Images that products take together.
const IMAGES: usize = 8;

/// Values of a tile, about, whose images a block takes together.
const TILE_VALUES: usize = 96 << 10;

/// Side, kernel, stride and channels in and out of B0's stages at 32 pixels.
const STAGES: [(usize, usize, usize, usize, usize); 9] = [
    (32, 3, 1, 32, 16),
    (32, 3, 2, 16, 24),
    (16, 3, 1, 24, 24),
    (16, 5, 2, 24, 40),
    (8, 5, 1, 40, 40),
    (4, 3, 1, 80, 80),
    (4, 5, 1, 112, 112),
    (2, 5, 1, 192, 192),
    (112, 3, 2, 16, 24),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| run(&words));
}

fn run(words: &[String]) {
    let wants = |what: &str| words.first().is_none_or(|word| word == what);
    let (peak, stream) = (measured_flops(), measured_bandwidth());
    println!("one thread: {:.1} GFLOP/s in registers, {stream:.1} GB/s copied", peak);
    if wants("spatial") {
        let groups = words.get(1).map_or(vec![1, 4, 16, 64], |word| vec![word.parse().unwrap()]);
        for size in groups {
            spatial(size, peak);
        }
    }
    if wants("products") {
        products(peak);
    }
    if wants("norms") {
        norms(stream);
    }
}

/// Median seconds of a call.
fn seconds(mut call: impl FnMut()) -> f64 {
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 5 || start.elapsed().as_secs_f64() < 0.1 {
        let start = Instant::now();
        call();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Floating-point operations a second of fused multiply-adds that touch no memory.
fn measured_flops() -> f64 {
    struct Chains;
    impl pulp::WithSimd for Chains {
        type Output = f64;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, simd: S) -> f64 {
            const ROUNDS: usize = 1 << 16;
            let factor = simd.splat_f32s(black_box(0.999));
            let mut best = f64::MAX;
            for _ in 0..20 {
                let mut sums = [simd.splat_f32s(black_box(1.0)); 12];
                let start = Instant::now();
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = simd.mul_add_f32s(*sum, factor, factor);
                    }
                }
                let elapsed = start.elapsed().as_secs_f64();
                black_box(sums);
                best = best.min(elapsed / (ROUNDS * 12 * 2 * S::F32_LANES) as f64);
            }
            1e-9 / best
        }
    }
    pulp::Arch::new().dispatch(Chains)
}

/// GB/s of copying what no cache holds, read and written.
fn measured_bandwidth() -> f64 {
    let from = vec![1.0f32; 64 << 20];
    let mut to = vec![0.0f32; 64 << 20];
    let seconds = seconds(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    2.0 * 4.0 * from.len() as f64 / seconds / 1e9
}

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 % 1009) as f32 - 504.0) / 504.0).collect()
}

fn spatial(size: usize, peak: f64) {
    println!("\nspatial convolutions, groups of {size}; GFLOP/s, and share of the peak");
    println!(
        "{:>4} {:>2} {:>2} {:>5} {:>16} {:>16} {:>16}",
        "side", "k", "s", "c", "forward", "input gradient", "weight gradient"
    );
    let expansion = match size {
        1 => 6,
        4 => 5,
        16 => 4,
        _ => 3,
    };
    for (index, (side, kernel, stride, c_in, _)) in STAGES.into_iter().enumerate() {
        let c = if index == 0 { c_in } else { (c_in * expansion / size).max(1) * size };
        let groups = (c / size).max(1);
        let n = 1 << (TILE_VALUES / (side * side * c)).max(1).ilog2();
        let g = ConvGeometry {
            n,
            h: side,
            w: side,
            c_in: c,
            c_out: c,
            kernel,
            stride,
            groups,
            padding: Padding::Symmetric,
        };
        let (x, w, dy) = (values(g.input_len()), values(g.weight_len()), values(g.output_len()));
        let (mut y, mut dx, mut dw) = (values(g.output_len()), values(g.input_len()), vec![0.0; w.len()]);
        let plan = Plan::new(&g, &w);
        // Taps on padding are no work.
        let taps: usize = (0..side.div_ceil(stride))
            .map(|o| {
                (0..kernel)
                    .filter(|tap| (o * stride + tap).checked_sub(kernel / 2).is_some_and(|at| at < side))
                    .count()
            })
            .sum();
        let operations = 2.0 * (n * taps * taps * c * (c / groups)) as f64;
        let rate = |seconds: f64| {
            format!("{:>7.1} ({:>4.0} %)", operations / seconds / 1e9, operations / seconds / 1e7 / peak)
        };
        println!(
            "{side:>4} {kernel:>2} {stride:>2} {c:>5} {:>16} {:>16} {:>16}",
            rate(seconds(|| plan.forward(&x, &mut y))),
            rate(seconds(|| plan.input_gradient(&dy, &mut dx))),
            rate(seconds(|| plan.add_weight_gradient(&x, &dy, &mut dw))),
        );
    }
}

fn products(peak: f64) {
    println!("\nmatrix products of {IMAGES} images; GFLOP/s, and share of the peak");
    println!("{:>6} {:>5} {:>5} {:>16} {:>16} {:>16}", "rows", "k", "n", "x w", "dy wᵀ", "xᵀ dy");
    for (index, (side, _, stride, c_in, c_out)) in STAGES.into_iter().enumerate().skip(1) {
        let n = if side > 32 { 1 } else { IMAGES };
        let c = c_in * 6;
        let out = side.div_ceil(stride);
        for (m, k, n) in [(n * side * side, c_in, c), (n * out * out, c, c_out)] {
            let (x, w, dy) = (values(m * k), values(k * n), values(m * n));
            let (mut y, mut dx, mut dw) = (vec![0.0; m * n], vec![0.0; m * k], vec![0.0; k * n]);
            let operations = 2.0 * (m * k * n) as f64;
            let rate = |seconds: f64| {
                format!("{:>7.1} ({:>4.0} %)", operations / seconds / 1e9, operations / seconds / 1e7 / peak)
            };
            println!(
                "{m:>6} {k:>5} {n:>5} {:>16} {:>16} {:>16}",
                rate(seconds(|| matmul::product(&mut y, &x, &w, m, k, n))),
                rate(seconds(|| matmul::add_product_nt(&mut dx, &dy, &w, m, n, k))),
                rate(seconds(|| matmul::add_product_tn(&mut dw, &x, &dy, m, k, n))),
            );
        }
        let _ = index;
    }
}

fn norms(stream: f64) {
    println!("\nlayer norm and swish; GB/s of what is read and written, and share of the memory's");
    println!(
        "{:>6} {:>5} {:>6} {:>16} {:>16} {:>16}",
        "pixels", "c", "images", "statistics", "forward", "backward"
    );
    for (side, c, images) in
        [(32, 96, 1), (16, 144, 2), (8, 240, 8), (4, 480, 16), (2, 1152, 32), (4, 480, 1024)]
    {
        let pixels = side * side;
        let x = values(images * pixels * c);
        let (gamma, beta) = (values(c), values(c));
        let (mut y, mut dx) = (x.clone(), vec![0.0; x.len()]);
        let pass = NormPass {
            pixels,
            activation: Activation::Swish,
            gamma: &gamma,
            beta: Some(&beta),
            proxy_mean: None,
            proxy_scale: None,
        };
        let statistics = Statistics::of_groups(&x, pixels, c, 1, 1e-3);
        let rate = |passes: usize, seconds: f64| {
            let rate = (passes * 4 * x.len()) as f64 / seconds / 1e9;
            format!("{rate:>7.1} ({:>4.0} %)", 100.0 * rate / stream)
        };
        // The way back uses its gradient up.
        let mut dy = x.clone();
        println!(
            "{pixels:>6} {c:>5} {images:>6} {:>16} {:>16} {:>16}",
            rate(
                2,
                seconds(|| {
                    black_box(Statistics::of_groups(&x, pixels, c, 1, 1e-3));
                })
            ),
            rate(2, seconds(|| pass.forward(&x, &statistics, &mut y))),
            rate(
                9,
                seconds(|| {
                    dy.copy_from_slice(&x);
                    black_box(pass.backward(&x, &statistics, &mut dy, &mut dx));
                })
            ),
        );
    }
}
