//! Convolution, and its input gradient: every position gathers what its taps read.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::super::super::geometry::{Borders, ConvGeometry, Gathering};
use super::super::super::simd::{Simd, WithSimd, fetch, load, store, vectorize};
use super::super::chunks::{Chunk, Chunks};
use super::packing::{Block, Layout, Packed};
use super::{WIDTH, stride};

/// One direction of a convolution: what is read of which rows and columns, and with which weights.
pub(in super::super) struct Side {
    gathering: Gathering,
    chunks: Chunks,
    kernel: usize,
    packed: Packed,
    /// The strips of chunks, by their images and first row.
    strips: Mutex<HashMap<(usize, usize, usize), Arc<Strips>>>,
}

impl Side {
    /// Outputs of inputs.
    pub fn forward(g: &ConvGeometry, w: &[f32]) -> Self {
        Self::new(g, Packed::forward(g, w), |borders| g.forward_gathering(borders))
    }

    /// Gradients of inputs, of those of outputs.
    pub fn backward(g: &ConvGeometry, w: &[f32]) -> Self {
        Self::new(g, Packed::backward(g, w), |borders| g.backward_gathering(borders))
    }

    fn new(g: &ConvGeometry, packed: Packed, gathering: impl Fn(Borders) -> Gathering) -> Self {
        let padded = gathering(Borders::Padded);
        let steps = (g.kernel, padded.runs.first().map_or(1, |run| run.reading_step));
        let chunks = Chunks::new(g.n, padded.read, padded.written.0, stride(packed.reads), steps);
        let gathering = if chunks.borders == Borders::Padded { padded } else { gathering(Borders::Exact) };
        Self { gathering, chunks, kernel: g.kernel, packed, strips: Mutex::default() }
    }

    /// `out`, or `out +=`, what the weights make of `input`: whole images, channels last.
    pub fn gather(&self, input: &[f32], out: &mut [f32], add: bool) {
        let ((h_in, w_in), (h_out, w_out)) = (self.gathering.read, self.gathering.written);
        let (read_len, written_len) =
            (h_in * w_in * self.packed.c_read, h_out * w_out * self.packed.c_written);
        let n = out.len() / written_len.max(1);
        assert_eq!((input.len(), out.len()), (n * read_len, n * written_len), "whole images");
        self.chunks.write(out, (h_out, w_out * self.packed.c_written), |Chunk { images, rows }, out| {
            let input = &input[images.start * read_len..images.end * read_len];
            self.gather_chunk(input, images.len(), rows, out, add);
        });
    }

    fn gather_chunk(&self, input: &[f32], images: usize, rows: Range<usize>, out: &mut [f32], add: bool) {
        let layout = self.layout(images, rows.clone());
        let strips = self.strips_of(&layout, rows);
        let &Packed { c_read, reads, width, .. } = &self.packed;
        let mut x = layout.memory();
        let mut group = None;
        for (block, w) in self.packed.blocks() {
            if group != Some(block.group) {
                let first = block.group * reads;
                layout.lay_out((self.gathering.read.0, c_read), input, first..first + reads, &mut x);
                group = Some(block.group);
            }
            let gather = Gather { strips: &strips, x: &x, w, reads, width, out, block, add };
            match layout.stride {
                4 => vectorize(GatherOf::<4>(gather)),
                20 => vectorize(GatherOf::<20>(gather)),
                36 => vectorize(GatherOf::<36>(gather)),
                _ => vectorize(GatherOf::<68>(gather)),
            }
        }
    }

    /// What is laid out for some rows that are written.
    fn layout(&self, images: usize, rows: Range<usize>) -> Layout {
        let read = self.gathering.rows_read(rows);
        Layout {
            first_row: read.start,
            rows: read.len(),
            columns: self.gathering.read.1,
            padding: self.gathering.padding,
            images,
            stride: stride(self.packed.reads),
        }
    }

    /// Chunks of one shape have the same strips, but for where their image is cut.
    fn strips_of(&self, layout: &Layout, rows: Range<usize>) -> Arc<Strips> {
        let make = || Arc::new(self.strips(layout, rows.clone()));
        match self.strips.lock() {
            Ok(mut known) => known.entry((layout.images, rows.start, rows.end)).or_insert_with(make).clone(),
            Err(_) => make(),
        }
    }

    fn strips(&self, layout: &Layout, rows: Range<usize>) -> Strips {
        let (h_written, w_written) = (rows.len(), self.gathering.written.1);
        let mut strips = Strips::default();
        for (row, row_taps) in self.gathering.row_taps[rows].iter().enumerate() {
            for run in &self.gathering.runs {
                let first_tap = strips.taps.len();
                for (kh, row) in row_taps {
                    strips.taps.extend(run.taps.iter().map(|(kw, column)| {
                        (
                            layout.at(*row, *column),
                            (kh * self.kernel + kw) * self.packed.reads * self.packed.width,
                        )
                    }));
                }
                let taps = first_tap..strips.taps.len();
                let first_place = strips.places.len();
                for j in 0..run.count {
                    let column = run.first + j * run.step;
                    strips.places.extend((0..layout.images).map(|image| {
                        ((image * h_written + row) * w_written + column) * self.packed.c_written
                    }));
                }
                let places = first_place..strips.places.len();
                let step = layout.images * layout.stride;
                strips.cut(taps, places, (run.count, layout.images), run.reading_step, step);
            }
        }
        strips
    }
}

/// Positions that read the same taps.
#[derive(Debug, Default)]
struct Strips {
    strips: Vec<Strip>,
    /// Where a tap reads for the first position of its run, and where its weights start.
    taps: Vec<(usize, usize)>,
    /// Where a position is written.
    places: Vec<usize>,
}

/// Positions whose readings are equally far apart.
#[derive(Debug)]
struct Strip {
    taps: Range<usize>,
    places: Range<usize>,
    /// What the first position reads after what its taps say.
    offset: usize,
    /// Pixels of the layout from one reading to the next: 1 or 2.
    apart: usize,
}

impl Strips {
    /// Cuts a run of `(positions, images)` whose taps move by `reading_step` from a position to the next.
    fn cut(
        &mut self,
        taps: Range<usize>,
        places: Range<usize>,
        (count, images): (usize, usize),
        reading_step: usize,
        step: usize,
    ) {
        if reading_step == 1 || (reading_step == 2 && images == 1) {
            self.strips.push(Strip { taps, places, offset: 0, apart: reading_step });
            return;
        }
        for j in 0..count {
            let first = places.start + j * images;
            let offset = j * reading_step * step;
            self.strips.push(Strip { taps: taps.clone(), places: first..first + images, offset, apart: 1 });
        }
    }
}

/// Everything that one block gathers of a chunk.
struct Gather<'a> {
    strips: &'a Strips,
    x: &'a [f32],
    w: &'a [f32],
    /// Channels of a group that are read.
    reads: usize,
    /// Weights of each.
    width: usize,
    out: &'a mut [f32],
    block: &'a Block,
    add: bool,
}

/// Where pixels of the layout are `PIXEL` values apart.
struct GatherOf<'a, const PIXEL: usize>(Gather<'a>);

impl<const PIXEL: usize> WithSimd for GatherOf<'_, PIXEL> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert!(self.0.reads <= PIXEL, "a pixel holds what is read");
        for strip in &self.0.strips.strips {
            match strip.apart {
                1 => self.strip::<S, 1>(simd, strip),
                _ => self.strip::<S, 2>(simd, strip),
            }
        }
    }
}

impl<const PIXEL: usize> GatherOf<'_, PIXEL> {
    #[inline(always)]
    fn strip<S: Simd, const APART: usize>(&mut self, simd: S, strip: &Strip) {
        let (count, width) = (strip.places.len(), self.0.width);
        if count == 0 {
            return;
        }
        // Everything that is read below lies before these.
        let last = strip.offset + (count - 1) * APART * PIXEL + PIXEL;
        for (x_at, w_at) in &self.0.strips.taps[strip.taps.clone()] {
            assert!(x_at + last <= self.0.x.len() && w_at + self.0.reads * width <= self.0.w.len());
        }
        if S::F32_LANES == WIDTH && width == 2 * WIDTH {
            self.positions_from::<S, 2, 12, APART>(simd, strip, 0);
            return;
        }
        for from in (0..width).step_by(WIDTH) {
            match S::F32_LANES {
                16 => self.positions_from::<S, 1, 16, APART>(simd, strip, from),
                8 => self.positions_from::<S, 2, 6, APART>(simd, strip, from),
                4 => self.positions_from::<S, 4, 4, APART>(simd, strip, from),
                _ => self.positions_from::<S, WIDTH, 4, APART>(simd, strip, from),
            }
        }
    }

    /// All positions, `P` at a time, of `V` vectors from the block's channel `from` on.
    #[inline(always)]
    fn positions_from<S: Simd, const V: usize, const P: usize, const APART: usize>(
        &mut self,
        simd: S,
        strip: &Strip,
        from: usize,
    ) {
        let (mut first, count) = (0, strip.places.len());
        // Sixteen are better halved than twelve and four.
        while first + P <= count && !(P == 12 && count - first == 16) {
            self.positions::<S, V, P, APART>(simd, strip, from, first);
            first += P;
        }
        while P > 8 && first + 8 <= count {
            self.positions::<S, V, 8, APART>(simd, strip, from, first);
            first += 8;
        }
        if P > 4 && first + 4 <= count {
            self.positions::<S, V, 4, APART>(simd, strip, from, first);
            first += 4;
        }
        if first + 2 <= count {
            self.positions::<S, V, 2, APART>(simd, strip, from, first);
            first += 2;
        }
        if first < count {
            self.positions::<S, V, 1, APART>(simd, strip, from, first);
        }
    }

    /// `P` positions from `first` on.
    #[inline(always)]
    fn positions<S: Simd, const V: usize, const P: usize, const APART: usize>(
        &mut self,
        simd: S,
        strip: &Strip,
        from: usize,
        first: usize,
    ) {
        let gather = &mut self.0;
        let strips = gather.strips;
        let places = &strips.places[strip.places.start + first..][..P];
        let count = gather.block.count.saturating_sub(from).min(V * S::F32_LANES);
        let whole = count == V * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; P];
        if gather.add {
            for (sums, place) in sums.iter_mut().zip(places) {
                let out = &gather.out[place + gather.block.first + from..][..count];
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = if whole {
                        // SAFETY: `out` has `V` whole vectors.
                        unsafe { load::<S>(out, v * S::F32_LANES) }
                    } else {
                        simd.partial_load_f32s(&out[(v * S::F32_LANES).min(out.len())..])
                    };
                }
            }
        }
        // Where the sums go: it is there by the time that they are.
        for place in places {
            for v in 0..V {
                fetch(gather.out, place + gather.block.first + from + v * S::F32_LANES);
            }
        }
        let offset = strip.offset + first * APART * PIXEL;
        for (x_at, w_at) in &strips.taps[strip.taps.clone()] {
            let at = (x_at + offset, w_at + from);
            // SAFETY: `strip` asserted that what the strip's last position reads, and the weights, lie within.
            unsafe { Self::add::<S, V, P, APART>(simd, gather, at, &mut sums) };
        }
        for (sums, place) in sums.iter().zip(places) {
            let out = &mut gather.out[place + gather.block.first + from..][..count];
            if whole {
                for (v, sum) in sums.iter().enumerate() {
                    // SAFETY: `out` has `V` whole vectors.
                    unsafe { store::<S>(out, v * S::F32_LANES, *sum) };
                }
            } else {
                for (sum, out) in sums.iter().zip(out.chunks_mut(S::F32_LANES)) {
                    simd.partial_store_f32s(out, *sum);
                }
            }
        }
    }

    /// Adds a tap, read from `x_at` on by the first position and `APART` pixels further by every next.
    ///
    /// # Safety
    /// The last position's pixel must lie within `x`, and `V` vectors of weights, every `width`, for each channel that is
    /// read within `w`.
    #[inline(always)]
    #[allow(
        clippy::needless_range_loop,
        reason = "with iterators the compiler keeps half of the sums in memory"
    )]
    unsafe fn add<S: Simd, const V: usize, const P: usize, const APART: usize>(
        simd: S,
        gather: &Gather<'_>,
        (x_at, w_at): (usize, usize),
        sums: &mut [[S::f32s; V]; P],
    ) {
        let mut local = *sums;
        for i in 0..gather.reads {
            let mut w = [simd.splat_f32s(0.0); V];
            for (v, w) in w.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                *w = unsafe { load::<S>(gather.w, w_at + i * gather.width + v * S::F32_LANES) };
            }
            for p in 0..P {
                // SAFETY: the last position's pixel lies within `x`, and has at least as many values as are read.
                let x = simd.splat_f32s(unsafe { *gather.x.get_unchecked(x_at + p * APART * PIXEL + i) });
                for v in 0..V {
                    local[p][v] = simd.mul_add_f32s(x, w[v], local[p][v]);
                }
            }
        }
        *sums = local;
    }
}
