//! Sizes along the network, and the alignment rule between train and test resolution.
//!
//! Each stride-2 convolution halves a side, rounding up. Its sampling grid sits differently for odd and
//! even inputs, so a network trained at one size sees shifted grids at another unless the parities agree
//! at every one of its `n` stride-2 layers, which holds when `r_test ≡ r_train (mod 2ⁿ)`
//! (Masters et al. 2021, section 3.3).

/// How a convolution pads its borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// TensorFlow's `SAME`, the paper's: asymmetric where an even side meets stride 2.
    Same,
    /// PyTorch's `(k − 1) / 2` on both sides, as in timm's `efficientnet_b0`.
    Symmetric,
}

/// Side after a convolution of that stride: `⌈side / stride⌉`, with either padding.
pub fn down_sampled(side: usize, stride: usize) -> usize {
    side.div_ceil(stride)
}

/// Whether the sampling grids at the two resolutions agree at all `halvings` stride-2 layers.
pub fn aligned(train: usize, test: usize, halvings: u32) -> bool {
    train % (1 << halvings) == test % (1 << halvings)
}

/// The aligned test resolutions next to `test`, below and above; below only if one exists.
pub fn nearest_aligned(train: usize, test: usize, halvings: u32) -> (Option<usize>, usize) {
    let modulus = 1usize << halvings;
    let residue = train % modulus;
    let below =
        (test / modulus * modulus + residue).checked_sub(if test % modulus < residue { modulus } else { 0 });
    let below = below.filter(|side| *side > 0);
    (below, below.unwrap_or(residue) + if below.is_none() && residue > 0 { 0 } else { modulus })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_half_resolutions_are_aligned_with_the_native_ones() {
        for (native, half) in [(224, 160), (240, 176), (260, 196), (300, 204), (380, 252), (456, 328)] {
            assert!(aligned(half, native, 5), "{half} and {native}");
        }
        assert!(!aligned(192, 260, 5));
    }

    #[test]
    fn neighbours_are_aligned_and_enclose() {
        for train in 1..70 {
            for test in 1..70 {
                let (below, above) = nearest_aligned(train, test, 3);
                assert!(aligned(train, above, 3), "{train} {test} {above}");
                assert!(above > test || aligned(train, test, 3), "{train} {test} {above}");
                if let Some(below) = below {
                    assert!(aligned(train, below, 3) && below <= test && test - below < 8);
                }
            }
        }
    }

    #[test]
    fn aligned_sizes_keep_their_parity_at_every_halving() {
        let (mut small, mut large) = (196, 260);
        for _ in 0..5 {
            assert_eq!(small % 2, large % 2);
            (small, large) = (down_sampled(small, 2), down_sampled(large, 2));
        }
    }
}
