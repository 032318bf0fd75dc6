//! Convolution, and its input gradient.

use std::ops::Range;

use super::super::super::geometry::ConvGeometry;
use super::super::super::threads::{for_chunks, wanted};
use super::super::large_groups::{Packed, stride};
use super::images::{Channels, inputs_to_planes, planes_to_outputs};
use super::planes::Planes;
use super::tiles::Tiling;
use super::weights::taps_to_planes;
use super::{MOST_TILES, products};

/// One direction of a convolution: tiles, and weights as planes.
pub(in super::super) struct Side {
    tiling: Tiling,
    /// Pixels of an image.
    pixels: usize,
    /// With weights `(block, 36, reads, width)`.
    packed: Packed,
}

impl Side {
    /// Outputs of inputs.
    pub fn forward(g: &ConvGeometry, w: &[f32]) -> Self {
        Self::new(g, Packed::forward(g, w), false)
    }

    /// Gradients of inputs, of those of outputs: the kernel is turned around.
    pub fn backward(g: &ConvGeometry, w: &[f32]) -> Self {
        Self::new(g, Packed::backward(g, w), true)
    }

    fn new(g: &ConvGeometry, packed: Packed, turned: bool) -> Self {
        let weights = taps_to_planes(&packed.weights, g.kernel, packed.reads * packed.width, turned);
        Self { tiling: Tiling::new(g, turned), pixels: g.h * g.w, packed: Packed { weights, ..packed } }
    }

    /// `out`, or `out +=`, what the weights make of `input`: whole images, channels last.
    pub fn gather(&self, input: &[f32], out: &mut [f32], add: bool) {
        let (read_len, written_len) = (self.pixels * self.packed.c_read, self.pixels * self.packed.c_written);
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
            for_chunks(out, rows * pixels * self.packed.c_written, |index, out| {
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
        let &Packed { c_read, reads, c_written, width, .. } = &self.packed;
        let mut v = Planes::stale(stride(reads));
        let mut m = Planes::stale(width);
        for first in tiles.clone().step_by(MOST_TILES) {
            let some = first..tiles.end.min(first + MOST_TILES);
            let mut group = None;
            for (block, u) in self.packed.blocks() {
                if group != Some(block.group) {
                    let first = block.group * reads;
                    let channels = Channels { all: c_read, some: first..first + reads };
                    inputs_to_planes(&self.tiling, some.clone(), (input, &channels), &mut v);
                    group = Some(block.group);
                }
                products::multiply(some.len(), &v, (u, reads), &mut m);
                let channels = Channels { all: c_written, some: block.channels() };
                planes_to_outputs(&self.tiling, some.clone(), &m, (&mut *out, &channels), (origin, add));
            }
        }
    }
}
