//! Dense convolution, such as the stem's: each image's patches as rows of a matrix, then one product.

use super::gemm::{add_product_nt_single, add_product_tn_single, product_single};
use super::geometry::{Axis, ConvGeometry};
use super::threads::for_chunks;

/// `y = x * w`.
pub(super) fn forward(g: &ConvGeometry, x: &[f32], w: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), g.input_len());
    let patches = Patches::new(g);
    for_chunks(y, patches.count * g.c_out, |image, y| {
        let rows = patches.of(&x[image * patches.image_len..][..patches.image_len]);
        product_single(y, &rows, w, patches.count, patches.len, g.c_out);
    });
}

/// `dx += ` the gradient of `x`.
pub(super) fn add_grad_input(g: &ConvGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    assert_eq!(dy.len(), g.output_len());
    let patches = Patches::new(g);
    for_chunks(dx, patches.image_len, |image, dx| {
        let dy = &dy[image * patches.count * g.c_out..][..patches.count * g.c_out];
        let mut rows = vec![0.0; patches.count * patches.len];
        add_product_nt_single(&mut rows, dy, w, patches.count, g.c_out, patches.len);
        patches.add_back(&rows, dx);
    });
}

/// Adds to `sum` the gradient that one image gives the weight.
pub(super) fn sum_image(g: &ConvGeometry, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let patches = Patches::new(g);
    add_product_tn_single(sum, &patches.of(x), dy, patches.count, patches.len, g.c_out);
}

/// The patches of one image: one row an output pixel, `(k, k, c_in)` values each, padding as zeros.
struct Patches<'a> {
    g: &'a ConvGeometry,
    row_taps: Vec<Vec<(usize, usize)>>,
    column_taps: Vec<Vec<(usize, usize)>>,
    count: usize,
    len: usize,
    image_len: usize,
}

impl<'a> Patches<'a> {
    fn new(g: &'a ConvGeometry) -> Self {
        let taps = |size: usize, outputs: usize| {
            let runs = g.forward_taps(size).runs();
            (0..outputs).map(|position| Axis::at(&runs, position)).collect()
        };
        Self {
            g,
            row_taps: taps(g.h, g.h_out()),
            column_taps: taps(g.w, g.w_out()),
            count: g.h_out() * g.w_out(),
            len: g.kernel * g.kernel * g.c_in,
            image_len: g.h * g.w * g.c_in,
        }
    }

    /// Calls `f(place in the matrix, place in the image)` for every pixel of every patch.
    fn for_pixels(&self, mut f: impl FnMut(usize, usize)) {
        for (row, row_taps) in self.row_taps.iter().enumerate() {
            for (column, column_taps) in self.column_taps.iter().enumerate() {
                let patch = (row * self.column_taps.len() + column) * self.len;
                for (kh, y) in row_taps {
                    for (kw, x) in column_taps {
                        let place = patch + (kh * self.g.kernel + kw) * self.g.c_in;
                        f(place, (y * self.g.w + x) * self.g.c_in);
                    }
                }
            }
        }
    }

    fn of(&self, image: &[f32]) -> Vec<f32> {
        let mut rows = vec![0.0; self.count * self.len];
        let c = self.g.c_in;
        self.for_pixels(|place, at| rows[place..place + c].copy_from_slice(&image[at..at + c]));
        rows
    }

    fn add_back(&self, rows: &[f32], image: &mut [f32]) {
        let c = self.g.c_in;
        self.for_pixels(|place, at| {
            image[at..at + c].iter_mut().zip(&rows[place..place + c]).for_each(|(sum, value)| *sum += value);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ConvTester;

    #[test]
    fn every_shape_equals_the_nested_loops() {
        ConvTester::default().channels(3).channels_out(16).groups(1).run();
        ConvTester::default().channels(1).channels_out(1).groups(1).run();
    }

    #[test]
    fn batches_and_threads_change_no_bit() {
        ConvTester::default().channels(3).channels_out(8).groups(1).batch(11).run_for_any_threads();
    }
}
