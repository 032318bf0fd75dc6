//! Convolutions. Weights are flat: `(k, k, c_in / groups, c_out)`, and `(c_in, c_out)` for 1 × 1.
//!
//! PyTorch equivalent: `conv2d(x, w, stride=…, groups=…)` on permuted layouts.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tape};

use super::tape::{on_way_back, tensor};
use super::{Image, Vector, view};
use crate::kernels::conv::Plan;
use crate::kernels::{ConvGeometry, Padding, matmul};

/// What a convolution is, apart from its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Side of the kernel.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// Output channels.
    pub c_out: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Border.
    pub padding: Padding,
}

/// Whether the input's gradient is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Activations,
    /// Images have no gradient that anybody reads.
    Images,
}

/// A spatial convolution of activations.
pub fn conv<T: Tape<f32, Cpu> + 'static>(x: Image<T>, weight: &Vector, shape: ConvShape) -> Image<T> {
    conv_of(x, weight, shape, Input::Activations)
}

/// A spatial convolution of images, which get no gradient.
pub fn image_conv<T: Tape<f32, Cpu> + 'static>(x: Image<T>, weight: &Vector, shape: ConvShape) -> Image<T> {
    conv_of(x, weight, shape, Input::Images)
}

fn conv_of<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    weight: &Vector,
    shape: ConvShape,
    input: Input,
) -> Image<T> {
    let (x, mut tape) = x.split_tape();
    let (n, h, w, c_in) = *x.shape();
    let ConvShape { kernel, stride, c_out, groups, padding } = shape;
    let geometry = ConvGeometry { n, h, w, c_in, c_out, kernel, stride, groups, padding };
    let mut y = vec![0.0; geometry.output_len()];
    Plan::new(&geometry, view(weight)).forward(view(&x), &mut y);
    let y = tensor(x.device(), y, (n, geometry.h_out(), geometry.w_out(), c_out));
    let weight = weight.clone();
    on_way_back(&mut tape, &y, move |grads, dy| {
        let plan = Plan::new(&geometry, view(&weight));
        plan.add_weight_gradient(view(&x), &dy, grads.get_or_alloc_mut(&weight)?);
        if input == Input::Activations {
            plan.add_input_gradient(&dy, grads.get_or_alloc_mut(&x)?);
        }
        Ok(())
    });
    y.put_tape(tape)
}

/// A 1 × 1 convolution: one matrix product over all pixels of the batch.
pub fn pointwise<T: Tape<f32, Cpu> + 'static>(x: Image<T>, weight: &Vector, c_out: usize) -> Image<T> {
    let (x, mut tape) = x.split_tape();
    let (n, h, w, c_in) = *x.shape();
    let pixels = n * h * w;
    let mut y = vec![0.0; pixels * c_out];
    matmul::product(&mut y, view(&x), view(weight), pixels, c_in, c_out);
    let y = tensor(x.device(), y, (n, h, w, c_out));
    let weight = weight.clone();
    on_way_back(&mut tape, &y, move |grads, dy| {
        matmul::add_product_tn(grads.get_or_alloc_mut(&weight)?, view(&x), &dy, pixels, c_in, c_out);
        matmul::add_product_nt(grads.get_or_alloc_mut(&x)?, &dy, view(&weight), pixels, c_out, c_in);
        Ok(())
    });
    y.put_tape(tape)
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::*;

    use super::*;
    use crate::kernels::testing::{assert_close, random};
    use crate::ops::tape::image;

    #[test]
    fn pointwise_and_its_gradients_equal_dfdxs_own_ops() {
        let (n, h, w, c_in, c_out) = (2, 3, 5, 7, 4);
        let (x, weight) = (random(n * h * w * c_in, 1), random(c_in * c_out, 2));
        let device = Cpu::default();

        let ours_x = image(x.clone(), (n, h, w, c_in));
        let ours_w: Vector = device.tensor_from_vec(weight.clone(), (c_in * c_out,));
        let y = pointwise(ours_x.leaky_trace(), &ours_w, c_out);
        let value = y.as_vec();
        let mut ours = y.square().sum().backward();

        // dfdx's matrix product needs its `cpu` feature; broadcasting and summing say the same.
        let pixels = n * h * w;
        let (their_x, their_w) =
            (device.tensor_from_vec(x, (pixels, c_in)), device.tensor_from_vec(weight, (c_in, c_out)));
        let wide_x = their_x.leaky_trace().broadcast_like::<_, Axis<2>>(&(pixels, c_in, c_out));
        let wide_w = their_w.leaky_trace().broadcast_like::<_, Axis<0>>(&(pixels, c_in, c_out));
        let y = (wide_x * wide_w).sum::<_, Axis<1>>();
        assert_close("y", &value, &y.as_vec(), 1e-6);
        let theirs = y.square().sum().backward();
        let got: &Vec<f32> = ours.get_or_alloc_mut(&ours_x).unwrap();
        assert_close("dx", got, &theirs.get(&their_x).as_vec(), 1e-6);
        let got: &Vec<f32> = ours.get_or_alloc_mut(&ours_w).unwrap();
        assert_close("dw", got, &theirs.get(&their_w).as_vec(), 1e-6);
    }

    #[test]
    fn a_tensor_used_twice_gets_both_gradients() {
        let x = image(random(2 * 9 * 4, 1), (2, 3, 3, 4));
        let weight: Vector = Cpu::default().tensor_from_vec(random(9 * 4, 2), (36,));
        let shape = ConvShape { kernel: 3, stride: 1, c_out: 4, groups: 4, padding: Padding::Same };
        let gradient = |times: usize| {
            let mut y = conv(x.leaky_trace(), &weight, shape);
            for _ in 1..times {
                let (z, tape) = conv(x.leaky_trace(), &weight, shape).split_tape();
                let (y2, tape2) = y.split_tape();
                y = y2.put_tape(tape2.merge(tape)) + z;
            }
            let mut grads = y.sum().backward();
            let dx: &Vec<f32> = grads.get_or_alloc_mut(&x).unwrap();
            dx.clone()
        };
        let doubled: Vec<f32> = gradient(1).iter().map(|v| 2.0 * v).collect();
        assert_close("dx", &gradient(2), &doubled, 1e-6);
    }
}
