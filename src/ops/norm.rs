//! Normalizations with their affine, the activation after it, and proxy norm's centring and scaling.
//!
//! PyTorch equivalent of the first half: `group_norm` and `batch_norm`, then `silu`.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape};

use super::proxy_norm::ProxyMoments;
use super::tape::{Grads, add_gradient, on_way_back, tensor};
use super::{Image, Vector, view};
use crate::kernels::{Activation, AffineGradients, Moments, NormPass, Statistics};

/// Gain and shift `(c)`.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// Gain γ.
    pub gamma: &'a Vector,
    /// Shift β, if there is one.
    pub beta: Option<&'a Vector>,
}

/// Whether proxy norm's scale is applied by the norm or by a later layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyScaling {
    /// `(φ − m) · s`.
    Applied,
    /// `φ − m`; somebody else multiplies by `s`.
    Delayed,
}

/// The tensors of a norm, kept for the way back.
pub(super) struct Tensors {
    pub(super) gamma: Vector,
    pub(super) beta: Option<Vector>,
    pub(super) proxy_mean: Option<Vector>,
    /// Where it is applied here.
    pub(super) proxy_scale: Option<Vector>,
}

impl Tensors {
    pub(super) fn of(affine: Affine<'_>, proxy: Option<(&ProxyMoments, ProxyScaling)>) -> Self {
        let applied = proxy.filter(|(_, scaling)| *scaling == ProxyScaling::Applied);
        Self {
            gamma: affine.gamma.clone(),
            beta: affine.beta.cloned(),
            proxy_mean: proxy.map(|(proxy, _)| proxy.mean.clone()),
            proxy_scale: applied.map(|(proxy, _)| proxy.rstd.clone()),
        }
    }

    pub(super) fn add_gradients(&self, grads: &mut Grads, d: &AffineGradients) -> Result<(), CpuError> {
        add_gradient(grads, &self.gamma, &d.gamma)?;
        let optional =
            [(&self.beta, &d.beta), (&self.proxy_mean, &d.proxy_mean), (&self.proxy_scale, &d.proxy_scale)];
        for (parameter, gradient) in optional {
            if let Some(parameter) = parameter {
                add_gradient(grads, parameter, gradient)?;
            }
        }
        Ok(())
    }

    pub(super) fn pass(&self, pixels: usize, activation: Activation) -> NormPass<'_> {
        NormPass {
            pixels,
            activation,
            gamma: view(&self.gamma),
            beta: self.beta.as_ref().map(view),
            proxy_mean: self.proxy_mean.as_ref().map(view),
            proxy_scale: self.proxy_scale.as_ref().map(view),
        }
    }
}

/// Group norm of `x` with `groups` contiguous groups of channels (1: layer norm; as many as channels:
/// instance norm), then affine and activation, then proxy norm if its moments are given.
pub fn group_norm<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    groups: usize,
    affine: Affine<'_>,
    epsilon: f32,
    activation: Activation,
    proxy: Option<(&ProxyMoments, ProxyScaling)>,
) -> Image<T> {
    let (_, h, w, c) = *x.shape();
    let statistics = Statistics::of_groups(view(&x), h * w, c, groups, epsilon);
    normalize(x, statistics, affine, activation, proxy)
}

/// Batch norm of `x` with the statistics of this batch, then affine and activation; with it, the statistics.
pub fn batch_norm<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    affine: Affine<'_>,
    epsilon: f32,
    activation: Activation,
) -> (Image<T>, Moments) {
    let (_, h, w, c) = *x.shape();
    let (statistics, moments) = Statistics::of_batch(view(&x), h * w, c, epsilon);
    (normalize(x, statistics, affine, activation, None), moments)
}

/// Batch norm with given statistics, as in evaluation.
pub fn frozen_norm<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    moments: &Moments,
    affine: Affine<'_>,
    epsilon: f32,
    activation: Activation,
) -> Image<T> {
    normalize(x, Statistics::frozen(moments, epsilon), affine, activation, None)
}

fn normalize<T: Tape<f32, Cpu> + 'static>(
    x: Image<T>,
    statistics: Statistics,
    affine: Affine<'_>,
    activation: Activation,
    proxy: Option<(&ProxyMoments, ProxyScaling)>,
) -> Image<T> {
    let (x, mut tape) = x.split_tape();
    let shape = *x.shape();
    let pixels = shape.1 * shape.2;
    let tensors = Tensors::of(affine, proxy);
    let mut y = vec![0.0; view(&x).len()];
    tensors.pass(pixels, activation).forward(view(&x), &statistics, &mut y);
    let y = tensor(x.device(), y, shape);
    on_way_back(&mut tape, &y, move |grads, mut dy| {
        let pass = tensors.pass(pixels, activation);
        let d = pass.backward(view(&x), &statistics, &mut dy, grads.get_or_alloc_mut(&x)?);
        tensors.add_gradients(grads, &d)
    });
    y.put_tape(tape)
}
