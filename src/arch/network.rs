//! A configuration's network, fully resolved: every block's channels, groups, stride and kernel.
//!
//! Group convolutions follow Masters et al. 2021: the spatial convolution of *all* MBConv blocks has
//! `max(C_mid / G, 1)` groups of `G` channels; stem, 1 × 1 convolutions, squeeze-excite and top stay as
//! they are. Squeeze-excite's width comes from the block's input, whatever the expansion.

use super::norm::NormGroups;
use super::resolution::{Padding, down_sampled};
use super::scale::{round_channels, round_depth};
use super::table::{STAGES, STEM_CHANNELS, TOP_CHANNELS};

/// What a [`Network`] is resolved from.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSpec {
    /// Width multiplier.
    pub width: f64,
    /// Depth multiplier.
    pub depth: f64,
    /// What widths are rounded to multiples of: 8 in EfficientNet.
    pub channel_divisor: usize,
    /// Channels per group of the spatial convolutions (G); 1 is depthwise.
    pub group_size: usize,
    /// Expansion of stages 2 to 7.
    pub expansion: Expansion,
    /// Stride of the stem.
    pub stem_stride: usize,
    /// Stride of each stage's first block.
    pub stage_strides: [usize; 7],
    /// Whether blocks have squeeze-excite.
    pub squeeze_excite: bool,
    /// Number of classes.
    pub classes: usize,
    /// How convolutions pad.
    pub padding: Padding,
}

/// How far an MBConv block widens its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expansion {
    /// `C_mid / C_in`; 6 in EfficientNet, 4 at G = 16 in the paper.
    pub ratio: f64,
    /// What happens where `C_mid` does not divide into groups of G.
    pub rounding: ChannelRounding,
}

/// What happens where `C_mid` does not divide into groups of G.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelRounding {
    /// The paper's rule: `C_mid` stays, groups are `max(C_mid / G, 1)`, and a `C_mid` that they do not
    /// divide is an error.
    Exact,
    /// `C_mid` becomes the nearest multiple of G, and of the divisor of all widths; where it cannot change (no expansion), the group count
    /// becomes the nearest divisor. A declared deviation from the paper.
    ToGroup,
}

/// The first convolution: 3 × 3 over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stem {
    /// Output channels.
    pub c_out: usize,
    /// Stride.
    pub stride: usize,
}

/// Squeeze-excite of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqueezeExcite {
    /// Channels between the two fully connected layers.
    pub c_hidden: usize,
}

/// One MBConv block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Stage of the paper's table, 1 to 7.
    pub stage: usize,
    /// Position within the stage, from 0.
    pub layer: usize,
    /// Input channels.
    pub c_in: usize,
    /// Channels of the spatial convolution.
    pub c_mid: usize,
    /// Output channels.
    pub c_out: usize,
    /// Whether a 1 × 1 convolution widens the input first; absent where it would not change the width.
    pub expands: bool,
    /// Side of the spatial convolution.
    pub kernel: usize,
    /// Stride of the spatial convolution.
    pub stride: usize,
    /// Groups of the spatial convolution.
    pub groups: usize,
    /// Squeeze-excite, where the network has it.
    pub squeeze_excite: Option<SqueezeExcite>,
}

impl Block {
    /// Channels per group that the block really has; G where G divides its channels.
    pub fn effective_group_size(&self) -> usize {
        self.c_mid / self.groups
    }

    /// Whether the input is added to the output.
    pub fn has_residual(&self) -> bool {
        self.stride == 1 && self.c_in == self.c_out
    }
}

/// The last 1 × 1 convolution, the pooling and the classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Input channels.
    pub c_in: usize,
    /// Channels after the 1 × 1 convolution.
    pub c_top: usize,
    /// Number of classes.
    pub classes: usize,
}

/// A resolved EfficientNet.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The first convolution.
    pub stem: Stem,
    /// All MBConv blocks in order.
    pub blocks: Vec<Block>,
    /// Top and classifier.
    pub head: Head,
    /// How convolutions pad.
    pub padding: Padding,
    /// The ratio the blocks were widened by.
    pub expand_ratio: f64,
}

/// A network that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ArchError {
    /// The channels of a block do not divide into its groups.
    #[error(
        "stage {stage} block {layer} has {c_mid} channels, which do not divide into {groups} groups of {group_size}"
    )]
    Indivisible {
        /// Stage, 1 to 7.
        stage: usize,
        /// Block within the stage.
        layer: usize,
        /// Channels of the spatial convolution.
        c_mid: usize,
        /// Groups asked for.
        groups: usize,
        /// Channels per group asked for.
        group_size: usize,
    },
    /// The channels of a layer do not divide into the groups of its norm.
    #[error("{layer} has {channels} channels, which do not divide into {groups}")]
    NormGroups {
        /// Where.
        layer: String,
        /// Its channels.
        channels: usize,
        /// Norm groups asked for.
        groups: NormGroups,
    },
}

impl Network {
    /// Resolves a network.
    ///
    /// # Errors
    /// [`ArchError::Indivisible`] where a block's channels do not divide into groups and
    /// [`ChannelRounding::Exact`] forbids to change them.
    pub fn resolve(spec: &NetworkSpec) -> Result<Self, ArchError> {
        let scaled = |channels| round_channels(channels, spec.width, spec.channel_divisor);
        let stem = Stem { c_out: scaled(STEM_CHANNELS), stride: spec.stem_stride };
        let mut blocks = Vec::new();
        let mut c_in = stem.c_out;
        for (index, stage) in STAGES.iter().enumerate() {
            let c_out = scaled(stage.c_out);
            for layer in 0..round_depth(stage.layers, spec.depth) {
                let (c_mid, groups) = widen(c_in, stage.expands, spec).map_err(|(c_mid, groups)| {
                    let group_size = spec.group_size;
                    ArchError::Indivisible { stage: index + 1, layer, c_mid, groups, group_size }
                })?;
                blocks.push(Block {
                    stage: index + 1,
                    layer,
                    c_in,
                    c_mid,
                    c_out,
                    expands: c_mid != c_in,
                    kernel: stage.kernel,
                    stride: if layer == 0 { spec.stage_strides[index] } else { 1 },
                    groups,
                    squeeze_excite: spec
                        .squeeze_excite
                        .then(|| SqueezeExcite { c_hidden: (c_in / 4).max(1) }),
                });
                c_in = c_out;
            }
        }
        let head = Head { c_in, c_top: scaled(TOP_CHANNELS), classes: spec.classes };
        Ok(Self { stem, blocks, head, padding: spec.padding, expand_ratio: spec.expansion.ratio })
    }

    /// Number of stride-2 layers, the `n` of the alignment rule.
    pub fn halvings(&self) -> u32 {
        let strides = std::iter::once(self.stem.stride).chain(self.blocks.iter().map(|block| block.stride));
        strides.map(usize::ilog2).sum()
    }

    /// Side of the last feature map for an input of that side.
    pub fn final_side(&self, resolution: usize) -> usize {
        let stem = down_sampled(resolution, self.stem.stride);
        self.blocks.iter().fold(stem, |side, block| down_sampled(side, block.stride))
    }

    /// Blocks whose effective group size is not the one asked for.
    pub fn deviating_blocks(&self, group_size: usize) -> usize {
        self.blocks.iter().filter(|block| block.effective_group_size() != group_size).count()
    }

    /// Checks that every normalized layer's channels divide into `groups`.
    ///
    /// # Errors
    /// [`ArchError::NormGroups`] names the first layer that does not.
    pub fn check_norm_groups(&self, groups: NormGroups) -> Result<(), ArchError> {
        let layers = std::iter::once(("the stem".to_owned(), self.stem.c_out))
            .chain(self.blocks.iter().flat_map(|block| {
                let name = format!("stage {} block {}", block.stage, block.layer);
                [(name.clone(), block.c_mid), (name, block.c_out)]
            }))
            .chain(std::iter::once(("the top".to_owned(), self.head.c_top)));
        for (layer, channels) in layers {
            if groups.of(channels).is_none() {
                return Err(ArchError::NormGroups { layer, channels, groups });
            }
        }
        Ok(())
    }
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut gcd, mut rest) = (a, b);
    while rest != 0 {
        (gcd, rest) = (rest, gcd % rest);
    }
    a / gcd * b
}

/// `(c_mid, groups)` of a block, or the pair that does not divide.
fn widen(c_in: usize, expands: bool, spec: &NetworkSpec) -> Result<(usize, usize), (usize, usize)> {
    let g = spec.group_size;
    let ratio = if expands { spec.expansion.ratio } else { 1.0 };
    let wanted = ((c_in as f64 * ratio).round() as usize).max(1);
    match spec.expansion.rounding {
        ChannelRounding::ToGroup if expands => {
            let step = least_common_multiple(g, spec.channel_divisor);
            let c_mid = ((wanted as f64 / step as f64).round() as usize).max(1) * step;
            Ok((c_mid, c_mid / g))
        }
        ChannelRounding::ToGroup => {
            let most = (wanted / g).max(1);
            let groups = (1..=most).rev().find(|groups| wanted.is_multiple_of(*groups)).unwrap_or(1);
            Ok((wanted, groups))
        }
        ChannelRounding::Exact => {
            let groups = (wanted / g).max(1);
            if wanted.is_multiple_of(groups) { Ok((wanted, groups)) } else { Err((wanted, groups)) }
        }
    }
}
