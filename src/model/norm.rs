//! A normalization with its affine, and the activation after it (Masters et al. 2021; Labatie et al. 2021).
//!
//! With proxy norm, activations become `(φ(γ y + β) − m) / √(v + ε)`, where `m` and `v` are the moments of
//! the same activation of a Gaussian proxy variable with a learned mean and deviation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tape};

use super::parameters::{ParameterId, Parameters, Role};
use super::pass::{Pass, Training};
use crate::arch::Norm;
use crate::ops::{
    self, Activation, Affine, BlockStatistics, Image, MbConvNorm, Moments, ProxyMoments, ProxyParameters,
    ProxyScaling, Vector,
};

/// A norm's numbers that are the same all over a network.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormRecipe {
    pub(super) norm: Norm,
    pub(super) epsilon: f32,
    pub(super) proxy_epsilon: f32,
}

/// What stands after a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Swish, with proxy norm's scale applied at once.
    Swish,
    /// Swish, with proxy norm's scale left to a later layer.
    SwishScaleDelayed,
    /// Nothing: the norm of a projection.
    Nothing,
}

/// One norm of the network.
#[derive(Debug)]
pub(super) struct NormLayer {
    /// Where it stands: its parameters' name without `.norm`.
    name: String,
    recipe: NormRecipe,
    after: After,
    channels: usize,
    pub(super) gamma: ParameterId,
    pub(super) beta: Option<ParameterId>,
    pub(super) running: Option<(ParameterId, ParameterId)>,
    pub(super) proxy: Option<(ParameterId, ParameterId)>,
}

impl NormLayer {
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        channels: usize,
        recipe: NormRecipe,
        after: After,
    ) -> Self {
        let mut vector = |part: &str, role, value: f32| {
            parameters.add(format!("{name}.{part}"), &[channels], role, vec![value; channels])
        };
        let has_proxy = recipe.norm.has_proxy();
        let activated = after != After::Nothing;
        Self {
            name: name.trim_end_matches(".norm").to_owned(),
            recipe,
            after,
            channels,
            gamma: vector("gamma", Role::Affine, 1.0),
            // A shift that no activation and no proxy follows would denormalise: proxy-normalized networks go without.
            beta: (activated || !has_proxy).then(|| vector("beta", Role::Affine, 0.0)),
            running: recipe.norm.depends_on_batch().then(|| {
                (vector("running_mean", Role::Running, 0.0), vector("running_var", Role::Running, 1.0))
            }),
            proxy: (has_proxy && activated)
                .then(|| (vector("proxy_shift", Role::Proxy, 0.0), vector("proxy_scale", Role::Proxy, 0.0))),
        }
    }

    /// Normalizes `x` and activates it; with it, the proxy scale `1 / √(v + ε)` that is still to be applied.
    pub(super) fn forward<T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Image<T>,
        pass: &mut Pass<'_>,
    ) -> (Image<T>, Option<Vector>) {
        if pass.signals.is_none() {
            return self.normalized(x, self.after, pass);
        }
        let (x, tape) = x.split_tape();
        // What the activation sees has no tensor of its own in the fused kernel.
        let (pre, _) = self.normalized(x.clone(), After::Nothing, pass);
        let (y, delayed) = self.normalized(x.put_tape(tape), self.after, pass);
        if let Some(signals) = &mut pass.signals {
            let activated = self.after != After::Nothing;
            signals.record(&self.name, &pre, activated.then_some((&y, delayed.as_ref())));
        }
        (y, delayed)
    }

    /// As [`Self::forward`], with whatever is to stand after the norm.
    fn normalized<T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Image<T>,
        after: After,
        pass: &mut Pass<'_>,
    ) -> (Image<T>, Option<Vector>) {
        let parameters = pass.parameters;
        let affine = Affine {
            gamma: parameters.tensor(self.gamma),
            beta: self.beta.map(|beta| parameters.tensor(beta)),
        };
        let epsilon = self.recipe.epsilon;
        let activation = if after == After::Nothing { Activation::Identity } else { Activation::Swish };
        match (self.recipe.norm.groups(self.channels), self.running) {
            (Some(groups), _) => {
                let (x, proxy) = self.proxy_moments(x, after, pass);
                let scaling = match after {
                    After::SwishScaleDelayed => ProxyScaling::Delayed,
                    After::Swish | After::Nothing => ProxyScaling::Applied,
                };
                let with_scaling = proxy.as_ref().map(|proxy| (proxy, scaling));
                let y = ops::group_norm(x, groups, affine, epsilon, activation, with_scaling);
                let delayed = proxy.filter(|_| scaling == ProxyScaling::Delayed).map(|proxy| proxy.rstd);
                (y, delayed)
            }
            (None, Some((mean, variance))) => match (&mut pass.training, &pass.signals) {
                (Some(training), _) => {
                    let (n, h, w, _) = *x.shape();
                    let (y, moments) = ops::batch_norm(x, affine, epsilon, activation);
                    training.observe(mean, variance, moments, n * h * w);
                    (y, None)
                }
                (None, Some(_)) => (ops::batch_norm(x, affine, epsilon, activation).0, None),
                (None, None) => {
                    let moments = Moments {
                        mean: parameters.slice(mean).to_vec(),
                        var: parameters.slice(variance).to_vec(),
                    };
                    (ops::frozen_norm(x, &moments, affine, epsilon, activation), None)
                }
            },
            (None, None) => unreachable!("a batch norm has running statistics"),
        }
    }

    /// The norm as a part of a block that is computed at once.
    pub(super) fn in_block<'a, T: Tape<f32, Cpu> + 'static>(
        &self,
        tape: &mut T,
        pass: &mut Pass<'a>,
    ) -> MbConvNorm<'a> {
        let parameters = pass.parameters;
        let statistics = match (self.recipe.norm.groups(self.channels), self.running) {
            (Some(groups), _) => BlockStatistics::Groups(groups),
            (None, Some((mean, variance))) if pass.training.is_none() => BlockStatistics::Frozen(Moments {
                mean: parameters.slice(mean).to_vec(),
                var: parameters.slice(variance).to_vec(),
            }),
            (None, _) => BlockStatistics::Batch,
        };
        let scaling = match self.after {
            After::SwishScaleDelayed => ProxyScaling::Delayed,
            After::Swish | After::Nothing => ProxyScaling::Applied,
        };
        MbConvNorm {
            statistics,
            affine: Affine {
                gamma: parameters.tensor(self.gamma),
                beta: self.beta.map(|beta| parameters.tensor(beta)),
            },
            epsilon: self.recipe.epsilon,
            proxy: self.moments(tape, self.after, pass).map(|proxy| (proxy, scaling)),
        }
    }

    /// Notes the batch's moments, of `count` values each, of a batch norm.
    pub(super) fn observe(&self, training: &mut Training, moments: Moments, count: usize) {
        if let Some((mean, variance)) = self.running {
            training.observe(mean, variance, moments, count);
        }
    }

    fn proxy_moments<T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Image<T>,
        after: After,
        pass: &mut Pass<'_>,
    ) -> (Image<T>, Option<ProxyMoments>) {
        let (x, mut tape) = x.split_tape();
        let moments = self.moments(&mut tape, after, pass);
        (x.put_tape(tape), moments)
    }

    fn moments<T: Tape<f32, Cpu> + 'static>(
        &self,
        tape: &mut T,
        after: After,
        pass: &mut Pass<'_>,
    ) -> Option<ProxyMoments> {
        let (shift, scale) = self.proxy.filter(|_| after != After::Nothing)?;
        let beta = self.beta?;
        // Moments that were computed before have no way back to the parameters.
        let known = pass.moments.as_ref().filter(|_| !T::OWNS_TAPE);
        if let Some(known) = known.and_then(|moments| moments.get(&self.gamma)) {
            return Some(known.clone());
        }
        let parameters = pass.parameters;
        let proxy = ProxyParameters {
            gamma: parameters.tensor(self.gamma),
            beta: parameters.tensor(beta),
            shift: parameters.tensor(shift),
            scale: parameters.tensor(scale),
        };
        let moments = ops::proxy_moments(tape, proxy, Activation::Swish, self.recipe.proxy_epsilon);
        if let Some(known) = &mut pass.moments {
            known.insert(self.gamma, moments.clone());
        }
        Some(moments)
    }
}
