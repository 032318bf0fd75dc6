//! The network of `benches/step.rs` as its peers build it, and how they are timed.

use std::time::{Duration, Instant};

/// Layers, kernel, stride and channels of B0's stages.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
];

/// Channels of the stem, of the top, and classes.
pub const STEM: usize = 32;
pub const TOP: usize = 1280;
pub const CLASSES: usize = 10;

/// What is timed: the words of the command line.
#[derive(Debug, Clone)]
pub struct Cell {
    /// A training step, or inference.
    pub training: bool,
    /// Groups of the norm; none is batch norm.
    pub norm_groups: Option<usize>,
    /// Channels per group of the spatial convolutions.
    pub group_size: usize,
    /// Expansion ratio.
    pub expansion: f64,
    /// Images a step.
    pub batch: usize,
    /// Side of the images, pixels.
    pub side: usize,
}

/// One MBConv block.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    pub c_in: usize,
    pub c_mid: usize,
    pub c_out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
}

impl Block {
    /// Whether it has a first convolution.
    pub fn expands(&self) -> bool {
        self.c_mid != self.c_in
    }

    /// Whether its input is added to its output.
    pub fn has_residual(&self) -> bool {
        self.stride == 1 && self.c_in == self.c_out
    }

    /// Channels between the gate's layers.
    pub fn c_hidden(&self) -> usize {
        (self.c_in / 4).max(1)
    }
}

impl Cell {
    /// `train bn 1 6 64 32`, and the seconds to spend on it.
    ///
    /// # Panics
    /// If the words are others.
    pub fn from_arguments() -> (Self, f64) {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [kind, norm, group_size, expansion, batch, side, seconds] = words.as_slice() else {
            panic!("train|inference bn|gn|ln G EXPANSION BATCH SIDE SECONDS");
        };
        let cell = Self {
            training: kind == "train",
            norm_groups: match norm.as_str() {
                "bn" => None,
                "gn" => Some(4),
                "ln" => Some(1),
                other => panic!("{other} is not written for this peer"),
            },
            group_size: group_size.parse().unwrap(),
            expansion: expansion.parse().unwrap(),
            batch: batch.parse().unwrap(),
            side: side.parse().unwrap(),
        };
        (cell, seconds.parse().unwrap())
    }

    /// The stem's stride: small images would be down-sampled to nothing.
    pub fn stem_stride(&self) -> usize {
        if self.side < 64 { 1 } else { 2 }
    }

    /// The blocks in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut c_in = STEM;
        for (index, (layers, kernel, stride, c_out)) in STAGES.into_iter().enumerate() {
            for layer in 0..layers {
                let ratio = if index == 0 { 1.0 } else { self.expansion };
                let mut c_mid = (c_in as f64 * ratio).round() as usize;
                if index > 0 && self.group_size == 64 {
                    c_mid = ((c_mid as f64 / 64.0).round() as usize).max(1) * 64;
                }
                let mut groups = (c_mid / self.group_size).max(1);
                while c_mid % groups > 0 {
                    groups -= 1;
                }
                let stride = if layer == 0 { stride } else { 1 };
                blocks.push(Block { c_in, c_mid, c_out, kernel, stride, groups });
                c_in = c_out;
            }
        }
        blocks
    }

    /// Prints images a second of `step`, by its median, as one line of JSON.
    pub fn time(&self, seconds: f64, mut step: impl FnMut()) {
        step();
        let mut times = Vec::new();
        let start = Instant::now();
        while times.len() < 3 || start.elapsed() < Duration::from_secs_f64(seconds) {
            let start = Instant::now();
            step();
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let (rate, peak) = (self.batch as f64 / times[times.len() / 2], peak_mib());
        println!("{{\"images_per_s\": {rate:.2}, \"peak_mib\": {peak:.1}}}");
    }
}

/// The largest resident size of this process, MiB; 0 where `/proc` does not say.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
