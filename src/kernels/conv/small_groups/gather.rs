//! Convolution, and its input gradient: every position gathers what its taps read.

use std::ops::Range;

use super::super::super::buffers::Buffer;
use super::super::super::geometry::{Borders, ConvGeometry, Gathering};
use super::super::super::simd::{Simd, WithSimd, fetch, vectorize};
use super::super::super::threads::for_chunks;
use super::super::chunks::{Chunk, Chunks};
use super::{Channels, Places, Strip, TOGETHER};

/// One direction of a convolution.
pub(in super::super) struct Side {
    gathering: Gathering,
    chunks: Chunks,
    kernel: usize,
    /// Channels of a group, and of a pixel.
    size: usize,
    c: usize,
    /// Weights with every group's transposed, where that is how they are read.
    transposed: Option<Buffer>,
}

impl Side {
    /// Outputs of inputs.
    pub fn forward(g: &ConvGeometry) -> Self {
        Self::new(g, g.forward_gathering(Borders::Exact), None)
    }

    /// Gradients of inputs, of those of outputs.
    pub fn backward(g: &ConvGeometry, w: &[f32]) -> Self {
        let size = g.c_in / g.groups;
        let transposed = (size > 1).then(|| transposed(w, size, g.c_in));
        Self::new(g, g.backward_gathering(Borders::Exact), transposed)
    }

    fn new(g: &ConvGeometry, gathering: Gathering, transposed: Option<Buffer>) -> Self {
        let chunks = Chunks::new(g.n, gathering.read, gathering.written.0, TOGETHER, (g.kernel, 2));
        Self { gathering, chunks, kernel: g.kernel, size: g.c_in / g.groups, c: g.c_in, transposed }
    }

    /// `out`, or `out +=`, what the weights `w (k, k, size, c)` make of `input`: whole images, channels last.
    pub fn gather(&self, input: &[f32], w: &[f32], out: &mut [f32], add: bool) {
        let (c, (h_in, w_in), (h_out, w_out)) = (self.c, self.gathering.read, self.gathering.written);
        let (read_len, written_len) = (h_in * w_in * c, h_out * w_out * c);
        let n = out.len() / written_len.max(1);
        assert_eq!((input.len(), out.len()), (n * read_len, n * written_len), "whole images");
        let w = self.transposed.as_deref().unwrap_or(w);
        self.chunks.write(out, (h_out, w_out * c), |Chunk { images, rows }, out| {
            let x = &input[images.start * read_len..images.end * read_len];
            let strips = self.strips(images.len(), rows);
            let gather = Gather { x, w, strips: &strips, c, out };
            match (self.size, add) {
                (1, false) => vectorize(gather.of::<1, false>()),
                (2, false) => vectorize(gather.of::<2, false>()),
                (4, false) => vectorize(gather.of::<4, false>()),
                (_, false) => vectorize(gather.of::<8, false>()),
                (1, true) => vectorize(gather.of::<1, true>()),
                (2, true) => vectorize(gather.of::<2, true>()),
                (4, true) => vectorize(gather.of::<4, true>()),
                (_, true) => vectorize(gather.of::<8, true>()),
            }
        });
    }

    fn strips(&self, images: usize, rows: Range<usize>) -> Strips {
        let (c, (h_in, w_in), (h_out, w_out)) = (self.c, self.gathering.read, self.gathering.written);
        let (mut strips, mut taps) = (Vec::new(), Vec::new());
        for (row_out, row_taps) in self.gathering.row_taps[rows].iter().enumerate() {
            for run in &self.gathering.runs {
                let first = taps.len();
                for (kh, row) in row_taps {
                    taps.extend(run.taps.iter().map(|(kw, column)| {
                        ((row * w_in + column) * c, (kh * self.kernel + kw) * self.size * c)
                    }));
                }
                let places = Places {
                    run,
                    images,
                    read: (run.reading_step * c, h_in * w_in * c),
                    written: ((row_out * w_out + run.first) * c, run.step * c, h_out * w_out * c),
                };
                let taps = first..taps.len();
                strips.extend(places.strips().map(|strip| (strip, taps.clone())));
            }
        }
        Strips { strips, taps }
    }
}

/// Positions that read the same taps.
struct Strips {
    /// Each with its taps.
    strips: Vec<(Strip, Range<usize>)>,
    /// What a tap reads for the first position of its run, and where its weights start.
    taps: Vec<(usize, usize)>,
}

/// The weight `w (k, k, size, c)` with every group's numbers transposed.
fn transposed(w: &[f32], size: usize, c: usize) -> Buffer {
    let mut transposed = Buffer::stale(w.len());
    for_chunks(&mut transposed, size * c, |tap, transposed| {
        let w = &w[tap * size * c..][..size * c];
        for (output, transposed) in transposed.chunks_exact_mut(c).enumerate() {
            for (group, transposed) in transposed.chunks_exact_mut(size).enumerate() {
                let column = w[group * size + output..].iter().step_by(c);
                transposed.iter_mut().zip(column).for_each(|(to, from)| *to = *from);
            }
        }
    });
    transposed
}

/// `out = Σ taps of x · w` over strips.
struct Gather<'a> {
    x: &'a [f32],
    w: &'a [f32],
    strips: &'a Strips,
    c: usize,
    out: &'a mut [f32],
}

/// In groups of `SIZE`; with `out +=` in its place, if `ADD`.
struct GatherOf<'a, const SIZE: usize, const ADD: bool>(Gather<'a>);

impl<'a> Gather<'a> {
    fn of<const SIZE: usize, const ADD: bool>(self) -> GatherOf<'a, SIZE, ADD> {
        GatherOf(self)
    }
}

impl<const SIZE: usize, const ADD: bool> WithSimd for GatherOf<'_, SIZE, ADD> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (c, lanes) = (self.0.c, S::F32_LANES);
        // Everything that is read or written below lies before these.
        for (strip, taps) in &self.0.strips.strips {
            let last = strip.count - 1;
            assert!(strip.written_at + last * strip.written_step + c <= self.0.out.len());
            for (x_at, w_at) in &self.0.strips.taps[taps.clone()] {
                assert!(x_at + strip.read_at + last * strip.read_step + c <= self.0.x.len());
                assert!(w_at + SIZE * c <= self.0.w.len());
            }
        }
        let mut first = 0;
        if SIZE == 1 {
            while first + 2 * lanes <= c {
                let channels = [0, lanes].map(|further| Channels::new(simd, first + further, c));
                self.channels::<S, 2, 4, false>(channels);
                first += 2 * lanes;
            }
        }
        while first + lanes <= c {
            let channels = Channels::new(simd, first, c);
            // As many sums as there are registers for, beside what they are made of.
            match S::F32_LANES {
                16 => self.channels::<S, 1, 8, false>([channels]),
                _ => self.channels::<S, 1, 4, false>([channels]),
            }
            first += lanes;
        }
        if first < c {
            self.channels::<S, 1, 4, true>([Channels::new(simd, first, c)]);
        }
    }
}

impl<const SIZE: usize, const ADD: bool> GatherOf<'_, SIZE, ADD> {
    /// All strips, `P` positions at a time.
    #[inline(always)]
    fn channels<S: Simd, const V: usize, const P: usize, const TAIL: bool>(
        &mut self,
        channels: [Channels<S, TAIL>; V],
    ) {
        for (strip, taps) in &self.0.strips.strips {
            let taps = &self.0.strips.taps[taps.clone()];
            let mut first = 0;
            while first + P <= strip.count {
                self.positions::<S, V, P, TAIL>(&channels, strip, taps, first);
                first += P;
            }
            if P > 4 && first + 4 <= strip.count {
                self.positions::<S, V, 4, TAIL>(&channels, strip, taps, first);
                first += 4;
            }
            if first + 2 <= strip.count {
                self.positions::<S, V, 2, TAIL>(&channels, strip, taps, first);
                first += 2;
            }
            if first < strip.count {
                self.positions::<S, V, 1, TAIL>(&channels, strip, taps, first);
            }
        }
    }

    /// `P` positions from `first` on.
    #[inline(always)]
    fn positions<S: Simd, const V: usize, const P: usize, const TAIL: bool>(
        &mut self,
        channels: &[Channels<S, TAIL>; V],
        strip: &Strip,
        taps: &[(usize, usize)],
        first: usize,
    ) {
        let Gather { x, w, c, out, .. } = &mut self.0;
        let simd = channels[0].simd;
        let out_at = strip.written_at + first * strip.written_step;
        let mut sums = [[simd.splat_f32s(0.0); V]; P];
        if ADD {
            for (p, sums) in sums.iter_mut().enumerate() {
                for (sum, channels) in sums.iter_mut().zip(channels) {
                    // SAFETY: `with_simd` asserted that the pixel of the strip's last position lies within `out`.
                    *sum = unsafe { channels.load(out, out_at + p * strip.written_step) };
                }
            }
        }
        // Where the sums go: it is there by the time that they are.
        for p in 0..P {
            for channels in channels {
                fetch(out, out_at + p * strip.written_step + channels.first);
            }
        }
        let offset = strip.read_at + first * strip.read_step;
        for (x_at, w_at) in taps {
            for (v, channels) in channels.iter().enumerate() {
                let mut weights = [simd.splat_f32s(0.0); SIZE];
                for (i, weight) in weights.iter_mut().enumerate() {
                    // SAFETY: `with_simd` asserted that `SIZE · c` weights follow `w_at`.
                    *weight = unsafe { channels.load(w, w_at + i * *c) };
                }
                for (p, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: as for `out`: the pixel that the strip's last position reads lies within `x`.
                    let read =
                        unsafe { channels.load_groups::<SIZE>(x, x_at + offset + p * strip.read_step) };
                    for (read, weight) in read.iter().zip(weights) {
                        sums[v] = simd.mul_add_f32s(*read, weight, sums[v]);
                    }
                }
            }
        }
        for (p, sums) in sums.iter().enumerate() {
            for (sum, channels) in sums.iter().zip(channels) {
                // SAFETY: as above.
                unsafe { channels.store(out, out_at + p * strip.written_step, *sum) };
            }
        }
    }
}
