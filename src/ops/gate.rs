//! Squeeze-excite.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape};

use super::tape::{Grads, add_gradient, on_way_back, tensor};
use super::{Image, Vector, view};
use crate::kernels::{Gate, GateGradients, GateShape, GateWeights};

/// Weights of a gate: `(c, c_hidden)`, `(c_hidden)`, `(c_hidden, c)`, `(c)`.
#[derive(Debug, Clone, Copy)]
pub struct SqueezeExcite<'a> {
    /// First layer.
    pub reduce_weight: &'a Vector,
    /// First layer's bias.
    pub reduce_bias: &'a Vector,
    /// Second layer.
    pub expand_weight: &'a Vector,
    /// Second layer's bias.
    pub expand_bias: &'a Vector,
    /// Channels between the two.
    pub c_hidden: usize,
}

/// The tensors of a gate, kept for the way back.
pub(super) struct Tensors {
    reduce_weight: Vector,
    reduce_bias: Vector,
    expand_weight: Vector,
    expand_bias: Vector,
    channel_scale: Option<Vector>,
}

impl Tensors {
    pub(super) fn of(weights: SqueezeExcite<'_>, channel_scale: Option<&Vector>) -> Self {
        Self {
            reduce_weight: weights.reduce_weight.clone(),
            reduce_bias: weights.reduce_bias.clone(),
            expand_weight: weights.expand_weight.clone(),
            expand_bias: weights.expand_bias.clone(),
            channel_scale: channel_scale.cloned(),
        }
    }

    pub(super) fn add_gradients(&self, grads: &mut Grads, d: &GateGradients) -> Result<(), CpuError> {
        add_gradient(grads, &self.reduce_weight, &d.reduce_weight)?;
        add_gradient(grads, &self.reduce_bias, &d.reduce_bias)?;
        add_gradient(grads, &self.expand_weight, &d.expand_weight)?;
        add_gradient(grads, &self.expand_bias, &d.expand_bias)?;
        match &self.channel_scale {
            Some(scale) => add_gradient(grads, scale, &d.channel_scale),
            None => Ok(()),
        }
    }

    pub(super) fn weights(&self) -> GateWeights<'_> {
        GateWeights {
            reduce_weight: view(&self.reduce_weight),
            reduce_bias: view(&self.reduce_bias),
            expand_weight: view(&self.expand_weight),
            expand_bias: view(&self.expand_bias),
            channel_scale: self.channel_scale.as_ref().map(view),
        }
    }
}

/// `x` with every channel scaled by its gate, and by `channel_scale` if that is given.
pub fn squeeze_excite<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    weights: SqueezeExcite<'_>,
    channel_scale: Option<&Vector>,
) -> Image<T> {
    let (x, mut tape) = x.split_tape();
    let (n, h, w, c) = *x.shape();
    let shape = GateShape { n, pixels: h * w, c, c_hidden: weights.c_hidden };
    let tensors = Tensors::of(weights, channel_scale);
    let mut y = vec![0.0; view(&x).len()];
    let gate = Gate::forward(shape, tensors.weights(), view(&x), &mut y);
    let y = tensor(x.device(), y, (n, h, w, c));
    on_way_back(&mut tape, &y, move |grads, dy| {
        let d = gate.backward(tensors.weights(), view(&x), &dy, grads.get_or_alloc_mut(&x)?);
        tensors.add_gradients(grads, &d)
    });
    y.put_tape(tape)
}
