//! Spatial convolutions: a plan made once for images of one size, and run on any number of them.
//!
//! Groups of few channels are read where they stand (`small_groups`), others are laid out first (`large_groups`), and those
//! of very many channels are matrix products of patches (`patches`). Where groups fill vectors and the stride is 1, fewer
//! multiplications do (`winograd`); otherwise large groups go through tile registers, where there are any (`amx`). Where images are so small that hardly two of their
//! positions read the same taps, the positions that are taken together are the same place in different images.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod chunks;
mod large_groups;
mod patches;
mod small_groups;
mod winograd;

use std::sync::OnceLock;

use super::ConvGeometry;
use super::buffers::Buffer;
use super::threads::{add_in_order, map_parts, parts, range};

/// Fewest images of a part of a batch, and positions: each part has as many sums as there are weights.
const LEAST_IMAGES: usize = 8;
const LEAST_POSITIONS: usize = 1024;

/// Most parts of a batch that sum a weight gradient on their own.
const MOST_SUMS: usize = 16;

/// Which kernel fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SmallGroups,
    LargeGroups,
    Winograd,
    Registers,
    Patches,
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use amx::fit as registers_fit;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn registers_fit(_: &ConvGeometry) -> bool {
    false
}

impl ConvGeometry {
    fn kind(&self) -> Kind {
        if small_groups::fit(self) {
            Kind::SmallGroups
        } else if winograd::fit(self) {
            Kind::Winograd
        } else if registers_fit(self) {
            Kind::Registers
        } else if large_groups::fit(self) {
            Kind::LargeGroups
        } else {
            Kind::Patches
        }
    }
}

/// A convolution with all that does not depend on the images: what each position reads, and weights in the order in
/// which they are read.
pub struct Plan<'w> {
    g: ConvGeometry,
    w: &'w [f32],
    kind: Kind,
    forward: OnceLock<Option<Side>>,
    backward: OnceLock<Option<Side>>,
}

/// One direction of a convolution, unless patches are what is read.
enum Side {
    Small(small_groups::Side),
    Large(large_groups::Side),
    Winograd(winograd::Side),
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Registers(amx::Side),
}

impl Side {
    fn gather(&self, input: &[f32], w: &[f32], out: &mut [f32], add: bool) {
        match self {
            Self::Small(side) => side.gather(input, w, out, add),
            Self::Large(side) => side.gather(input, out, add),
            Self::Winograd(side) => side.gather(input, out, add),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Registers(side) => side.gather(input, out, add),
        }
    }
}

impl<'w> Plan<'w> {
    /// Plans a convolution with `w (k, k, c_in / groups, c_out)` for as many images as `g` says; it works for others too.
    ///
    /// # Panics
    /// If `w` has another length.
    pub fn new(g: &ConvGeometry, w: &'w [f32]) -> Self {
        assert_eq!(w.len(), g.weight_len());
        Self { g: *g, w, kind: g.kind(), forward: OnceLock::new(), backward: OnceLock::new() }
    }

    /// Gets ready for the way through, on all threads: within a part of larger work, one would while the others wait.
    pub(super) fn prepare_forward(&self) {
        self.forward_side();
    }

    /// Gets ready for the way back of the input's gradient.
    pub(super) fn prepare_backward(&self) {
        self.backward_side();
    }

    fn forward_side(&self) -> Option<&Side> {
        let side = || match self.kind {
            Kind::SmallGroups => Some(Side::Small(small_groups::Side::forward(&self.g))),
            Kind::LargeGroups => Some(Side::Large(large_groups::Side::forward(&self.g, self.w))),
            Kind::Winograd => Some(Side::Winograd(winograd::Side::forward(&self.g, self.w))),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Registers => Some(Side::Registers(amx::Side::forward(&self.g, self.w))),
            _ => None,
        };
        self.forward.get_or_init(side).as_ref()
    }

    fn backward_side(&self) -> Option<&Side> {
        let side = || match self.kind {
            Kind::SmallGroups => Some(Side::Small(small_groups::Side::backward(&self.g, self.w))),
            Kind::LargeGroups => Some(Side::Large(large_groups::Side::backward(&self.g, self.w))),
            Kind::Winograd => Some(Side::Winograd(winograd::Side::backward(&self.g, self.w))),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Registers => Some(Side::Registers(amx::Side::backward(&self.g, self.w))),
            _ => None,
        };
        self.backward.get_or_init(side).as_ref()
    }

    /// `y (n, h_out, w_out, c_out)` of `x (n, h, w, c_in)`.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let g = self.sized(x.len(), y.len());
        match self.forward_side() {
            Some(side) => side.gather(x, self.w, y, false),
            None => patches::forward(&g, x, self.w, y),
        }
    }

    /// The gradient that `dy` gives the input, in place of what stands in `dx`.
    pub fn input_gradient(&self, dy: &[f32], dx: &mut [f32]) {
        self.gather_input_gradient(dy, dx, false);
    }

    /// Adds to `dx` the gradient that `dy` gives the input.
    pub fn add_input_gradient(&self, dy: &[f32], dx: &mut [f32]) {
        self.gather_input_gradient(dy, dx, true);
    }

    fn gather_input_gradient(&self, dy: &[f32], dx: &mut [f32], add: bool) {
        let g = self.sized(dx.len(), dy.len());
        match self.backward_side() {
            Some(side) => side.gather(dy, self.w, dx, add),
            None => {
                if !add {
                    dx.fill(0.0);
                }
                patches::add_grad_input(&g, dy, self.w, dx);
            }
        }
    }

    /// Adds to `dw` the gradient that `x` and `dy` give the weight: parts of the batch sum on their own, and the parts
    /// are added in order.
    pub fn add_weight_gradient(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let g = self.sized(x.len(), dy.len());
        let (x_len, dy_len) = (g.input_len() / g.n.max(1), g.output_len() / g.n.max(1));
        let least = LEAST_IMAGES.max(LEAST_POSITIONS / (g.h_out() * g.w_out()).max(1));
        let count = parts(g.n, least, MOST_SUMS);
        let sums = map_parts(count, |part| {
            let images = range(g.n, count, part);
            let mut sum = Buffer::stale(dw.len());
            self.sum_weight_gradient(
                &x[images.start * x_len..images.end * x_len],
                &dy[images.start * dy_len..images.end * dy_len],
                &mut sum,
                false,
            );
            sum
        });
        add_in_order(dw, &sums);
    }

    /// The weight's gradient, in place of what stands in `dw` unless it is to `add`: a few images after the other, on the calling
    /// thread.
    pub(super) fn sum_weight_gradient(&self, x: &[f32], dy: &[f32], dw: &mut [f32], add: bool) {
        let g = self.sized(x.len(), dy.len());
        assert_eq!(dw.len(), g.weight_len());
        // Large groups have so many weights that setting them to zeros would take long.
        if !add && !matches!(self.kind, Kind::LargeGroups | Kind::Registers | Kind::Winograd) {
            dw.fill(0.0);
        }
        match self.kind {
            Kind::SmallGroups => small_groups::add_weight_gradient(&g, x, dy, dw),
            Kind::LargeGroups => large_groups::sum_weight_gradient(&g, x, dy, dw, add),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Registers => amx::sum_weight_gradient(&g, x, dy, dw, add),
            Kind::Winograd => winograd::sum_weight_gradient(&g, x, dy, dw, add),
            _ => patches::sum_images(&g, x, dy, dw),
        }
    }

    /// The geometry for as many images as there are.
    fn sized(&self, input_len: usize, output_len: usize) -> ConvGeometry {
        let one = ConvGeometry { n: 1, ..self.g };
        let g = ConvGeometry { n: input_len / one.input_len(), ..one };
        assert_eq!((input_len, output_len), (g.input_len(), g.output_len()), "whole images, in and out");
        g
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ConvTester;

    #[test]
    fn depthwise_convolutions_equal_the_nested_loops() {
        for channels in [1, 3, 16, 19, 33, 48] {
            ConvTester::default().channels(channels).groups(channels).run();
        }
    }

    #[test]
    fn small_groups_equal_the_nested_loops() {
        for (channels, groups) in [(4, 2), (34, 17), (24, 6), (72, 18), (8, 1), (40, 5)] {
            ConvTester::default().channels(channels).groups(groups).run();
        }
    }

    #[test]
    fn large_and_odd_groups_equal_the_nested_loops() {
        for (channels, groups) in
            [(9, 3), (50, 10), (32, 2), (48, 3), (18, 2), (40, 2), (34, 2), (66, 2), (128, 2)]
        {
            ConvTester::default().channels(channels).groups(groups).run();
        }
    }

    #[test]
    fn groups_of_many_channels_equal_the_nested_loops() {
        ConvTester::default().channels(130).groups(2).run();
        ConvTester::default().channels(65).groups(1).run();
    }

    #[test]
    fn widening_groups_equal_the_nested_loops() {
        ConvTester::default().channels(6).channels_out(10).groups(2).run();
        ConvTester::default().channels(3).channels_out(16).groups(1).run();
        ConvTester::default().channels(40).channels_out(34).groups(2).run();
    }

    #[test]
    fn images_that_are_taken_together_equal_the_nested_loops() {
        for batch in [4, 7, 17, 35] {
            ConvTester::default().channels(20).groups(20).batch(batch).run();
            ConvTester::default().channels(24).groups(6).batch(batch).run();
            ConvTester::default().channels(40).groups(2).batch(batch).run();
        }
    }

    #[test]
    fn groups_that_fill_vectors_equal_the_nested_loops() {
        for (channels, channels_out, groups) in
            [(32, 32, 2), (64, 32, 2), (48, 96, 3), (96, 48, 2), (64, 64, 1)]
        {
            let tester = ConvTester::default().channels(channels).channels_out(channels_out).groups(groups);
            for (kernel, size) in [(3, (13, 9)), (3, (4, 4)), (5, (8, 8)), (5, (7, 11)), (5, (1, 40))] {
                tester.batch(17).run_at(size, kernel, 1);
            }
            for kernel in [3, 5] {
                tester.batch(1).run_at((40, 33), kernel, 1);
            }
        }
    }

    #[test]
    fn groups_that_fill_tiles_equal_the_nested_loops() {
        for (channels, channels_out, groups) in [(48, 64, 1), (96, 128, 2), (64, 48, 1)] {
            let tester = ConvTester::default().channels(channels).channels_out(channels_out).groups(groups);
            for batch in [1, 9, 33] {
                for (kernel, stride, size) in [(3, 2, (9, 6)), (5, 2, (5, 8)), (5, 1, (2, 2)), (3, 1, (1, 3))]
                {
                    tester.batch(batch).run_at(size, kernel, stride);
                }
            }
        }
        ConvTester::default().batch(2).channels(64).groups(1).run_at((41, 30), 3, 2);
    }

    #[test]
    fn images_that_are_cut_equal_the_nested_loops() {
        for (kernel, stride) in [(3, 1), (5, 2), (3, 3)] {
            ConvTester::default().channels(18).groups(18).run_at((90, 37), kernel, stride);
            ConvTester::default().channels(8).groups(2).run_at((60, 50), kernel, stride);
            ConvTester::default().channels(64).groups(2).run_at((30, 41), kernel, stride);
        }
    }

    #[test]
    fn batches_and_threads_change_no_bit() {
        for (channels, groups) in [(20, 20), (40, 10), (32, 2), (128, 2), (130, 2)] {
            let tester = ConvTester::default().channels(channels).groups(groups);
            for batch in [11, 1] {
                tester.batch(batch).run_for_any_threads((7, 6), 2);
                tester.batch(batch).run_for_any_threads((17, 16), 1);
            }
        }
    }
}
