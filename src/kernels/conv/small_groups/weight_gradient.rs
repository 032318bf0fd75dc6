//! Weight gradients: every tap sums over all positions.

use std::ops::Range;

use super::super::super::geometry::{Borders, ConvGeometry, Gathering};
use super::super::super::simd::{Simd, WithSimd, vectorize};
use super::super::chunks::Chunks;
use super::{Channels, Places, Strip, TOGETHER};

/// Adds to `sum (k, k, size, c)` the gradient that images give the weight.
pub(in super::super) fn add(g: &ConvGeometry, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let (c, size) = (g.c_in, g.c_in / g.groups);
    let gathering = g.forward_gathering(Borders::Exact);
    let chunks = Chunks::new(g.n, gathering.read, g.h_out(), TOGETHER, (g.kernel, 2));
    let (x_len, dy_len) = (g.h * g.w * c, g.h_out() * g.w_out() * c);
    for (x, dy) in x.chunks(chunks.images * x_len).zip(dy.chunks(chunks.images * dy_len)) {
        for first in (0..g.h_out()).step_by(chunks.rows) {
            let rows = rows(g, &gathering, x.len() / x_len, first..first + chunks.rows);
            let sums = Sums { rows: &rows, x, dy, sum, c };
            match size {
                1 => vectorize(sums.of::<1>()),
                2 => vectorize(sums.of::<2>()),
                4 => vectorize(sums.of::<4>()),
                _ => vectorize(sums.of::<8>()),
            }
        }
    }
}

/// The kernel's rows as they meet some rows of images' outputs.
fn rows(g: &ConvGeometry, gathering: &Gathering, images: usize, rows_out: Range<usize>) -> Vec<Row> {
    let (c, size) = (g.c_in, g.c_in / g.groups);
    let (x_row, dy_row) = (g.w * c, g.w_out() * c);
    let mut rows = Vec::new();
    for run in gathering.runs.iter().filter(|run| !run.taps.is_empty()) {
        for kh in 0..g.kernel {
            let mut strips = Vec::new();
            for row_out in rows_out.clone() {
                let Some((_, row)) = gathering.row_taps[row_out].iter().find(|(tap, _)| *tap == kh) else {
                    continue;
                };
                let places = Places {
                    run,
                    images,
                    read: (run.reading_step * c, g.h * x_row),
                    written: (row_out * dy_row + run.first * c, run.step * c, g.h_out() * dy_row),
                };
                let further = |strip: Strip| Strip { read_at: strip.read_at + row * x_row, ..strip };
                strips.extend(places.strips().map(further));
            }
            if !strips.is_empty() {
                let tap = |(kw, column): &(usize, usize)| (column * c, (kh * g.kernel + kw) * size * c);
                rows.push(Row { taps: run.taps.iter().map(tap).collect(), strips });
            }
        }
    }
    rows
}

/// A row of the kernel, where a run meets it.
struct Row {
    /// What each tap reads for the first position of the run, and where its weights start.
    taps: Vec<(usize, usize)>,
    strips: Vec<Strip>,
}

/// Sums `x · dy` over strips for every tap.
struct Sums<'a> {
    rows: &'a [Row],
    x: &'a [f32],
    dy: &'a [f32],
    sum: &'a mut [f32],
    c: usize,
}

/// In groups of `SIZE`.
struct SumsOf<'a, const SIZE: usize>(Sums<'a>);

impl<'a> Sums<'a> {
    fn of<const SIZE: usize>(self) -> SumsOf<'a, SIZE> {
        SumsOf(self)
    }
}

impl<const SIZE: usize> WithSimd for SumsOf<'_, SIZE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (c, lanes) = (self.0.c, S::F32_LANES);
        // Everything that is read or written below lies before these.
        for row in self.0.rows {
            assert!(row.taps.iter().all(|(_, w_at)| w_at + SIZE * c <= self.0.sum.len()));
            for strip in &row.strips {
                let last = strip.count - 1;
                assert!(strip.written_at + last * strip.written_step + c <= self.0.dy.len());
                for (x_at, _) in &row.taps {
                    assert!(x_at + strip.read_at + last * strip.read_step + c <= self.0.x.len());
                }
            }
        }
        let mut first = 0;
        if SIZE == 1 {
            while first + 2 * lanes <= c {
                let channels = [0, lanes].map(|further| Channels::new(simd, first + further, c));
                self.channels::<S, 2, false>(channels);
                first += 2 * lanes;
            }
        }
        while first + lanes <= c {
            self.channels::<S, 1, false>([Channels::new(simd, first, c)]);
            first += lanes;
        }
        if first < c {
            self.channels::<S, 1, true>([Channels::new(simd, first, c)]);
        }
    }
}

impl<const SIZE: usize> SumsOf<'_, SIZE> {
    #[inline(always)]
    fn channels<S: Simd, const V: usize, const TAIL: bool>(&mut self, channels: [Channels<S, TAIL>; V]) {
        // Taps whose sums leave registers for what they are made of.
        let together = (S::REGISTER_COUNT.saturating_sub(6) / (SIZE * V)).clamp(1, 5);
        for row in self.0.rows {
            for taps in row.taps.chunks(together) {
                match *taps {
                    [a] => self.taps::<S, V, 1, TAIL>(&channels, [a], &row.strips),
                    [a, b] => self.taps::<S, V, 2, TAIL>(&channels, [a, b], &row.strips),
                    [a, b, c] => self.taps::<S, V, 3, TAIL>(&channels, [a, b, c], &row.strips),
                    [a, b, c, d] => self.taps::<S, V, 4, TAIL>(&channels, [a, b, c, d], &row.strips),
                    [a, b, c, d, e] => self.taps::<S, V, 5, TAIL>(&channels, [a, b, c, d, e], &row.strips),
                    _ => {}
                }
            }
        }
    }

    /// `T` taps over all strips of a row.
    #[inline(always)]
    fn taps<S: Simd, const V: usize, const T: usize, const TAIL: bool>(
        &mut self,
        channels: &[Channels<S, TAIL>; V],
        taps: [(usize, usize); T],
        strips: &[Strip],
    ) {
        let Sums { x, dy, sum: total, c, .. } = &mut self.0;
        let simd = channels[0].simd;
        let mut sums = [[[simd.splat_f32s(0.0); SIZE]; T]; V];
        for strip in strips {
            for j in 0..strip.count {
                let (read_at, dy_at) =
                    (strip.read_at + j * strip.read_step, strip.written_at + j * strip.written_step);
                for (sums, channels) in sums.iter_mut().zip(channels) {
                    // SAFETY: `with_simd` asserted that the pixel of the strip's last position lies within `dy`.
                    let dy = unsafe { channels.load(dy, dy_at) };
                    for (sums, (x_at, _)) in sums.iter_mut().zip(taps) {
                        // SAFETY: likewise what it reads lies within `x`.
                        let x = unsafe { channels.load_groups::<SIZE>(x, x_at + read_at) };
                        for (sum, x) in sums.iter_mut().zip(x) {
                            *sum = simd.mul_add_f32s(x, dy, *sum);
                        }
                    }
                }
            }
        }
        for (sums, channels) in sums.iter().zip(channels) {
            for (sums, (_, w_at)) in sums.iter().zip(taps) {
                for (i, sum) in sums.iter().enumerate() {
                    let at = w_at + i * *c;
                    // SAFETY: `with_simd` asserted that `SIZE · c` numbers follow `w_at`.
                    let before = unsafe { channels.load(total, at) };
                    // SAFETY: as above.
                    unsafe { channels.store(total, at, simd.add_f32s(before, *sum)) };
                }
            }
        }
    }
}
