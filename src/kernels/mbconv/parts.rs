//! The parts of a batch whose weight gradients are summed on their own.

use std::ops::Range;

use super::super::buffers::Buffer;
use super::super::gemm::{add_product_tn_single, product_tn_single};
use super::super::norm::Sums;
use super::super::squeeze_excite::GateRows;
use super::super::threads::{map_items, parts, range};
use super::BlockShape;
use super::tile::Tile;

/// Most parts of a batch: each has as many numbers as the block has weights.
const MOST_PARTS: usize = 4;
const MOST_HEAVY_PARTS: usize = 2;

/// Tiles that go back one after another.
pub(super) struct Part<'a> {
    items: Vec<(Tile, &'a mut [f32], Buffer)>,
    pub(super) sums: PartSums,
}

/// A tile on its way back, with the sums of its part.
pub(super) struct Item<'i> {
    pub(super) tile: &'i mut Tile,
    /// The tile's part of the input's gradient.
    pub(super) dx: &'i mut [f32],
    /// The gradient of what was reached.
    pub(super) gradient: &'i mut Buffer,
    pub(super) sums: &'i mut PartSums,
}

/// What the tiles of a part have summed so far; empty before the first.
#[derive(Default)]
pub(super) struct PartSums {
    pub(super) expand: Buffer,
    pub(super) spatial: Buffer,
    pub(super) project: Buffer,
    /// What the gate's gradients are made of, image by image.
    pub(super) gate: Option<GateRows>,
    pub(super) expand_norm: Option<Sums>,
    pub(super) spatial_norm: Option<Sums>,
    pub(super) project_norm: Option<Sums>,
}

/// Adds `xᵀ · dy` for `x (m, k)` and `dy (m, n)` to a weight's sum.
pub(super) fn add_product(sum: &mut Buffer, x: &[f32], dy: &[f32], (m, k, n): (usize, usize, usize)) {
    if sum.is_empty() {
        *sum = Buffer::stale(k * n);
        product_tn_single(sum, x, dy, m, k, n);
    } else {
        add_product_tn_single(sum, x, dy, m, k, n);
    }
}

/// Adds to a norm's sums.
pub(super) fn add_sums(total: &mut Option<Sums>, sums: Sums) {
    match total {
        Some(total) => total.add(&sums),
        none => *none = Some(sums),
    }
}

/// Calls `step` for every tile: parts on all threads, the tiles of a part in order.
pub(super) fn for_items(parts: &mut [Part<'_>], step: impl Fn(&mut Item<'_>) + Sync) {
    map_items(parts.iter_mut().collect(), |part: &mut Part<'_>| {
        for (tile, dx, gradient) in &mut part.items {
            step(&mut Item { tile, dx, gradient, sums: &mut part.sums });
        }
    });
}

/// Tiles in parts, each tile with its part of `dx`.
pub(super) fn split<'a>(shape: &BlockShape, tiles: Vec<Tile>, dx: &'a mut [f32]) -> Vec<Part<'a>> {
    let len = shape.pixels_in() * shape.c_in;
    let count = parts(tiles.len(), 1, if shape.is_heavy() { MOST_HEAVY_PARTS } else { MOST_PARTS });
    let ranges: Vec<Range<usize>> = (0..count).map(|part| range(tiles.len(), count, part)).collect();
    let (mut tiles, mut rest) = (tiles.into_iter(), dx);
    let mut all = Vec::with_capacity(count);
    for range in ranges {
        let mut items = Vec::with_capacity(range.len());
        for tile in tiles.by_ref().take(range.len()) {
            let (dx, others) = rest.split_at_mut(tile.images.len() * len);
            items.push((tile, dx, Buffer::default()));
            rest = others;
        }
        all.push(Part { items, sums: PartSums::default() });
    }
    all
}
