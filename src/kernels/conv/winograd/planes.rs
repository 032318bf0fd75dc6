//! Tiles by points.

use super::super::super::buffers::Buffer;
use super::{MOST_TILES, PLANES};

/// `(36, tiles, channels)` of as many tiles as go together.
pub(super) struct Planes {
    values: Buffer,
    stride: usize,
}

impl Planes {
    /// Whatever was in them before, with tiles `stride` values apart.
    pub fn stale(stride: usize) -> Self {
        Self { values: Buffer::stale(PLANES * apart(stride)), stride }
    }

    /// From one tile to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// All planes, one after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    pub fn plane(&self, index: usize) -> &[f32] {
        let apart = apart(self.stride);
        &self.values[index * apart..][..apart]
    }

    pub fn plane_mut(&mut self, index: usize) -> &mut [f32] {
        let apart = apart(self.stride);
        &mut self.values[index * apart..][..apart]
    }
}

/// From one plane to the next, of tiles that are `stride` values apart: an odd number of cache lines, so that planes do not
/// share their place in the cache.
pub(super) const fn apart(stride: usize) -> usize {
    MOST_TILES * stride + 16
}
