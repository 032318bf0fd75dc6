//! The way back through a block.

use super::super::Activation;
use super::super::buffers::Buffer;
use super::super::gemm::tile_product_nt;
use super::super::norm::{GradientMeans, Statistics, Sums};
use super::super::squeeze_excite::GateRows;
use super::forward::Steps;
use super::parts::{Item, Part, PartSums, add_product, add_sums, for_items, split};
use super::tile::{Expanded, Kept, Shared, passed};
use super::{Block, BlockGradients, BlockNorm, NormStatistics, WeightGradient};

impl Block<'_> {
    /// Writes the gradient of `x` to `dx`, and returns those of the weights.
    ///
    /// # Panics
    /// If a slice has another length than the shape says, or the tiles were not kept.
    pub fn backward(&self, kept: Kept, x: &[f32], dy: &[f32], dx: &mut [f32]) -> BlockGradients {
        let steps = Steps::new(self);
        steps.plan.prepare_backward();
        let Kept { tiles, shared } = kept;
        if tiles.iter().any(|tile| tile.d.is_empty()) {
            steps.plan.prepare_forward();
        }
        assert!(tiles.iter().all(|tile| !tile.p.is_empty()), "the tiles were kept");
        let mut parts = split(&self.shape, tiles, dx);
        if self.weights.sees_batch() {
            self.batch_backward(&steps, &mut parts, &shared, x, dy);
        } else {
            for_items(&mut parts, |item| {
                let means = steps.to_projection_norm(item, &shared, dy);
                let means = steps.through_projection(item, &shared, &means, x);
                if let Some(means) = steps.through_spatial(item, &shared, &means, x) {
                    steps.through_expansion(item, &shared, &means, x);
                }
                steps.skip(item, dy);
            });
        }
        self.gathered(parts.into_iter().map(|part| part.sums).collect())
    }

    /// All tiles back to a norm, then the batch's means, then on.
    fn batch_backward(
        &self,
        steps: &Steps<'_>,
        parts: &mut [Part<'_>],
        shared: &Shared,
        x: &[f32],
        dy: &[f32],
    ) {
        let n = self.shape.spatial.n;
        let means =
            |parts: &[Part<'_>], norm: &BlockNorm<'_>, pixels, sums: fn(&PartSums) -> &Option<Sums>| {
                let sums = parts.iter().filter_map(|part| sums(&part.sums).clone()).collect();
                norm.pass(pixels, Activation::Swish).batch_gradient_means(&Sums::total(sums), n)
            };
        let (weights, pixels_out) = (&self.weights, self.shape.pixels_out());
        for_items(parts, |item| {
            steps.to_projection_norm(item, shared, dy);
        });
        let of_project = means(parts, &weights.project_norm, pixels_out, |sums| &sums.project_norm);
        for_items(parts, |item| {
            steps.through_projection(item, shared, &of_project, x);
        });
        let of_spatial = means(parts, &weights.spatial_norm, pixels_out, |sums| &sums.spatial_norm);
        for_items(parts, |item| {
            steps.through_spatial(item, shared, &of_spatial, x);
        });
        if let Some((_, norm)) = &weights.expand {
            let of_expand = means(parts, norm, self.shape.pixels_in(), |sums| &sums.expand_norm);
            for_items(parts, |item| steps.through_expansion(item, shared, &of_expand, x));
        }
        for_items(parts, |item| steps.skip(item, dy));
    }

    /// What the parts summed: norms and gate added in order, weights left in parts.
    fn gathered(&self, mut sums: Vec<PartSums>) -> BlockGradients {
        let gate = sums.iter_mut().filter_map(|sums| sums.gate.take()).reduce(|mut rows, part| {
            rows.append(part);
            rows
        });
        let mut weight = |pick: fn(&mut PartSums) -> &mut Buffer| {
            WeightGradient(sums.iter_mut().map(|sums| std::mem::take(pick(sums))).collect())
        };
        let (expand, spatial, project) = (
            weight(|sums| &mut sums.expand),
            weight(|sums| &mut sums.spatial),
            weight(|sums| &mut sums.project),
        );
        let mut vectors = |norm: &BlockNorm<'_>, pick: fn(&mut PartSums) -> &mut Option<Sums>| {
            let parts = sums.iter_mut().filter_map(|sums| pick(sums).take()).collect();
            norm.pass(1, Activation::Swish).vector_gradients(&[Sums::total(parts)])
        };
        let weights = &self.weights;
        BlockGradients {
            expand: weights.expand.map(|(_, norm)| (expand, vectors(&norm, |sums| &mut sums.expand_norm))),
            spatial,
            spatial_norm: vectors(&weights.spatial_norm, |sums| &mut sums.spatial_norm),
            gate: gate.map(GateRows::gradients),
            project,
            project_norm: vectors(&weights.project_norm, |sums| &mut sums.project_norm),
        }
    }
}

impl Steps<'_> {
    /// From `dy` to the affine of the projection's norm.
    fn to_projection_norm(&self, item: &mut Item<'_>, shared: &Shared, dy: &[f32]) -> GradientMeans {
        let (shape, norm) = (&self.block.shape, &self.block.weights.project_norm);
        let len = shape.pixels_out() * shape.c_out;
        let images = item.tile.images.clone();
        let mut gradient = Buffer::stale(images.len() * len);
        for (image, gradient) in images.zip(gradient.chunks_exact_mut(len)) {
            let dy = &dy[image * len..][..len];
            match self.block.survival {
                Some(survival) => {
                    let factor = survival[image];
                    gradient.iter_mut().zip(dy).for_each(|(gradient, dy)| *gradient = dy * factor);
                }
                None => gradient.copy_from_slice(dy),
            }
        }
        *item.gradient = gradient;
        let statistics = passed(&item.tile.project, &shared.project);
        let place = (shape.pixels_out(), Activation::Identity);
        let (sums, means) = affine(norm, place, &item.tile.p, statistics, item.gradient);
        add_sums(&mut item.sums.project_norm, sums);
        means
    }

    /// Through the projection and the gate to the affine of the spatial convolution's norm.
    fn through_projection(
        &self,
        item: &mut Item<'_>,
        shared: &Shared,
        means: &GradientMeans,
        x: &[f32],
    ) -> GradientMeans {
        let (shape, weights) = (&self.block.shape, &self.block.weights);
        let (pixels, c_mid, c_out) =
            (item.tile.images.len() * shape.pixels_out(), shape.c_mid(), shape.c_out);
        let pass = weights.project_norm.pass(shape.pixels_out(), Activation::Identity);
        let statistics = passed(&item.tile.project, &shared.project);
        pass.input_gradient(&item.tile.p, statistics, means, item.gradient);
        self.recompute(item.tile, shared, x);
        let d = item.tile.d.values();
        let mut b = self.activated_spatial(item.tile, &d, shared);
        let mut gradient = Buffer::stale(pixels * c_mid);
        tile_product_nt(&mut gradient, item.gradient, weights.project, pixels, c_out, c_mid);
        if let (Some(of_weights), Some(gate)) = (weights.gate, &item.tile.gate) {
            let of_tile = gate.backward_in_place(of_weights, &b, &mut gradient);
            match &mut item.sums.gate {
                Some(rows) => rows.append(of_tile),
                none => *none = Some(of_tile),
            }
            gate.scale(of_weights, &mut b);
        }
        add_product(&mut item.sums.project, &b, item.gradient, (pixels, c_mid, c_out));
        drop(b);
        *item.gradient = gradient;
        let statistics = passed(&item.tile.spatial, &shared.spatial);
        let place = (shape.pixels_out(), Activation::Swish);
        let (sums, means) = affine(&weights.spatial_norm, place, &d, statistics, item.gradient);
        add_sums(&mut item.sums.spatial_norm, sums);
        means
    }

    /// Through the spatial convolution: to the affine of the expansion's norm, or to the input of a block that does
    /// not expand.
    fn through_spatial(
        &self,
        item: &mut Item<'_>,
        shared: &Shared,
        means: &GradientMeans,
        x: &[f32],
    ) -> Option<GradientMeans> {
        let (shape, weights) = (&self.block.shape, &self.block.weights);
        let pass = weights.spatial_norm.pass(shape.pixels_out(), Activation::Swish);
        let statistics = passed(&item.tile.spatial, &shared.spatial);
        pass.input_gradient(&item.tile.d.values(), statistics, means, item.gradient);
        item.tile.d = Expanded::default();
        let a = self.activated_expansion(item.tile, shared);
        let input = a.as_deref().unwrap_or_else(|| self.input(item.tile, x));
        let add = !item.sums.spatial.is_empty();
        if !add {
            item.sums.spatial = Buffer::stale(shape.spatial.weight_len());
        }
        self.plan.sum_weight_gradient(input, item.gradient, &mut item.sums.spatial, add);
        let Some((_, norm)) = &weights.expand else {
            self.plan.input_gradient(item.gradient, item.dx);
            return None;
        };
        // What was activated is read no more.
        let mut gradient = a.unwrap_or_default();
        self.plan.input_gradient(item.gradient, &mut gradient);
        *item.gradient = gradient;
        let statistics = passed(&item.tile.expand, &shared.expand);
        let place = (shape.pixels_in(), Activation::Swish);
        let (sums, means) = affine(norm, place, &item.tile.e.values(), statistics, item.gradient);
        add_sums(&mut item.sums.expand_norm, sums);
        Some(means)
    }

    /// Through the expansion to the input.
    fn through_expansion(&self, item: &mut Item<'_>, shared: &Shared, means: &GradientMeans, x: &[f32]) {
        let Some((weight, norm)) = &self.block.weights.expand else { return };
        let shape = &self.block.shape;
        let (pixels, c_in, c_mid) = (item.tile.images.len() * shape.pixels_in(), shape.c_in, shape.c_mid());
        let pass = norm.pass(shape.pixels_in(), Activation::Swish);
        let statistics = passed(&item.tile.expand, &shared.expand);
        pass.input_gradient(&item.tile.e.values(), statistics, means, item.gradient);
        item.tile.e = Expanded::default();
        let input = self.input(item.tile, x);
        add_product(&mut item.sums.expand, input, item.gradient, (pixels, c_in, c_mid));
        tile_product_nt(item.dx, item.gradient, weight, pixels, c_mid, c_in);
        *item.gradient = Buffer::default();
    }

    /// Past the block, where it has a way past.
    fn skip(&self, item: &mut Item<'_>, dy: &[f32]) {
        if !self.block.shape.residual {
            return;
        }
        let len = self.block.shape.pixels_out() * self.block.shape.c_out;
        let dy = &dy[item.tile.images.start * len..item.tile.images.end * len];
        item.dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
    }
}

/// Turns the gradient of a norm's output into that of its affine; the tile's sums, and the means of its own images.
fn affine(
    norm: &BlockNorm<'_>,
    (pixels, activation): (usize, Activation),
    values: &[f32],
    statistics: &Statistics,
    gradient: &mut [f32],
) -> (Sums, GradientMeans) {
    let pass = norm.pass(pixels, activation);
    let sums = pass.affine_gradient(values, statistics, gradient);
    let means = match norm.statistics {
        // Known when all tiles have summed.
        NormStatistics::Batch => GradientMeans::default(),
        NormStatistics::Groups(_) | NormStatistics::Frozen(_) => pass.gradient_means(statistics, &sums),
    };
    (Sums::total(sums), means)
}
