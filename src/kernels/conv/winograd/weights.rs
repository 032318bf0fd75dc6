//! Taps to planes, and planes of their gradients to taps.
#![allow(unsafe_code)]

use super::super::super::buffers::Buffer;
use super::super::super::simd::{Simd, WithSimd, load, store, vectorize};
use super::super::super::threads::for_chunks;
use super::points::{OfTaps, ToTaps, Transform};
use super::{PLANES, POINTS, WIDTH, points};

/// `G w Gᵀ`: of `(block, k, k, values)` the planes `(block, 36, values)`, of the kernel as it is or `turned` around.
pub(super) fn taps_to_planes(taps: &[f32], kernel: usize, values: usize, turned: bool) -> Buffer {
    let of_block = kernel * kernel * values;
    let mut planes = Buffer::stale(taps.len() / of_block * PLANES * values);
    for_chunks(&mut planes, PLANES * values, |block, planes| {
        let taps = &taps[block * of_block..][..of_block];
        match kernel {
            3 => vectorize(ToPlanes { transform: OfTaps::<3>, taps, turned, planes }),
            _ => vectorize(ToPlanes { transform: OfTaps::<5>, taps, turned, planes }),
        }
    });
    planes
}

/// Of `(k, k, values)` to `(36, values)`.
struct ToPlanes<'a, T> {
    transform: T,
    taps: &'a [f32],
    turned: bool,
    planes: &'a mut [f32],
}

impl<T: Transform> WithSimd for ToPlanes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { transform, taps, turned, planes } = self;
        let values = planes.len() / PLANES;
        assert!(values.is_multiple_of(WIDTH) && taps.len() == T::FROM * T::FROM * values);
        let zero = simd.splat_f32s(0.0);
        let mut rows = [[zero; POINTS]; POINTS];
        for at in (0..values).step_by(S::F32_LANES) {
            for row in 0..T::FROM {
                let mut line = [zero; POINTS];
                for column in 0..T::FROM {
                    let tap = row * T::FROM + column;
                    let tap = if turned { T::FROM * T::FROM - 1 - tap } else { tap };
                    // SAFETY: there are as many taps with `values` each, whole vectors, of which this is one.
                    line[column] = unsafe { load::<S>(taps, tap * values + at) };
                }
                rows[row] = transform.apply(simd, line);
            }
            for column in 0..POINTS {
                let points = points::column(simd, transform, &rows, column);
                for row in 0..POINTS {
                    // SAFETY: there are as many planes with `values` each, whole vectors, of which this is one.
                    unsafe { store::<S>(planes, (row * POINTS + column) * values + at, points[row]) };
                }
            }
        }
    }
}

/// `Gᵀ u G`, the gradient of weights of that of their planes `(36, reads, width)`: in place of what stands in
/// `dw (k, k, reads, c_out)` for `width` channels from `first` on, or added to it.
pub(super) fn planes_to_taps(
    planes: &[f32],
    (kernel, reads, width): (usize, usize, usize),
    (dw, c_out, first): (&mut [f32], usize, usize),
    add: bool,
) {
    let from_planes = FromPlanes { planes, reads, width, dw, c_out, first, add };
    match kernel {
        3 => vectorize(FromPlanesBy(from_planes, ToTaps::<3>)),
        _ => vectorize(FromPlanesBy(from_planes, ToTaps::<5>)),
    }
}

struct FromPlanes<'a> {
    planes: &'a [f32],
    reads: usize,
    width: usize,
    dw: &'a mut [f32],
    c_out: usize,
    first: usize,
    add: bool,
}

struct FromPlanesBy<'a, T>(FromPlanes<'a>, T);

impl<T: Transform> WithSimd for FromPlanesBy<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(FromPlanes { planes, reads, width, dw, c_out, first, add }, transform) = self;
        let values = reads * width;
        assert!(width.is_multiple_of(WIDTH) && first + width <= c_out);
        assert!(planes.len() == PLANES * values && dw.len() == T::TO * T::TO * reads * c_out);
        let zero = simd.splat_f32s(0.0);
        let mut rows = [[zero; POINTS]; POINTS];
        for at in (0..values).step_by(S::F32_LANES) {
            let (read, lane) = (at / width, at % width);
            for row in 0..POINTS {
                let mut line = [zero; POINTS];
                for column in 0..POINTS {
                    // SAFETY: there are as many planes with `values` each, whole vectors, of which this is one.
                    line[column] = unsafe { load::<S>(planes, (row * POINTS + column) * values + at) };
                }
                rows[row] = transform.apply(simd, line);
            }
            for column in 0..T::TO {
                let taps = points::column(simd, transform, &rows, column);
                for row in 0..T::TO {
                    let mut tap = taps[row];
                    let at = ((row * T::TO + column) * reads + read) * c_out + first + lane;
                    if add {
                        // SAFETY: there are as many taps with `reads` times `c_out` each, in which these channels lie.
                        tap = simd.add_f32s(tap, unsafe { load::<S>(dw, at) });
                    }
                    // SAFETY: likewise.
                    unsafe { store::<S>(dw, at, tap) };
                }
            }
        }
    }
}
