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
        /// Number of groups (not channels per group); 4 in the paper.
        groups: usize,
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

/// The paper's number of groups.
pub const DEFAULT_GROUPS: usize = 4;

impl Norm {
    /// The short names of sweep files, in the order in which they are offered.
    pub const NAMES: [&'static str; 6] = ["bn", "gn", "gn+pn", "in", "ln", "ln+pn"];

    /// The norm of that short name, group norms with the paper's four groups.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "bn" => Self::Batch,
            "gn" => Self::Group { groups: DEFAULT_GROUPS, proxy: false },
            "gn+pn" => Self::Group { groups: DEFAULT_GROUPS, proxy: true },
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

    /// Number of channel groups that share statistics within one image; `None` for batch norm.
    pub fn groups(self, channels: usize) -> Option<usize> {
        match self {
            Self::Batch => None,
            Self::Group { groups, .. } => Some(groups),
            Self::Layer { .. } => Some(1),
            Self::Instance => Some(channels),
        }
    }
}

impl fmt::Display for Norm {
    /// `bn`, `ln+pn`; a group norm away from the default says its groups: `gn(8)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group { groups, .. } if *groups != DEFAULT_GROUPS => {
                write!(f, "{}({groups})", self.kind())
            }
            _ => f.write_str(self.kind()),
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
        assert_eq!(Norm::Group { groups: 8, proxy: true }.to_string(), "gn+pn(8)");
    }
}
