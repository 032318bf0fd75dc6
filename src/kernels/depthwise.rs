//! Depthwise convolution: every channel on its own, so that neighbouring channels fill a vector.
//!
//! Forward and input gradient are the same gather over different taps (see `geometry`). Weights are
//! `(k, k, c)`.

use super::geometry::{Axis, ConvGeometry, Run};
use super::simd::dispatch;
use super::threads::for_chunks;
use super::weight_gradient::add_over_rows;

/// `y = x * w`.
pub(super) fn forward(g: &ConvGeometry, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (rows, columns) = (g.forward_taps(g.h), g.forward_taps(g.w));
    gather::<false>(g, (rows, columns), (g.h, g.w), (g.h_out(), g.w_out()), x, w, y);
}

/// `dx += ` the gradient of `x`.
pub(super) fn add_grad_input(g: &ConvGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (rows, columns) = (g.backward_taps(g.h), g.backward_taps(g.w));
    gather::<true>(g, (rows, columns), (g.h_out(), g.w_out()), (g.h, g.w), dy, w, dx);
}

fn gather<const ADD: bool>(
    g: &ConvGeometry,
    (rows, columns): (Axis, Axis),
    (h_in, w_in): (usize, usize),
    (h_out, w_out): (usize, usize),
    input: &[f32],
    w: &[f32],
    out: &mut [f32],
) {
    let (c, k) = (g.c_in, g.kernel);
    assert_eq!(input.len(), g.n * h_in * w_in * c);
    assert_eq!(out.len(), g.n * h_out * w_out * c);
    assert_eq!(w.len(), k * k * c);
    let row_runs = rows.runs();
    let row_taps: Vec<_> = (0..h_out).map(|row| Axis::at(&row_runs, row)).collect();
    let runs = columns.runs();
    for_chunks(out, w_out * c, |index, out| {
        let image = &input[index / h_out * h_in * w_in * c..][..h_in * w_in * c];
        let mut taps = Vec::with_capacity(k * k);
        for run in &runs {
            taps.clear();
            for (kh, row) in &row_taps[index % h_out] {
                taps.extend(run.taps.iter().map(|(kw, at)| ((row * w_in + at) * c, (kh * k + kw) * c)));
            }
            dispatch(
                #[inline(always)]
                || gather_run::<ADD>(out, image, w, &taps, run, c),
            );
        }
    });
}

#[inline(always)]
fn gather_run<const ADD: bool>(
    out: &mut [f32],
    image: &[f32],
    w: &[f32],
    taps: &[(usize, usize)],
    run: &Run,
    c: usize,
) {
    for j in 0..run.count {
        let out = &mut out[(run.first + j * run.step) * c..][..c];
        let image = &image[j * run.reading_step * c..];
        let mut from = 0;
        while from + 32 <= c {
            gather_channels::<32, ADD>(&mut out[from..from + 32], image, w, taps, from);
            from += 32;
        }
        while from + 8 <= c {
            gather_channels::<8, ADD>(&mut out[from..from + 8], image, w, taps, from);
            from += 8;
        }
        while from < c {
            gather_channels::<1, ADD>(&mut out[from..from + 1], image, w, taps, from);
            from += 1;
        }
    }
}

#[inline(always)]
fn gather_channels<const B: usize, const ADD: bool>(
    out: &mut [f32],
    image: &[f32],
    w: &[f32],
    taps: &[(usize, usize)],
    from: usize,
) {
    let mut sum = [0.0f32; B];
    if ADD {
        sum.copy_from_slice(out);
    }
    for (x_at, w_at) in taps {
        let x = &image[x_at + from..][..B];
        let w = &w[w_at + from..][..B];
        for b in 0..B {
            sum[b] = x[b].mul_add(w[b], sum[b]);
        }
    }
    out.copy_from_slice(&sum);
}

/// Most parts of the batch that sum a weight gradient on their own.
const MOST_SUMS: usize = 16;

/// `dw += ` the gradient of `w`.
pub(super) fn add_grad_weight(g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let runs = g.forward_taps(g.w).runs();
    add_over_rows(g, x, dy, dw, MOST_SUMS, |x, dy, row_taps, sum| {
        dispatch(
            #[inline(always)]
            || sum_row(g, x, dy, row_taps, &runs, sum),
        );
    });
}

#[inline(always)]
fn sum_row(
    g: &ConvGeometry,
    x: &[f32],
    dy: &[f32],
    row_taps: &[(usize, usize)],
    runs: &[Run],
    sum: &mut [f32],
) {
    let c = g.c_in;
    for run in runs {
        for (kh, row) in row_taps {
            for (kw, at) in &run.taps {
                let x = &x[(row * g.w + at) * c..];
                let dy = &dy[run.first * c..];
                let sum = &mut sum[(kh * g.kernel + kw) * c..][..c];
                let mut from = 0;
                while from + 32 <= c {
                    sum_channels::<32>(&mut sum[from..from + 32], &x[from..], &dy[from..], run, c);
                    from += 32;
                }
                while from + 8 <= c {
                    sum_channels::<8>(&mut sum[from..from + 8], &x[from..], &dy[from..], run, c);
                    from += 8;
                }
                while from < c {
                    sum_channels::<1>(&mut sum[from..from + 1], &x[from..], &dy[from..], run, c);
                    from += 1;
                }
            }
        }
    }
}

#[inline(always)]
fn sum_channels<const B: usize>(sum: &mut [f32], x: &[f32], dy: &[f32], run: &Run, c: usize) {
    let mut total = [0.0f32; B];
    for j in 0..run.count {
        let x = &x[j * run.reading_step * c..][..B];
        let dy = &dy[j * run.step * c..][..B];
        for b in 0..B {
            total[b] = x[b].mul_add(dy[b], total[b]);
        }
    }
    for b in 0..B {
        sum[b] += total[b];
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ConvTester;

    #[test]
    fn every_kernel_stride_size_and_tail_equals_the_nested_loops() {
        for channels in [1, 3, 8, 31, 33, 72] {
            ConvTester::default().channels(channels).groups(channels).run();
        }
    }

    #[test]
    fn batches_and_threads_change_no_bit() {
        ConvTester::default().channels(40).groups(40).batch(19).run_for_any_threads();
    }
}
