//! Matrix products, over single-thread blocks: on tile registers (`amx`) where there are any and the product is large enough,
//! else those of the `gemm` crate.
//!
//! A pointwise convolution over a batch is one product of `(n·h·w × c_in)` by `(c_in × c_out)`: long in one
//! direction, so the long one is what is split. For weight gradients that is the summed direction; each part
//! sums on its own and the parts are added in order.

#![allow(unsafe_code)]

use gemm::Parallelism;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::strided::{Columns, Strided};
use super::threads::{add_in_order, for_chunks, map_parts, parts, range};

/// Fewest rows of a part of a batch, or of a tile, which is a part already: packing the other matrix must pay.
const LEAST_ROWS: usize = 64;
const LEAST_TILE_ROWS: usize = 256;

/// Fewest rows and columns of a right matrix, and fewest sums, that pay for splitting numbers on their way to tiles.
const LEAST_SIDE: usize = 16;
const LEAST_SUMS: usize = 2048;

/// Most parts of a product.
const MOST_PARTS: usize = 32;

/// Fewest summed rows of a part of a weight gradient, and most parts: each has a whole result of its own.
const LEAST_SUMMED: usize = 512;
const MOST_SUMS: usize = 8;

/// Whether a product replaces what stands in its destination.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Replace,
    Add,
}

/// What multiplies. It does not hang on how many rows there are, so that no image's numbers hang on what other images there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    Vectors,
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Tiles,
}

impl Units {
    /// For `(rows, k) · (k, n)`.
    fn of(k: usize, n: usize) -> Self {
        Self::tiles_if(k.min(n) >= LEAST_SIDE)
    }

    /// For `(rows, k)ᵀ · (rows, n)`.
    fn of_sums(k: usize, n: usize) -> Self {
        Self::tiles_if(k.min(n) >= LEAST_SIDE && k * n >= LEAST_SUMS)
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn tiles_if(worth: bool) -> Self {
        if worth && amx::available() { Self::Tiles } else { Self::Vectors }
    }

    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    fn tiles_if(_: bool) -> Self {
        Self::Vectors
    }
}

/// `dst = a · b` or `dst += a · b`, single-threaded; `dst` is row-major.
fn block(dst: &mut [f32], a: Strided<'_>, b: Strided<'_>, destination: Destination, units: Units) {
    block_into(dst, Columns::all(b.column_count()), a, b, destination, units);
}

/// As [`block`], into some columns of `dst`.
fn block_into(
    dst: &mut [f32],
    columns: Columns,
    a: Strided<'_>,
    b: Strided<'_>,
    destination: Destination,
    units: Units,
) {
    let (m, k, n) = (a.row_count(), a.column_count(), b.column_count());
    assert_eq!((k, n), (b.row_count(), columns.count));
    assert!(columns.first + n <= columns.all);
    assert_eq!(dst.len(), m * columns.all);
    if m == 0 || n == 0 {
        return;
    }
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if units == Units::Tiles && k > 0 {
        return amx::product(dst, columns, a, b, destination == Destination::Add);
    }
    let _ = units;
    let dst = &mut dst[columns.first..];
    let ((a_row, a_column), (b_row, b_column)) = (a.strides(), b.strides());
    // SAFETY: every element that the strides of a `Strided` reach lies within its values. `dst` is asserted to hold m rows of all
    // columns, of which n from the first on are written, and cannot alias `a` or `b`, as it is borrowed mutably. With
    // `Replace`, gemm does not read `dst`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            columns.all as isize,
            destination == Destination::Add,
            a.values().as_ptr(),
            a_column as isize,
            a_row as isize,
            b.values().as_ptr(),
            b_column as isize,
            b_row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `y (m, n) = x (m, k) · w (k, n)`.
pub fn product(y: &mut [f32], x: &[f32], w: &[f32], m: usize, k: usize, n: usize) {
    let (w, units) = (Strided::row_major(w, k, n), Units::of(k, n));
    by_rows(y, x, (k, n, m), LEAST_ROWS, |y, x, rows| {
        block(y, Strided::row_major(x, rows, k), w, Destination::Replace, units);
    });
}

/// As [`product`], for a tile of a batch.
pub(super) fn tile_product(y: &mut [f32], x: &[f32], w: &[f32], m: usize, k: usize, n: usize) {
    let (w, units) = (Strided::row_major(w, k, n), Units::of(k, n));
    by_rows(y, x, (k, n, m), LEAST_TILE_ROWS, |y, x, rows| {
        block(y, Strided::row_major(x, rows, k), w, Destination::Replace, units);
    });
}

/// `dx (m, k) += dy (m, n) · wᵀ` for `w (k, n)`.
pub fn add_product_nt(dx: &mut [f32], dy: &[f32], w: &[f32], m: usize, n: usize, k: usize) {
    let (w, units) = (Strided::row_major(w, k, n).transposed(), Units::of(n, k));
    by_rows(dx, dy, (n, k, m), LEAST_ROWS, |dx, dy, rows| {
        block(dx, Strided::row_major(dy, rows, n), w, Destination::Add, units);
    });
}

/// `dx (m, k) = dy (m, n) · wᵀ` for `w (k, n)`, for a tile of a batch.
pub(super) fn tile_product_nt(dx: &mut [f32], dy: &[f32], w: &[f32], m: usize, n: usize, k: usize) {
    let (w, units) = (Strided::row_major(w, k, n).transposed(), Units::of(n, k));
    by_rows(dx, dy, (n, k, m), LEAST_TILE_ROWS, |dx, dy, rows| {
        block(dx, Strided::row_major(dy, rows, n), w, Destination::Replace, units);
    });
}

/// Some columns of `y` as the product of `x (m, k)` and the same columns of `w`, on the calling thread.
pub(super) fn product_columns(y: &mut [f32], x: &[f32], w: &[f32], columns: Columns, m: usize, k: usize) {
    let (x, w) = (Strided::row_major(x, m, k), Strided::columns(w, k, columns));
    block_into(y, columns, x, w, Destination::Replace, Units::of(k, columns.count));
}

/// `dx (m, k)` as the product of some columns of `dy` and the same of `w`, transposed; on the calling thread.
pub(super) fn product_nt_columns(
    dx: &mut [f32],
    dy: &[f32],
    w: &[f32],
    columns: Columns,
    m: usize,
    k: usize,
) {
    let w = Strided::columns(w, k, columns).transposed();
    block(dx, Strided::columns(dy, m, columns), w, Destination::Replace, Units::of(columns.count, k));
}

/// Adds to some columns of `dw` the product of `x (m, k)`, transposed, and the same columns of `dy`; on the calling
/// thread.
pub(super) fn add_product_tn_columns(
    dw: &mut [f32],
    x: &[f32],
    dy: &[f32],
    columns: Columns,
    m: usize,
    k: usize,
) {
    let x = Strided::row_major(x, m, k).transposed();
    block_into(
        dw,
        columns,
        x,
        Strided::columns(dy, m, columns),
        Destination::Add,
        Units::of_sums(k, columns.count),
    );
}

/// `dw (k, n) = xᵀ · dy`, on the calling thread.
pub(super) fn product_tn_single(dw: &mut [f32], x: &[f32], dy: &[f32], m: usize, k: usize, n: usize) {
    block(
        dw,
        Strided::row_major(x, m, k).transposed(),
        Strided::row_major(dy, m, n),
        Destination::Replace,
        Units::of_sums(k, n),
    );
}

/// As [`add_product_tn`], on the calling thread.
pub(super) fn add_product_tn_single(dw: &mut [f32], x: &[f32], dy: &[f32], m: usize, k: usize, n: usize) {
    block(
        dw,
        Strided::row_major(x, m, k).transposed(),
        Strided::row_major(dy, m, n),
        Destination::Add,
        Units::of_sums(k, n),
    );
}

/// `dw (k, n) += xᵀ · dy` for `x (m, k)` and `dy (m, n)`.
pub fn add_product_tn(dw: &mut [f32], x: &[f32], dy: &[f32], m: usize, k: usize, n: usize) {
    let (count, units) = (parts(m, LEAST_SUMMED, MOST_SUMS), Units::of_sums(k, n));
    if count == 1 {
        // Too little to sum in parts: each part of the result sums all.
        let rows = k.div_ceil(parts(k, LEAST_ROWS, MOST_PARTS));
        for_chunks(dw, rows * n, |index, dw| {
            let (first, rows) = (index * rows, dw.len() / n);
            let x = Strided::columns(x, m, Columns { all: k, first, count: rows }).transposed();
            block(dw, x, Strided::row_major(dy, m, n), Destination::Add, units);
        });
        return;
    }
    let sums = map_parts(count, |part| {
        let rows = range(m, count, part);
        let x = Strided::row_major(&x[rows.start * k..rows.end * k], rows.len(), k).transposed();
        let dy = Strided::row_major(&dy[rows.start * n..rows.end * n], rows.len(), n);
        let mut sum = vec![0.0; k * n];
        block(&mut sum, x, dy, Destination::Replace, units);
        sum
    });
    add_in_order(dw, &sums);
}

/// Calls `f(rows of out, rows of input, number of rows)` for parts of the `m` rows.
fn by_rows(
    out: &mut [f32],
    input: &[f32],
    (input_columns, out_columns, m): (usize, usize, usize),
    least: usize,
    f: impl Fn(&mut [f32], &[f32], usize) + Sync,
) {
    let rows = m.div_ceil(parts(m, least, MOST_PARTS));
    for_chunks(out, rows * out_columns, |index, out| {
        let count = out.len() / out_columns;
        let first = index * rows;
        f(out, &input[first * input_columns..(first + count) * input_columns], count);
    });
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::super::testing::{assert_close, random, same_for_any_threads};
    use super::*;

    const SHAPES: [(usize, usize, usize); 12] = [
        (1, 1, 1),
        (3, 1, 5),
        (255, 16, 7),
        (257, 3, 17),
        (1025, 24, 96),
        (4097, 5, 3),
        (64, 130, 70),
        (2, 300, 1),
        (47, 33, 101),
        (65, 16, 64),
        (33, 145, 77),
        (300, 31, 40),
    ];

    #[test]
    fn products_equal_the_nested_loops() {
        for (m, k, n) in SHAPES {
            let (x, w) = (random(m * k, 1), random(k * n, 2));
            let mut y = vec![f32::NAN; m * n];
            product(&mut y, &x, &w, m, k, n);
            assert_close(&format!("{m}×{k}×{n}"), &y, &reference::product(&x, &w, m, k, n), 1e-6);
        }
    }

    #[test]
    fn gradients_equal_the_nested_loops_and_add() {
        for (m, k, n) in SHAPES {
            let (x, w, dy) = (random(m * k, 1), random(k * n, 2), random(m * n, 3));
            let mut dx = random(m * k, 4);
            let transposed: Vec<f32> = (0..n * k).map(|i| w[(i % k) * n + i / k]).collect();
            let expected = reference::product(&dy, &transposed, m, n, k);
            let expected: Vec<f32> = expected.iter().zip(&dx).map(|(a, b)| a + b).collect();
            add_product_nt(&mut dx, &dy, &w, m, n, k);
            assert_close(&format!("dx {m}×{k}×{n}"), &dx, &expected, 1e-6);

            let mut dw = random(k * n, 5);
            let transposed: Vec<f32> = (0..k * m).map(|i| x[(i % m) * k + i / m]).collect();
            let expected = reference::product(&transposed, &dy, k, m, n);
            let expected: Vec<f32> = expected.iter().zip(&dw).map(|(a, b)| a + b).collect();
            add_product_tn(&mut dw, &x, &dy, m, k, n);
            assert_close(&format!("dw {m}×{k}×{n}"), &dw, &expected, 2e-6);
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let (m, k, n) = (3001, 33, 21);
        let (x, w, dy) = (random(m * k, 1), random(k * n, 2), random(m * n, 3));
        same_for_any_threads(|| {
            let mut y = vec![f32::NAN; m * n];
            product(&mut y, &x, &w, m, k, n);
            let mut dw = vec![0.0; k * n];
            add_product_tn(&mut dw, &x, &dy, m, k, n);
            let mut dx = vec![0.0; m * k];
            add_product_nt(&mut dx, &dy, &w, m, n, k);
            [y, dw, dx].concat()
        });
    }
}
