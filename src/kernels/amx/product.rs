//! Products of whole matrices.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ops::Range;

use super::super::simd::fetch;
use super::super::strided::{Columns, Strided};
use super::registers::{CHUNK, CHUNK_ROWS, Depth, PAUSES, Registers, Row, SIDE};
use super::rows::Rows;
use super::split::{Piece, Side, put_sums, split_rows, take_sums};

/// Summed numbers whose products are added together: two panels of either side fit the nearest cache.
const DEPTH: usize = 128;

thread_local! {
    /// A thread's panels: they are in its own cache.
    static OWN: Cell<[Rows; 2]> = Cell::default();
}

/// Some columns of `dst` as `a · b`, or `+= a · b`, with all other columns left alone. There must be tiles (`available`).
pub(in super::super) fn product(
    dst: &mut [f32],
    dst_columns: Columns,
    a: Strided<'_>,
    b: Strided<'_>,
    add: bool,
) {
    let (m, k, n) = (a.row_count(), a.column_count(), b.column_count());
    assert!(k == b.row_count() && n == dst_columns.count && dst_columns.first + n <= dst_columns.all);
    assert!(dst.len() == m * dst_columns.all && m > 0 && k > 0);
    // Where columns of `a` do not follow each other, its panels are transposed: rather those of the narrower one.
    let turned = a.strides().1 != 1 && b.strides().1 == 1 && m > n;
    let (a, b) = if turned { (b.transposed(), a.transposed()) } else { (a, b) };
    let mut sums = Sums::new(&mut dst[dst_columns.first..], dst_columns.all, (a, b), turned);
    let left = Panels { side: Side::Left, matrix: a, count: a.row_count().div_ceil(SIDE) };
    let right = Panels { side: Side::Right, matrix: b, count: b.column_count().div_ceil(SIDE) };
    // Of the side with fewer panels all are split first, of the other a pair is on its way past them.
    let left_is_whole = left.count < right.count;
    let (few, many) = if left_is_whole { (left, right) } else { (right, left) };
    let mut own = OWN.take();
    let [whole, pair] = &mut own;
    let registers = Registers::configure();
    for from in (0..k).step_by(DEPTH) {
        let depth = Depth::of(DEPTH.min(k - from));
        let whole = whole.first(few.count * depth.rows());
        for (index, panel) in whole.chunks_exact_mut(depth.rows()).enumerate() {
            for (piece, tiles) in panel.chunks_exact_mut(CHUNK_ROWS).enumerate() {
                few.split(index, from, (depth, piece), 0..SIDE, tiles);
            }
        }
        for first in (0..many.count).step_by(2) {
            let count = 2.min(many.count - first);
            // What is multiplied but once need not wait.
            let kept = if few.count > 2 { depth.pieces() } else { 2 };
            let rows = pair.first(count * kept * CHUNK_ROWS).as_mut_ptr();
            let mut pair = Passing { panels: &many, first, count, from, depth, rows, kept, split: 0 };
            for index in (0..few.count).step_by(2) {
                let whole = &whole[index * depth.rows()..][..2.min(few.count - index) * depth.rows()];
                sums.multiply(&registers, (index, whole), &mut pair, left_is_whole, add || from > 0);
            }
        }
    }
    OWN.set(own);
}

/// One side of a product.
struct Panels<'a> {
    side: Side,
    matrix: Strided<'a>,
    count: usize,
}

impl Panels<'_> {
    /// Rows of a piece of the panel `index`, whose summed numbers begin with `from`.
    fn split(
        &self,
        index: usize,
        from: usize,
        (depth, piece): (Depth, usize),
        rows: Range<usize>,
        tiles: &mut [Row],
    ) {
        let (first, at, half) = (index * SIDE, from + piece * CHUNK, piece == depth.chunks);
        // SAFETY: there are tiles, so there is AVX-512.
        unsafe { split_rows(self.matrix, Piece { side: self.side, first, at, half }, rows, tiles) };
    }
}

/// A pair of panels, or a last one, that is split as it is needed: registers multiply one piece while vectors split the next.
struct Passing<'a> {
    panels: &'a Panels<'a>,
    first: usize,
    count: usize,
    from: usize,
    depth: Depth,
    /// `count` panels.
    rows: *mut Row,
    /// Pieces of a panel that there is room for: two, if they are multiplied but once.
    kept: usize,
    /// Pieces that are split.
    split: usize,
}

impl Passing<'_> {
    /// Where a piece of a panel stands.
    fn at(&self, index: usize, piece: usize) -> usize {
        (index * self.kept + piece % self.kept) * CHUNK_ROWS
    }

    /// Splits the first piece, unless it was.
    fn split_first(&mut self) {
        if self.split == 0 {
            (0..PAUSES).for_each(|pause| self.split_some(0, pause));
            self.split = 1;
        }
    }

    /// Splits a part of a piece: half a panel.
    fn split_some(&mut self, piece: usize, pause: usize) {
        let (index, half) = (pause / 2, pause % 2);
        if index < self.count {
            let at = self.at(index, piece);
            // SAFETY: the piece is one of the panels that `rows` has room for; nobody else has them meanwhile.
            let tiles = unsafe { std::slice::from_raw_parts_mut(self.rows.add(at), CHUNK_ROWS) };
            let rows = half * SIDE / 2..(half + 1) * SIDE / 2;
            self.panels.split(self.first + index, self.from, (self.depth, piece), rows, tiles);
        }
    }
}

/// Where sums go.
struct Sums<'a> {
    values: &'a mut [f32],
    stride: usize,
    rows: usize,
    columns: usize,
    /// Whether rows of the sums are columns of the destination.
    turned: bool,
    /// Tiles that are not wholly the destination's.
    aside: [f32; 4 * SIDE * SIDE],
}

impl<'a> Sums<'a> {
    /// Sums of a product, every `stride` of `values`; `turned`, columns are.
    fn new(values: &'a mut [f32], stride: usize, (a, b): (Strided<'_>, Strided<'_>), turned: bool) -> Self {
        let (rows, columns) = (a.row_count(), b.column_count());
        Self { values, stride, rows, columns, turned, aside: [0.0; 4 * SIDE * SIDE] }
    }

    /// One or two panels of the whole side, with the index of the first, by those that pass.
    fn multiply(
        &mut self,
        registers: &Registers,
        (index, whole): (usize, &[Row]),
        passing: &mut Passing<'_>,
        left_is_whole: bool,
        add: bool,
    ) {
        let (few, many) = (whole.len() / passing.depth.rows(), passing.count);
        let (row, column) = if left_is_whole { (index, passing.first) } else { (passing.first, index) };
        let (row, column) = (row * SIDE, column * SIDE);
        let shape = if left_is_whole { (few, many) } else { (many, few) };
        let (rows, columns) = (shape.0 * SIDE, shape.1 * SIDE);
        let mut run = |(c, stride): (&mut [f32], usize), add: bool| {
            assert!((rows - 1) * stride + columns <= c.len());
            // SAFETY: there are tiles for all the sums, as asserted, and the panels are as many and as long as the shape says.
            unsafe {
                match shape {
                    (1, 1) => block::<1, 1>(registers, whole, passing, left_is_whole, (c, stride), add),
                    (1, _) => block::<1, 2>(registers, whole, passing, left_is_whole, (c, stride), add),
                    (_, 1) => block::<2, 1>(registers, whole, passing, left_is_whole, (c, stride), add),
                    _ => block::<2, 2>(registers, whole, passing, left_is_whole, (c, stride), add),
                }
            }
        };
        if !self.turned && row + rows <= self.rows && column + columns <= self.columns {
            run((&mut self.values[row * self.stride + column..], self.stride), add);
            return;
        }
        let shape = (rows.min(self.rows - row), columns.min(self.columns - column));
        let at = if self.turned { column * self.stride + row } else { row * self.stride + column };
        let (place, stride) = (&mut self.values[at..], self.stride);
        // SAFETY: there are tiles, so there is AVX-512.
        unsafe {
            if add {
                take_sums(&mut self.aside, shape, (place, stride), self.turned);
            }
            run((&mut self.aside, 2 * SIDE), add);
            put_sums(&self.aside, shape, (place, stride), (self.turned, false));
        }
    }
}

/// `M` times `N` tiles of sums.
///
/// # Safety
/// `c` must have 16 rows and columns for each; the panels must be `M` of the left side, `N` of the right, of one depth.
unsafe fn block<const M: usize, const N: usize>(
    registers: &Registers,
    whole: &[Row],
    passing: &mut Passing<'_>,
    left_is_whole: bool,
    (c, stride): (&mut [f32], usize),
    add: bool,
) {
    // Where the sums go: it is there by the time that they are.
    for row in 0..M * SIDE {
        for tile in 0..N {
            fetch(c, row * stride + tile * SIDE);
        }
    }
    let (depth, c) = (passing.depth, c.as_mut_ptr());
    let aparts = [depth.rows(), passing.at(1, 0)];
    passing.split_first();
    // SAFETY: the caller's promise; a piece of `passing` is written before tiles of it are read.
    unsafe {
        registers.begin::<M, N>(c, stride, add);
        for piece in 0..depth.pieces() {
            let to_split = (passing.split == piece + 1 && piece + 1 < depth.pieces()).then_some(piece + 1);
            let panels = [
                (whole[piece * CHUNK_ROWS..].as_ptr(), aparts[0]),
                (passing.rows.add(passing.at(0, piece)).cast_const(), aparts[1]),
            ];
            let [a, b] = if left_is_whole { panels } else { [panels[1], panels[0]] };
            if piece < depth.chunks {
                registers.chunk::<M, N>(a, b, |pause| {
                    if let Some(next) = to_split {
                        passing.split_some(next, pause);
                    }
                });
                passing.split += usize::from(to_split.is_some());
            } else {
                registers.half_chunk::<M, N>(a, b);
            }
        }
        registers.end::<M, N>(c, stride);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::reference;
    use super::super::super::testing::{assert_close, random};
    use super::*;

    #[test]
    fn some_columns_of_a_product_leave_the_others_alone() {
        if !super::super::available() {
            return eprintln!("skipped: no tile registers here");
        }
        for (m, k, n) in [(1, 1, 1), (17, 16, 33), (40, 150, 24), (33, 300, 47)] {
            let columns = Columns { all: n + 5, first: 3, count: n };
            let (a, b) = (random(m * k, 1), random(k * n, 2));
            let turned = |x: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect()
            };
            let (a_turned, b_turned) = (turned(&a, m, k), turned(&b, k, n));
            let expected = reference::product(&a, &b, m, k, n);
            for a in [Strided::row_major(&a, m, k), Strided::row_major(&a_turned, k, m).transposed()] {
                for b in [Strided::row_major(&b, k, n), Strided::row_major(&b_turned, n, k).transposed()] {
                    let before = random(m * columns.all, 3);
                    let mut dst = before.clone();
                    product(&mut dst, columns, a, b, true);
                    product(&mut dst, columns, a, b, true);
                    let expected: Vec<f32> = (0..dst.len())
                        .map(|at| match (at % columns.all).checked_sub(columns.first) {
                            Some(column) if column < n => {
                                before[at] + 2.0 * expected[at / columns.all * n + column]
                            }
                            _ => before[at],
                        })
                        .collect();
                    assert_close(&format!("{m}×{k}×{n}"), &dst, &expected, 1e-6);
                    let outside = |at: &usize| !(3..3 + n).contains(&(at % columns.all));
                    assert!((0..dst.len()).filter(outside).all(|at| dst[at] == before[at]));
                }
            }
        }
    }
}
