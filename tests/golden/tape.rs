//! From the gradient of an output to the gradients of what it was computed from.

use dfdx::prelude::{Backward, Cpu, Gradients, HasShape, OwnedTape, Shape, SumTo, Tensor, TensorFromVec};
use effsweep::ops::Vector;

/// The tape of a tensor whose history is kept.
pub type Taped = OwnedTape<f32, Cpu>;

/// A tensor that an operation reads and that gets a gradient.
pub trait Leaf {
    /// Its gradient; zeros if none reached it.
    fn gradient(&self, gradients: &mut Gradients<f32, Cpu>) -> Vec<f32>;
}

impl<S: Shape> Leaf for Tensor<S, f32, Cpu> {
    fn gradient(&self, gradients: &mut Gradients<f32, Cpu>) -> Vec<f32> {
        gradients.get_or_alloc_mut(self).unwrap().to_vec()
    }
}

/// A parameter.
pub fn vector(values: Vec<f32>) -> Vector {
    let length = values.len();
    Cpu::default().tensor_from_vec(values, (length,))
}

/// All gradients, given that of `y`.
pub fn backward<S: Shape>(y: Tensor<S, f32, Cpu, Taped>, dy: Vec<f32>) -> Gradients<f32, Cpu> {
    let dy = y.device().tensor_from_vec(dy, *y.shape());
    (y * dy).sum().backward()
}
