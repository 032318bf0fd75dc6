//! Tiles of images to planes, and planes to tiles of images.
#![allow(unsafe_code)]

use std::ops::Range;

use super::super::super::simd::{Simd, WithSimd, load, store, vectorize};
use super::planes::{Planes, apart};
use super::points::{OfInputs, OfOutputs, ToOutputs, Transform};
use super::tiles::{Place, Tiling};
use super::{MOST_TILES, PLANES, POINTS, WIDTH, points};

/// A vector of padding.
static ZEROS: [f32; WIDTH] = [0.0; WIDTH];

/// Some channels of images.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    /// Of a pixel.
    pub all: usize,
    /// Those that are meant: whole vectors.
    pub some: Range<usize>,
}

/// `Bᵀ x B` of what the tiles read.
pub(super) fn inputs_to_planes(
    tiling: &Tiling,
    tiles: Range<usize>,
    (images, channels): (&[f32], &Channels),
    planes: &mut Planes,
) {
    let (transform, place) = (OfInputs, |index| tiling.read(index));
    match planes.stride() {
        20 => vectorize(ToPlanes::<_, _, 20> { transform, tiles, place, images, channels, planes }),
        36 => vectorize(ToPlanes::<_, _, 36> { transform, tiles, place, images, channels, planes }),
        _ => vectorize(ToPlanes::<_, _, 68> { transform, tiles, place, images, channels, planes }),
    }
}

/// `A y Aᵀ` of what the tiles write.
pub(super) fn outputs_to_planes(
    tiling: &Tiling,
    tiles: Range<usize>,
    images: (&[f32], &Channels),
    planes: &mut Planes,
) {
    match tiling.outputs() {
        4 => written_to_planes(OfOutputs::<4>, tiling, tiles, images, planes),
        _ => written_to_planes(OfOutputs::<2>, tiling, tiles, images, planes),
    }
}

fn written_to_planes(
    transform: impl Transform,
    tiling: &Tiling,
    tiles: Range<usize>,
    (images, channels): (&[f32], &Channels),
    planes: &mut Planes,
) {
    let place = |index| tiling.written(index);
    match planes.stride() {
        16 => vectorize(ToPlanes::<_, _, 16> { transform, tiles, place, images, channels, planes }),
        _ => vectorize(ToPlanes::<_, _, 32> { transform, tiles, place, images, channels, planes }),
    }
}

/// With tiles of planes `STRIDE` values apart.
struct ToPlanes<'a, T, P, const STRIDE: usize> {
    transform: T,
    tiles: Range<usize>,
    place: P,
    images: &'a [f32],
    channels: &'a Channels,
    planes: &'a mut Planes,
}

impl<T: Transform, P: Fn(usize) -> Place, const STRIDE: usize> WithSimd for ToPlanes<'_, T, P, STRIDE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { transform, tiles, place, images, channels, planes } = self;
        let (first, count) = (channels.some.start, channels.some.len());
        let values = planes.values_mut();
        assert!(count.is_multiple_of(WIDTH) && count <= STRIDE && tiles.len() <= MOST_TILES);
        assert_eq!(values.len(), PLANES * apart(STRIDE));
        let zero = simd.splat_f32s(0.0);
        let mut rows = [[zero; POINTS]; POINTS];
        for (tile, index) in tiles.enumerate() {
            let place = place(index);
            // Everything that is read below lies before the end of the tile's last pixel.
            let end = place.ends().map_or(0, |(_, last)| last * channels.all + channels.some.end);
            assert!(end <= images.len());
            for from in (0..count).step_by(S::F32_LANES) {
                for row in 0..T::FROM {
                    if !place.rows.contains(&row) {
                        rows[row] = [zero; POINTS];
                        continue;
                    }
                    let start = place.pixel(row, 0) * channels.all as isize + (first + from) as isize;
                    let mut pixels = [zero; POINTS];
                    for column in 0..T::FROM {
                        let at = start + (column * channels.all) as isize;
                        let (pixel, at) =
                            if place.columns.contains(&column) { (images, at) } else { (&ZEROS[..], 0) };
                        // SAFETY: no pixel of the tile comes after its last, whose channels were asserted to lie within;
                        // `count` is whole vectors, and `ZEROS` the longest one.
                        pixels[column] = unsafe { load::<S>(pixel, at as usize) };
                    }
                    rows[row] = transform.apply(simd, pixels);
                }
                for column in 0..POINTS {
                    let points = points::column(simd, transform, &rows, column);
                    for row in 0..POINTS {
                        let at = (row * POINTS + column) * apart(STRIDE) + tile * STRIDE + from;
                        // SAFETY: there are as many planes, which hold that many tiles; the vector lies within the stride.
                        unsafe { store::<S>(values, at, points[row]) };
                    }
                }
            }
        }
    }
}

/// `Aᵀ m A` of every tile, in place of the channels of `images` that it writes or added to them. `images` begin with pixel
/// `origin`.
pub(super) fn planes_to_outputs(
    tiling: &Tiling,
    tiles: Range<usize>,
    planes: &Planes,
    (images, channels): (&mut [f32], &Channels),
    (origin, add): (usize, bool),
) {
    let from_planes = FromPlanes { tiling, tiles, planes, images, channels, origin, add };
    match (tiling.outputs(), planes.stride()) {
        (4, 16) => vectorize(FromPlanesBy::<_, 16>(from_planes, ToOutputs::<4>)),
        (4, _) => vectorize(FromPlanesBy::<_, 32>(from_planes, ToOutputs::<4>)),
        (_, 16) => vectorize(FromPlanesBy::<_, 16>(from_planes, ToOutputs::<2>)),
        (_, _) => vectorize(FromPlanesBy::<_, 32>(from_planes, ToOutputs::<2>)),
    }
}

struct FromPlanes<'a> {
    tiling: &'a Tiling,
    tiles: Range<usize>,
    planes: &'a Planes,
    images: &'a mut [f32],
    channels: &'a Channels,
    origin: usize,
    add: bool,
}

/// With tiles of planes `STRIDE` values apart.
struct FromPlanesBy<'a, T, const STRIDE: usize>(FromPlanes<'a>, T);

impl<T: Transform, const STRIDE: usize> WithSimd for FromPlanesBy<'_, T, STRIDE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(FromPlanes { tiling, tiles, planes, images, channels, origin, add }, transform) = self;
        let (first, count) = (channels.some.start, channels.some.len());
        let values = planes.values();
        assert!(count.is_multiple_of(WIDTH) && count <= STRIDE && tiles.len() <= MOST_TILES);
        assert_eq!(values.len(), PLANES * apart(STRIDE));
        let zero = simd.splat_f32s(0.0);
        let mut rows = [[zero; POINTS]; POINTS];
        for (tile, index) in tiles.enumerate() {
            let place = tiling.written(index);
            // Everything that is written below lies between the tile's first pixel and the end of its last.
            let Some((first_pixel, last)) = place.ends() else { continue };
            assert!(first_pixel >= origin);
            assert!((last - origin) * channels.all + channels.some.end <= images.len());
            for from in (0..count).step_by(S::F32_LANES) {
                for row in 0..POINTS {
                    let mut points = [zero; POINTS];
                    for column in 0..POINTS {
                        let at = (row * POINTS + column) * apart(STRIDE) + tile * STRIDE + from;
                        // SAFETY: there are as many planes, which hold that many tiles; the vector lies within the stride.
                        points[column] = unsafe { load::<S>(values, at) };
                    }
                    rows[row] = transform.apply(simd, points);
                }
                for column in 0..T::TO {
                    let outputs = points::column(simd, transform, &rows, column);
                    for row in 0..T::TO {
                        if !place.rows.contains(&row) || !place.columns.contains(&column) {
                            continue;
                        }
                        let mut output = outputs[row];
                        let pixel = place.pixel(row, column) as usize - origin;
                        let at = pixel * channels.all + first + from;
                        if add {
                            // SAFETY: no pixel of the tile comes after its last, whose channels were asserted to lie within.
                            output = simd.add_f32s(output, unsafe { load::<S>(images, at) });
                        }
                        // SAFETY: likewise.
                        unsafe { store::<S>(images, at, output) };
                    }
                }
            }
        }
    }
}
