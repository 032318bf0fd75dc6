//! Depthwise convolution: every channel on its own, so that neighbouring channels fill a vector.
//!
//! Forward and input gradient are the same gather over different taps (see `geometry`). Weights are
//! `(k, k, c)`.

#![allow(unsafe_code)]

use super::geometry::{ConvGeometry, Gathering, Run};
use super::simd::{Simd, WithSimd, load, store, vectorize};
use super::threads::for_chunks;

/// `out = input * w`, or `out += input * w`, along the taps of `gathering`.
pub(super) fn gather<const ADD: bool>(
    g: &ConvGeometry,
    gathering: &Gathering,
    input: &[f32],
    w: &[f32],
    out: &mut [f32],
) {
    let (c, k) = (g.c_in, g.kernel);
    let ((h_in, w_in), (h_out, w_out)) = (gathering.read, gathering.written);
    for_chunks(out, w_out * c, |index, out| {
        let image = &input[index / h_out * h_in * w_in * c..][..h_in * w_in * c];
        let mut taps = Vec::with_capacity(k * k);
        for run in &gathering.runs {
            taps.clear();
            for (kh, row) in &gathering.row_taps[index % h_out] {
                taps.extend(run.taps.iter().map(|(kw, at)| ((row * w_in + at) * c, (kh * k + kw) * c)));
            }
            vectorize(GatherRun::<ADD> { out, image, w, taps: &taps, run, c });
        }
    });
}

/// One run of positions: `out = Σ taps of image · w`, or `+=`.
pub(super) struct GatherRun<'a, const ADD: bool> {
    /// The row that is written.
    pub out: &'a mut [f32],
    pub image: &'a [f32],
    pub w: &'a [f32],
    /// For each tap, where the run's first position reads, and where its weights start.
    pub taps: &'a [(usize, usize)],
    pub run: &'a Run,
    pub c: usize,
}

/// Positions that share a loaded weight.
const POSITIONS: usize = 4;

impl<const ADD: bool> WithSimd for GatherRun<'_, ADD> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (c, lanes) = (self.c, S::F32_LANES);
        // Everything that is read or written below lies before these.
        let last = self.run.count - 1;
        assert!((self.run.first + last * self.run.step + 1) * c <= self.out.len());
        for (x_at, w_at) in self.taps {
            assert!(x_at + (last * self.run.reading_step + 1) * c <= self.image.len());
            assert!(w_at + c <= self.w.len());
        }
        let mut from = 0;
        while from + 2 * lanes <= c {
            self.channels::<S, 2>(simd, from);
            from += 2 * lanes;
        }
        while from + lanes <= c {
            self.channels::<S, 1>(simd, from);
            from += lanes;
        }
        self.tail(simd, from);
    }
}

impl<const ADD: bool> GatherRun<'_, ADD> {
    #[inline(always)]
    fn channels<S: Simd, const V: usize>(&mut self, simd: S, from: usize) {
        let mut j = 0;
        while j + POSITIONS <= self.run.count {
            self.positions::<S, V, POSITIONS>(simd, from, j);
            j += POSITIONS;
        }
        while j < self.run.count {
            self.positions::<S, V, 1>(simd, from, j);
            j += 1;
        }
    }

    /// `P` positions from `j` on, `V` vectors of channels from `from` on.
    #[inline(always)]
    fn positions<S: Simd, const V: usize, const P: usize>(&mut self, simd: S, from: usize, j: usize) {
        let lanes = S::F32_LANES;
        let out_at = (self.run.first + j * self.run.step) * self.c + from;
        let (out_step, x_step) = (self.run.step * self.c, self.run.reading_step * self.c);
        let mut sums = [[simd.splat_f32s(0.0); V]; P];
        if ADD {
            for (p, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: position `j + p` is one of the run's, and channels `from + (v + 1) · lanes` do not
                    // exceed `c`: `with_simd` asserted that the run's last pixel lies within `out`.
                    *sum = unsafe { load::<S>(self.out, out_at + p * out_step + v * lanes) };
                }
            }
        }
        for (x_at, w_at) in self.taps {
            for v in 0..V {
                // SAFETY: `with_simd` asserted that `c` weights follow `w_at`.
                let w = unsafe { load::<S>(self.w, w_at + from + v * lanes) };
                let x_at = x_at + j * x_step + from + v * lanes;
                for (p, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: as for `out`: the pixel that the run's last position reads lies within `image`.
                    let x = unsafe { load::<S>(self.image, x_at + p * x_step) };
                    sums[v] = simd.mul_add_f32s(x, w, sums[v]);
                }
            }
        }
        for (p, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                // SAFETY: as above.
                unsafe { store::<S>(self.out, out_at + p * out_step + v * lanes, *sum) };
            }
        }
    }

    /// The channels that fill no vector.
    #[inline(always)]
    fn tail<S: Simd>(&mut self, simd: S, from: usize) {
        let rest = self.c - from;
        for j in 0..if rest > 0 { self.run.count } else { 0 } {
            let out_at = (self.run.first + j * self.run.step) * self.c + from;
            let out = &mut self.out[out_at..out_at + rest];
            let mut sum = if ADD { simd.partial_load_f32s(out) } else { simd.splat_f32s(0.0) };
            for (x_at, w_at) in self.taps {
                let x_at = x_at + j * self.run.reading_step * self.c + from;
                let x = simd.partial_load_f32s(&self.image[x_at..x_at + rest]);
                let w = simd.partial_load_f32s(&self.w[w_at + from..w_at + self.c]);
                sum = simd.mul_add_f32s(x, w, sum);
            }
            simd.partial_store_f32s(out, sum);
        }
    }
}

/// Adds to `sum` the gradient that one image gives the weight.
pub(super) fn sum_image(g: &ConvGeometry, gathering: &Gathering, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    vectorize(SumImage { g, gathering, x, dy, sum, first: 0, step: g.c_in });
}

/// Sums `x · dy` of one image for every tap.
pub(super) struct SumImage<'a> {
    pub g: &'a ConvGeometry,
    pub gathering: &'a Gathering,
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub sum: &'a mut [f32],
    /// Where the first tap's `c` numbers stand in `sum`.
    pub first: usize,
    /// From one tap to the next.
    pub step: usize,
}

impl WithSimd for SumImage<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (g, c) = (self.g, self.g.c_in);
        for (dy, row_taps) in self.dy.chunks_exact(g.w_out() * c).zip(&self.gathering.row_taps) {
            for run in &self.gathering.runs {
                for (kh, row) in row_taps {
                    let strip = SumStrip {
                        x: &self.x[row * g.w * c..][..g.w * c],
                        dy: &dy[run.first * c..],
                        run,
                        c,
                        step: self.step,
                    };
                    let sum = &mut self.sum[self.first + kh * g.kernel * self.step..];
                    match run.taps.len() {
                        1 => strip.channels::<S, 1>(simd, sum),
                        2 => strip.channels::<S, 2>(simd, sum),
                        3 => strip.channels::<S, 3>(simd, sum),
                        4 => strip.channels::<S, 4>(simd, sum),
                        5 => strip.channels::<S, 5>(simd, sum),
                        _ => strip.tail(simd, 0, sum),
                    }
                }
            }
        }
    }
}

/// One row of the input against one run of a row of the output gradient.
struct SumStrip<'a> {
    x: &'a [f32],
    /// From the run's first position on.
    dy: &'a [f32],
    run: &'a Run,
    c: usize,
    /// From one tap's sums to the next.
    step: usize,
}

impl SumStrip<'_> {
    /// Adds to `sum`; the run has `T` taps.
    #[inline(always)]
    fn channels<S: Simd, const T: usize>(&self, simd: S, sum: &mut [f32]) {
        let (run, c, lanes) = (self.run, self.c, S::F32_LANES);
        let last = run.count - 1;
        assert!((last * run.step + 1) * c <= self.dy.len());
        let mut taps = [(0, 0); T];
        for (tap, (kw, at)) in taps.iter_mut().zip(&run.taps) {
            assert!((at + last * run.reading_step + 1) * c <= self.x.len());
            assert!(kw * self.step + c <= sum.len());
            *tap = (kw * self.step, at * c);
        }
        let mut from = 0;
        while from + lanes <= c {
            let mut sums = [simd.splat_f32s(0.0); T];
            for j in 0..run.count {
                // SAFETY: the run's last position was asserted to lie within `dy`, and `from + lanes` is at most `c`.
                let dy = unsafe { load::<S>(self.dy, j * run.step * c + from) };
                for (sum, (_, at)) in sums.iter_mut().zip(taps) {
                    // SAFETY: what the run's last position reads was asserted to lie within `x`.
                    let x = unsafe { load::<S>(self.x, at + j * run.reading_step * c + from) };
                    *sum = simd.mul_add_f32s(x, dy, *sum);
                }
            }
            for (total, (kw, _)) in sums.iter().zip(taps) {
                // SAFETY: each tap's `c` numbers were asserted to lie within `sum`.
                unsafe {
                    let before = load::<S>(sum, kw + from);
                    store::<S>(sum, kw + from, simd.add_f32s(before, *total));
                }
            }
            from += lanes;
        }
        self.tail(simd, from, sum);
    }

    /// The channels from `from` on, which fill no vector; all of them for kernels of another size.
    #[inline(always)]
    fn tail<S: Simd>(&self, simd: S, from: usize, sum: &mut [f32]) {
        let (run, c) = (self.run, self.c);
        for from in (from..c).step_by(S::F32_LANES) {
            let rest = S::F32_LANES.min(c - from);
            for (kw, at) in &run.taps {
                let mut total = simd.splat_f32s(0.0);
                for j in 0..run.count {
                    let x_at = (at + j * run.reading_step) * c + from;
                    let dy_at = j * run.step * c + from;
                    let x = simd.partial_load_f32s(&self.x[x_at..x_at + rest]);
                    let dy = simd.partial_load_f32s(&self.dy[dy_at..dy_at + rest]);
                    total = simd.mul_add_f32s(x, dy, total);
                }
                let sum = &mut sum[kw * self.step + from..][..rest];
                let before = simd.partial_load_f32s(sum);
                simd.partial_store_f32s(sum, simd.add_f32s(before, total));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ConvTester;

    #[test]
    fn every_kernel_stride_size_and_tail_equals_the_nested_loops() {
        for channels in [1, 3, 8, 31, 33, 72] {
            ConvTester::default().channels(channels).groups(channels).run();
        }
    }

    #[test]
    fn batches_and_threads_change_no_bit() {
        ConvTester::default().channels(40).groups(40).batch(19).run_for_any_threads();
    }
}
