//! The normalizations of a sweep (Masters et al. 2021, section on LN and proxy norm; Labatie et al. 2021).

use std::fmt;

/// What follows every convolution of the network.
///
/// Layer norm is group norm with one group; instance norm has one group per channel. Groups are
/// contiguous channels, as in PyTorch (Graphcore's own code strides them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Norm {
    /// Batch normalization, statistics per channel over the batch.
    Batch,
    /// Group normalization with this many groups of channels.
    Group {
        /// How channels divide into groups.
        groups: NormGroups,
        /// Whether activations are proxy-normalized.
        proxy: bool,
    },
    /// Layer normalization: statistics per image over pixels and channels.
    Layer {
        /// Whether activations are proxy-normalized.
        proxy: bool,
    },
    /// Instance normalization: statistics per image and channel.
    Instance,
}

/// How the channels of a layer divide into the groups of its group norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NormGroups {
    /// This many groups, whatever the layer's width.
    Count(usize),
    /// Groups of this many channels (timm's `group_size`).
    Size(usize),
}

impl NormGroups {
    /// The paper's four groups.
    pub const PAPER: Self = Self::Count(4);

    /// Number of groups of a layer with `channels` channels; `None` where they do not divide.
    pub fn of(self, channels: usize) -> Option<usize> {
        match self {
            Self::Count(count) => (count > 0 && channels.is_multiple_of(count)).then_some(count),
            Self::Size(size) => (size > 0 && channels.is_multiple_of(size)).then(|| channels / size),
        }
    }
}

impl fmt::Display for NormGroups {
    /// `4 norm groups`, `norm groups of 16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count} norm groups"),
            Self::Size(size) => write!(f, "norm groups of {size}"),
        }
    }
}

impl Norm {
    /// The short names of sweep files, in the order in which they are offered.
    pub const NAMES: [&'static str; 6] = ["bn", "gn", "gn+pn", "in", "ln", "ln+pn"];

    /// The norm of that short name, group norms with the paper's four groups.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "bn" => Self::Batch,
            "gn" => Self::Group { groups: NormGroups::PAPER, proxy: false },
            "gn+pn" => Self::Group { groups: NormGroups::PAPER, proxy: true },
            "in" => Self::Instance,
            "ln" => Self::Layer { proxy: false },
            "ln+pn" => Self::Layer { proxy: true },
            _ => return None,
        })
    }

    /// Short name without the number of groups.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Batch => "bn",
            Self::Group { proxy: false, .. } => "gn",
            Self::Group { proxy: true, .. } => "gn+pn",
            Self::Layer { proxy: false } => "ln",
            Self::Layer { proxy: true } => "ln+pn",
            Self::Instance => "in",
        }
    }

    /// Whether an output depends on the other images of its batch.
    pub fn depends_on_batch(self) -> bool {
        self == Self::Batch
    }

    /// Whether activations are proxy-normalized.
    pub fn has_proxy(self) -> bool {
        matches!(self, Self::Group { proxy: true, .. } | Self::Layer { proxy: true })
    }

    /// Number of channel groups that share statistics within one image; `None` for batch norm. Channels that do
    /// not divide count as one group: [`Network::check_norm_groups`](super::Network::check_norm_groups) refuses them.
    pub fn groups(self, channels: usize) -> Option<usize> {
        match self {
            Self::Batch => None,
            Self::Group { groups, .. } => Some(groups.of(channels).unwrap_or(1)),
            Self::Layer { .. } => Some(1),
            Self::Instance => Some(channels),
        }
    }
}

impl fmt::Display for Norm {
    /// `bn`, `ln+pn`; a group norm away from the paper's says its groups, `gn(8)`, or their size, `gn(of 16)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Group { groups: NormGroups::PAPER, .. } => Ok(()),
            Self::Group { groups: NormGroups::Count(count), .. } => write!(f, "({count})"),
            Self::Group { groups: NormGroups::Size(size), .. } => write!(f, "(of {size})"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for name in Norm::NAMES {
            assert_eq!(Norm::from_name(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn unusual_group_counts_are_shown() {
        assert_eq!(Norm::Group { groups: NormGroups::Count(8), proxy: true }.to_string(), "gn+pn(8)");
        assert_eq!(Norm::Group { groups: NormGroups::Size(16), proxy: false }.to_string(), "gn(of 16)");
    }

    #[test]
    fn groups_divide_channels_or_are_none() {
        assert_eq!([8, 10, 2].map(|channels| NormGroups::Count(4).of(channels)), [Some(4), None, None]);
        assert_eq!([8, 10, 48].map(|channels| NormGroups::Size(8).of(channels)), [Some(1), None, Some(6)]);
        assert_eq!(NormGroups::Size(0).of(8), None);
    }
}
