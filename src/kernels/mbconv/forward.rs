//! The way through a block.

use super::super::buffers::Buffer;
use super::super::conv::Plan;
use super::super::gemm::tile_product;
use super::super::norm::{PartMoments, Statistics};
use super::super::squeeze_excite::{Gate, GateShape};
use super::super::threads::map_items;
use super::super::{Activation, Moments};
use super::tile::{Expanded, Kept, Shared, Storage, Tile, passed, tiles};
use super::{Block, BlockMoments, BlockNorm, NormStatistics};

impl<'a> Block<'a> {
    /// `y (n, h_out, w_out, c_out)` of `x (n, h, w, c_in)`. What comes back is what the way back needs, if it is to be
    /// kept; of batch norms, the moments in any case.
    ///
    /// # Panics
    /// If a slice has another length than the shape says.
    pub fn forward(&self, x: &[f32], y: &mut [f32], keep: Option<Storage>) -> Kept {
        let n = self.shape.spatial.n;
        assert_eq!(x.len(), n * self.shape.pixels_in() * self.shape.c_in);
        assert_eq!(y.len(), n * self.shape.pixels_out() * self.shape.c_out);
        let steps = Steps::new(self);
        steps.plan.prepare_forward();
        let ranges = tiles(&self.shape);
        let mut outputs = Vec::with_capacity(ranges.len());
        let mut rest = y;
        for images in &ranges {
            let (tile, others) = rest.split_at_mut(images.len() * self.shape.pixels_out() * self.shape.c_out);
            outputs.push((Tile { images: images.clone(), ..Tile::default() }, tile));
            rest = others;
        }
        if self.weights.sees_batch() {
            return steps.batch(x, outputs, keep);
        }
        let shared = steps.frozen();
        let tiles = map_items(outputs, |(mut tile, y)| {
            steps.expand(&mut tile, x);
            steps.spatial(&mut tile, &shared, x);
            steps.project(&mut tile, &shared);
            steps.finish(&tile, &shared, x, y);
            tile.kept(keep)
        });
        Kept { tiles, shared }
    }
}

/// A block with the plan of its spatial convolution.
pub(super) struct Steps<'a> {
    pub(super) block: &'a Block<'a>,
    pub(super) plan: Plan<'a>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(block: &'a Block<'a>) -> Self {
        Self { block, plan: Plan::new(&block.shape.spatial, block.weights.spatial) }
    }

    /// The tile's part of the input.
    pub(super) fn input<'x>(&self, tile: &Tile, x: &'x [f32]) -> &'x [f32] {
        let len = self.block.shape.pixels_in() * self.block.shape.c_in;
        &x[tile.images.start * len..tile.images.end * len]
    }

    pub(super) fn gate_shape(&self, tile: &Tile) -> Option<GateShape> {
        let shape = &self.block.shape;
        let (pixels, c) = (shape.pixels_out(), shape.c_mid());
        shape.c_hidden.map(|c_hidden| GateShape { n: tile.images.len(), pixels, c, c_hidden })
    }

    /// All tiles up to a norm, then the batch's moments, then on.
    fn batch(&self, x: &[f32], mut tiles: Vec<(Tile, &mut [f32])>, keep: Option<Storage>) -> Kept {
        let mut shared = Shared::default();
        let moments = |tiles: &mut Vec<(Tile, &mut [f32])>,
                       norm: &BlockNorm<'_>,
                       step: &(dyn Fn(&mut Tile) -> PartMoments + Sync)| {
            let parts = map_items(tiles.iter_mut().collect(), |(tile, _)| step(tile));
            Statistics::of_parts(&parts, norm.epsilon)
        };
        let c_mid = self.block.shape.c_mid();
        // What goes on needs nothing but the last layer's values.
        let storage = keep.unwrap_or(Storage::Recomputed);
        let expand: Option<Moments> = self.block.weights.expand.map(|(_, norm)| {
            let (statistics, batch) = moments(&mut tiles, &norm, &|tile| {
                self.expand(tile, x);
                PartMoments::of(&tile.e.values(), c_mid)
            });
            shared.expand = Some(statistics);
            batch
        });
        let (statistics, spatial) = moments(&mut tiles, &self.block.weights.spatial_norm, &|tile| {
            self.spatial(tile, &shared, x);
            tile.e.put_away(storage);
            PartMoments::of(&tile.d.values(), c_mid)
        });
        shared.spatial = Some(statistics);
        let c_out = self.block.shape.c_out;
        let (statistics, project) = moments(&mut tiles, &self.block.weights.project_norm, &|tile| {
            self.project(tile, &shared);
            tile.d.put_away(storage);
            PartMoments::of(&tile.p, c_out)
        });
        shared.project = Some(statistics);
        shared.moments = Some(BlockMoments { expand, spatial, project });
        let tiles = map_items(tiles, |(tile, y)| {
            self.finish(&tile, &shared, x, y);
            tile.kept(keep)
        });
        Kept { tiles, shared }
    }

    /// Running statistics, where norms have them.
    fn frozen(&self) -> Shared {
        let of = |norm: &BlockNorm<'_>| match norm.statistics {
            NormStatistics::Frozen(moments) => Some(Statistics::frozen(moments, norm.epsilon)),
            NormStatistics::Groups(_) | NormStatistics::Batch => None,
        };
        let weights = &self.block.weights;
        Shared {
            expand: weights.expand.and_then(|(_, norm)| of(&norm)),
            spatial: of(&weights.spatial_norm),
            project: of(&weights.project_norm),
            moments: None,
        }
    }

    fn expand(&self, tile: &mut Tile, x: &[f32]) {
        let Some((_, norm)) = self.block.weights.expand else { return };
        let shape = &self.block.shape;
        tile.e = self.expansion(tile, x);
        tile.expand = own(&norm, &tile.e.values(), shape.pixels_in(), shape.c_mid());
    }

    /// The expansion; nothing where the block does not expand.
    fn expansion(&self, tile: &Tile, x: &[f32]) -> Expanded {
        let Some((weight, _)) = self.block.weights.expand else { return Expanded::default() };
        let shape = &self.block.shape;
        let pixels = tile.images.len() * shape.pixels_in();
        let mut e = Buffer::stale(pixels * shape.c_mid());
        tile_product(&mut e, self.input(tile, x), weight, pixels, shape.c_in, shape.c_mid());
        Expanded::Full(e)
    }

    /// The expansion, normalized and activated; nothing where the block does not expand.
    pub(super) fn activated_expansion(&self, tile: &Tile, shared: &Shared) -> Option<Buffer> {
        let (_, norm) = self.block.weights.expand?;
        let statistics = passed(&tile.expand, &shared.expand);
        let e = tile.e.values();
        let mut a = Buffer::stale(e.len());
        norm.pass(self.block.shape.pixels_in(), Activation::Swish).forward(&e, statistics, &mut a);
        Some(a)
    }

    /// The spatial convolution of the tile's activated expansion.
    fn convolved(&self, tile: &Tile, shared: &Shared, x: &[f32]) -> Expanded {
        let shape = &self.block.shape;
        let a = self.activated_expansion(tile, shared);
        let mut d = Buffer::stale(tile.images.len() * shape.pixels_out() * shape.c_mid());
        self.plan.forward(a.as_deref().unwrap_or_else(|| self.input(tile, x)), &mut d);
        Expanded::Full(d)
    }

    /// Computes the tile's expanded activations again, if they were not kept.
    pub(super) fn recompute(&self, tile: &mut Tile, shared: &Shared, x: &[f32]) {
        if tile.d.is_empty() {
            tile.e = self.expansion(tile, x);
            tile.d = self.convolved(tile, shared, x);
        }
    }

    fn spatial(&self, tile: &mut Tile, shared: &Shared, x: &[f32]) {
        let shape = &self.block.shape;
        tile.d = self.convolved(tile, shared, x);
        tile.spatial =
            own(&self.block.weights.spatial_norm, &tile.d.values(), shape.pixels_out(), shape.c_mid());
    }

    /// The spatial convolution `d`, normalized and activated.
    pub(super) fn activated_spatial(&self, tile: &Tile, d: &[f32], shared: &Shared) -> Buffer {
        let mut b = Buffer::stale(d.len());
        let pass = self.block.weights.spatial_norm.pass(self.block.shape.pixels_out(), Activation::Swish);
        pass.forward(d, passed(&tile.spatial, &shared.spatial), &mut b);
        b
    }

    fn project(&self, tile: &mut Tile, shared: &Shared) {
        let (shape, weights) = (&self.block.shape, &self.block.weights);
        let mut b = self.activated_spatial(tile, &tile.d.values(), shared);
        if let (Some(gate), Some(gate_shape)) = (weights.gate, self.gate_shape(tile)) {
            let of_tile = Gate::of(gate_shape, gate, &b);
            of_tile.scale(gate, &mut b);
            tile.gate = Some(of_tile);
        }
        let pixels = tile.images.len() * shape.pixels_out();
        tile.p = Buffer::stale(pixels * shape.c_out);
        tile_product(&mut tile.p, &b, weights.project, pixels, shape.c_mid(), shape.c_out);
        tile.project = own(&weights.project_norm, &tile.p, shape.pixels_out(), shape.c_out);
    }

    fn finish(&self, tile: &Tile, shared: &Shared, x: &[f32], y: &mut [f32]) {
        let shape = &self.block.shape;
        let pass = self.block.weights.project_norm.pass(shape.pixels_out(), Activation::Identity);
        pass.forward(&tile.p, passed(&tile.project, &shared.project), y);
        if !shape.residual {
            return;
        }
        let len = shape.pixels_out() * shape.c_out;
        let images = y.chunks_exact_mut(len).zip(self.input(tile, x).chunks_exact(len));
        for ((y, x), image) in images.zip(tile.images.clone()) {
            let survival = self.block.survival.map_or(1.0, |survival| survival[image]);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x + survival * *y);
        }
    }
}

/// Statistics of a tile's images, where each has its own.
fn own(norm: &BlockNorm<'_>, values: &[f32], pixels: usize, c: usize) -> Option<Statistics> {
    match norm.statistics {
        NormStatistics::Groups(groups) => {
            Some(Statistics::of_groups(values, pixels, c, groups, norm.epsilon))
        }
        NormStatistics::Batch | NormStatistics::Frozen(_) => None,
    }
}
