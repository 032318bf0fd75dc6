//! Group convolution with few channels a group, as that many depthwise ones.
//!
//! A group of four channels fills a quarter of a vector. With `xᵢ` the image in which every channel holds its group's
//! channel `i`, a group convolution is `Σᵢ depthwise(xᵢ, wᵢ)`, and neighbouring groups share vectors.

use super::buffers::Buffer;
use super::depthwise::{GatherRun, SumImage};
use super::geometry::{ConvGeometry, Gathering};
use super::simd::{dispatch, vectorize};
use super::threads::for_chunks;

/// `(size, pixels, c)` of `x (pixels, c)`: in plane `i`, every channel holds channel `i` of its group of `size`.
fn planes(x: &[f32], c: usize, size: usize) -> Buffer {
    let mut planes = Buffer::stale(size * x.len());
    for (i, plane) in planes.chunks_exact_mut(x.len()).enumerate() {
        dispatch(
            #[inline(always)]
            || match size {
                2 => spread::<2>(x, i, plane),
                4 => spread::<4>(x, i, plane),
                8 => spread::<8>(x, i, plane),
                _ => {
                    for (plane, x) in plane.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                        for (plane, x) in plane.chunks_exact_mut(size).zip(x.chunks_exact(size)) {
                            plane.fill(x[i]);
                        }
                    }
                }
            },
        );
    }
    planes
}

#[inline(always)]
fn spread<const G: usize>(x: &[f32], i: usize, plane: &mut [f32]) {
    let (plane, _) = plane.as_chunks_mut::<G>();
    let (x, _) = x.as_chunks::<G>();
    for (plane, x) in plane.iter_mut().zip(x) {
        *plane = [x[i]; G];
    }
}

/// The weight as an input gradient reads it: `(tap, written channel of the group, c)` of `(tap, read channel, c)`.
pub(super) fn pack_backward(g: &ConvGeometry, w: &[f32]) -> Vec<f32> {
    let (c, size) = (g.c_in, g.c_in / g.groups);
    let mut packed = vec![0.0; w.len()];
    for (packed, w) in packed.chunks_exact_mut(size * c).zip(w.chunks_exact(size * c)) {
        for (j, packed) in packed.chunks_exact_mut(c).enumerate() {
            for (channel, value) in packed.iter_mut().enumerate() {
                *value = w[channel % size * c + channel / size * size + j];
            }
        }
    }
    packed
}

/// `out = input * w`, or `out += input * w`, along the taps of `gathering`.
pub(super) fn gather<const ADD: bool>(
    g: &ConvGeometry,
    gathering: &Gathering,
    input: &[f32],
    w: &[f32],
    out: &mut [f32],
) {
    let (c, k, size) = (g.c_in, g.kernel, g.c_in / g.groups);
    let ((h_in, w_in), (h_out, w_out)) = (gathering.read, gathering.written);
    for_chunks(out, h_out * w_out * c, |index, out| {
        let planes = planes(&input[index * h_in * w_in * c..][..h_in * w_in * c], c, size);
        let mut taps = Vec::with_capacity(size * k * k);
        for (out, row_taps) in out.chunks_exact_mut(w_out * c).zip(&gathering.row_taps) {
            for run in &gathering.runs {
                taps.clear();
                for plane in 0..size {
                    for (kh, row) in row_taps {
                        let tap = |(kw, at): &(usize, usize)| {
                            let read = ((plane * h_in + row) * w_in + at) * c;
                            (read, ((kh * k + kw) * size + plane) * c)
                        };
                        taps.extend(run.taps.iter().map(tap));
                    }
                }
                vectorize(GatherRun::<ADD> { out, image: &planes, w, taps: &taps, run, c });
            }
        }
    });
}

/// Adds to `sum` the gradient that one image gives the weight.
pub(super) fn sum_image(g: &ConvGeometry, gathering: &Gathering, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let (c, size) = (g.c_in, g.c_in / g.groups);
    let planes = planes(x, c, size);
    for (i, x) in planes.chunks_exact(x.len()).enumerate() {
        vectorize(SumImage { g, gathering, x, dy, sum, first: i * c, step: size * c });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ConvTester;

    #[test]
    fn small_groups_equal_the_nested_loops() {
        for (channels, groups) in [(4, 2), (9, 3), (24, 6), (40, 5), (72, 18), (34, 17), (50, 10)] {
            ConvTester::default().channels(channels).groups(groups).run();
        }
    }

    #[test]
    fn batches_and_threads_change_no_bit() {
        ConvTester::default().channels(40).groups(10).batch(11).run_for_any_threads();
    }
}
