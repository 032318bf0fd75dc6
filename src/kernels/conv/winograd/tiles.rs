//! Where tiles stand in images.

use std::ops::Range;

use super::super::super::geometry::ConvGeometry;
use super::{POINTS, outputs};

/// How images of one size are cut into tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiling {
    /// Rows and columns of an image.
    image: (usize, usize),
    /// Tiles down and across an image.
    tiles: (usize, usize),
    /// Outputs of a tile along an axis.
    outputs: usize,
    /// Pixels that a tile reads before the row and the column where it begins to write.
    before: (usize, usize),
}

/// A tile's place. Pixels before the image's first are padding, and so are those after its last.
#[derive(Debug)]
pub(super) struct Place {
    /// The pixel in the tile's first row and column, or where it would be.
    first: isize,
    /// Pixels of a row of the image.
    across: usize,
    /// The tile's rows and columns that are the image's.
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Place {
    /// The pixel in that row and column of the tile, or where it would be.
    #[inline(always)]
    pub fn pixel(&self, row: usize, column: usize) -> isize {
        self.first + (row * self.across + column) as isize
    }

    /// The first and the last pixel that are the image's, if there is one.
    #[inline(always)]
    pub fn ends(&self) -> Option<(usize, usize)> {
        if self.rows.is_empty() || self.columns.is_empty() {
            return None;
        }
        let first = self.pixel(self.rows.start, self.columns.start);
        Some((first as usize, self.pixel(self.rows.end - 1, self.columns.end - 1) as usize))
    }
}

impl Tiling {
    /// Of inputs as the outputs of `g` read them, or, `turned` around, of output gradients as those of inputs do.
    pub fn new(g: &ConvGeometry, turned: bool) -> Self {
        let outputs = outputs(g.kernel);
        let before =
            |size: usize| if turned { g.kernel - 1 - g.pad_before(size) } else { g.pad_before(size) };
        let tiles = (g.h.div_ceil(outputs), g.w.div_ceil(outputs));
        Self { image: (g.h, g.w), tiles, outputs, before: (before(g.h), before(g.w)) }
    }

    /// Outputs of a tile along an axis.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Tiles of an image.
    pub fn per_image(&self) -> usize {
        self.tiles.0 * self.tiles.1
    }

    /// The rows of tiles of an image, and the pixels of each.
    pub fn rows(&self) -> (usize, usize) {
        (self.tiles.0, self.outputs * self.image.1)
    }

    /// Tiles across an image.
    pub fn across(&self) -> usize {
        self.tiles.1
    }

    /// What a tile reads; `index` counts all tiles of some images.
    #[inline(always)]
    pub fn read(&self, index: usize) -> Place {
        self.place(index, self.before, POINTS)
    }

    /// What a tile writes.
    #[inline(always)]
    pub fn written(&self, index: usize) -> Place {
        self.place(index, (0, 0), self.outputs)
    }

    /// The place of `size` rows and columns that begin `before` those that the tile writes.
    #[inline(always)]
    fn place(&self, index: usize, before: (usize, usize), size: usize) -> Place {
        let (image, within) = (index / self.per_image(), index % self.per_image());
        let axis = |tile: usize, before: usize, length: usize| {
            let first = (tile * self.outputs) as isize - before as isize;
            let end = (length as isize - first).clamp(0, size as isize);
            (first, first.min(0).unsigned_abs()..end as usize)
        };
        let (row, rows) = axis(within / self.tiles.1, before.0, self.image.0);
        let (column, columns) = axis(within % self.tiles.1, before.1, self.image.1);
        let (height, across) = self.image;
        let first = (image * height * across) as isize + row * across as isize + column;
        Place { first, across, rows, columns }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::Padding;
    use super::*;

    #[test]
    fn every_pixel_is_written_once_and_all_its_taps_are_read() {
        for (h, w, kernel) in [(7, 10, 3), (5, 4, 5), (1, 9, 3), (2, 2, 5)] {
            let (c_in, c_out, padding) = (16, 16, Padding::Same);
            let g = ConvGeometry { n: 2, h, w, c_in, c_out, kernel, stride: 1, groups: 1, padding };
            let tiling = Tiling::new(&g, false);
            let mut written = Vec::new();
            for index in 0..2 * tiling.per_image() {
                let (place, read) = (tiling.written(index), tiling.read(index));
                assert!(read.ends() <= Some((2 * h * w, 2 * h * w - 1)));
                // An output's first tap is its own place in what is read, however much of both is padding.
                let pad = (g.pad_before(h) * w + g.pad_before(w)) as isize;
                assert_eq!(read.pixel(0, 0), place.pixel(0, 0) - pad);
                for row in place.rows.clone() {
                    written.extend(place.columns.clone().map(|column| place.pixel(row, column)));
                }
            }
            written.sort_unstable();
            assert_eq!(written, (0..2 * (h * w) as isize).collect::<Vec<_>>(), "{g:?}");
        }
    }
}
