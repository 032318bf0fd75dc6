//! Depthwise convolution: every channel on its own, so that neighbouring channels of a pixel fill vectors where they stand.
//!
//! Positions that read the same taps are taken together: neighbours of a row, or, where images are small, the same place
//! in different images.
#![allow(unsafe_code)]

use std::ops::Range;

use super::super::geometry::{Borders, ConvGeometry, Gathering, Run};
use super::super::simd::{Simd, WithSimd, load, store, vectorize};
use super::chunks::{Chunk, Chunks};

/// Channels that are taken together: two vectors of AVX-512.
const TOGETHER: usize = 32;

/// Positions that share a loaded weight.
const POSITIONS: usize = 4;

/// One direction of a convolution.
pub(super) struct Side {
    gathering: Gathering,
    chunks: Chunks,
    kernel: usize,
    c: usize,
}

impl Side {
    /// Outputs of inputs.
    pub fn forward(g: &ConvGeometry) -> Self {
        Self::new(g, g.forward_gathering(Borders::Exact))
    }

    /// Gradients of inputs, of those of outputs.
    pub fn backward(g: &ConvGeometry) -> Self {
        Self::new(g, g.backward_gathering(Borders::Exact))
    }

    fn new(g: &ConvGeometry, gathering: Gathering) -> Self {
        let chunks = Chunks::new(g.n, gathering.read, gathering.written.0, TOGETHER, (g.kernel, 2));
        Self { gathering, chunks, kernel: g.kernel, c: g.c_in }
    }

    /// `out`, or `out +=`, what the weights `(k, k, c)` make of `input`: whole images, channels last.
    pub fn gather(&self, input: &[f32], w: &[f32], out: &mut [f32], add: bool) {
        let (c, (h_in, w_in), (h_out, w_out)) = (self.c, self.gathering.read, self.gathering.written);
        let (read_len, written_len) = (h_in * w_in * c, h_out * w_out * c);
        let n = out.len() / written_len.max(1);
        assert_eq!((input.len(), out.len()), (n * read_len, n * written_len), "whole images");
        self.chunks.write(out, (h_out, w_out * c), |Chunk { images, rows }, out| {
            let image = &input[images.start * read_len..images.end * read_len];
            let (strips, taps) = self.strips(images.len(), rows);
            let gather = Gather { image, w, strips: &strips, taps: &taps, c, out };
            if add { vectorize(gather.adding::<true>()) } else { vectorize(gather.adding::<false>()) }
        });
    }

    fn strips(&self, images: usize, rows: Range<usize>) -> (Vec<Strip>, Vec<(usize, usize)>) {
        let (c, (h_in, w_in), (h_out, w_out)) = (self.c, self.gathering.read, self.gathering.written);
        let (mut strips, mut taps) = (Vec::new(), Vec::new());
        for (row_out, row_taps) in self.gathering.row_taps[rows].iter().enumerate() {
            for run in &self.gathering.runs {
                let first = taps.len();
                for (kh, row) in row_taps {
                    taps.extend(
                        run.taps.iter().map(|(kw, at)| ((row * w_in + at) * c, (kh * self.kernel + kw) * c)),
                    );
                }
                let places = Places {
                    run,
                    images,
                    x: (run.reading_step * c, h_in * w_in * c),
                    y: ((row_out * w_out + run.first) * c, run.step * c, h_out * w_out * c),
                };
                places.strips(|x_at, x_step, y_at, y_step, count| {
                    strips.push(Strip { taps: first..taps.len(), x_at, x_step, y_at, y_step, count });
                });
            }
        }
        (strips, taps)
    }
}

/// All positions of a run in some images.
struct Places<'a> {
    run: &'a Run,
    images: usize,
    /// What reading moves by from a position to the next, and from an image to the next.
    x: (usize, usize),
    /// Where the first position stands, and what it moves by.
    y: (usize, usize, usize),
}

impl Places<'_> {
    /// Calls `strip(x_at, x_step, y_at, y_step, count)` for rows of positions, or of images, whichever are more.
    fn strips(&self, mut strip: impl FnMut(usize, usize, usize, usize, usize)) {
        let (count, images) = (self.run.count, self.images);
        let ((x_step, x_image), (y_at, y_step, y_image)) = (self.x, self.y);
        if images >= count {
            (0..count).for_each(|j| strip(j * x_step, x_image, y_at + j * y_step, y_image, images));
        } else {
            (0..images).for_each(|i| strip(i * x_image, x_step, y_at + i * y_image, y_step, count));
        }
    }
}

/// Equally distant positions that read the same taps.
struct Strip {
    taps: Range<usize>,
    /// What the first position reads after what its taps say, and from one position to the next.
    x_at: usize,
    x_step: usize,
    /// Where the first position is written, and from one to the next.
    y_at: usize,
    y_step: usize,
    count: usize,
}

/// `out = Σ taps of image · w` over strips.
struct Gather<'a> {
    image: &'a [f32],
    w: &'a [f32],
    strips: &'a [Strip],
    /// For each tap, where the first position of its run reads, and where its weights start.
    taps: &'a [(usize, usize)],
    c: usize,
    out: &'a mut [f32],
}

/// With `out +=` in its place, if `ADD`.
struct Adding<'a, const ADD: bool>(Gather<'a>);

impl<'a> Gather<'a> {
    fn adding<const ADD: bool>(self) -> Adding<'a, ADD> {
        Adding(self)
    }
}

impl<const ADD: bool> WithSimd for Adding<'_, ADD> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (c, lanes) = (self.0.c, S::F32_LANES);
        // Everything that is read or written below lies before these.
        for strip in self.0.strips {
            let last = strip.count - 1;
            assert!(strip.y_at + last * strip.y_step + c <= self.0.out.len());
            for (x_at, w_at) in &self.0.taps[strip.taps.clone()] {
                assert!(x_at + strip.x_at + last * strip.x_step + c <= self.0.image.len());
                assert!(w_at + c <= self.0.w.len());
            }
        }
        let mut from = 0;
        while from + 2 * lanes <= c {
            for strip in self.0.strips {
                self.strip::<S, 2>(simd, strip, from);
            }
            from += 2 * lanes;
        }
        while from + lanes <= c {
            for strip in self.0.strips {
                self.strip::<S, 1>(simd, strip, from);
            }
            from += lanes;
        }
        if from < c {
            for strip in self.0.strips {
                self.tail(simd, strip, from);
            }
        }
    }
}

impl<const ADD: bool> Adding<'_, ADD> {
    #[inline(always)]
    fn strip<S: Simd, const V: usize>(&mut self, simd: S, strip: &Strip, from: usize) {
        let mut j = 0;
        while j + POSITIONS <= strip.count {
            self.positions::<S, V, POSITIONS>(simd, strip, from, j);
            j += POSITIONS;
        }
        while j < strip.count {
            self.positions::<S, V, 1>(simd, strip, from, j);
            j += 1;
        }
    }

    /// `P` positions from `j` on, `V` vectors of channels from `from` on.
    #[inline(always)]
    fn positions<S: Simd, const V: usize, const P: usize>(
        &mut self,
        simd: S,
        strip: &Strip,
        from: usize,
        j: usize,
    ) {
        let (this, lanes) = (&mut self.0, S::F32_LANES);
        let out_at = strip.y_at + j * strip.y_step + from;
        let mut sums = [[simd.splat_f32s(0.0); V]; P];
        if ADD {
            for (p, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: position `j + p` is one of the strip's, and channels `from + (v + 1) · lanes` do not
                    // exceed `c`: `with_simd` asserted that the strip's last pixel lies within `out`.
                    *sum = unsafe { load::<S>(this.out, out_at + p * strip.y_step + v * lanes) };
                }
            }
        }
        let offset = strip.x_at + j * strip.x_step + from;
        for (x_at, w_at) in &this.taps[strip.taps.clone()] {
            for v in 0..V {
                // SAFETY: `with_simd` asserted that `c` weights follow `w_at`.
                let w = unsafe { load::<S>(this.w, w_at + from + v * lanes) };
                let x_at = x_at + offset + v * lanes;
                for (p, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: as for `out`: the pixel that the strip's last position reads lies within `image`.
                    let x = unsafe { load::<S>(this.image, x_at + p * strip.x_step) };
                    sums[v] = simd.mul_add_f32s(x, w, sums[v]);
                }
            }
        }
        for (p, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                // SAFETY: as above.
                unsafe { store::<S>(this.out, out_at + p * strip.y_step + v * lanes, *sum) };
            }
        }
    }

    /// The channels that fill no vector.
    #[inline(always)]
    fn tail<S: Simd>(&mut self, simd: S, strip: &Strip, from: usize) {
        let this = &mut self.0;
        let rest = this.c - from;
        for j in 0..strip.count {
            let out_at = strip.y_at + j * strip.y_step + from;
            let out = &mut this.out[out_at..out_at + rest];
            let mut sum = if ADD { simd.partial_load_f32s(out) } else { simd.splat_f32s(0.0) };
            for (x_at, w_at) in &this.taps[strip.taps.clone()] {
                let x_at = x_at + strip.x_at + j * strip.x_step + from;
                let x = simd.partial_load_f32s(&this.image[x_at..x_at + rest]);
                let w = simd.partial_load_f32s(&this.w[w_at + from..w_at + this.c]);
                sum = simd.mul_add_f32s(x, w, sum);
            }
            simd.partial_store_f32s(out, sum);
        }
    }
}

/// Adds to `sum (k, k, c)` the gradient that images give the weight.
pub(super) fn add_weight_gradient(g: &ConvGeometry, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let c = g.c_in;
    let gathering = g.forward_gathering(Borders::Exact);
    let chunks = Chunks::new(g.n, gathering.read, g.h_out(), TOGETHER, (g.kernel, 2));
    let (x_len, dy_len) = (g.h * g.w * c, g.h_out() * g.w_out() * c);
    for (x, dy) in x.chunks(chunks.images * x_len).zip(dy.chunks(chunks.images * dy_len)) {
        let mut strips = Vec::new();
        for (row_out, row_taps) in gathering.row_taps.iter().enumerate() {
            for run in gathering.runs.iter().filter(|run| !run.taps.is_empty()) {
                let places = Places {
                    run,
                    images: x.len() / x_len,
                    x: (run.reading_step * c, x_len),
                    y: ((row_out * g.w_out() + run.first) * c, run.step * c, dy_len),
                };
                for (kh, row) in row_taps {
                    places.strips(|x_at, x_step, dy_at, dy_step, count| {
                        let x_at = x_at + row * g.w * c;
                        let weight_at = kh * g.kernel * c;
                        strips.push(SumStrip { run, weight_at, x_at, x_step, dy_at, dy_step, count });
                    });
                }
            }
        }
        vectorize(Sum { strips: &strips, x, dy, sum, c });
    }
}

/// Equally distant outputs, and what a row of the kernel reads for them.
struct SumStrip<'a> {
    run: &'a Run,
    /// Where the weights of the kernel's row start.
    weight_at: usize,
    x_at: usize,
    x_step: usize,
    dy_at: usize,
    dy_step: usize,
    count: usize,
}

/// Sums `x · dy` over strips for every tap.
struct Sum<'a> {
    strips: &'a [SumStrip<'a>],
    x: &'a [f32],
    dy: &'a [f32],
    sum: &'a mut [f32],
    c: usize,
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for strip in self.strips {
            match strip.run.taps.len() {
                1 => self.strip::<S, 1>(simd, strip),
                2 => self.strip::<S, 2>(simd, strip),
                3 => self.strip::<S, 3>(simd, strip),
                4 => self.strip::<S, 4>(simd, strip),
                5 => self.strip::<S, 5>(simd, strip),
                _ => self.tail(simd, strip, 0),
            }
        }
    }
}

impl Sum<'_> {
    /// The strip's run has `T` taps.
    #[inline(always)]
    fn strip<S: Simd, const T: usize>(&mut self, simd: S, strip: &SumStrip<'_>) {
        let (c, lanes) = (self.c, S::F32_LANES);
        let last = strip.count - 1;
        assert!(strip.dy_at + last * strip.dy_step + c <= self.dy.len());
        let mut taps = [(0, 0); T];
        for (tap, (kw, at)) in taps.iter_mut().zip(&strip.run.taps) {
            *tap = (strip.weight_at + kw * c, strip.x_at + at * c);
            assert!(tap.1 + last * strip.x_step + c <= self.x.len());
            assert!(tap.0 + c <= self.sum.len());
        }
        let mut from = 0;
        while from + 2 * lanes <= c {
            self.channels::<S, T, 2>(simd, strip, &taps, from);
            from += 2 * lanes;
        }
        while from + lanes <= c {
            self.channels::<S, T, 1>(simd, strip, &taps, from);
            from += lanes;
        }
        self.tail(simd, strip, from);
    }

    /// `V` vectors of channels from `from` on.
    #[inline(always)]
    fn channels<S: Simd, const T: usize, const V: usize>(
        &mut self,
        simd: S,
        strip: &SumStrip<'_>,
        taps: &[(usize, usize); T],
        from: usize,
    ) {
        let lanes = S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; T];
        for j in 0..strip.count {
            for v in 0..V {
                let at = from + v * lanes;
                // SAFETY: `strip` asserted that the strip's last position lies within `dy`, and `at + lanes` is at most
                // `c`.
                let dy = unsafe { load::<S>(self.dy, strip.dy_at + j * strip.dy_step + at) };
                for (sums, (_, x_at)) in sums.iter_mut().zip(taps) {
                    // SAFETY: likewise what the strip's last position reads lies within `x`.
                    let x = unsafe { load::<S>(self.x, x_at + j * strip.x_step + at) };
                    sums[v] = simd.mul_add_f32s(x, dy, sums[v]);
                }
            }
        }
        for (sums, (weight_at, _)) in sums.iter().zip(taps) {
            for (v, sum) in sums.iter().enumerate() {
                let at = weight_at + from + v * lanes;
                // SAFETY: `strip` asserted that `c` numbers of every tap lie within `sum`.
                let before = unsafe { load::<S>(self.sum, at) };
                // SAFETY: as above.
                unsafe { store::<S>(self.sum, at, simd.add_f32s(before, *sum)) };
            }
        }
    }

    /// The channels from `from` on that fill no vector.
    #[inline(always)]
    fn tail<S: Simd>(&mut self, simd: S, strip: &SumStrip<'_>, mut from: usize) {
        while from < self.c {
            let lanes = S::F32_LANES.min(self.c - from);
            for (kw, at) in &strip.run.taps {
                let mut sum = simd.splat_f32s(0.0);
                for j in 0..strip.count {
                    let dy_at = strip.dy_at + j * strip.dy_step + from;
                    let x_at = strip.x_at + at * self.c + j * strip.x_step + from;
                    let dy = simd.partial_load_f32s(&self.dy[dy_at..dy_at + lanes]);
                    sum = simd.mul_add_f32s(simd.partial_load_f32s(&self.x[x_at..x_at + lanes]), dy, sum);
                }
                let total = &mut self.sum[strip.weight_at + kw * self.c + from..][..lanes];
                let before = simd.partial_load_f32s(total);
                simd.partial_store_f32s(total, simd.add_f32s(before, sum));
            }
            from += lanes;
        }
    }
}
