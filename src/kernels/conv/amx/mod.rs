//! Groups that fill tile registers, where there are any (`kernels::amx`): sixteen positions by the channels of a group, summed over
//! taps and channels. What a tap reads is split on its way to the registers, wherever it stands; weights are split once.

mod gather;
mod weight_gradient;

pub(super) use gather::Side;
pub(super) use weight_gradient::sum as sum_weight_gradient;

use super::super::amx::{CHUNK_ROWS, Row, SIDE, available};
use super::super::geometry::ConvGeometry;
use super::large_groups;

/// Memory of one product.
struct Workspace {
    /// The piece that is multiplied, and the one that is split meanwhile.
    pieces: [[Row; CHUNK_ROWS]; 2],
    /// Four tiles of sums, with or without other columns beside each.
    sums: [[f32; 4 * SIDE * SIDE]; 2],
}

impl Workspace {
    fn new() -> Self {
        Self { pieces: [[Row([0; SIDE]); CHUNK_ROWS]; 2], sums: [[0.0; 4 * SIDE * SIDE]; 2] }
    }
}

/// Fewest channels of a group: what is read must be multiplied often enough.
const LEAST: usize = 48;

/// Whether this is possible and takes less time.
pub(super) fn fit(g: &ConvGeometry) -> bool {
    let channels = [g.c_in / g.groups, g.c_out / g.groups];
    let possible = channels.iter().all(|count| count.is_multiple_of(SIDE) && *count >= LEAST);
    possible && large_groups::fit(g) && available()
}
