//! Convolution, and its input gradient: every position gathers what its taps read.
#![allow(unsafe_code)]

use std::ops::Range;

use super::super::super::amx::{
    CHUNK, CHUNK_ROWS, Depth, NOWHERE, Piece, Registers, Row, Rows, SIDE, Side as Of, put_rows, split_places,
    split_rows,
};
use super::super::super::geometry::{Borders, ConvGeometry, Gathering};
use super::super::super::strided::{Columns, Strided};
use super::super::super::threads::map_each;
use super::super::chunks::{Chunk, Chunks};
use super::Workspace;

/// Images that are taken together, and fewest for which positions at borders are taken on their own.
const MOST_IMAGES: usize = 32;
const EXACT_FROM: usize = 8;

/// One direction of a convolution: what is read, what is written, and weights as panels.
pub(in super::super) struct Side {
    gathering: Gathering,
    chunks: Chunks,
    kernel: usize,
    /// Channels of a pixel that is read, and of a group there.
    c_read: usize,
    reads: usize,
    /// Channels of a pixel that is written, and of a group there.
    c_written: usize,
    writes: usize,
    /// Of each group, for 16 channels that are written each: `(tap, pieces of the channels read)`.
    weights: Rows,
}

impl Side {
    /// Outputs of inputs.
    pub fn forward(g: &ConvGeometry, w: &[f32]) -> Self {
        let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
        let taps = g.kernel * g.kernel;
        let of_group = |group: usize| Columns { all: g.c_out, first: group * outputs, count: outputs };
        let piece = |group: usize, tap: usize, channel: usize| {
            (Strided::columns(w, taps * inputs, of_group(group)), channel, tap * inputs)
        };
        Self::new(g, (g.c_in, inputs), (g.c_out, outputs), piece, |borders| g.forward_gathering(borders))
    }

    /// Gradients of inputs, of those of outputs.
    pub fn backward(g: &ConvGeometry, w: &[f32]) -> Self {
        let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
        let taps = g.kernel * g.kernel;
        let of_group = |group: usize| Columns { all: g.c_out, first: group * outputs, count: outputs };
        let piece = |group: usize, tap: usize, channel: usize| {
            (Strided::columns(w, taps * inputs, of_group(group)).transposed(), tap * inputs + channel, 0)
        };
        Self::new(g, (g.c_out, outputs), (g.c_in, inputs), piece, |borders| g.backward_gathering(borders))
    }

    /// With the channels of a pixel and of a group, where it is read and where it is written; `piece(group, tap, channel written)` says
    /// in which matrix the weights of a tap stand, the column of that channel and the first row.
    fn new<'w>(
        g: &ConvGeometry,
        (c_read, reads): (usize, usize),
        (c_written, writes): (usize, usize),
        piece: impl Fn(usize, usize, usize) -> (Strided<'w>, usize, usize) + Sync,
        gathering: impl Fn(Borders) -> Gathering,
    ) -> Self {
        let (taps, depth) = (g.kernel * g.kernel, Depth::of(reads));
        let panels = writes / SIDE;
        let mut weights = Rows::stale(g.groups * panels * taps * depth.rows());
        map_each(weights.chunks_exact_mut(taps * depth.rows()).collect(), |index, panel| {
            let (group, channel) = (index / panels, index % panels * SIDE);
            for (at, tiles) in panel.chunks_exact_mut(CHUNK_ROWS).enumerate() {
                let (tap, chunk) = (at / depth.pieces(), at % depth.pieces());
                let (matrix, first, row) = piece(group, tap, channel);
                let piece =
                    Piece { side: Of::Right, first, at: row + chunk * CHUNK, half: chunk == depth.chunks };
                // SAFETY: there are tiles, so there is AVX-512.
                unsafe { split_rows(matrix, piece, 0..SIDE, tiles) };
            }
        });
        let borders = if g.n >= EXACT_FROM { Borders::Exact } else { Borders::Padded };
        let gathering = gathering(borders);
        let images = if borders == Borders::Exact { MOST_IMAGES } else { 1 };
        let chunks = Chunks { images, rows: gathering.written.0, borders };
        Self { gathering, chunks, kernel: g.kernel, c_read, reads, c_written, writes, weights }
    }

    /// `out`, or `out +=`, what the weights make of `input`: whole images, channels last.
    pub fn gather(&self, input: &[f32], out: &mut [f32], add: bool) {
        let ((h_in, w_in), (h_out, w_out)) = (self.gathering.read, self.gathering.written);
        let (read_len, written_len) = (h_in * w_in * self.c_read, h_out * w_out * self.c_written);
        let n = out.len() / written_len.max(1);
        assert_eq!((input.len(), out.len()), (n * read_len, n * written_len), "whole images");
        self.chunks.write(out, (h_out, w_out * self.c_written), |Chunk { images, rows }, out| {
            let input = &input[images.start * read_len..images.end * read_len];
            let strips = self.strips(images.len(), rows);
            let (registers, mut workspace) = (Registers::configure(), Workspace::new());
            let panels = self.writes / SIDE;
            let panel_rows = self.kernel * self.kernel * Depth::of(self.reads).rows();
            for (group, weights) in self.weights.chunks_exact(panels * panel_rows).enumerate() {
                let gather = Gather { side: self, registers: &registers, input, group, weights, panel_rows };
                for strip in &strips {
                    gather.strip(strip, &mut workspace, out, add);
                }
            }
        });
    }

    /// Positions of some images' rows that read the same taps.
    fn strips(&self, images: usize, rows: Range<usize>) -> Vec<Strip> {
        let gathering = &self.gathering;
        let ((h_in, w_in), (h_out, w_out)) = (gathering.read, (rows.len(), gathering.written.1));
        let (padding, depth) = (gathering.padding.0 as isize, Depth::of(self.reads));
        let mut strips = Vec::new();
        for (row, row_taps) in gathering.row_taps[rows].iter().enumerate() {
            for run in &gathering.runs {
                let mut steps = Vec::with_capacity(row_taps.len() * run.taps.len() * depth.pieces());
                for (kh, row) in row_taps {
                    for (kw, column) in &run.taps {
                        let column = *column as isize - padding;
                        let (pixel, tap) = ((row * w_in) as isize + column, kh * self.kernel + kw);
                        steps.extend((0..depth.pieces()).map(|chunk| Step {
                            weight: tap * depth.pieces() + chunk,
                            pixel,
                            column,
                            channel: chunk * CHUNK,
                            half: chunk == depth.chunks,
                        }));
                    }
                }
                let position = |index: usize| {
                    let (j, image) = (index / images, index % images);
                    let column = j * run.reading_step;
                    let written = (image * h_out + row) * w_out + run.first + j * run.step;
                    Position { pixel: image * h_in * w_in + column, column, place: written * self.c_written }
                };
                strips.push(Strip { steps, positions: (0..run.count * images).map(position).collect() });
            }
        }
        strips
    }
}

struct Strip {
    steps: Vec<Step>,
    positions: Vec<Position>,
}

/// What is read of a tap by a position in the first column of the first image.
struct Step {
    /// Which piece of the weights.
    weight: usize,
    pixel: isize,
    /// Before the first or after the last there is padding.
    column: isize,
    channel: usize,
    half: bool,
}

struct Position {
    /// How far it reads from what the first position does.
    pixel: usize,
    column: usize,
    /// Where it is written.
    place: usize,
}

/// One group of a chunk.
struct Gather<'a> {
    side: &'a Side,
    registers: &'a Registers,
    input: &'a [f32],
    group: usize,
    weights: &'a [Row],
    panel_rows: usize,
}

impl Gather<'_> {
    fn strip(&self, strip: &Strip, workspace: &mut Workspace, out: &mut [f32], add: bool) {
        for positions in strip.positions.chunks(SIDE) {
            match self.side.writes / SIDE {
                1 => self.panel::<1>(&strip.steps, positions, workspace, out, add),
                2 => self.panel::<2>(&strip.steps, positions, workspace, out, add),
                3 => self.panel::<3>(&strip.steps, positions, workspace, out, add),
                _ => self.panel::<4>(&strip.steps, positions, workspace, out, add),
            }
        }
    }

    /// Up to sixteen positions by `N` times sixteen channels.
    fn panel<const N: usize>(
        &self,
        steps: &[Step],
        positions: &[Position],
        workspace: &mut Workspace,
        out: &mut [f32],
        add: bool,
    ) {
        let Workspace { pieces, sums: [sums, _] } = workspace;
        let split = |step: &Step, tiles: &mut [Row]| {
            let mut places = [NOWHERE; SIDE];
            for (place, position) in places.iter_mut().zip(positions) {
                *place = self.place(step, position);
            }
            // SAFETY: there are tiles, so there is AVX-512.
            unsafe { split_places(self.input, &places, step.half, 0..SIDE, tiles) };
        };
        if let Some(first) = steps.first() {
            split(first, &mut pieces[0]);
        }
        assert!(self.weights.len() == N * self.panel_rows);
        // SAFETY: a piece of `N` panels of weights begins with each step's, two pieces are as long, and so are the sums.
        unsafe {
            self.registers.begin_four();
            for (index, step) in steps.iter().enumerate() {
                let [even, odd] = &mut *pieces;
                let (this, next) = if index % 2 == 0 { (even, odd) } else { (odd, even) };
                let weights = self.weights[step.weight * CHUNK_ROWS..].as_ptr();
                self.registers.add_row::<N>(this.as_ptr(), (weights, self.panel_rows), step.half, || {
                    if let Some(after) = steps.get(index + 1) {
                        split(after, next);
                    }
                });
            }
            self.registers.end_four::<N>(sums.as_mut_ptr(), N * SIDE, SIDE);
        }
        let mut places = [0; SIDE];
        for (place, position) in places.iter_mut().zip(positions) {
            *place = position.place + self.group * self.side.writes;
        }
        // SAFETY: there are tiles, so there is AVX-512.
        unsafe { put_rows((sums, N * SIDE), N * SIDE, (out, &places[..positions.len()]), add) };
    }

    /// Where a position reads, or nowhere if that is padding.
    fn place(&self, step: &Step, position: &Position) -> usize {
        let column = step.column + position.column as isize;
        if column < 0 || column >= self.side.gathering.read.1 as isize {
            return NOWHERE;
        }
        let pixel = (step.pixel + position.pixel as isize) as usize;
        pixel * self.side.c_read + self.group * self.side.reads + step.channel
    }
}
