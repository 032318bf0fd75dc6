//! From the last feature map to the logits.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tape};

use super::tape::{add_gradient, on_way_back, tensor};
use super::{Image, Matrix, Vector, view};
use crate::kernels::{matmul, pooling};

/// Means over pixels: `(n, h, w, c)` to `(n, c)`.
pub fn global_average_pool<T: Tape<f32, Cpu> + 'static>(x: Image<T>) -> Matrix<T> {
    let (x, mut tape) = x.split_tape();
    let (n, h, w, c) = *x.shape();
    let mut y = vec![0.0; n * c];
    pooling::average(view(&x), h * w, c, &mut y);
    let y = tensor(x.device(), y, (n, c));
    let x = x.ghost();
    on_way_back(&mut tape, &y, move |grads, dy| {
        pooling::add_spread(&dy, h * w, c, grads.get_or_alloc_mut(&x)?);
        Ok(())
    });
    y.put_tape(tape)
}

/// `x (n, c) · w (c, c_out) + b (c_out)`.
pub fn linear<T: Tape<f32, Cpu> + 'static>(x: Matrix<T>, weight: &Vector, bias: &Vector) -> Matrix<T> {
    let (x, mut tape) = x.split_tape();
    let ((n, c), (c_out,)) = (*x.shape(), *bias.shape());
    let mut y = vec![0.0; n * c_out];
    matmul::product(&mut y, view(&x), view(weight), n, c, c_out);
    for row in y.chunks_exact_mut(c_out) {
        row.iter_mut().zip(view(bias)).for_each(|(y, bias)| *y += bias);
    }
    let y = tensor(x.device(), y, (n, c_out));
    let (weight, bias) = (weight.clone(), bias.clone());
    on_way_back(&mut tape, &y, move |grads, dy| {
        matmul::add_product_tn(grads.get_or_alloc_mut(&weight)?, view(&x), &dy, n, c, c_out);
        matmul::add_product_nt(grads.get_or_alloc_mut(&x)?, &dy, view(&weight), n, c_out, c);
        dy.chunks_exact(c_out).try_for_each(|row| add_gradient(grads, &bias, row))
    });
    y.put_tape(tape)
}

/// `x` times `factors`, element by element: dropout, with 0 or `1 / (1 − rate)` each.
///
/// # Panics
/// If there are not as many factors as elements.
pub fn mask<T: Tape<f32, Cpu> + 'static>(x: Matrix<T>, factors: Vec<f32>) -> Matrix<T> {
    let (x, mut tape) = x.split_tape();
    let shape = *x.shape();
    assert_eq!(factors.len(), view(&x).len(), "a factor for every element");
    let y = view(&x).iter().zip(&factors).map(|(x, factor)| x * factor).collect();
    let y = tensor(x.device(), y, shape);
    let x = x.ghost();
    on_way_back(&mut tape, &y, move |grads, dy| {
        let dx: &mut Vec<f32> = grads.get_or_alloc_mut(&x)?;
        dx.iter_mut().zip(&dy).zip(&factors).for_each(|((dx, dy), factor)| *dx += dy * factor);
        Ok(())
    });
    y.put_tape(tape)
}
