//! The moments of proxy-normalized activations as tensors on the tape, so that gradients reach the proxies.

use dfdx::tensor::{Cpu, Tape};

use super::tape::{add_gradient, tensor};
use super::{Vector, view};
use crate::kernels::{Activation, ProxyVectors, proxy_moments as kernel, proxy_moments_backward};

/// Parameters of the proxies `(c)`.
#[derive(Debug, Clone, Copy)]
pub struct ProxyParameters<'a> {
    /// Gain γ of the norm.
    pub gamma: &'a Vector,
    /// Shift β of the norm.
    pub beta: &'a Vector,
    /// The proxy's mean.
    pub shift: &'a Vector,
    /// What the proxy's deviation has over 1.
    pub scale: &'a Vector,
}

/// Mean and inverse deviation of the proxies' activations `(c)`.
#[derive(Debug, Clone)]
pub struct ProxyMoments {
    /// `m`.
    pub mean: Vector,
    /// `1 / √(v + ε)`.
    pub rstd: Vector,
}

/// Computes the moments; their gradients go to the four parameters on the way back.
pub fn proxy_moments<T: Tape<f32, Cpu> + 'static>(
    tape: &mut T,
    proxy: ProxyParameters<'_>,
    activation: Activation,
    epsilon: f32,
) -> ProxyMoments {
    let [gamma, beta, shift, scale] = [proxy.gamma, proxy.beta, proxy.shift, proxy.scale].map(Clone::clone);
    let device = gamma.device().clone();
    let (mean, rstd) = kernel(vectors(&gamma, &beta, &shift, &scale), activation, epsilon);
    let c = mean.len();
    let moments = ProxyMoments { mean: tensor(&device, mean, (c,)), rstd: tensor(&device, rstd, (c,)) };
    let ProxyMoments { mean, rstd } = moments.clone();
    tape.add_backward_op(move |grads| {
        let d_mean = std::mem::take::<Vec<f32>>(&mut *grads.get_or_alloc_mut(&mean)?);
        let d_rstd = std::mem::take::<Vec<f32>>(&mut *grads.get_or_alloc_mut(&rstd)?);
        let proxy = vectors(&gamma, &beta, &shift, &scale);
        let of_moments = (view(&mean), view(&rstd));
        let d = proxy_moments_backward(proxy, activation, of_moments, (&d_mean, &d_rstd));
        add_gradient(grads, &gamma, &d.gamma)?;
        add_gradient(grads, &beta, &d.beta)?;
        add_gradient(grads, &shift, &d.shift)?;
        add_gradient(grads, &scale, &d.scale)
    });
    moments
}

fn vectors<'a>(
    gamma: &'a Vector,
    beta: &'a Vector,
    shift: &'a Vector,
    scale: &'a Vector,
) -> ProxyVectors<'a> {
    ProxyVectors { gamma: view(gamma), beta: view(beta), shift: view(shift), scale: view(scale) }
}
