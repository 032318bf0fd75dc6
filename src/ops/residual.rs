//! The skip connection, with stochastic depth.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tape};

use super::tape::{add_gradient, on_way_back, tensor};
use super::{Image, view};

/// `skip + survival · x`, with one factor an image: 0 where stochastic depth drops the block, `1 / p` where it
/// survived with probability `p` (Huang et al. 2016); 1 throughout without factors.
///
/// # Panics
/// If shapes differ, or there is not one factor an image.
pub fn residual<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    skip: &Image,
    survival: Option<Vec<f32>>,
) -> Image<T> {
    let (x, mut tape) = x.split_tape();
    let shape = *x.shape();
    let (n, h, w, c) = shape;
    assert_eq!(shape, *skip.shape(), "both ways of a block have one shape");
    let survival = survival.unwrap_or_else(|| vec![1.0; n]);
    assert_eq!(survival.len(), n, "a factor for every image");
    let len = h * w * c;
    let mut y = view(skip).to_vec();
    add_scaled(&mut y, view(&x), &survival, len);
    let y = tensor(x.device(), y, shape);
    let (x, skip) = (x.ghost(), skip.clone());
    on_way_back(&mut tape, &y, move |grads, dy| {
        add_scaled(grads.get_or_alloc_mut(&x)?, &dy, &survival, len);
        add_gradient(grads, &skip, &dy)
    });
    y.put_tape(tape)
}

fn add_scaled(y: &mut [f32], x: &[f32], factors: &[f32], len: usize) {
    for ((y, x), factor) in y.chunks_exact_mut(len).zip(x.chunks_exact(len)).zip(factors) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
    }
}
