//! What every op does with tape and gradients.

use dfdx::shapes::Shape;
use dfdx::tensor::{Cpu, CpuError, Gradients, Tape, Tensor, TensorFromVec};

use super::{Image, Matrix};

pub(super) type Grads = Gradients<f32, Cpu>;

/// Images of a vector.
///
/// # Panics
/// If the vector has not as many values as the shape.
pub fn image(values: Vec<f32>, shape: (usize, usize, usize, usize)) -> Image {
    tensor(&Cpu::default(), values, shape)
}

/// A matrix of a vector.
///
/// # Panics
/// If the vector has not as many values as the shape.
pub fn matrix(values: Vec<f32>, shape: (usize, usize)) -> Matrix {
    tensor(&Cpu::default(), values, shape)
}

pub(super) fn tensor<S: Shape>(device: &Cpu, values: Vec<f32>, shape: S) -> Tensor<S, f32, Cpu> {
    assert_eq!(values.len(), shape.num_elements(), "values of shape {shape:?}");
    device.tensor_from_vec(values, shape)
}

/// Puts on the tape what happens to the gradient of `y` on the way back: `backward` gets it whole.
pub(super) fn on_way_back<S: Shape, T: Tape<f32, Cpu>>(
    tape: &mut T,
    y: &Tensor<S, f32, Cpu>,
    backward: impl FnOnce(&mut Grads, Vec<f32>) -> Result<(), CpuError> + 'static,
) {
    let ghost = y.ghost();
    tape.add_backward_op(move |grads| {
        let dy = std::mem::take::<Vec<f32>>(&mut *grads.get_or_alloc_mut(&ghost)?);
        backward(grads, dy)
    });
}

/// Adds to the gradient of a parameter.
pub(super) fn add_gradient<S: Shape>(
    grads: &mut Grads,
    parameter: &Tensor<S, f32, Cpu>,
    gradient: &[f32],
) -> Result<(), CpuError> {
    let total: &mut Vec<f32> = grads.get_or_alloc_mut(parameter)?;
    total.iter_mut().zip(gradient).for_each(|(total, value)| *total += value);
    Ok(())
}
