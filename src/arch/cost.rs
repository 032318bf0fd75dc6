//! Parameters, multiply-accumulates and activation bytes of a network, layer by layer.
//!
//! Counted as the field does: one multiply-accumulate per weight and output position of convolutions and
//! fully connected layers; norms, activations and pooling not counted. Parameters are the trainable ones,
//! affine vectors of norms among them, running statistics not.

use super::network::Network;
use super::norm::Norm;
use super::resolution::down_sampled;

/// One layer's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCost {
    /// Its name, as in the parameter list.
    pub name: String,
    /// Side of its output, pixels; 1 after pooling.
    pub side: usize,
    /// Its output channels.
    pub channels: usize,
    /// Channels per group of a spatial convolution.
    pub group_size: Option<usize>,
    /// Trainable parameters, those of its norm among them.
    pub parameters: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Bytes of its f32 output for one image.
    pub activation_bytes: u64,
}

/// A whole network's costs for one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Every layer with weights, in order.
    pub layers: Vec<LayerCost>,
}

impl Cost {
    /// Counts `network` with `norm` for images of `resolution` × `resolution`.
    pub fn of(network: &Network, norm: Norm, resolution: usize) -> Self {
        let mut counter = Counter { layers: Vec::new(), norm };
        let mut side = down_sampled(resolution, network.stem.stride);
        counter.convolution("stem", side, 3, 3, network.stem.c_out, 1, true);
        for (index, block) in network.blocks.iter().enumerate() {
            let name = |part: &str| format!("blocks.{index}.{part}");
            if block.expands {
                counter.convolution(&name("expand"), side, 1, block.c_in, block.c_mid, 1, true);
            }
            side = down_sampled(side, block.stride);
            counter.convolution(
                &name("spatial"),
                side,
                block.kernel,
                block.c_mid,
                block.c_mid,
                block.groups,
                true,
            );
            if let Some(squeeze_excite) = block.squeeze_excite {
                counter.fully_connected(&name("se.reduce"), block.c_mid, squeeze_excite.c_hidden);
                counter.fully_connected(&name("se.expand"), squeeze_excite.c_hidden, block.c_mid);
            }
            counter.convolution(&name("project"), side, 1, block.c_mid, block.c_out, 1, false);
        }
        counter.convolution("top", side, 1, network.head.c_in, network.head.c_top, 1, true);
        counter.fully_connected("classifier", network.head.c_top, network.head.classes);
        Self { layers: counter.layers }
    }

    /// Trainable parameters.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiply-accumulates of one image's forward pass.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }

    /// Bytes of every layer's output for one image.
    pub fn activation_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.activation_bytes).sum()
    }
}

struct Counter {
    layers: Vec<LayerCost>,
    norm: Norm,
}

impl Counter {
    #[allow(
        clippy::too_many_arguments,
        reason = "the seven numbers of a convolution, private, called four times"
    )]
    fn convolution(
        &mut self,
        name: &str,
        side: usize,
        kernel: usize,
        c_in: usize,
        c_out: usize,
        groups: usize,
        activated: bool,
    ) {
        let weights = (kernel * kernel * (c_in / groups) * c_out) as u64;
        let pixels = (side * side) as u64;
        self.layers.push(LayerCost {
            name: name.to_owned(),
            side,
            channels: c_out,
            group_size: (kernel > 1 && c_in == c_out).then_some(c_in / groups),
            parameters: weights + self.norm_parameters(c_out, activated),
            macs: weights * pixels,
            activation_bytes: pixels * c_out as u64 * 4,
        });
    }

    /// Two affine vectors; with proxy norm, four before an activation and a gain alone before none.
    fn norm_parameters(&self, channels: usize, activated: bool) -> u64 {
        let vectors = match (self.norm.has_proxy(), activated) {
            (false, _) => 2,
            (true, true) => 4,
            (true, false) => 1,
        };
        vectors * channels as u64
    }

    fn fully_connected(&mut self, name: &str, c_in: usize, c_out: usize) {
        self.layers.push(LayerCost {
            name: name.to_owned(),
            side: 1,
            channels: c_out,
            group_size: None,
            parameters: (c_in * c_out + c_out) as u64,
            macs: (c_in * c_out) as u64,
            activation_bytes: c_out as u64 * 4,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ChannelRounding, Expansion, NetworkSpec, Padding, Preset};
    use super::*;

    fn network(preset: Preset, group_size: usize, ratio: f64) -> Network {
        let (stem_stride, stage_strides) = preset.strides();
        Network::resolve(&NetworkSpec {
            width: preset.width(),
            depth: preset.depth(),
            channel_divisor: 8,
            group_size,
            expansion: Expansion { ratio, rounding: ChannelRounding::Exact },
            stem_stride,
            stage_strides,
            squeeze_excite: true,
            classes: 1000,
            padding: Padding::Same,
        })
        .unwrap()
    }

    /// As timm and TensorFlow's models have them.
    #[test]
    fn depthwise_networks_have_the_published_parameters() {
        for (preset, parameters) in [
            (Preset::B0, 5_288_548),
            (Preset::B1, 7_794_184),
            (Preset::B2, 9_109_994),
            (Preset::B3, 12_233_232),
            (Preset::B4, 19_341_616),
            (Preset::B5, 30_389_784),
        ] {
            let cost = Cost::of(&network(preset, 1, 6.0), Norm::Batch, preset.resolution());
            assert_eq!(cost.parameters(), parameters, "{preset:?}");
        }
    }

    /// Parameters in millions and multiply-accumulates in billions at native resolution, as counted from
    /// the papers' official code.
    #[test]
    fn counts_equal_the_papers_table() {
        let rows = [
            (Preset::B0, 1, 6.0, 5.289, 0.386),
            (Preset::B0, 4, 5.0, 5.146, 0.417),
            (Preset::B0, 4, 6.0, 5.83, 0.489),
            (Preset::B0, 16, 4.0, 5.914, 0.635),
            (Preset::B0, 64, 1.0, 4.389, 0.490),
            (Preset::B2, 1, 6.0, 9.110, 0.994),
            (Preset::B2, 4, 5.0, 8.609, 1.044),
            (Preset::B2, 16, 4.0, 9.504, 1.522),
            (Preset::B1, 16, 4.0, 8.33, 1.112),
            (Preset::B3, 16, 4.0, 12.59, 2.731),
            (Preset::B4, 16, 4.0, 19.33, 6.183),
            (Preset::B5, 16, 4.0, 28.72, 13.50),
        ];
        let mut wrong = Vec::new();
        for (preset, group_size, ratio, parameters_m, gmacs) in rows {
            let cost = Cost::of(&network(preset, group_size, ratio), Norm::Batch, preset.resolution());
            let (p, m) = (cost.parameters() as f64 / 1e6, cost.macs() as f64 / 1e9);
            if (p - parameters_m).abs() > 0.006 || (m - gmacs).abs() > 0.006 * gmacs.max(1.0) {
                wrong.push(format!(
                    "{preset:?} G{group_size}: {p:.3} M (want {parameters_m}), {m:.3} G (want {gmacs})"
                ));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn indivisible_channels_are_named() {
        let (stem_stride, stage_strides) = Preset::B0.strides();
        let spec = NetworkSpec {
            width: 1.0,
            depth: 1.0,
            channel_divisor: 8,
            group_size: 64,
            expansion: Expansion { ratio: 3.0, rounding: ChannelRounding::Exact },
            stem_stride,
            stage_strides,
            squeeze_excite: true,
            classes: 10,
            padding: Padding::Same,
        };
        assert!(Network::resolve(&spec).unwrap_err().to_string().contains("do not divide into"));
        let rounding = ChannelRounding::ToGroup;
        let rounded = NetworkSpec { expansion: Expansion { ratio: 3.0, rounding }, ..spec };
        let blocks = Network::resolve(&rounded).unwrap().blocks;
        assert!(blocks.iter().filter(|block| block.expands).all(|block| block.c_mid % 64 == 0));
    }
}
