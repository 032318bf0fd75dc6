//! Convolution, and its input gradient.

use std::ops::Range;

use super::super::super::buffers::Buffer;
use super::super::super::geometry::ConvGeometry;
use super::super::super::threads::{for_chunks, wanted};
use super::super::large_groups::{Block, pack_weight, stride, width};
use super::images::{Channels, inputs_to_planes, planes_to_outputs};
use super::planes::Planes;
use super::tiles::Tiling;
use super::weights::taps_to_planes;
use super::{MOST_TILES, PLANES, products};

/// One direction of a convolution: tiles, and weights as planes.
pub(in super::super) struct Side {
    tiling: Tiling,
    /// Pixels of an image.
    pixels: usize,
    /// Channels of a pixel that is read, and of a group there.
    c_read: usize,
    reads: usize,
    /// Channels of a pixel that is written.
    c_written: usize,
    blocks: Vec<Block>,
    width: usize,
    /// `(block, 36, reads, width)`.
    weights: Buffer,
}

impl Side {
    /// Outputs of inputs.
    pub fn forward(g: &ConvGeometry, w: &[f32]) -> Self {
        let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
        let weight = |tap: usize, o: usize| tap * inputs * g.c_out + o;
        Self::new(g, w, (g.c_in, inputs), (g.c_out, outputs), (g.c_out, weight), false)
    }

    /// Gradients of inputs, of those of outputs: the kernel is turned around.
    pub fn backward(g: &ConvGeometry, w: &[f32]) -> Self {
        let (inputs, outputs, last) = (g.c_in / g.groups, g.c_out / g.groups, g.kernel * g.kernel - 1);
        let weight =
            |tap: usize, i: usize| ((last - tap) * inputs + i % inputs) * g.c_out + i / inputs * outputs;
        Self::new(g, w, (g.c_out, outputs), (g.c_in, inputs), (1, weight), true)
    }

    /// With the channels of a pixel and of a group, where it is read and where it is written; `step` and `weight` say where
    /// weights stand, as [`pack_weight`] has it.
    fn new(
        g: &ConvGeometry,
        w: &[f32],
        (c_read, reads): (usize, usize),
        (c_written, writes): (usize, usize),
        (step, weight): (usize, impl Fn(usize, usize) -> usize + Sync),
        turned: bool,
    ) -> Self {
        let (blocks, width) = (Block::all(c_written, writes), width(writes));
        let packed = pack_weight(w, (&blocks, width), (g.kernel * g.kernel, reads), step, weight);
        let weights = taps_to_planes(&packed, g.kernel, reads * width);
        let (tiling, pixels) = (Tiling::new(g, turned), g.h * g.w);
        Self { tiling, pixels, c_read, reads, c_written, blocks, width, weights }
    }

    /// `out`, or `out +=`, what the weights make of `input`: whole images, channels last.
    pub fn gather(&self, input: &[f32], out: &mut [f32], add: bool) {
        let (read_len, written_len) = (self.pixels * self.c_read, self.pixels * self.c_written);
        let n = out.len() / written_len.max(1);
        assert_eq!((input.len(), out.len()), (n * read_len, n * written_len), "whole images");
        let (tiles, wanted) = (self.tiling.per_image(), wanted());
        if n >= wanted {
            let images = n.div_ceil(wanted);
            for_chunks(out, images * written_len, |index, out| {
                let first = index * images;
                let count = out.len() / written_len;
                let input = &input[first * read_len..(first + count) * read_len];
                self.gather_tiles(input, 0..count * tiles, (out, 0), add);
            });
            return;
        }
        let (rows, pixels) = self.tiling.rows();
        let rows = rows.div_ceil(wanted.div_ceil(n.max(1)));
        for (input, out) in input.chunks_exact(read_len).zip(out.chunks_exact_mut(written_len)) {
            for_chunks(out, rows * pixels * self.c_written, |index, out| {
                let first = index * rows * self.tiling.across();
                let end = (first + rows * self.tiling.across()).min(tiles);
                self.gather_tiles(input, first..end, (out, index * rows * pixels), add);
            });
        }
    }

    /// Some tiles, a few at a time, where `out` begins with pixel `origin`.
    fn gather_tiles(
        &self,
        input: &[f32],
        tiles: Range<usize>,
        (out, origin): (&mut [f32], usize),
        add: bool,
    ) {
        let mut v = Planes::stale(stride(self.reads));
        let mut m = Planes::stale(self.width);
        for first in tiles.clone().step_by(MOST_TILES) {
            let some = first..tiles.end.min(first + MOST_TILES);
            let mut group = None;
            let weights = self.weights.chunks_exact(PLANES * self.reads * self.width);
            for (block, u) in self.blocks.iter().zip(weights) {
                if group != Some(block.group) {
                    let first = block.group * self.reads;
                    let channels = Channels { all: self.c_read, some: first..first + self.reads };
                    inputs_to_planes(&self.tiling, some.clone(), (input, &channels), &mut v);
                    group = Some(block.group);
                }
                products::multiply(some.len(), &v, (u, self.reads), &mut m);
                let channels = Channels { all: self.c_written, some: block.channels() };
                planes_to_outputs(&self.tiling, some.clone(), &m, (&mut *out, &channels), (origin, add));
            }
        }
    }
}
