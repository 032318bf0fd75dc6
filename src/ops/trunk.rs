//! Stem and blocks as one operation.
//!
//! What one hands to the next lies in memory that the step before has used, and so do the gradients: as tensors of the tape they
//! would each be set to zeros first, by one thread while the others wait.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape};

use super::mbconv::{BlockStatistics, MbConv, MbConvNorm, Norm, Tensors};
use super::tape::{Grads, add_gradient, on_way_back, tensor};
use super::{Activation, BlockMoments, ConvShape, Image, Moments, Vector, view};
use crate::kernels::conv::Plan;
use crate::kernels::{Buffer, ConvGeometry, Statistics};

/// A convolution of images, which get no gradient, then a norm and swish.
#[derive(Debug, Clone)]
pub struct Stem<'a> {
    /// `(k, k, c_in, c_out)`.
    pub weight: &'a Vector,
    /// What the convolution is.
    pub shape: ConvShape,
    /// Its norm.
    pub norm: MbConvNorm<'a>,
}

/// Moments of a batch that the norms of a trunk saw, if they are batch norms.
#[derive(Debug)]
pub struct TrunkMoments {
    /// The stem's, and how many values each was taken over.
    pub stem: Option<(Moments, usize)>,
    /// Each block's.
    pub blocks: Vec<Option<SeenByBlock>>,
}

/// Moments of a batch that the norms of a block saw.
#[derive(Debug)]
pub struct SeenByBlock {
    /// The moments.
    pub moments: BlockMoments,
    /// How many values each was taken over, before the spatial convolution.
    pub before: usize,
    /// And after it.
    pub after: usize,
}

/// What a stem, if there is one, and blocks make of `x`.
///
/// # Panics
/// If shapes do not fit each other.
pub fn trunk<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    stem: Option<&Stem<'_>>,
    blocks: &[MbConv<'_>],
) -> (Image<T>, TrunkMoments) {
    let (x, mut tape) = x.split_tape();
    let mut shape = *x.shape();
    let mut moments = TrunkMoments { stem: None, blocks: Vec::with_capacity(blocks.len()) };
    // The last is what the next block reads; the others are kept for the way back, if there is one.
    let mut outputs: Vec<Buffer> = Vec::with_capacity(blocks.len() + 1);
    let mut kept_blocks = Vec::with_capacity(blocks.len());
    let kept_stem = stem.and_then(|stem| {
        let (kept, seen, y) = KeptStem::forward(stem, &x);
        shape = kept.shape_out();
        moments.stem = seen.map(|seen| (seen, pixels(shape)));
        outputs.push(y);
        T::OWNS_TAPE.then_some(kept)
    });
    for block in blocks {
        let (tensors, before) = (Tensors::of(block, shape), pixels(shape));
        shape = tensors.shape_out();
        let mut y = Buffer::stale(pixels(shape) * shape.3);
        let input = outputs.last().map_or_else(|| view(&x), |output| &output[..]);
        let kept = tensors.block().forward(input, &mut y, T::OWNS_TAPE.then_some(block.storage));
        let seen = kept.moments().cloned();
        moments.blocks.push(seen.map(|moments| SeenByBlock { moments, before, after: pixels(shape) }));
        if T::OWNS_TAPE {
            kept_blocks.push((tensors, kept));
        } else {
            outputs.clear();
        }
        outputs.push(y);
    }
    let Some(y) = outputs.pop() else { return (x.put_tape(tape), moments) };
    let y = tensor(x.device(), y.to_vec(), shape);
    on_way_back(&mut tape, &y, move |grads, dy| {
        let mut gradient = Buffer::stale(dy.len());
        gradient.copy_from_slice(&dy);
        for (tensors, kept) in kept_blocks.into_iter().rev() {
            let output = outputs.pop();
            let input = output.as_ref().map_or_else(|| view(&x), |output| &output[..]);
            let mut dx = Buffer::stale(input.len());
            let d = tensors.block().backward(kept, input, &gradient, &mut dx);
            tensors.add_gradients(grads, &d)?;
            gradient = dx;
        }
        match kept_stem {
            Some(stem) => stem.backward(grads, &x, gradient),
            None => add_gradient(grads, &x, &gradient),
        }
    });
    (y.put_tape(tape), moments)
}

/// Pixels of images `(n, h, w, c)`.
fn pixels((n, h, w, _): (usize, usize, usize, usize)) -> usize {
    n * h * w
}

/// A stem's tensors, and what its way back needs.
struct KeptStem {
    geometry: ConvGeometry,
    weight: Vector,
    norm: Norm,
    convolved: Buffer,
    statistics: Statistics,
}

impl KeptStem {
    /// With the moments that a batch norm saw, and the stem's output.
    fn forward(stem: &Stem<'_>, x: &Image) -> (Self, Option<Moments>, Buffer) {
        let (n, h, w, c_in) = *x.shape();
        let ConvShape { kernel, stride, c_out, groups, padding } = stem.shape;
        let geometry = ConvGeometry { n, h, w, c_in, c_out, kernel, stride, groups, padding };
        let norm = Norm::of(&stem.norm);
        let mut convolved = Buffer::stale(geometry.output_len());
        Plan::new(&geometry, view(stem.weight)).forward(view(x), &mut convolved);
        let pixels = geometry.h_out() * geometry.w_out();
        let (statistics, moments) = match &norm.statistics {
            BlockStatistics::Groups(groups) => {
                (Statistics::of_groups(&convolved, pixels, c_out, *groups, norm.epsilon), None)
            }
            BlockStatistics::Batch => {
                let (statistics, moments) = Statistics::of_batch(&convolved, pixels, c_out, norm.epsilon);
                (statistics, Some(moments))
            }
            BlockStatistics::Frozen(moments) => (Statistics::frozen(moments, norm.epsilon), None),
        };
        let mut y = Buffer::stale(convolved.len());
        norm.tensors.pass(pixels, Activation::Swish).forward(&convolved, &statistics, &mut y);
        (Self { geometry, weight: stem.weight.clone(), norm, convolved, statistics }, moments, y)
    }

    fn shape_out(&self) -> (usize, usize, usize, usize) {
        let g = &self.geometry;
        (g.n, g.h_out(), g.w_out(), g.c_out)
    }

    fn backward(&self, grads: &mut Grads, x: &Image, mut gradient: Buffer) -> Result<(), CpuError> {
        let pixels = self.geometry.h_out() * self.geometry.w_out();
        let pass = self.norm.tensors.pass(pixels, Activation::Swish);
        let d = pass.backward_in_place(&self.convolved, &self.statistics, &mut gradient);
        self.norm.tensors.add_gradients(grads, &d)?;
        let weight = grads.get_or_alloc_mut(&self.weight)?;
        Plan::new(&self.geometry, view(&self.weight)).add_weight_gradient(view(x), &gradient, weight);
        Ok(())
    }
}
