//! Spatial convolutions: a plan made once for images of one size, and run on any number of them.

use std::sync::OnceLock;

use super::geometry::Gathering;
use super::threads::{add_in_order, map_parts, parts, range};
use super::{ConvGeometry, dense, depthwise, grouped, spread};

/// Most parts of a batch that sum a weight gradient on their own.
const MOST_SUMS: usize = 16;

/// Most channels of a group that fill less than a vector.
const FEW: usize = 8;

/// Fewest channels of a group that are worth a matrix product of patches.
const MANY: usize = 32;

/// Which kernel fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Depthwise,
    Spread,
    Grouped,
    Dense,
}

impl ConvGeometry {
    fn kind(&self) -> Kind {
        match self.c_in / self.groups {
            1 if self.groups > 1 && self.c_in == self.c_out => Kind::Depthwise,
            2..=FEW if self.groups > 1 && self.c_in == self.c_out => Kind::Spread,
            size if self.groups == 1 || size >= MANY => Kind::Dense,
            _ => Kind::Grouped,
        }
    }
}

/// A convolution with all that does not depend on the images: what each position reads, and weights in the order in
/// which they are read.
pub struct Plan<'w> {
    g: ConvGeometry,
    w: &'w [f32],
    kind: Kind,
    forward: Gathering,
    backward: OnceLock<Gathering>,
    packed_forward: OnceLock<Vec<f32>>,
    packed_backward: OnceLock<Vec<f32>>,
}

impl<'w> Plan<'w> {
    /// Plans a convolution with `w (k, k, c_in / groups, c_out)`; how many images `g` says does not matter.
    ///
    /// # Panics
    /// If `w` has another length.
    pub fn new(g: &ConvGeometry, w: &'w [f32]) -> Self {
        assert_eq!(w.len(), g.weight_len());
        let (backward, packed_forward, packed_backward) = Default::default();
        let forward = g.forward_gathering();
        Self { g: *g, w, kind: g.kind(), forward, backward, packed_forward, packed_backward }
    }

    /// `y (n, h_out, w_out, c_out)` of `x (n, h, w, c_in)`.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let g = self.sized(x.len(), y.len());
        match self.kind {
            Kind::Depthwise => depthwise::gather::<false>(&g, &self.forward, x, self.w, y),
            Kind::Spread => spread::gather::<false>(&g, &self.forward, x, self.w, y),
            Kind::Grouped => {
                let packed = self.packed_forward.get_or_init(|| grouped::pack_forward(&g, self.w));
                grouped::gather::<false>(&g, &self.forward, (g.c_in, g.c_out), x, packed, y);
            }
            Kind::Dense => dense::forward(&g, x, self.w, y),
        }
    }

    /// The gradient that `dy` gives the input, in place of what stands in `dx`.
    pub fn input_gradient(&self, dy: &[f32], dx: &mut [f32]) {
        self.gather_input_gradient::<false>(dy, dx);
    }

    /// Adds to `dx` the gradient that `dy` gives the input.
    pub fn add_input_gradient(&self, dy: &[f32], dx: &mut [f32]) {
        self.gather_input_gradient::<true>(dy, dx);
    }

    fn gather_input_gradient<const ADD: bool>(&self, dy: &[f32], dx: &mut [f32]) {
        let g = self.sized(dx.len(), dy.len());
        let taps = || self.backward.get_or_init(|| g.backward_gathering());
        match self.kind {
            Kind::Depthwise => depthwise::gather::<ADD>(&g, taps(), dy, self.w, dx),
            Kind::Spread => {
                let packed = self.packed_backward.get_or_init(|| spread::pack_backward(&g, self.w));
                spread::gather::<ADD>(&g, taps(), dy, packed, dx);
            }
            Kind::Grouped => {
                let packed = self.packed_backward.get_or_init(|| grouped::pack_backward(&g, self.w));
                grouped::gather::<ADD>(&g, taps(), (g.c_out, g.c_in), dy, packed, dx);
            }
            Kind::Dense => {
                if !ADD {
                    dx.fill(0.0);
                }
                dense::add_grad_input(&g, dy, self.w, dx);
            }
        }
    }

    /// Adds to `dw` the gradient that `x` and `dy` give the weight: parts of the batch sum on their own, and the parts
    /// are added in order.
    pub fn add_weight_gradient(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let g = self.sized(x.len(), dy.len());
        let (x_len, dy_len) = (g.input_len() / g.n.max(1), g.output_len() / g.n.max(1));
        let count = parts(g.n, 1, MOST_SUMS);
        let sums = map_parts(count, |part| {
            let images = range(g.n, count, part);
            let mut sum = vec![0.0; dw.len()];
            self.sum_weight_gradient(
                &x[images.start * x_len..images.end * x_len],
                &dy[images.start * dy_len..images.end * dy_len],
                &mut sum,
            );
            sum
        });
        add_in_order(dw, &sums);
    }

    /// As [`Self::add_weight_gradient`], image by image in order, on the calling thread.
    pub(super) fn sum_weight_gradient(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let g = self.sized(x.len(), dy.len());
        assert_eq!(dw.len(), g.weight_len());
        let sum_image = match self.kind {
            Kind::Depthwise => depthwise::sum_image,
            Kind::Spread => spread::sum_image,
            Kind::Grouped => grouped::sum_image,
            Kind::Dense => return dense::sum_images(&g, x, dy, dw),
        };
        let images =
            x.chunks_exact(g.input_len() / g.n.max(1)).zip(dy.chunks_exact(g.output_len() / g.n.max(1)));
        images.for_each(|(x, dy)| sum_image(&g, &self.forward, x, dy, dw));
    }

    /// The geometry for as many images as there are.
    fn sized(&self, input_len: usize, output_len: usize) -> ConvGeometry {
        let one = ConvGeometry { n: 1, ..self.g };
        let g = ConvGeometry { n: input_len / one.input_len(), ..one };
        assert_eq!((input_len, output_len), (g.input_len(), g.output_len()), "whole images, in and out");
        g
    }
}
