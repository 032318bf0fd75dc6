//! Weight gradients: planes of inputs by planes of output gradients, summed over tiles.

use super::super::super::buffers::Buffer;
use super::super::super::geometry::ConvGeometry;
use super::super::large_groups::{Block, stride, width};
use super::images::{Channels, inputs_to_planes, outputs_to_planes};
use super::planes::Planes;
use super::tiles::Tiling;
use super::weights::planes_to_taps;
use super::{MOST_TILES, PLANES, products};

/// The gradient that images give the weight, in place of what stands in `dw` unless it is to `add`.
pub(in super::super) fn sum(g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32], add: bool) {
    let (inputs, outputs) = (g.c_in / g.groups, g.c_out / g.groups);
    let tiling = Tiling::new(g, false);
    let tiles = g.n * tiling.per_image();
    let mut v = Planes::stale(stride(inputs));
    let mut z = Planes::stale(width(outputs));
    let of_block = PLANES * inputs * width(outputs);
    let mut sums = Buffer::stale(of_block * outputs / width(outputs));
    let blocks = Block::all(g.c_out, outputs);
    for blocks in blocks.chunk_by(|block, next| block.group == next.group) {
        for first in (0..tiles).step_by(MOST_TILES) {
            let some = first..tiles.min(first + MOST_TILES);
            let inputs_first = blocks[0].group * inputs;
            let channels = Channels { all: g.c_in, some: inputs_first..inputs_first + inputs };
            inputs_to_planes(&tiling, some.clone(), (x, &channels), &mut v);
            for (block, sums) in blocks.iter().zip(sums.chunks_exact_mut(of_block)) {
                let channels = Channels { all: g.c_out, some: block.channels() };
                outputs_to_planes(&tiling, some.clone(), (dy, &channels), &mut z);
                products::multiply_transposed(some.len(), &v, &z, (sums, inputs, first > 0));
            }
        }
        for (block, sums) in blocks.iter().zip(sums.chunks_exact(of_block)) {
            let shape = (g.kernel, inputs, block.count);
            planes_to_taps(sums, shape, (dw, g.c_out, block.first), add);
        }
    }
}
