//! The tiles of a batch, and what one keeps for the way back.

use std::ops::{Deref, Range};

use half::bf16;

use super::super::buffers::Buffer;
use super::super::norm::Statistics;
use super::super::rounding::{rounded, widened};
use super::super::squeeze_excite::Gate;
use super::{BlockMoments, BlockShape};

/// Values of an expanded activation in a tile, at most: 384 KiB, of which a handful fit a core's own cache. Twice as many where
/// the weights do not fit it either: they, and the sums of their gradients, come and go with every tile.
const TILE_VALUES: usize = 96 << 10;

/// Fewest tiles of a batch that has so many images.
const LEAST_TILES: usize = 2;

/// The ranges of images that go through a block together.
pub(super) fn tiles(shape: &BlockShape) -> Vec<Range<usize>> {
    let n = shape.spatial.n;
    let image = shape.c_mid() * shape.pixels_in().max(1);
    let values = if shape.is_heavy() { 2 * TILE_VALUES } else { TILE_VALUES };
    let fit = (values / image).max(1);
    // Powers of two fill the registers of kernels that take the same place of several images together.
    let fit = 1 << fit.ilog2();
    let images = fit.clamp(1, n.div_ceil(LEAST_TILES).max(1));
    (0..n).step_by(images).map(|first| first..n.min(first + images)).collect()
}

/// How a block's expanded activations wait for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// As they are.
    #[default]
    Full,
    /// Rounded to bfloat16. The way through sees them unrounded, gradients see them rounded.
    Rounded,
    /// Not at all: they are computed again, to the same bits.
    Recomputed,
}

/// An expanded activation, or nothing yet, or nothing any more.
#[derive(Debug)]
pub(super) enum Expanded {
    Full(Buffer),
    Rounded(Buffer<bf16>),
}

impl Default for Expanded {
    fn default() -> Self {
        Self::Full(Buffer::default())
    }
}

impl Expanded {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Full(values) if values.is_empty())
    }

    pub(super) fn values(&self) -> Values<'_> {
        match self {
            Self::Full(values) => Values::Kept(values),
            Self::Rounded(halves) => Values::Widened(widened(halves)),
        }
    }

    /// Lays it away until the way back.
    pub(super) fn put_away(&mut self, storage: Storage) {
        match (storage, &*self) {
            (Storage::Rounded, Self::Full(values)) if !values.is_empty() => {
                *self = Self::Rounded(rounded(values))
            }
            (Storage::Full | Storage::Rounded, _) => {}
            (Storage::Recomputed, _) => *self = Self::default(),
        }
    }
}

/// The values of an expanded activation.
pub(super) enum Values<'a> {
    Kept(&'a [f32]),
    Widened(Buffer),
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Kept(values) => values,
            Self::Widened(values) => values,
        }
    }
}

/// What a tile keeps.
#[derive(Debug, Default)]
pub(super) struct Tile {
    pub(super) images: Range<usize>,
    /// Expansion, before its norm; nothing where the block does not expand.
    pub(super) e: Expanded,
    /// Spatial convolution, before its norm.
    pub(super) d: Expanded,
    /// Projection, before its norm.
    pub(super) p: Buffer,
    /// Statistics of the tile's own images; a batch's are kept once for all.
    pub(super) expand: Option<Statistics>,
    pub(super) spatial: Option<Statistics>,
    pub(super) project: Option<Statistics>,
    pub(super) gate: Option<Gate>,
}

impl Tile {
    /// What the way back needs of it; nothing, if none is to be kept.
    pub(super) fn kept(mut self, keep: Option<Storage>) -> Self {
        match keep {
            Some(storage) => {
                self.e.put_away(storage);
                self.d.put_away(storage);
                self
            }
            None => Self::default(),
        }
    }
}

/// What a block keeps for the way back.
#[derive(Debug)]
pub struct Kept {
    pub(super) tiles: Vec<Tile>,
    /// Statistics that all tiles share.
    pub(super) shared: Shared,
}

/// Statistics of the batch, or running ones; none where each image has its own.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) expand: Option<Statistics>,
    pub(super) spatial: Option<Statistics>,
    pub(super) project: Option<Statistics>,
    pub(super) moments: Option<BlockMoments>,
}

/// The statistics of a norm that was passed: the tile's own, or those that all tiles share.
pub(super) fn passed<'a>(own: &'a Option<Statistics>, shared: &'a Option<Statistics>) -> &'a Statistics {
    match own.as_ref().or(shared.as_ref()) {
        Some(statistics) => statistics,
        None => unreachable!("a norm that was passed has statistics"),
    }
}

impl Kept {
    /// The batch's moments, of batch norms.
    pub fn moments(&self) -> Option<&BlockMoments> {
        self.shared.moments.as_ref()
    }
}
