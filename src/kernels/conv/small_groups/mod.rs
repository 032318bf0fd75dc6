//! Groups of one, two, four or eight channels, which lie within vectors: pixels are read where they stand, and shuffles
//! spread every channel over its group.
//!
//! Positions that read the same taps are taken together: neighbours of a row, or, where images are small, the same place
//! in different images.
#![allow(unsafe_code)]

mod gather;
mod weight_gradient;

pub(super) use gather::Side;
pub(super) use weight_gradient::add as add_weight_gradient;

use pulp::MemMask;

use super::super::geometry::{ConvGeometry, Run};
use super::super::simd::{Simd, load, spread, store};

/// Channels of a pixel that are read together, about: two vectors of AVX-512.
const TOGETHER: usize = 32;

/// Whether groups are that small.
pub(super) fn fit(g: &ConvGeometry) -> bool {
    g.c_in == g.c_out && matches!(g.c_in / g.groups, 1 | 2 | 4 | 8)
}

/// The channels of a vector; if `TAIL`, the last ones, which do not fill it.
#[derive(Clone, Copy)]
struct Channels<S: Simd, const TAIL: bool> {
    simd: S,
    first: usize,
    mask: MemMask<S::m32s>,
}

impl<S: Simd, const TAIL: bool> Channels<S, TAIL> {
    /// As many of `c` from `first` on as a vector has.
    #[inline(always)]
    fn new(simd: S, first: usize, c: usize) -> Self {
        let count = (c - first).min(S::F32_LANES);
        debug_assert_eq!(TAIL, count < S::F32_LANES);
        // The bare mask: what comes with it reads by jumping into a table.
        let mask = MemMask::new(simd.mask_between_m32s(0, count as u32).mask());
        Self { simd, first, mask }
    }

    /// These channels of the pixel that starts at `pixel`.
    ///
    /// # Safety
    /// The pixel must lie within `values`.
    #[inline(always)]
    unsafe fn load(&self, values: &[f32], pixel: usize) -> S::f32s {
        let at = pixel + self.first;
        if TAIL {
            // SAFETY: the mask leaves out what is not the pixel's, and the pixel lies within.
            unsafe { self.simd.mask_load_ptr_f32s(self.mask, values.as_ptr().add(at)) }
        } else {
            // SAFETY: the pixel has a whole vector of these channels, and lies within.
            unsafe { load::<S>(values, at) }
        }
    }

    /// All channels of each of these channels' groups, one by one.
    ///
    /// # Safety
    /// The pixel must lie within `values`.
    #[inline(always)]
    unsafe fn load_groups<const SIZE: usize>(&self, values: &[f32], pixel: usize) -> [S::f32s; SIZE] {
        let mut members = [self.simd.splat_f32s(0.0); SIZE];
        if SIZE <= S::F32_LANES {
            // SAFETY: the caller's promise.
            let channels = unsafe { self.load(values, pixel) };
            for (which, member) in members.iter_mut().enumerate() {
                *member = spread::<S, SIZE>(self.simd, channels, which);
            }
        } else {
            let group = pixel + self.first / SIZE * SIZE;
            for (which, member) in members.iter_mut().enumerate() {
                // SAFETY: the pixel, which has whole groups, lies within.
                *member = self.simd.splat_f32s(unsafe { *values.get_unchecked(group + which) });
            }
        }
        members
    }

    /// Writes these channels of a pixel.
    ///
    /// # Safety
    /// The pixel must lie within `values`.
    #[inline(always)]
    unsafe fn store(&self, values: &mut [f32], pixel: usize, channels: S::f32s) {
        let at = pixel + self.first;
        if TAIL {
            // SAFETY: as when loading.
            unsafe { self.simd.mask_store_ptr_f32s(self.mask, values.as_mut_ptr().add(at), channels) };
        } else {
            // SAFETY: as when loading.
            unsafe { store::<S>(values, at, channels) };
        }
    }
}

/// All positions of a run in some images.
struct Places<'a> {
    run: &'a Run,
    images: usize,
    /// What reading moves by from a position to the next, and from an image to the next.
    read: (usize, usize),
    /// Where the first position is written, and what that moves by.
    written: (usize, usize, usize),
}

/// Equally distant positions that read the same taps.
#[derive(Debug, Clone, Copy)]
struct Strip {
    /// What the first position reads after what its taps say, and from one position to the next.
    read_at: usize,
    read_step: usize,
    /// Where the first position is written, and from one to the next.
    written_at: usize,
    written_step: usize,
    count: usize,
}

impl Places<'_> {
    /// Rows of positions, or of images, whichever are more.
    fn strips(&self) -> impl Iterator<Item = Strip> {
        let ((position, image), (first, written_position, written_image)) = (self.read, self.written);
        let (positions, images) = (self.run.count, self.images);
        let by_image = images >= positions;
        let (strips, count) = if by_image { (positions, images) } else { (images, positions) };
        (0..strips).map(move |i| {
            if by_image {
                Strip {
                    read_at: i * position,
                    read_step: image,
                    written_at: first + i * written_position,
                    written_step: written_image,
                    count,
                }
            } else {
                Strip {
                    read_at: i * image,
                    read_step: position,
                    written_at: first + i * written_image,
                    written_step: written_position,
                    count,
                }
            }
        })
    }
}
