//! Groups whose channels fill vectors, and those of odd sizes: what a block of channels reads of a few images, or of a few
//! rows of one, is first laid out so that neighbouring positions follow each other and fit the nearest cache (`packing`);
//! then as many positions as there are registers gather their taps at once (`gather`), or a tap sums over all of them
//! (`weight_gradient`).

mod gather;
mod packing;
mod weight_gradient;

pub(super) use gather::Side;
pub(super) use packing::{Block, Packed};
pub(super) use weight_gradient::sum as sum_weight_gradient;

use super::super::geometry::ConvGeometry;

/// Channels whose sums are kept in registers together: a vector of AVX-512, two of AVX2, four of NEON.
const WIDTH: usize = 16;

/// Most channels of a group that are laid out together.
const MOST: usize = 64;

/// Whether groups are small enough to be laid out.
pub(super) fn fit(g: &ConvGeometry) -> bool {
    g.c_in.max(g.c_out) / g.groups <= MOST
}

/// Channels of a block of groups of `size`. Two vectors of AVX-512 share every number that is read.
pub(super) fn width(size: usize) -> usize {
    if size.is_multiple_of(2 * WIDTH) { 2 * WIDTH } else { WIDTH }
}

/// From one pixel that is laid out to the next, of groups of `reads` channels. Four more than a cache line has, where
/// single numbers are read of many pixels: those of one place in their lines are slower to come by.
pub(super) fn stride(reads: usize) -> usize {
    match reads {
        0..=4 => 4,
        5..=16 => 20,
        17..=32 => 36,
        _ => 68,
    }
}
