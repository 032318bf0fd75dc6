//! Convolution with very many channels a group: patches as rows of a matrix, then a product a group.

use super::super::buffers::Buffer;
use super::super::gemm::{add_product_tn_columns, product_columns, product_nt_columns};
use super::super::geometry::{Axis, ConvGeometry};
use super::super::strided::Columns;
use super::super::threads::for_chunks;

/// Rows of a product, about: where there are groups, and so large weights for few results, small images are put together.
const ROWS: usize = 128;

/// `y = x * w`.
pub(super) fn forward(g: &ConvGeometry, x: &[f32], w: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), g.input_len());
    let patches = Patches::new(g);
    for_chunks(y, patches.images * patches.count * g.c_out, |index, y| {
        let images = y.len() / (patches.count * g.c_out);
        let x = &x[index * patches.images * patches.image_len..][..images * patches.image_len];
        for group in 0..g.groups {
            let rows = patches.of(x, group);
            product_columns(y, &rows, w, patches.columns(group), images * patches.count, patches.len);
        }
    });
}

/// `dx += ` the gradient of `x`.
pub(super) fn add_grad_input(g: &ConvGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    assert_eq!(dy.len(), g.output_len());
    let patches = Patches::new(g);
    for_chunks(dx, patches.images * patches.image_len, |index, dx| {
        let pixels = dx.len() / patches.image_len * patches.count;
        let dy = &dy[index * patches.images * patches.count * g.c_out..][..pixels * g.c_out];
        let mut rows = Buffer::stale(pixels * patches.len);
        for group in 0..g.groups {
            product_nt_columns(&mut rows, dy, w, patches.columns(group), pixels, patches.len);
            patches.add_back(&rows, group, dx);
        }
    });
}

/// Adds to `sum` the gradient that images give the weight.
pub(super) fn sum_images(g: &ConvGeometry, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let patches = Patches::new(g);
    let together =
        x.chunks(patches.images * patches.image_len).zip(dy.chunks(patches.images * patches.count * g.c_out));
    for (x, dy) in together {
        let pixels = dy.len() / g.c_out;
        for group in 0..g.groups {
            let rows = patches.of(x, group);
            add_product_tn_columns(sum, &rows, dy, patches.columns(group), pixels, patches.len);
        }
    }
}

/// The patches of a group of channels: one row an output pixel, `(k, k, c_in / groups)` values each, padding as zeros.
struct Patches<'a> {
    g: &'a ConvGeometry,
    row_taps: Vec<Vec<(usize, usize)>>,
    column_taps: Vec<Vec<(usize, usize)>>,
    /// Rows of an image.
    count: usize,
    /// Values of a row.
    len: usize,
    image_len: usize,
    /// Images that are put together.
    images: usize,
}

impl<'a> Patches<'a> {
    fn new(g: &'a ConvGeometry) -> Self {
        let taps = |size: usize, outputs: usize| {
            let runs = g.forward_taps(size).runs();
            (0..outputs).map(|position| Axis::at(&runs, position)).collect()
        };
        let count = g.h_out() * g.w_out();
        Self {
            g,
            row_taps: taps(g.h, g.h_out()),
            column_taps: taps(g.w, g.w_out()),
            count,
            len: g.kernel * g.kernel * (g.c_in / g.groups),
            image_len: g.h * g.w * g.c_in,
            images: if g.groups == 1 { 1 } else { (ROWS / count.max(1)).clamp(1, g.n.max(1)) },
        }
    }

    /// The group's columns of weight and output.
    fn columns(&self, group: usize) -> Columns {
        let count = self.g.c_out / self.g.groups;
        Columns { all: self.g.c_out, first: group * count, count }
    }

    /// Calls `f(place in the matrix, place in the image)` for every pixel of every patch.
    fn for_pixels(&self, mut f: impl FnMut(usize, usize)) {
        let inputs = self.g.c_in / self.g.groups;
        for (row, row_taps) in self.row_taps.iter().enumerate() {
            for (column, column_taps) in self.column_taps.iter().enumerate() {
                let patch = (row * self.column_taps.len() + column) * self.len;
                for (kh, y) in row_taps {
                    for (kw, x) in column_taps {
                        let place = patch + (kh * self.g.kernel + kw) * inputs;
                        f(place, (y * self.g.w + x) * self.g.c_in);
                    }
                }
            }
        }
    }

    /// The rows of images.
    fn of(&self, x: &[f32], group: usize) -> Buffer {
        let inputs = self.g.c_in / self.g.groups;
        let mut rows = Buffer::zeros(x.len() / self.image_len * self.count * self.len);
        let images = rows.chunks_exact_mut(self.count * self.len).zip(x.chunks_exact(self.image_len));
        for (rows, image) in images {
            let image = &image[group * inputs..];
            self.for_pixels(|place, at| {
                rows[place..place + inputs].copy_from_slice(&image[at..at + inputs]);
            });
        }
        rows
    }

    /// Adds rows to the images that they were taken of.
    fn add_back(&self, rows: &[f32], group: usize, dx: &mut [f32]) {
        let inputs = self.g.c_in / self.g.groups;
        let images = rows.chunks_exact(self.count * self.len).zip(dx.chunks_exact_mut(self.image_len));
        for (rows, image) in images {
            let image = &mut image[group * inputs..];
            self.for_pixels(|place, at| {
                let values = image[at..at + inputs].iter_mut().zip(&rows[place..place + inputs]);
                values.for_each(|(sum, value)| *sum += value);
            });
        }
    }
}
