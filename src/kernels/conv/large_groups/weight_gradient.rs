//! Weight gradients: every tap sums over all positions.
#![allow(unsafe_code)]

use super::super::super::geometry::{ConvGeometry, Gathering, Run};
use super::super::super::simd::{Simd, WithSimd, load, store, vectorize};
use super::super::chunks::Chunks;
use super::packing::{Block, Layout};
use super::{WIDTH, stride, width};

/// The gradient that images give the weight, in place of what stands in `dw` unless it is to `add`.
pub(in super::super) fn sum(g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32], mut add: bool) {
    let inputs = g.c_in / g.groups;
    let chunks = Chunks::new(g.n, (g.h, g.w), g.h_out(), stride(inputs), (g.kernel, g.stride));
    let gathering = g.forward_gathering(chunks.borders);
    let (x_len, dy_len) = (g.h * g.w * g.c_in, g.h_out() * g.w_out() * g.c_out);
    for (x, dy) in x.chunks(chunks.images * x_len).zip(dy.chunks(chunks.images * dy_len)) {
        let images = x.len() / x_len;
        for first in (0..g.h_out()).step_by(chunks.rows) {
            let rows = first..first + chunks.rows;
            let read = gathering.rows_read(rows.clone());
            let x_layout = Layout {
                first_row: read.start,
                rows: read.len(),
                columns: g.w,
                padding: gathering.padding,
                images,
                stride: stride(inputs),
            };
            let dy_layout = Layout {
                first_row: rows.start,
                rows: rows.len(),
                columns: g.w_out(),
                padding: (0, 0),
                images,
                stride: width(g.c_out / g.groups),
            };
            Chunk { g, gathering: &gathering, rows, x_layout, dy_layout, add }.sum(x, dy, dw);
            add = true;
        }
    }
}

/// Positions that a tap sums over, equally far apart.
#[derive(Debug, Clone, Copy)]
struct Strip {
    x_at: usize,
    dy_at: usize,
    count: usize,
}

/// Some rows of some images.
struct Chunk<'a> {
    g: &'a ConvGeometry,
    gathering: &'a Gathering,
    rows: std::ops::Range<usize>,
    x_layout: Layout,
    dy_layout: Layout,
    add: bool,
}

impl Chunk<'_> {
    /// Pixels of the input's layout from one position of a strip to the next: 1 or 2.
    fn apart(&self) -> usize {
        if self.g.stride == 2 && self.x_layout.images == 1 { 2 } else { 1 }
    }

    /// The strips of a run whose first position reads `column`, over all rows in which the kernel's row `kh` meets one.
    fn strips(&self, kh: usize, run: &Run, column: usize, strips: &mut Vec<Strip>) {
        let images = self.x_layout.images;
        let whole = run.reading_step == self.apart();
        for row_out in self.rows.clone() {
            let Some((_, row)) = self.gathering.row_taps[row_out].iter().find(|(tap, _)| *tap == kh) else {
                continue;
            };
            for j in 0..if whole { 1 } else { run.count } {
                strips.push(Strip {
                    x_at: self.x_layout.at(*row, column + j * run.reading_step),
                    dy_at: self.dy_layout.at(row_out, run.first + j * run.step),
                    count: images * if whole { run.count } else { 1 },
                });
            }
        }
    }

    /// Strips that follow each other as one: a tap is met in neighbouring runs, which differ in other taps.
    fn joined(&self, mut strips: Vec<Strip>) -> Vec<Strip> {
        let (x_step, dy_step) = (self.apart() * self.x_layout.stride, self.dy_layout.stride);
        strips.sort_unstable_by_key(|strip| strip.dy_at);
        strips.dedup_by(|next, strip| {
            let follows = strip.x_at + strip.count * x_step == next.x_at
                && strip.dy_at + strip.count * dy_step == next.dy_at;
            if follows {
                strip.count += next.count;
            }
            follows
        });
        strips
    }

    fn sum(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let (g, kernel) = (self.g, self.g.kernel);
        let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
        let (mut laid_x, mut laid_dy) = (self.x_layout.memory(), self.dy_layout.memory());
        let taps: Vec<Vec<Strip>> = (0..kernel * kernel)
            .map(|tap| {
                let mut strips = Vec::new();
                for run in &self.gathering.runs {
                    if let Some((_, column)) = run.taps.iter().find(|(kw, _)| *kw == tap % kernel) {
                        self.strips(tap / kernel, run, *column, &mut strips);
                    }
                }
                self.joined(strips)
            })
            .collect();
        if !self.add {
            let unmet = taps.iter().zip(dw.chunks_exact_mut(inputs * g.c_out));
            unmet.filter(|(strips, _)| strips.is_empty()).for_each(|(_, dw)| dw.fill(0.0));
        }
        let mut group = None;
        for block in Block::all(g.c_out, outputs) {
            if group != Some(block.group) {
                let first = block.group * inputs;
                self.x_layout.lay_out((g.h, g.c_in), x, first..first + inputs, &mut laid_x);
                group = Some(block.group);
            }
            self.dy_layout.lay_out((g.h_out(), g.c_out), dy, block.channels(), &mut laid_dy);
            let of_taps = taps.iter().zip(dw.chunks_exact_mut(inputs * g.c_out));
            for (strips, dw) in of_taps.filter(|(strips, _)| !strips.is_empty()) {
                vectorize(SumGroup {
                    strips,
                    apart: self.apart() * self.x_layout.stride,
                    inputs,
                    x: &laid_x,
                    dy: &laid_dy,
                    width: self.dy_layout.stride,
                    c_out: g.c_out,
                    block: &block,
                    dw,
                    add: self.add,
                });
            }
        }
    }
}

/// All outer products of one tap: `dw (c_in / groups, c_out)`.
struct SumGroup<'a> {
    strips: &'a [Strip],
    /// Values of the layout from one reading to the next.
    apart: usize,
    inputs: usize,
    x: &'a [f32],
    dy: &'a [f32],
    /// Values of the layout from one pixel of `dy` to the next.
    width: usize,
    c_out: usize,
    block: &'a Block,
    dw: &'a mut [f32],
    add: bool,
}

impl WithSimd for SumGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if S::F32_LANES == WIDTH && self.width == 2 * WIDTH {
            self.all_inputs::<S, 2, 8>(simd, 0);
            return;
        }
        for from in (0..self.width).step_by(WIDTH) {
            match S::F32_LANES {
                16 => self.all_inputs::<S, 1, 16>(simd, from),
                8 => self.all_inputs::<S, 2, 4>(simd, from),
                4 => self.all_inputs::<S, 4, 4>(simd, from),
                _ => self.all_inputs::<S, WIDTH, 4>(simd, from),
            }
        }
    }
}

impl SumGroup<'_> {
    /// All inputs, `I` at a time, against `V` vectors of outputs from the block's channel `from` on.
    #[inline(always)]
    fn all_inputs<S: Simd, const V: usize, const I: usize>(&mut self, simd: S, from: usize) {
        let mut first = 0;
        while first + I <= self.inputs {
            self.sum::<S, V, I>(simd, from, first);
            first += I;
        }
        if I > 8 && first + 8 <= self.inputs {
            self.sum::<S, V, 8>(simd, from, first);
            first += 8;
        }
        if I > 4 && first + 4 <= self.inputs {
            self.sum::<S, V, 4>(simd, from, first);
            first += 4;
        }
        if first + 3 <= self.inputs {
            self.sum::<S, V, 3>(simd, from, first);
            first += 3;
        }
        for first in first..self.inputs {
            self.sum::<S, V, 1>(simd, from, first);
        }
    }

    /// `I` inputs from `first` on.
    #[inline(always)]
    fn sum<S: Simd, const V: usize, const I: usize>(&mut self, simd: S, from: usize, first: usize) {
        let (wide, width) = (V * S::F32_LANES, self.width);
        let mut sums = [[simd.splat_f32s(0.0); V]; I];
        for strip in self.strips {
            // Everything that is read below lies before these.
            let last = strip.count - 1;
            assert!(strip.dy_at + last * width + from + wide <= self.dy.len());
            assert!(strip.x_at + last * self.apart + first + I <= self.x.len());
            for j in 0..strip.count {
                let dy_at = strip.dy_at + j * width + from;
                let mut dy = [simd.splat_f32s(0.0); V];
                for (v, dy) in dy.iter_mut().enumerate() {
                    // SAFETY: position `j` is at most the last, whose `V` vectors were asserted to lie within `dy`.
                    *dy = unsafe { load::<S>(self.dy, dy_at + v * S::F32_LANES) };
                }
                let x_at = strip.x_at + j * self.apart + first;
                for (i, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: likewise within `x`.
                    let x = simd.splat_f32s(unsafe { *self.x.get_unchecked(x_at + i) });
                    for (sum, dy) in sums.iter_mut().zip(dy) {
                        *sum = simd.mul_add_f32s(x, dy, *sum);
                    }
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let count = self.block.count.saturating_sub(from).min(wide);
            let dw = &mut self.dw[(first + i) * self.c_out + self.block.first + from..][..count];
            if count == wide {
                for (v, sum) in sums.iter().enumerate() {
                    let mut sum = *sum;
                    if self.add {
                        // SAFETY: these are `V` whole vectors.
                        sum = simd.add_f32s(unsafe { load::<S>(dw, v * S::F32_LANES) }, sum);
                    }
                    // SAFETY: as above.
                    unsafe { store::<S>(dw, v * S::F32_LANES, sum) };
                }
                continue;
            }
            for (sum, dw) in sums.iter().zip(dw.chunks_mut(S::F32_LANES)) {
                let sum = if self.add { simd.add_f32s(simd.partial_load_f32s(dw), *sum) } else { *sum };
                simd.partial_store_f32s(dw, sum);
            }
        }
    }
}
