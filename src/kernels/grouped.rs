//! Group convolution with G channels a group: small matrix products, one a tap.
//!
//! Weights are packed so that a group's taps lie together, `(group, tap, read channel, written channel)`;
//! with read and written channels swapped the same gather gives the input gradient. Four neighbouring
//! positions share every weight that is loaded.

use super::geometry::{Axis, ConvGeometry, Run};
use super::simd::dispatch;
use super::threads::for_chunks;
use super::weight_gradient::add_over_rows;

/// Positions that share a loaded weight.
const POSITIONS: usize = 4;

/// Most parts of the batch that sum a weight gradient on their own.
const MOST_SUMS: usize = 8;

/// `y = x * w`.
pub(super) fn forward(g: &ConvGeometry, x: &[f32], w: &[f32], y: &mut [f32]) {
    let packed = pack(g, w, Direction::Forward);
    let shape = Gather {
        read: (g.h, g.w, g.c_in),
        written: (g.h_out(), g.w_out(), g.c_out),
        rows: g.forward_taps(g.h),
        runs: g.forward_taps(g.w).runs(),
    };
    gather::<false>(g, &shape, x, &packed, y);
}

/// `dx += ` the gradient of `x`.
pub(super) fn add_grad_input(g: &ConvGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let packed = pack(g, w, Direction::Backward);
    let shape = Gather {
        read: (g.h_out(), g.w_out(), g.c_out),
        written: (g.h, g.w, g.c_in),
        rows: g.backward_taps(g.h),
        runs: g.backward_taps(g.w).runs(),
    };
    gather::<true>(g, &shape, dy, &packed, dx);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// `(group, tap, read, written)` of `(tap, c_in / groups, c_out)`.
fn pack(g: &ConvGeometry, w: &[f32], direction: Direction) -> Vec<f32> {
    assert_eq!(w.len(), g.weight_len());
    let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
    let taps = g.kernel * g.kernel;
    let mut packed = vec![0.0; w.len()];
    for group in 0..g.groups {
        for tap in 0..taps {
            let packed = &mut packed[(group * taps + tap) * inputs * outputs..][..inputs * outputs];
            for i in 0..inputs {
                for o in 0..outputs {
                    let value = w[(tap * inputs + i) * g.c_out + group * outputs + o];
                    match direction {
                        Direction::Forward => packed[i * outputs + o] = value,
                        Direction::Backward => packed[o * inputs + i] = value,
                    }
                }
            }
        }
    }
    packed
}

struct Gather {
    /// Height, width and channels of what is read.
    read: (usize, usize, usize),
    /// Height, width and channels of what is written.
    written: (usize, usize, usize),
    rows: Axis,
    runs: Vec<Run>,
}

fn gather<const ADD: bool>(g: &ConvGeometry, shape: &Gather, input: &[f32], packed: &[f32], out: &mut [f32]) {
    let (h_in, w_in, c_read) = shape.read;
    let (h_out, w_out, c_written) = shape.written;
    assert_eq!(input.len(), g.n * h_in * w_in * c_read);
    assert_eq!(out.len(), g.n * h_out * w_out * c_written);
    let row_runs = shape.rows.runs();
    let row_taps: Vec<_> = (0..h_out).map(|row| Axis::at(&row_runs, row)).collect();
    let (read, written) = (c_read / g.groups, c_written / g.groups);
    let (k, group_len) = (g.kernel, g.kernel * g.kernel * read * written);
    for_chunks(out, w_out * c_written, |index, out| {
        let image = &input[index / h_out * h_in * w_in * c_read..][..h_in * w_in * c_read];
        let mut taps = Vec::with_capacity(k * k);
        for run in &shape.runs {
            taps.clear();
            for (kh, row) in &row_taps[index % h_out] {
                let tap =
                    |(kw, at): &(usize, usize)| ((row * w_in + at) * c_read, (kh * k + kw) * read * written);
                taps.extend(run.taps.iter().map(tap));
            }
            for group in 0..g.groups {
                let strip = Strip {
                    image: &image[group * read..],
                    w: &packed[group * group_len..][..group_len],
                    taps: &taps,
                    run,
                    read,
                    written,
                    c_read,
                    c_written,
                };
                let out = &mut out[group * written..];
                dispatch(
                    #[inline(always)]
                    || gather_strip::<ADD>(&strip, out),
                );
            }
        }
    });
}

/// One group's part of one run of positions.
struct Strip<'a> {
    image: &'a [f32],
    w: &'a [f32],
    /// For each tap, where the run's first position reads and where its weights start.
    taps: &'a [(usize, usize)],
    run: &'a Run,
    /// Channels of the group that are read, and that are written.
    read: usize,
    written: usize,
    /// Channels of a whole pixel.
    c_read: usize,
    c_written: usize,
}

#[inline(always)]
fn gather_strip<const ADD: bool>(strip: &Strip<'_>, out: &mut [f32]) {
    let mut from = 0;
    while from + 16 <= strip.written {
        gather_channels::<16, ADD>(strip, out, from);
        from += 16;
    }
    while from + 4 <= strip.written {
        gather_channels::<4, ADD>(strip, out, from);
        from += 4;
    }
    while from < strip.written {
        gather_channels::<1, ADD>(strip, out, from);
        from += 1;
    }
}

#[inline(always)]
fn gather_channels<const B: usize, const ADD: bool>(strip: &Strip<'_>, out: &mut [f32], from: usize) {
    let mut j = 0;
    while j + POSITIONS <= strip.run.count {
        gather_positions::<B, POSITIONS, ADD>(strip, out, from, j);
        j += POSITIONS;
    }
    while j < strip.run.count {
        gather_positions::<B, 1, ADD>(strip, out, from, j);
        j += 1;
    }
}

#[inline(always)]
fn gather_positions<const B: usize, const P: usize, const ADD: bool>(
    strip: &Strip<'_>,
    out: &mut [f32],
    from: usize,
    j: usize,
) {
    let out_at = |p: usize| (strip.run.first + (j + p) * strip.run.step) * strip.c_written + from;
    let reading_step = strip.run.reading_step * strip.c_read;
    let mut sums = [[0.0f32; B]; P];
    if ADD {
        for (p, sum) in sums.iter_mut().enumerate() {
            sum.copy_from_slice(&out[out_at(p)..][..B]);
        }
    }
    for (x_at, w_at) in strip.taps {
        let x = &strip.image[x_at + j * reading_step..][..(P - 1) * reading_step + strip.read];
        let w = &strip.w[w_at + from..][..(strip.read - 1) * strip.written + B];
        for i in 0..strip.read {
            let w = &w[i * strip.written..][..B];
            for p in 0..P {
                let x = x[p * reading_step + i];
                for b in 0..B {
                    sums[p][b] = x.mul_add(w[b], sums[p][b]);
                }
            }
        }
    }
    for (p, sum) in sums.iter().enumerate() {
        out[out_at(p)..][..B].copy_from_slice(sum);
    }
}

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
    let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
    for run in runs {
        for (kh, row) in row_taps {
            for (kw, at) in &run.taps {
                for group in 0..g.groups {
                    let outer = Outer {
                        x: &x[(row * g.w + at) * g.c_in + group * inputs..],
                        dy: &dy[run.first * g.c_out + group * outputs..],
                        run,
                        c_in: g.c_in,
                        c_out: g.c_out,
                    };
                    let sum = &mut sum[(kh * g.kernel + kw) * inputs * g.c_out + group * outputs..];
                    sum_group(&outer, sum, inputs, outputs);
                }
            }
        }
    }
}

/// Sums of outer products of one group's pixels along a run.
struct Outer<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    run: &'a Run,
    c_in: usize,
    c_out: usize,
}

#[inline(always)]
fn sum_group(outer: &Outer<'_>, sum: &mut [f32], inputs: usize, outputs: usize) {
    let mut i = 0;
    while i + 4 <= inputs {
        sum_rows::<4>(outer, sum, i, outputs);
        i += 4;
    }
    while i < inputs {
        sum_rows::<1>(outer, sum, i, outputs);
        i += 1;
    }
}

#[inline(always)]
fn sum_rows<const I: usize>(outer: &Outer<'_>, sum: &mut [f32], i: usize, outputs: usize) {
    let mut o = 0;
    while o + 16 <= outputs {
        sum_block::<I, 16>(outer, sum, i, o);
        o += 16;
    }
    while o + 4 <= outputs {
        sum_block::<I, 4>(outer, sum, i, o);
        o += 4;
    }
    while o < outputs {
        sum_block::<I, 1>(outer, sum, i, o);
        o += 1;
    }
}

#[inline(always)]
fn sum_block<const I: usize, const B: usize>(outer: &Outer<'_>, sum: &mut [f32], i: usize, o: usize) {
    let mut totals = [[0.0f32; B]; I];
    for j in 0..outer.run.count {
        let x = &outer.x[j * outer.run.reading_step * outer.c_in + i..][..I];
        let dy = &outer.dy[j * outer.run.step * outer.c_out + o..][..B];
        for (total, x) in totals.iter_mut().zip(x) {
            for b in 0..B {
                total[b] = x.mul_add(dy[b], total[b]);
            }
        }
    }
    for (row, total) in totals.iter().enumerate() {
        let sum = &mut sum[(i + row) * outer.c_out + o..][..B];
        for b in 0..B {
            sum[b] += total[b];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ConvTester;

    #[test]
    fn every_group_size_equals_the_nested_loops() {
        for (channels, groups) in [(4, 2), (9, 3), (32, 2), (40, 2), (48, 12), (34, 2)] {
            ConvTester::default().channels(channels).groups(groups).run();
        }
    }

    #[test]
    fn widening_groups_equal_the_nested_loops() {
        ConvTester::default().channels(6).channels_out(10).groups(2).run();
    }

    #[test]
    fn batches_and_threads_change_no_bit() {
        ConvTester::default().channels(32).groups(2).batch(11).run_for_any_threads();
    }
}
