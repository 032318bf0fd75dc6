//! Weight gradients: of every tap, output gradients by what the tap reads, summed over positions.
#![allow(unsafe_code)]

use std::iter::repeat_n;
use std::ops::Range;

use super::super::super::amx::{
    CHUNK, CHUNK_ROWS, NOWHERE, Registers, Row, Rows, SIDE, put_sums, split_left_places, split_right_places,
};
use super::super::super::geometry::ConvGeometry;
use super::Workspace;

/// Chunks of positions whose output gradients are split together.
const MOST_CHUNKS: usize = 32;

/// The gradient that images give the weight, in place of what stands in `dw` unless it is to `add`.
pub(in super::super) fn sum(g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32], add: bool) {
    assert_eq!((x.len(), dy.len(), dw.len()), (g.input_len(), g.output_len(), g.weight_len()));
    let positions = Positions::new(g);
    let chunks = positions.outputs.len();
    let (registers, mut workspace) = (Registers::configure(), Workspace::new());
    let mut panels = Rows::stale(g.c_out / g.groups / SIDE * MOST_CHUNKS.min(chunks) * CHUNK_ROWS);
    for group in 0..g.groups {
        for first in (0..chunks).step_by(MOST_CHUNKS) {
            let chunks = first..chunks.min(first + MOST_CHUNKS);
            let mut gradient = OfGroup {
                g,
                positions: &positions,
                chunks,
                registers: &registers,
                workspace: &mut workspace,
                group,
                x,
                dw: &mut *dw,
            };
            gradient.add(dy, &mut panels, add || first > 0);
        }
    }
}

/// Positions of all images, those of one pixel together: where they stand, chunk by chunk.
struct Positions {
    /// In output gradients.
    outputs: Vec<[usize; CHUNK]>,
    /// Of every tap, what it reads.
    inputs: Vec<Vec<[usize; CHUNK]>>,
    /// Whether half of the last chunk is all.
    half: bool,
}

impl Positions {
    fn new(g: &ConvGeometry) -> Self {
        let (h_out, w_out) = (g.h_out(), g.w_out());
        let count = g.n * h_out * w_out;
        // With where a position of the first image stands, and from one image to the next.
        let chunks = |place: &dyn Fn(usize, usize) -> Option<usize>, image_len: usize| {
            let mut places = Vec::with_capacity(count.next_multiple_of(CHUNK));
            for pixel in 0..h_out * w_out {
                match place(pixel / w_out, pixel % w_out) {
                    Some(place) => places.extend((0..g.n).map(|image| image * image_len + place)),
                    None => places.extend(repeat_n(NOWHERE, g.n)),
                }
            }
            places.resize(count.next_multiple_of(CHUNK), NOWHERE);
            places.as_chunks().0.to_vec()
        };
        let read = |position: usize, tap: usize, size: usize| {
            (position * g.stride + tap).checked_sub(g.pad_before(size)).filter(|place| *place < size)
        };
        let inputs = (0..g.kernel * g.kernel).map(|tap| {
            let place = |row: usize, column: usize| {
                let (row, column) = (read(row, tap / g.kernel, g.h)?, read(column, tap % g.kernel, g.w)?);
                Some((row * g.w + column) * g.c_in)
            };
            chunks(&place, g.h * g.w * g.c_in)
        });
        Self {
            inputs: inputs.collect(),
            outputs: chunks(&|row, column| Some((row * w_out + column) * g.c_out), h_out * w_out * g.c_out),
            half: (1..=SIDE).contains(&(count % CHUNK)),
        }
    }

    fn is_half(&self, chunk: usize) -> bool {
        self.half && chunk + 1 == self.outputs.len()
    }
}

/// Some chunks of one group.
struct OfGroup<'a> {
    g: &'a ConvGeometry,
    positions: &'a Positions,
    chunks: Range<usize>,
    registers: &'a Registers,
    workspace: &'a mut Workspace,
    group: usize,
    x: &'a [f32],
    dw: &'a mut [f32],
}

impl OfGroup<'_> {
    fn add(&mut self, dy: &[f32], panels: &mut [Row], add: bool) {
        let (inputs, outputs) = (self.g.c_in / self.g.groups, self.g.c_out / self.g.groups);
        let panel_rows = self.chunks.len() * CHUNK_ROWS;
        for (index, panel) in panels.chunks_exact_mut(panel_rows).take(outputs / SIDE).enumerate() {
            let row = self.group * outputs + index * SIDE;
            for (chunk, tiles) in self.chunks.clone().zip(panel.chunks_exact_mut(CHUNK_ROWS)) {
                let (places, half) = (&self.positions.outputs[chunk], self.positions.is_half(chunk));
                // SAFETY: there are tiles, so there is AVX-512.
                unsafe { split_left_places((dy, row), places, half, tiles) };
            }
        }
        let panels = &panels[..outputs / SIDE * panel_rows];
        for input in (0..inputs).step_by(SIDE) {
            for tap in 0..self.g.kernel * self.g.kernel {
                match outputs / SIDE {
                    1 => self.tap::<1>(tap, input, panels, add),
                    2 => self.tap::<2>(tap, input, panels, add),
                    3 => self.tap::<3>(tap, input, panels, add),
                    _ => self.tap::<4>(tap, input, panels, add),
                }
            }
        }
    }

    /// `M` times sixteen channels of output gradients by sixteen inputs of a tap.
    fn tap<const M: usize>(&mut self, tap: usize, input: usize, panels: &[Row], add: bool) {
        let (g, positions) = (self.g, self.positions);
        let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
        let panel_rows = self.chunks.len() * CHUNK_ROWS;
        assert!(outputs == M * SIDE && panels.len() == M * panel_rows);
        let (x, column) = (self.x, self.group * inputs + input);
        let places = &positions.inputs[tap];
        let split = |chunk: usize, tiles: &mut [Row]| {
            // SAFETY: there are tiles, so there is AVX-512.
            unsafe { split_right_places((x, column), &places[chunk], positions.is_half(chunk), tiles) };
        };
        // Those of which the tap reads anything but padding.
        let mut read = self
            .chunks
            .clone()
            .filter(|chunk| places[*chunk].iter().any(|place| *place != NOWHERE))
            .peekable();
        let Workspace { pieces: [this, next], sums } = &mut *self.workspace;
        let (mut this, mut next) = (this, next);
        match read.peek() {
            Some(first) => split(*first, this),
            None if add => return,
            None => {}
        }
        self.registers.begin_four();
        while let Some(chunk) = read.next() {
            let panels = panels[(chunk - self.chunks.start) * CHUNK_ROWS..].as_ptr();
            // SAFETY: `M` panels have a chunk there, and so has the piece.
            unsafe {
                let half = positions.is_half(chunk);
                self.registers.add_column::<M>((panels, panel_rows), this.as_ptr(), half, || {
                    if let Some(after) = read.peek() {
                        split(*after, next);
                    }
                });
            }
            std::mem::swap(&mut this, &mut next);
        }
        // SAFETY: there is room for 64 rows of 32 numbers.
        unsafe {
            self.registers.end_four::<M>(sums.as_flattened_mut().as_mut_ptr(), 2 * SIDE, 2 * SIDE * SIDE)
        };
        for (sums, first) in sums.iter().zip((0..outputs).step_by(2 * SIDE)) {
            let at = (tap * inputs + input) * g.c_out + self.group * outputs + first;
            let shape = ((outputs - first).min(2 * SIDE), SIDE);
            // SAFETY: there are tiles, so there is AVX-512.
            unsafe { put_sums(sums, shape, (&mut self.dw[at..], g.c_out), (true, add)) };
        }
    }
}
