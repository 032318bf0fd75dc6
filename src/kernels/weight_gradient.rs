//! How the gradient of a convolution's weight is summed over a batch: parts of the batch sum on their own, and the
//! parts are added in order.

use super::geometry::{Axis, ConvGeometry};
use super::threads::{add_in_order, map_parts, parts, range};

/// Adds to `dw` what `add(x, dy, sum)` adds for each image of `x` and `dy`, in at most `most` parts.
pub(super) fn add_over_images(
    g: &ConvGeometry,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    most: usize,
    add: impl Fn(&[f32], &[f32], &mut [f32]) + Sync,
) {
    assert_eq!(x.len(), g.input_len());
    assert_eq!(dy.len(), g.output_len());
    assert_eq!(dw.len(), g.weight_len());
    let (x_len, dy_len) = (g.h * g.w * g.c_in, g.h_out() * g.w_out() * g.c_out);
    let count = parts(g.n, 1, most);
    let sums = map_parts(count, |part| {
        let mut sum = vec![0.0; dw.len()];
        for image in range(g.n, count, part) {
            add(&x[image * x_len..][..x_len], &dy[image * dy_len..][..dy_len], &mut sum);
        }
        sum
    });
    add_in_order(dw, &sums);
}

/// As [`add_over_images`], row by row of the output: `add(x, dy, row_taps, sum)` gets the image, one row of `dy`,
/// and the taps that this row meets.
pub(super) fn add_over_rows(
    g: &ConvGeometry,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    most: usize,
    add: impl Fn(&[f32], &[f32], &[(usize, usize)], &mut [f32]) + Sync,
) {
    let row_runs = g.forward_taps(g.h).runs();
    let row_taps: Vec<_> = (0..g.h_out()).map(|row| Axis::at(&row_runs, row)).collect();
    add_over_images(g, x, dy, dw, most, |x, dy, sum| {
        for (dy, row_taps) in dy.chunks_exact(g.w_out() * g.c_out).zip(&row_taps) {
            add(x, dy, row_taps, sum);
        }
    });
}
