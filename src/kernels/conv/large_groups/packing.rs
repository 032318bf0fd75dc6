//! How values are laid out for the kernels: what a block of channels reads, together.

use std::ops::Range;

use super::super::super::buffers::Buffer;
use super::super::super::geometry::ConvGeometry;
use super::super::super::simd::{LINE, dispatch, fetch};
use super::super::super::threads::for_chunks;
use super::width;

/// Pixels after the one that is copied whose values are asked for: of each, few stand together.
const AHEAD: usize = 12;

/// A place in an image for each of some images: `(row, column, image, width)`, rows and columns a part of the
/// image's with padding around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// First row of the image, and how many.
    pub first_row: usize,
    pub rows: usize,
    /// Columns of the image, and of padding before and after.
    pub columns: usize,
    pub padding: (usize, usize),
    pub images: usize,
    /// From one pixel to the next: at least as many as are read of one.
    pub stride: usize,
}

impl Layout {
    pub fn len(&self) -> usize {
        self.rows * self.padded_columns() * self.images * self.stride
    }

    fn padded_columns(&self) -> usize {
        self.padding.0 + self.columns + self.padding.1
    }

    /// Where the first image's pixel stands ; `column` counts from the first of padding.
    pub fn at(&self, row: usize, column: usize) -> usize {
        ((row - self.first_row) * self.padded_columns() + column) * self.images * self.stride
    }

    /// The layout's memory, with zeros in the padding, to which nothing is ever written.
    pub fn memory(&self) -> Buffer {
        let mut memory = Buffer::stale(self.len());
        let pixel = self.images * self.stride;
        let (before, after) = (self.padding.0 * pixel, self.padding.1 * pixel);
        if before + after > 0 {
            for row in memory.chunks_exact_mut(self.padded_columns() * pixel) {
                row[..before].fill(0.0);
                let end = row.len() - after;
                row[end..].fill(0.0);
            }
        }
        memory
    }

    /// Calls `f(place in the layout, place in the images)` for every pixel of images
    /// `(rows of an image, columns, c)`.
    #[inline(always)]
    fn for_places(&self, (image_rows, c): (usize, usize), mut f: impl FnMut(usize, usize)) {
        let step = self.images * self.stride;
        for image in 0..self.images {
            for row in self.first_row..self.first_row + self.rows {
                let mut place = self.at(row, self.padding.0) + image * self.stride;
                let mut pixel = (image * image_rows + row) * self.columns * c;
                for _ in 0..self.columns {
                    f(place, pixel);
                    place += step;
                    pixel += c;
                }
            }
        }
    }

    /// Lays out `channels` of images, at most as many as the layout's stride.
    pub fn lay_out(
        &self,
        image: (usize, usize),
        images: &[f32],
        channels: Range<usize>,
        laid_out: &mut [f32],
    ) {
        dispatch(
            #[inline(always)]
            || match channels.len() {
                16 => self.copy::<16>(image, images, channels.start, laid_out),
                32 => self.copy::<32>(image, images, channels.start, laid_out),
                64 => self.copy::<64>(image, images, channels.start, laid_out),
                count => self.for_places(image, |place, pixel| {
                    let values = &images[pixel + channels.start..][..count];
                    let places = laid_out[place..][..count].iter_mut();
                    places.zip(values).for_each(|(place, value)| *place = *value);
                }),
            },
        );
    }

    #[inline(always)]
    fn copy<const N: usize>(
        &self,
        image: (usize, usize),
        images: &[f32],
        first: usize,
        laid_out: &mut [f32],
    ) {
        self.for_places(image, |place, pixel| {
            for line in (0..N).step_by(LINE) {
                fetch(images, pixel + AHEAD * image.1 + first + line);
            }
            let values = images[pixel + first..].first_chunk::<N>();
            if let (Some(place), Some(values)) = (laid_out[place..].first_chunk_mut::<N>(), values) {
                #[allow(
                    clippy::manual_memcpy,
                    reason = "this becomes vectors; a copy of the whole would be a call"
                )]
                for i in 0..N {
                    place[i] = values[i];
                }
            }
        });
    }
}

/// Channels that are written together: neighbours of one group.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Block {
    pub first: usize,
    pub count: usize,
    pub group: usize,
}

impl Block {
    /// Blocks that make up `c` channels in groups of `size`.
    pub fn all(c: usize, size: usize) -> Vec<Self> {
        let width = width(size);
        let block = |first: usize| {
            let end = (first / size + 1) * size;
            Self { first, count: width.min(end - first), group: first / size }
        };
        (0..c).step_by(size).flat_map(|start| (start..start + size).step_by(width)).map(block).collect()
    }

    pub fn channels(&self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

/// What one direction of a convolution reads and writes, and its weights in that order.
pub(in super::super) struct Packed {
    /// Channels of a pixel that is read, and of a group there.
    pub c_read: usize,
    pub reads: usize,
    /// Channels of a pixel that is written.
    pub c_written: usize,
    pub blocks: Vec<Block>,
    /// Channels of a block, or more where it is narrower than others.
    pub width: usize,
    /// `(block, tap, reads, width)`.
    pub weights: Buffer,
}

impl Packed {
    /// For outputs of inputs.
    pub fn forward(g: &ConvGeometry, w: &[f32]) -> Self {
        let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
        let weight = |tap: usize, o: usize| tap * inputs * g.c_out + o;
        Self::new(g, w, (g.c_in, inputs), (g.c_out, outputs), (g.c_out, weight))
    }

    /// For gradients of inputs, of those of outputs.
    pub fn backward(g: &ConvGeometry, w: &[f32]) -> Self {
        let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
        let weight = |tap: usize, i: usize| (tap * inputs + i % inputs) * g.c_out + i / inputs * outputs;
        Self::new(g, w, (g.c_out, outputs), (g.c_in, inputs), (1, weight))
    }

    /// With the channels of a pixel and of a group, where it is read and where it is written; `step` and `weight` say where
    /// weights stand, as [`pack_weight`] has it.
    fn new(
        g: &ConvGeometry,
        w: &[f32],
        (c_read, reads): (usize, usize),
        (c_written, writes): (usize, usize),
        (step, weight): (usize, impl Fn(usize, usize) -> usize + Sync),
    ) -> Self {
        let (blocks, width) = (Block::all(c_written, writes), width(writes));
        let weights = pack_weight(w, (&blocks, width), (g.kernel * g.kernel, reads), step, weight);
        Self { c_read, reads, c_written, blocks, width, weights }
    }

    /// Every block with its part of the weights.
    pub fn blocks(&self) -> impl Iterator<Item = (&Block, &[f32])> {
        self.blocks.iter().zip(self.weights.chunks_exact(self.weights.len() / self.blocks.len().max(1)))
    }
}

/// A weight in the order in which blocks of `width` channels read it: `(block, tap, channel read, width)`, zeros where a
/// block is narrower. `weight(tap, channel written)` is where the number stands that joins it with the first channel that it
/// reads; from one that is read to the next it moves by `step`.
fn pack_weight(
    w: &[f32],
    (blocks, width): (&[Block], usize),
    (taps, reads): (usize, usize),
    step: usize,
    weight: impl Fn(usize, usize) -> usize + Sync,
) -> Buffer {
    let mut packed = Buffer::stale(blocks.len() * taps * reads * width);
    for_chunks(&mut packed, taps * reads * width, |index, packed| {
        let block = blocks[index];
        for (tap, packed) in packed.chunks_exact_mut(reads * width).enumerate() {
            let first = weight(tap, block.first);
            if block.count == width && (0..width).all(|lane| weight(tap, block.first + lane) == first + lane)
            {
                // Neighbours in the weight are neighbours here.
                for (read, packed) in packed.chunks_exact_mut(width).enumerate() {
                    packed.copy_from_slice(&w[first + read * step..][..width]);
                }
                continue;
            }
            for (lane, channel) in block.channels().enumerate() {
                let places = packed[lane..].iter_mut().step_by(width);
                let values = w[weight(tap, channel)..].iter().step_by(step);
                places.zip(values).for_each(|(place, value)| *place = *value);
            }
            packed.chunks_exact_mut(width).for_each(|packed| packed[block.count..].fill(0.0));
        }
    });
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_leave_their_group() {
        let blocks: Vec<_> =
            Block::all(48, 24).iter().map(|block| (block.first, block.count, block.group)).collect();
        assert_eq!(blocks, [(0, 16, 0), (16, 8, 0), (24, 16, 1), (40, 8, 1)]);
        assert!(Block::all(128, 64).iter().all(|block| block.count == 32));
    }

    #[test]
    fn padding_stays_zero_and_images_stand_beside_each_other() {
        let layout = Layout { first_row: 1, rows: 1, columns: 2, padding: (1, 1), images: 2, stride: 4 };
        // Two images of 2 × 2 pixels with 3 channels.
        let images: Vec<f32> = (1..=24).map(|value| value as f32).collect();
        let mut laid_out = layout.memory();
        layout.lay_out((2, 3), &images, 1..3, &mut laid_out);
        let pixel = |at: usize| laid_out[at * 4..][..2].to_vec();
        let pixels: Vec<Vec<f32>> = (0..8).map(pixel).collect();
        assert_eq!(pixels[..4], [[0.0, 0.0], [0.0, 0.0], [8.0, 9.0], [20.0, 21.0]]);
        assert_eq!(pixels[4..], [[11.0, 12.0], [23.0, 24.0], [0.0, 0.0], [0.0, 0.0]]);
    }
}
