//! Group convolution with G channels a group: small matrix products, one a tap.
//!
//! Weights are packed so that a group's taps lie together, `(group, tap, read channel, written channel)`;
//! with read and written channels swapped the same gather gives the input gradient. Four neighbouring
//! positions share every weight that is loaded.

#![allow(unsafe_code)]

use super::geometry::{ConvGeometry, Gathering, Run};
use super::simd::{Simd, WithSimd, dispatch, load, vectorize};
use super::threads::for_chunks;

/// Positions that share a loaded weight.
const POSITIONS: usize = 4;

/// The weight as a convolution reads it.
pub(super) fn pack_forward(g: &ConvGeometry, w: &[f32]) -> Vec<f32> {
    pack(g, w, Direction::Forward)
}

/// The weight as an input gradient reads it.
pub(super) fn pack_backward(g: &ConvGeometry, w: &[f32]) -> Vec<f32> {
    pack(g, w, Direction::Backward)
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

/// `out = input * w`, or `out += input * w`, along the taps of `gathering`; pixels that are read and written have
/// `channels`.
pub(super) fn gather<const ADD: bool>(
    g: &ConvGeometry,
    gathering: &Gathering,
    (c_read, c_written): (usize, usize),
    input: &[f32],
    packed: &[f32],
    out: &mut [f32],
) {
    let ((h_in, w_in), (h_out, w_out)) = (gathering.read, gathering.written);
    let (read, written) = (c_read / g.groups, c_written / g.groups);
    let (k, group_len) = (g.kernel, g.kernel * g.kernel * read * written);
    for_chunks(out, w_out * c_written, |index, out| {
        let image = &input[index / h_out * h_in * w_in * c_read..][..h_in * w_in * c_read];
        let mut taps = Vec::with_capacity(k * k);
        for run in &gathering.runs {
            taps.clear();
            for (kh, row) in &gathering.row_taps[index % h_out] {
                let tap =
                    |(kw, at): &(usize, usize)| ((row * w_in + at) * c_read, (kh * k + kw) * read * written);
                taps.extend(run.taps.iter().map(tap));
            }
            dispatch(
                #[inline(always)]
                || {
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
                        gather_strip::<ADD>(&strip, &mut out[group * written..]);
                    }
                },
            );
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

/// Adds to `sum` the gradient that one image gives the weight.
pub(super) fn sum_image(g: &ConvGeometry, gathering: &Gathering, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let mut strips = Vec::new();
    for kh in 0..g.kernel {
        for kw in 0..g.kernel {
            strips.clear();
            for (row_out, row_taps) in gathering.row_taps.iter().enumerate() {
                let Some((_, row)) = row_taps.iter().find(|(tap, _)| *tap == kh) else { continue };
                for run in &gathering.runs {
                    let Some((_, at)) = run.taps.iter().find(|(tap, _)| *tap == kw) else { continue };
                    strips.push(SumStrip {
                        x_at: (row * g.w + at) * g.c_in,
                        dy_at: (row_out * g.w_out() + run.first) * g.c_out,
                        count: run.count,
                        x_step: run.reading_step * g.c_in,
                        dy_step: run.step * g.c_out,
                    });
                }
            }
            let taps = g.c_in / g.groups * g.c_out;
            let sum = &mut sum[(kh * g.kernel + kw) * taps..][..taps];
            vectorize(SumTap { g, strips: &strips, x, dy, sum });
        }
    }
}

/// Neighbouring outputs, and what one tap reads for them.
struct SumStrip {
    x_at: usize,
    dy_at: usize,
    count: usize,
    x_step: usize,
    dy_step: usize,
}

/// All outer products of one tap: `sum (c_in / groups, c_out)`.
struct SumTap<'a> {
    g: &'a ConvGeometry,
    strips: &'a [SumStrip],
    x: &'a [f32],
    dy: &'a [f32],
    sum: &'a mut [f32],
}

impl WithSimd for SumTap<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (inputs, outputs) = (self.g.c_in / self.g.groups, self.g.c_out / self.g.groups);
        // Everything that is read below lies before these.
        for strip in self.strips {
            let last = strip.count - 1;
            assert!(strip.x_at + last * strip.x_step + self.g.c_in <= self.x.len());
            assert!(strip.dy_at + last * strip.dy_step + self.g.c_out <= self.dy.len());
        }
        assert_eq!(self.sum.len(), inputs * self.g.c_out);
        for group in 0..self.g.groups {
            let mut o = 0;
            while o < outputs {
                let lanes = S::F32_LANES.min(outputs - o);
                let (mut i, place) = (0, group * outputs + o);
                while i + 8 <= inputs {
                    self.block::<S, 8>(simd, group * inputs + i, i, place, lanes);
                    i += 8;
                }
                while i + 4 <= inputs {
                    self.block::<S, 4>(simd, group * inputs + i, i, place, lanes);
                    i += 4;
                }
                while i < inputs {
                    self.block::<S, 1>(simd, group * inputs + i, i, place, lanes);
                    i += 1;
                }
                o += lanes;
            }
        }
    }
}

impl SumTap<'_> {
    /// `I` inputs from channel `input` on against `lanes` outputs from channel `output` on.
    #[inline(always)]
    fn block<S: Simd, const I: usize>(
        &mut self,
        simd: S,
        input: usize,
        row: usize,
        output: usize,
        lanes: usize,
    ) {
        let mut sums = [simd.splat_f32s(0.0); I];
        let whole = lanes == S::F32_LANES;
        for strip in self.strips {
            for j in 0..strip.count {
                let dy_at = strip.dy_at + j * strip.dy_step + output;
                let dy = if whole {
                    // SAFETY: `with_simd` asserted that the strip's last pixel lies within `dy`, and the outputs do
                    // not exceed its channels.
                    unsafe { load::<S>(self.dy, dy_at) }
                } else {
                    simd.partial_load_f32s(&self.dy[dy_at..dy_at + lanes])
                };
                let x_at = strip.x_at + j * strip.x_step + input;
                for (i, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: as for `dy`: inputs do not exceed the channels of the strip's last pixel.
                    let x = simd.splat_f32s(unsafe { *self.x.get_unchecked(x_at + i) });
                    *sum = simd.mul_add_f32s(x, dy, *sum);
                }
            }
        }
        for (i, total) in sums.iter().enumerate() {
            let sum = &mut self.sum[(row + i) * self.g.c_out + output..][..lanes];
            let before = simd.partial_load_f32s(sum);
            simd.partial_store_f32s(sum, simd.add_f32s(before, *total));
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
