//! A whole MBConv block as a part of a trunk, so that its expanded activations need not pass through memory layer by layer.

use dfdx::tensor::CpuError;

use super::gate::Tensors as GateTensors;
use super::norm::{Affine, ProxyScaling, Tensors as NormTensors};
use super::proxy_norm::ProxyMoments;
use super::tape::Grads;
use super::{ConvShape, SqueezeExcite, Vector, view};
use crate::kernels::mbconv::{
    Block, BlockGradients, BlockNorm, BlockShape, BlockWeights, NormStatistics, Storage,
};
use crate::kernels::{ConvGeometry, Moments};

/// Where the statistics of a block's norm come from.
#[derive(Debug, Clone)]
pub enum BlockStatistics {
    /// Each image, in this many contiguous groups of channels.
    Groups(usize),
    /// The batch.
    Batch,
    /// Running moments.
    Frozen(Moments),
}

/// A norm of a block.
#[derive(Debug, Clone)]
pub struct MbConvNorm<'a> {
    /// Where its statistics come from.
    pub statistics: BlockStatistics,
    /// Gain and shift.
    pub affine: Affine<'a>,
    /// Its epsilon.
    pub epsilon: f32,
    /// Proxy norm of the activation that follows; a delayed scale rides on the gate.
    pub proxy: Option<(ProxyMoments, ProxyScaling)>,
}

/// A block: expansion, spatial convolution, gate, projection, each but the gate with a norm; swish after the first two.
#[derive(Debug, Clone)]
pub struct MbConv<'a> {
    /// `(c_in, c_mid)`, of a block that expands.
    pub expand: Option<(&'a Vector, MbConvNorm<'a>)>,
    /// `(k, k, c_mid / groups, c_mid)`.
    pub spatial: &'a Vector,
    /// What the spatial convolution is.
    pub spatial_shape: ConvShape,
    /// Its norm.
    pub spatial_norm: MbConvNorm<'a>,
    /// The gate, if there is one.
    pub gate: Option<SqueezeExcite<'a>>,
    /// `(c_mid, c_out)`.
    pub project: &'a Vector,
    /// Its norm.
    pub project_norm: MbConvNorm<'a>,
    /// Output channels.
    pub c_out: usize,
    /// Whether the input is added to the output.
    pub residual: bool,
    /// A factor an image for what is added; 1 throughout if absent.
    pub survival: Option<Vec<f32>>,
    /// How its expanded activations wait for the way back, if there is one.
    pub storage: Storage,
}

/// The tensors of a block, kept for the way back.
pub(super) struct Tensors {
    shape: BlockShape,
    expand: Option<(Vector, Norm)>,
    spatial: Vector,
    spatial_norm: Norm,
    gate: Option<GateTensors>,
    project: Vector,
    project_norm: Norm,
    survival: Option<Vec<f32>>,
}

impl Tensors {
    /// For images `(n, h, w, c)`.
    pub(super) fn of(block: &MbConv<'_>, (n, h, w, c_in): (usize, usize, usize, usize)) -> Self {
        let ConvShape { kernel, stride, c_out: c_mid, groups, padding } = block.spatial_shape;
        let spatial = ConvGeometry { n, h, w, c_in: c_mid, c_out: c_mid, kernel, stride, groups, padding };
        let delayed = match &block.spatial_norm.proxy {
            Some((proxy, ProxyScaling::Delayed)) => Some(&proxy.rstd),
            _ => None,
        };
        Self {
            shape: BlockShape {
                spatial,
                c_in,
                c_out: block.c_out,
                c_hidden: block.gate.map(|gate| gate.c_hidden),
                residual: block.residual,
            },
            expand: block.expand.as_ref().map(|(weight, norm)| ((*weight).clone(), Norm::of(norm))),
            spatial: block.spatial.clone(),
            spatial_norm: Norm::of(&block.spatial_norm),
            gate: block.gate.map(|gate| GateTensors::of(gate, delayed)),
            project: block.project.clone(),
            project_norm: Norm::of(&block.project_norm),
            survival: block.survival.clone(),
        }
    }

    /// The shape of the block's output.
    pub(super) fn shape_out(&self) -> (usize, usize, usize, usize) {
        let spatial = &self.shape.spatial;
        (spatial.n, spatial.h_out(), spatial.w_out(), self.shape.c_out)
    }

    pub(super) fn add_gradients(&self, grads: &mut Grads, d: &BlockGradients) -> Result<(), CpuError> {
        if let (Some((weight, norm)), Some((d_weight, d_norm))) = (&self.expand, &d.expand) {
            d_weight.add_to(grads.get_or_alloc_mut(weight)?);
            norm.tensors.add_gradients(grads, d_norm)?;
        }
        d.spatial.add_to(grads.get_or_alloc_mut(&self.spatial)?);
        self.spatial_norm.tensors.add_gradients(grads, &d.spatial_norm)?;
        if let (Some(gate), Some(d_gate)) = (&self.gate, &d.gate) {
            gate.add_gradients(grads, d_gate)?;
        }
        d.project.add_to(grads.get_or_alloc_mut(&self.project)?);
        self.project_norm.tensors.add_gradients(grads, &d.project_norm)
    }

    pub(super) fn block(&self) -> Block<'_> {
        Block {
            shape: self.shape,
            weights: BlockWeights {
                expand: self.expand.as_ref().map(|(weight, norm)| (view(weight), norm.view())),
                spatial: view(&self.spatial),
                spatial_norm: self.spatial_norm.view(),
                gate: self.gate.as_ref().map(GateTensors::weights),
                project: view(&self.project),
                project_norm: self.project_norm.view(),
            },
            survival: self.survival.as_deref(),
        }
    }
}

/// A norm's tensors, and where its statistics come from.
pub(super) struct Norm {
    pub(super) statistics: BlockStatistics,
    pub(super) epsilon: f32,
    pub(super) tensors: NormTensors,
}

impl Norm {
    pub(super) fn of(norm: &MbConvNorm<'_>) -> Self {
        let proxy = norm.proxy.as_ref().map(|(proxy, scaling)| (proxy, *scaling));
        let tensors = NormTensors::of(norm.affine, proxy);
        Self { statistics: norm.statistics.clone(), epsilon: norm.epsilon, tensors }
    }

    fn view(&self) -> BlockNorm<'_> {
        BlockNorm {
            statistics: match &self.statistics {
                BlockStatistics::Groups(groups) => NormStatistics::Groups(*groups),
                BlockStatistics::Batch => NormStatistics::Batch,
                BlockStatistics::Frozen(moments) => NormStatistics::Frozen(moments),
            },
            epsilon: self.epsilon,
            gamma: view(&self.tensors.gamma),
            beta: self.tensors.beta.as_ref().map(view),
            proxy_mean: self.tensors.proxy_mean.as_ref().map(view),
            proxy_scale: self.tensors.proxy_scale.as_ref().map(view),
        }
    }
}
