//! The names and layouts that timm gives a network's parameters.
//!
//! `conv_stem`, `blocks.STAGE.LAYER.…`, `conv_head` and `classifier`; the norm after the first convolution of a block is
//! `bn1`, after the second `bn2`, whatever kind of norm it is (timm's own group-norm models are named so, too). A block
//! that does not expand is timm's `DepthwiseSeparableConv`, whose projection is `conv_pw`. Weights of convolutions lie
//! `(c_out, c_in / groups, k, k)`, the classifier's `(classes, c_in)`.
//!
//! What timm does not have: proxy norm's two vectors, `bnN.proxy_shift` and `bnN.proxy_scale`. A norm without a shift
//! has no `bnN.bias`. `bnN.num_batches_tracked`, a count that nothing here reads, is not written.

use super::efficientnet::EfficientNet;
use super::mbconv::MBConv;
use super::norm::NormLayer;
use super::parameters::ParameterId;

/// A parameter as timm has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimmTensor {
    pub(super) id: ParameterId,
    pub(super) name: String,
    pub(super) layout: Layout,
}

/// How timm lays a parameter out, by what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One number a channel.
    Vector,
    /// A convolution: ours `(k, k, c_in, c_out)`, or `(c_in, c_out)` of a 1 × 1 one; timm's `(c_out, c_in, k, k)`.
    Convolution,
    /// A fully connected layer: ours `(c_in, c_out)`, timm's `(c_out, c_in)`.
    Linear,
}

impl Layout {
    /// timm's shape of a parameter that has `shape` here.
    pub(super) fn shape(self, shape: &[usize]) -> Vec<usize> {
        match (self, shape) {
            (Self::Convolution, &[k, _, c_in, c_out]) => vec![c_out, c_in, k, k],
            (Self::Convolution, &[c_in, c_out]) => vec![c_out, c_in, 1, 1],
            (Self::Linear, &[c_in, c_out]) => vec![c_out, c_in],
            _ => shape.to_vec(),
        }
    }

    /// The place in timm's layout of each number of a parameter of `shape`, in our order.
    pub(super) fn places(self, shape: &[usize]) -> impl Iterator<Item = usize> {
        let (taps, c_in, c_out) = match (self, shape) {
            (Self::Convolution, &[k, _, c_in, c_out]) => (k * k, c_in, c_out),
            (Self::Convolution | Self::Linear, &[c_in, c_out]) => (1, c_in, c_out),
            _ => (1, shape.iter().product(), 1),
        };
        (0..taps * c_in * c_out).map(move |ours| {
            let (tap, input, output) = (ours / (c_in * c_out), ours / c_out % c_in, ours % c_out);
            (output * c_in + input) * taps + tap
        })
    }
}

impl EfficientNet {
    /// Every parameter in the order of the network.
    pub(super) fn timm_tensors(&self) -> Vec<TimmTensor> {
        let mut names = Names::default();
        names.convolution("conv_stem", self.stem.weight);
        names.norm("bn1", &self.stem.norm);
        for block in &self.blocks {
            names.block(block);
        }
        names.convolution("conv_head", self.top.weight);
        names.norm("bn2", &self.top.norm);
        names.add("classifier.weight".to_owned(), self.classifier_weight, Layout::Linear);
        names.add("classifier.bias".to_owned(), self.classifier_bias, Layout::Vector);
        names.0
    }
}

#[derive(Default)]
struct Names(Vec<TimmTensor>);

impl Names {
    fn add(&mut self, name: String, id: ParameterId, layout: Layout) {
        self.0.push(TimmTensor { id, name, layout });
    }

    fn convolution(&mut self, name: &str, weight: ParameterId) {
        self.add(format!("{name}.weight"), weight, Layout::Convolution);
    }

    fn norm(&mut self, name: &str, norm: &NormLayer) {
        let mut vector = |part: &str, id| self.add(format!("{name}.{part}"), id, Layout::Vector);
        vector("weight", norm.gamma);
        if let Some(beta) = norm.beta {
            vector("bias", beta);
        }
        if let Some((mean, variance)) = norm.running {
            vector("running_mean", mean);
            vector("running_var", variance);
        }
        if let Some((shift, scale)) = norm.proxy {
            vector("proxy_shift", shift);
            vector("proxy_scale", scale);
        }
    }

    fn block(&mut self, block: &MBConv) {
        let name = |part: &str| format!("blocks.{}.{}.{part}", block.block.stage - 1, block.block.layer);
        let [first, second, third] = ["bn1", "bn2", "bn3"].map(name);
        let (spatial_norm, project, project_norm) = match &block.expand {
            Some(expand) => {
                self.convolution(&name("conv_pw"), expand.weight);
                self.norm(&first, &expand.norm);
                (second, name("conv_pwl"), third)
            }
            None => (first, name("conv_pw"), second),
        };
        self.convolution(&name("conv_dw"), block.spatial.weight);
        self.norm(&spatial_norm, &block.spatial.norm);
        if let Some(gate) = &block.squeeze_excite {
            self.convolution(&name("se.conv_reduce"), gate.reduce_weight);
            self.add(name("se.conv_reduce.bias"), gate.reduce_bias, Layout::Vector);
            self.convolution(&name("se.conv_expand"), gate.expand_weight);
            self.add(name("se.conv_expand.bias"), gate.expand_bias, Layout::Vector);
        }
        self.convolution(&project, block.project.weight);
        self.norm(&project_norm, &block.project.norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_permutations() {
        // (k, k, c_in, c_out) to (c_out, c_in, k, k), counted by hand at three places.
        let places: Vec<usize> = Layout::Convolution.places(&[3, 3, 2, 4]).collect();
        assert_eq!((places[0], places[1], places[4], places[8]), (0, 18, 9, 1));
        assert_eq!(Layout::Convolution.shape(&[3, 3, 2, 4]), [4, 2, 3, 3]);
        assert_eq!(Layout::Linear.places(&[2, 3]).collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(Layout::Vector.places(&[5]).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let mut sorted = places;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..72));
    }
}
