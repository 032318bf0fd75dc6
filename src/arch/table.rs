//! The seven stages of EfficientNet-B0 and the compound scaling of B0 to B5
//! (Tan and Le 2019, tables 1 and 8; the same rows in Masters et al. 2021).

/// One row of the paper's table: `layers` MBConv blocks, the first of which has the stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Whether the blocks expand their channels; stage 1 never does.
    pub expands: bool,
    /// Side of the spatial convolution.
    pub kernel: usize,
    /// Stride of the stage's first block.
    pub stride: usize,
    /// Output channels before width scaling.
    pub c_out: usize,
    /// Blocks before depth scaling.
    pub layers: usize,
}

/// EfficientNet-B0's stages, from the stem to the top.
pub const STAGES: [Stage; 7] = [
    Stage { expands: false, kernel: 3, stride: 1, c_out: 16, layers: 1 },
    Stage { expands: true, kernel: 3, stride: 2, c_out: 24, layers: 2 },
    Stage { expands: true, kernel: 5, stride: 2, c_out: 40, layers: 2 },
    Stage { expands: true, kernel: 3, stride: 2, c_out: 80, layers: 3 },
    Stage { expands: true, kernel: 5, stride: 1, c_out: 112, layers: 3 },
    Stage { expands: true, kernel: 5, stride: 2, c_out: 192, layers: 4 },
    Stage { expands: true, kernel: 3, stride: 1, c_out: 320, layers: 1 },
];

/// Channels of the stem before width scaling.
pub const STEM_CHANNELS: usize = 32;

/// Channels of the last 1 × 1 convolution before width scaling.
pub const TOP_CHANNELS: usize = 1280;

/// A named member of the family: compound-scaled multipliers with their native resolution and dropout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// A network of this project's own for small images on a laptop: the same table at a third of the
    /// width and of the depth.
    Nano,
    /// EfficientNet-B0.
    B0,
    /// EfficientNet-B1.
    B1,
    /// EfficientNet-B2.
    B2,
    /// EfficientNet-B3.
    B3,
    /// EfficientNet-B4.
    B4,
    /// EfficientNet-B5.
    B5,
}

impl Preset {
    /// Every preset, smallest first.
    pub const ALL: [Self; 7] = [Self::Nano, Self::B0, Self::B1, Self::B2, Self::B3, Self::B4, Self::B5];

    /// The name in sweep files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::B0 => "b0",
            Self::B1 => "b1",
            Self::B2 => "b2",
            Self::B3 => "b3",
            Self::B4 => "b4",
            Self::B5 => "b5",
        }
    }

    /// The preset of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Width multiplier.
    pub fn width(self) -> f64 {
        match self {
            Self::Nano => 0.35,
            Self::B0 | Self::B1 => 1.0,
            Self::B2 => 1.1,
            Self::B3 => 1.2,
            Self::B4 => 1.4,
            Self::B5 => 1.6,
        }
    }

    /// Depth multiplier.
    pub fn depth(self) -> f64 {
        match self {
            Self::Nano => 0.35,
            Self::B0 => 1.0,
            Self::B1 => 1.1,
            Self::B2 => 1.2,
            Self::B3 => 1.4,
            Self::B4 => 1.8,
            Self::B5 => 2.2,
        }
    }

    /// Native train and test resolution, pixels.
    pub fn resolution(self) -> usize {
        match self {
            Self::Nano => 32,
            Self::B0 => 224,
            Self::B1 => 240,
            Self::B2 => 260,
            Self::B3 => 300,
            Self::B4 => 380,
            Self::B5 => 456,
        }
    }

    /// Dropout rate before the classifier.
    pub fn dropout(self) -> f64 {
        match self {
            Self::Nano => 0.0,
            Self::B0 | Self::B1 => 0.2,
            Self::B2 | Self::B3 => 0.3,
            Self::B4 | Self::B5 => 0.4,
        }
    }

    /// Strides of the stem and of the seven stages: the paper's, but for `nano`, which looks at images of
    /// about 32 pixels and so down-samples three times only (stem and stage 2 keep the size, as in the
    /// CIFAR variant of Masters et al.).
    pub fn strides(self) -> (usize, [usize; 7]) {
        match self {
            Self::Nano => (1, [1, 1, 2, 2, 1, 2, 1]),
            _ => (2, STAGES.map(|stage| stage.stride)),
        }
    }
}
