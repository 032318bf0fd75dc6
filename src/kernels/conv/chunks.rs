//! What of a batch is laid out at a time.

use std::ops::Range;

use super::super::geometry::Borders;
use super::super::threads::{for_chunks, wanted};

/// Values that are laid out at a time, about: 64 KiB, which the nearest cache nearly holds.
const LAID_OUT: usize = 16 << 10;

/// Pixels that are laid out at a time in any case: weights that are read again for each chunk must pay.
const LEAST_PIXELS: usize = 480;

/// Most images that are laid out together: as many positions as fill the registers.
const MOST_IMAGES: usize = 16;

/// Fewest images that are worth runs of their own at the borders.
const EXACT_FROM: usize = 4;

/// Images that go together, and the rows of them that are written.
pub(super) struct Chunk {
    /// The images, of all.
    pub images: Range<usize>,
    /// The rows: all of an image's, unless it goes alone.
    pub rows: Range<usize>,
}

/// How a batch is cut. It hangs on shapes alone, as sums are taken chunk by chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Images that go together.
    pub images: usize,
    /// Rows that are written of an image that goes alone: a divisor of all.
    pub rows: usize,
    /// How borders are met.
    pub borders: Borders,
}

impl Chunks {
    /// For `n` images `(read rows, read columns)` with `values` laid out of each pixel, written as `(rows, columns)`,
    /// `kernel` rows of which meet in one.
    pub fn new(
        n: usize,
        (rows_read, columns_read): (usize, usize),
        rows_written: usize,
        values: usize,
        (kernel, reading_step): (usize, usize),
    ) -> Self {
        let laid_out = LAID_OUT.max(LEAST_PIXELS * values);
        let together = (laid_out / (rows_read * columns_read * values).max(1)).min(MOST_IMAGES);
        if together.min(n) >= EXACT_FROM {
            let images = n.div_ceil(n.div_ceil(together));
            return Self { images, rows: rows_written, borders: Borders::Exact };
        }
        let padded = (columns_read + kernel - 1) * values;
        if reading_step == 1 && n > 1 && 2 * rows_read * padded <= laid_out {
            return Self { images: 2, rows: rows_written, borders: Borders::Padded };
        }
        // Of `r` rows that are written, about `r · rows_read / rows_written + kernel − 1` are read.
        let fits = |rows: usize| (rows * rows_read / rows_written + kernel - 1) * padded <= laid_out;
        let rows = (1..=rows_written)
            .rev()
            .filter(|rows| rows_written.is_multiple_of(*rows))
            .find(|rows| fits(*rows));
        Self { images: 1, rows: rows.unwrap_or(1), borders: Borders::Padded }
    }

    /// Calls `f(chunk, its part of out)` for all images of `out (n, rows, row_len)`, on all threads that may help: what is
    /// written hangs on no other chunk, so that there may be more of them.
    pub fn write(
        self,
        out: &mut [f32],
        (rows, row_len): (usize, usize),
        f: impl Fn(Chunk, &mut [f32]) + Sync,
    ) {
        let image_len = rows * row_len;
        let chunks = self.finer(out.len() / image_len.max(1), rows, wanted());
        let of_image = rows / chunks.rows;
        for_chunks(out, chunks.images * chunks.rows * row_len, |index, out| {
            let (image, row) = (index / of_image * chunks.images, index % of_image * chunks.rows);
            let images = if of_image == 1 { out.len() / image_len } else { 1 };
            f(Chunk { images: image..image + images, rows: row..row + chunks.rows }, out);
        });
    }

    /// As many chunks that `n` images keep `threads` busy.
    fn finer(self, n: usize, rows_written: usize, threads: usize) -> Self {
        let images = self.images.min(n.div_ceil(threads)).max(1);
        if images > 1 || n >= threads {
            return Self { images, ..self };
        }
        let wanted = threads.div_ceil(n.max(1));
        let rows = (1..=self.rows)
            .rev()
            .find(|rows| rows_written.is_multiple_of(*rows) && rows_written / rows >= wanted);
        Self { images, rows: rows.unwrap_or(1), ..self }
    }
}
