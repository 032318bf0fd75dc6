//! The mobile inverted bottleneck (MBConv) with group convolutions:
//!
//! ```text
//! x ── expand 1×1 ── norm, swish ── spatial k×k in groups of G ── norm, swish ── squeeze-excite ── project 1×1 ── norm ──(+)── y
//!  └──────────────────────────────── where stride is 1 and the width stays ────────────────────────────────────────────┘
//! ```

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tape};

use super::efficientnet::Recipe;
use super::init::Initializer;
use super::norm::{After, NormLayer};
use super::parameters::{ParameterId, Parameters, Role};
use super::pass::{Pass, Training};
use super::squeeze_excite::SqueezeExciteLayer;
use crate::arch::Block;
use crate::ops::{self, ConvShape, Image, SeenByBlock};

/// A convolution and its norm.
#[derive(Debug)]
pub(super) struct ConvNorm {
    pub(super) weight: ParameterId,
    pub(super) norm: NormLayer,
}

/// One block.
#[derive(Debug)]
pub(super) struct MBConv {
    pub(super) block: Block,
    spatial_shape: ConvShape,
    pub(super) expand: Option<ConvNorm>,
    pub(super) spatial: ConvNorm,
    pub(super) squeeze_excite: Option<SqueezeExciteLayer>,
    pub(super) project: ConvNorm,
    /// Probability that stochastic depth drops this block for an image.
    drop_rate: f64,
}

impl MBConv {
    pub(super) fn new(
        parameters: &mut Parameters,
        init: Initializer,
        name: &str,
        block: Block,
        recipe: &Recipe,
        drop_rate: f64,
    ) -> Self {
        let norm = recipe.norm_recipe();
        let pointwise = |parameters: &mut Parameters, part: &str, c_in, c_out, after| {
            let weight = pointwise_weight(parameters, init, &format!("{name}.{part}.weight"), c_in, c_out);
            let norm = NormLayer::new(parameters, &format!("{name}.{part}.norm"), c_out, norm, after);
            ConvNorm { weight, norm }
        };
        let expand =
            block.expands.then(|| pointwise(parameters, "expand", block.c_in, block.c_mid, After::Swish));
        let weight_name = format!("{name}.spatial.weight");
        let shape = [block.kernel, block.kernel, block.c_mid / block.groups, block.c_mid];
        let fan_in = shape[..3].iter().product();
        let value = init.he_normal(&weight_name, shape.iter().product(), fan_in);
        let weight = parameters.add(weight_name, &shape, Role::Weight, value);
        // Without a gate to ride on, a delayed scale would never be applied.
        let after = match block.squeeze_excite {
            Some(_) if recipe.delays_proxy_scale => After::SwishScaleDelayed,
            _ => After::Swish,
        };
        let spatial = ConvNorm {
            weight,
            norm: NormLayer::new(parameters, &format!("{name}.spatial.norm"), block.c_mid, norm, after),
        };
        let squeeze_excite = block.squeeze_excite.map(|se| {
            SqueezeExciteLayer::new(parameters, init, &format!("{name}.se"), block.c_mid, se.c_hidden)
        });
        let project = pointwise(parameters, "project", block.c_mid, block.c_out, After::Nothing);
        let spatial_shape = ConvShape {
            kernel: block.kernel,
            stride: block.stride,
            c_out: block.c_mid,
            groups: block.groups,
            padding: recipe.op_padding(),
        };
        Self { block, spatial_shape, expand, spatial, squeeze_excite, project, drop_rate }
    }

    /// The block as a part of a trunk, for `n` images.
    pub(super) fn in_trunk<'a, T: Tape<f32, Cpu> + 'static>(
        &self,
        n: usize,
        tape: &mut T,
        pass: &mut Pass<'a>,
    ) -> ops::MbConv<'a> {
        let parameters = pass.parameters;
        let survival = self.survival(n, &mut pass.training);
        let mut norm = |layer: &'_ NormLayer| layer.in_block(tape, pass);
        let (expand_norm, spatial_norm, project_norm) = (
            self.expand.as_ref().map(|expand| norm(&expand.norm)),
            norm(&self.spatial.norm),
            norm(&self.project.norm),
        );
        ops::MbConv {
            expand: self.expand.as_ref().map(|expand| parameters.tensor(expand.weight)).zip(expand_norm),
            spatial: parameters.tensor(self.spatial.weight),
            spatial_shape: self.spatial_shape,
            spatial_norm,
            gate: self.squeeze_excite.as_ref().map(|gate| gate.weights(parameters)),
            project: parameters.tensor(self.project.weight),
            project_norm,
            c_out: self.block.c_out,
            residual: self.block.has_residual(),
            survival,
            storage: pass.training.as_ref().map(|training| training.storage).unwrap_or_default(),
        }
    }

    /// Notes what its batch norms saw.
    pub(super) fn observe(&self, training: &mut Training, seen: SeenByBlock) {
        if let (Some(expand), Some(moments)) = (&self.expand, seen.moments.expand) {
            expand.norm.observe(training, moments, seen.before);
        }
        self.spatial.norm.observe(training, seen.moments.spatial, seen.after);
        self.project.norm.observe(training, seen.moments.project, seen.after);
    }

    /// Stochastic depth's factor of each image; `None` where nothing is dropped.
    fn survival(&self, n: usize, training: &mut Option<&mut Training>) -> Option<Vec<f32>> {
        let drops = self.block.has_residual() && self.drop_rate > 0.0;
        training.as_mut().filter(|_| drops).map(|training| training.drop_factors(n, self.drop_rate))
    }

    /// Layer by layer: what a trunk computes, with every layer's output a tensor.
    pub(super) fn by_layers<T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Image<T>,
        pass: &mut Pass<'_>,
    ) -> Image<T> {
        let (x, tape) = x.split_tape();
        let skip = self.block.has_residual().then(|| x.clone());
        let mut x = x.put_tape(tape);
        if let Some(expand) = &self.expand {
            x = ops::pointwise(x, pass.parameters.tensor(expand.weight), self.block.c_mid);
            x = expand.norm.forward(x, pass).0;
        }
        x = ops::conv(x, pass.parameters.tensor(self.spatial.weight), self.spatial_shape);
        let (mut x, delayed_scale) = self.spatial.norm.forward(x, pass);
        if let Some(squeeze_excite) = &self.squeeze_excite {
            x = squeeze_excite.forward(x, pass.parameters, delayed_scale.as_ref());
        }
        x = ops::pointwise(x, pass.parameters.tensor(self.project.weight), self.block.c_out);
        x = self.project.norm.forward(x, pass).0;
        match skip {
            Some(skip) => {
                let survival = self.survival(x.shape().0, &mut pass.training);
                ops::residual(x, &skip, survival)
            }
            None => x,
        }
    }
}

/// Adds the weight of a 1 × 1 convolution.
pub(super) fn pointwise_weight(
    parameters: &mut Parameters,
    init: Initializer,
    name: &str,
    c_in: usize,
    c_out: usize,
) -> ParameterId {
    let value = init.he_normal(name, c_in * c_out, c_out);
    parameters.add(name.to_owned(), &[c_in, c_out], Role::Weight, value)
}
