//! Squeeze-excite: each channel scaled by a gate computed from all channels' means (Hu et al. 2018), with
//! swish inside as in EfficientNet. Proxy norm's delayed scale rides on the gate.

use dfdx::tensor::{Cpu, Tape};

use super::init::Initializer;
use super::parameters::{ParameterId, Parameters, Role};
use crate::ops::{self, Image, Vector};

/// The two fully connected layers of a gate.
#[derive(Debug)]
pub(super) struct SqueezeExciteLayer {
    pub(super) reduce_weight: ParameterId,
    pub(super) reduce_bias: ParameterId,
    pub(super) expand_weight: ParameterId,
    pub(super) expand_bias: ParameterId,
    c_hidden: usize,
}

impl SqueezeExciteLayer {
    pub(super) fn new(
        parameters: &mut Parameters,
        init: Initializer,
        name: &str,
        channels: usize,
        c_hidden: usize,
    ) -> Self {
        let mut layer = |part: &str, c_in: usize, c_out: usize| {
            let weight_name = format!("{name}.{part}.weight");
            let value = init.he_normal(&weight_name, c_in * c_out, c_out);
            let weight = parameters.add(weight_name, &[c_in, c_out], Role::Weight, value);
            let bias =
                parameters.add(format!("{name}.{part}.bias"), &[c_out], Role::Weight, vec![0.0; c_out]);
            (weight, bias)
        };
        let (reduce_weight, reduce_bias) = layer("reduce", channels, c_hidden);
        let (expand_weight, expand_bias) = layer("expand", c_hidden, channels);
        Self { reduce_weight, reduce_bias, expand_weight, expand_bias, c_hidden }
    }

    /// Gates `x`; `channel_scale` is a proxy scale that was delayed to here.
    pub(super) fn forward<T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Image<T>,
        parameters: &Parameters,
        channel_scale: Option<&Vector>,
    ) -> Image<T> {
        ops::squeeze_excite(x, self.weights(parameters), channel_scale)
    }

    /// The gate's weights.
    pub(super) fn weights<'a>(&self, parameters: &'a Parameters) -> ops::SqueezeExcite<'a> {
        ops::SqueezeExcite {
            reduce_weight: parameters.tensor(self.reduce_weight),
            reduce_bias: parameters.tensor(self.reduce_bias),
            expand_weight: parameters.tensor(self.expand_weight),
            expand_bias: parameters.tensor(self.expand_bias),
            c_hidden: self.c_hidden,
        }
    }
}
