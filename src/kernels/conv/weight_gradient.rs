//! Weight gradients: every tap sums over all positions.
#![allow(unsafe_code)]

use super::super::geometry::{ConvGeometry, Gathering, Run};
use super::super::simd::{Simd, WithSimd, load, store, vectorize};
use super::chunks::Chunks;
use super::packing::{Block, Layout};
use super::{Reading, WIDTH};

/// Adds to `dw` the gradient that images give the weight.
pub(super) fn add(g: &ConvGeometry, reading: Reading, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let inputs = g.c_in / g.groups;
    let values = reading.values(inputs);
    let chunks = Chunks::new(g.n, (g.h, g.w), g.h_out(), values, (g.kernel, g.stride));
    let gathering = g.forward_gathering(chunks.borders);
    let (x_len, dy_len) = (g.h * g.w * g.c_in, g.h_out() * g.w_out() * g.c_out);
    for (x, dy) in x.chunks(chunks.images * x_len).zip(dy.chunks(chunks.images * dy_len)) {
        let images = x.len() / x_len;
        for first in (0..g.h_out()).step_by(chunks.rows) {
            let rows = first..first + chunks.rows;
            let read = gathering.rows_read(rows.clone());
            let x_layout = Layout {
                planes: reading.planes(),
                first_row: read.start,
                rows: read.len(),
                columns: g.w,
                padding: gathering.padding,
                images,
                stride: reading.stride(inputs),
            };
            let dy_layout = Layout {
                planes: 1,
                first_row: rows.start,
                rows: rows.len(),
                columns: g.w_out(),
                padding: (0, 0),
                images,
                stride: WIDTH,
            };
            let chunk = Chunk { g, gathering: &gathering, rows, x_layout, dy_layout };
            match reading {
                Reading::Planes(size) => chunk.planes(size, x, dy, dw),
                Reading::Group => chunk.groups(x, dy, dw),
            }
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

    /// Channels that read one of each plane.
    fn planes(&self, size: usize, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let (g, kernel) = (self.g, self.g.kernel);
        let (mut laid_x, mut laid_dy) = (self.x_layout.memory(), self.dy_layout.memory());
        let pixel = self.x_layout.images * self.x_layout.stride;
        // The strips of a run's first tap, for each row of the kernel; its other taps read some columns further.
        let mut runs = Vec::new();
        for run in self.gathering.runs.iter().filter(|run| !run.taps.is_empty()) {
            let first = run.taps[0].1;
            let taps: Vec<(usize, usize)> =
                run.taps.iter().map(|(kw, column)| (*kw, (column - first) * pixel)).collect();
            for kh in 0..kernel {
                let mut strips = Vec::new();
                self.strips(kh, run, first, &mut strips);
                runs.push((kh, taps.clone(), strips));
            }
        }
        let mut totals = vec![0.0; kernel * kernel * WIDTH];
        for block in Block::all(Reading::Planes(size), g.c_out, size) {
            self.x_layout.lay_out_planes((g.h, g.c_in), x, block.channels(), size, &mut laid_x);
            self.dy_layout.lay_out((g.h_out(), g.c_out), dy, block.channels(), &mut laid_dy);
            for (plane, x) in laid_x.chunks_exact(self.x_layout.plane_len()).enumerate() {
                totals.fill(0.0);
                vectorize(SumOwn {
                    runs: &runs,
                    apart: self.apart(),
                    kernel,
                    x,
                    dy: &laid_dy,
                    totals: &mut totals,
                });
                for (tap, totals) in totals.chunks_exact(WIDTH).enumerate() {
                    let dw = &mut dw[(tap * size + plane) * g.c_out..][block.channels()];
                    dw.iter_mut().zip(totals).for_each(|(dw, total)| *dw += total);
                }
            }
        }
    }

    /// Channels that read their whole group.
    fn groups(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
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
                strips
            })
            .collect();
        let mut group = None;
        for block in Block::all(Reading::Group, g.c_out, outputs) {
            if group != Some(block.group) {
                let first = block.group * inputs;
                self.x_layout.lay_out((g.h, g.c_in), x, first..first + inputs, &mut laid_x);
                group = Some(block.group);
            }
            self.dy_layout.lay_out((g.h_out(), g.c_out), dy, block.channels(), &mut laid_dy);
            for (strips, dw) in taps.iter().zip(dw.chunks_exact_mut(inputs * g.c_out)) {
                let apart = self.apart() * self.x_layout.stride;
                let sum = SumGroup {
                    strips,
                    apart,
                    inputs,
                    x: &laid_x,
                    dy: &laid_dy,
                    c_out: g.c_out,
                    block: &block,
                    dw,
                };
                vectorize(sum);
            }
        }
    }
}

/// For each run and row of the kernel: the row, its taps with how much further each reads than the first, and the first
/// tap's strips.
type OwnRuns = [(usize, Vec<(usize, usize)>, Vec<Strip>)];

/// Sums `x · dy` for every tap of a plane.
struct SumOwn<'a> {
    runs: &'a OwnRuns,
    /// Pixels of the layout from one reading to the next.
    apart: usize,
    kernel: usize,
    x: &'a [f32],
    dy: &'a [f32],
    /// `(tap, width)`.
    totals: &'a mut [f32],
}

impl WithSimd for SumOwn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for (kh, taps, strips) in self.runs {
            for taps in taps.chunks(5) {
                match S::F32_LANES {
                    16 => self.taps::<S, 1, 2>(simd, *kh, taps, strips),
                    8 => self.taps::<S, 2, 1>(simd, *kh, taps, strips),
                    4 => self.taps::<S, 4, 1>(simd, *kh, taps, strips),
                    _ => self.taps::<S, WIDTH, 1>(simd, *kh, taps, strips),
                }
            }
        }
    }
}

impl SumOwn<'_> {
    /// `V` vectors make up the width; `U` positions are summed on their own.
    #[inline(always)]
    fn taps<S: Simd, const V: usize, const U: usize>(
        &mut self,
        simd: S,
        kh: usize,
        taps: &[(usize, usize)],
        strips: &[Strip],
    ) {
        match *taps {
            [a] => self.sum::<S, V, U, 1>(simd, kh, [a], strips),
            [a, b] => self.sum::<S, V, U, 2>(simd, kh, [a, b], strips),
            [a, b, c] => self.sum::<S, V, U, 3>(simd, kh, [a, b, c], strips),
            [a, b, c, d] => self.sum::<S, V, U, 4>(simd, kh, [a, b, c, d], strips),
            [a, b, c, d, e] => self.sum::<S, V, U, 5>(simd, kh, [a, b, c, d, e], strips),
            _ => {}
        }
    }

    #[inline(always)]
    fn sum<S: Simd, const V: usize, const U: usize, const T: usize>(
        &mut self,
        simd: S,
        kh: usize,
        taps: [(usize, usize); T],
        strips: &[Strip],
    ) {
        debug_assert_eq!(V * S::F32_LANES, WIDTH);
        let apart = self.apart * WIDTH;
        let mut sums = [[[simd.splat_f32s(0.0); V]; T]; U];
        for strip in strips {
            // Everything that is read below lies before these.
            let last = strip.count - 1;
            assert!(strip.dy_at + last * WIDTH + WIDTH <= self.dy.len());
            for (_, further) in taps {
                assert!(strip.x_at + further + last * apart + WIDTH <= self.x.len());
            }
            let add = |j: usize, sums: &mut [[S::f32s; V]; T]| {
                for v in 0..V {
                    let lanes = v * S::F32_LANES;
                    // SAFETY: position `j` is at most the last, whose `WIDTH` values were asserted to lie within `dy`.
                    let dy = unsafe { load::<S>(self.dy, strip.dy_at + j * WIDTH + lanes) };
                    for (sums, (_, further)) in sums.iter_mut().zip(taps) {
                        // SAFETY: likewise within `x`.
                        let x = unsafe { load::<S>(self.x, strip.x_at + further + j * apart + lanes) };
                        sums[v] = simd.mul_add_f32s(x, dy, sums[v]);
                    }
                }
            };
            let whole = strip.count / U * U;
            for j in (0..whole).step_by(U) {
                for (u, sums) in sums.iter_mut().enumerate() {
                    add(j + u, sums);
                }
            }
            for j in whole..strip.count {
                add(j, &mut sums[0]);
            }
        }
        for (t, (kw, _)) in taps.iter().enumerate() {
            let totals = &mut self.totals[(kh * self.kernel + kw) * WIDTH..][..WIDTH];
            for v in 0..V {
                // SAFETY: a tap's totals are `WIDTH` values, which are `V` vectors.
                let before = unsafe { load::<S>(totals, v * S::F32_LANES) };
                let sum = sums.iter().fold(before, |sum, sums| simd.add_f32s(sum, sums[t][v]));
                // SAFETY: as above.
                unsafe { store::<S>(totals, v * S::F32_LANES, sum) };
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
    c_out: usize,
    block: &'a Block,
    dw: &'a mut [f32],
}

impl WithSimd for SumGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match S::F32_LANES {
            16 => self.inputs_of_many::<S, 1>(simd),
            8 => self.inputs_of::<S, 2>(simd),
            4 => self.inputs_of::<S, 4>(simd),
            _ => self.inputs_of::<S, WIDTH>(simd),
        }
    }
}

impl SumGroup<'_> {
    /// Where there are 32 vector registers of a whole block each.
    #[inline(always)]
    fn inputs_of_many<S: Simd, const V: usize>(&mut self, simd: S) {
        let mut first = 0;
        while first + 16 <= self.inputs {
            self.sum::<S, V, 16>(simd, first);
            first += 16;
        }
        if first + 8 <= self.inputs {
            self.sum::<S, V, 8>(simd, first);
            first += 8;
        }
        self.rest::<S, V>(simd, first);
    }

    #[inline(always)]
    fn inputs_of<S: Simd, const V: usize>(&mut self, simd: S) {
        let mut first = 0;
        while first + 4 <= self.inputs {
            self.sum::<S, V, 4>(simd, first);
            first += 4;
        }
        self.rest::<S, V>(simd, first);
    }

    #[inline(always)]
    fn rest<S: Simd, const V: usize>(&mut self, simd: S, mut first: usize) {
        while first + 3 <= self.inputs {
            self.sum::<S, V, 3>(simd, first);
            first += 3;
        }
        for first in first..self.inputs {
            self.sum::<S, V, 1>(simd, first);
        }
    }

    /// `I` inputs from `first` on against the block's outputs.
    #[inline(always)]
    fn sum<S: Simd, const V: usize, const I: usize>(&mut self, simd: S, first: usize) {
        debug_assert_eq!(V * S::F32_LANES, WIDTH);
        let mut sums = [[simd.splat_f32s(0.0); V]; I];
        for strip in self.strips {
            // Everything that is read below lies before these.
            let last = strip.count - 1;
            assert!(strip.dy_at + last * WIDTH + WIDTH <= self.dy.len());
            assert!(strip.x_at + last * self.apart + first + I <= self.x.len());
            for j in 0..strip.count {
                let mut dy = [simd.splat_f32s(0.0); V];
                for (v, dy) in dy.iter_mut().enumerate() {
                    // SAFETY: position `j` is at most the last, whose `WIDTH` values were asserted to lie within `dy`.
                    *dy = unsafe { load::<S>(self.dy, strip.dy_at + j * WIDTH + v * S::F32_LANES) };
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
            let dw = &mut self.dw[(first + i) * self.c_out..][self.block.channels()];
            if dw.len() == WIDTH {
                for (v, sum) in sums.iter().enumerate() {
                    // SAFETY: `WIDTH` values are `V` vectors.
                    let before = unsafe { load::<S>(dw, v * S::F32_LANES) };
                    // SAFETY: as above.
                    unsafe { store::<S>(dw, v * S::F32_LANES, simd.add_f32s(before, *sum)) };
                }
                continue;
            }
            for (sum, dw) in sums.iter().zip(dw.chunks_mut(S::F32_LANES)) {
                let before = simd.partial_load_f32s(dw);
                simd.partial_store_f32s(dw, simd.add_f32s(before, *sum));
            }
        }
    }
}
