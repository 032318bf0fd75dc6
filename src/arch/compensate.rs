//! The expansion ratio that pays for wider groups.
//!
//! Raising G alone raises both parameters and multiply-accumulates; Masters et al. 2021 lower the
//! expansion ratio from 6 in return (4 at G = 16). Their choice keeps parameters rather than
//! multiply-accumulates, so which of the two is kept is a setting here.

use super::cost::Cost;
use super::network::{ArchError, ChannelRounding, Expansion, Network, NetworkSpec};
use super::norm::Norm;

/// What the compensated network has in common with the depthwise one of ratio 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compensation {
    /// Multiply-accumulates of a forward pass.
    Macs,
    /// Trainable parameters.
    Parameters,
}

/// EfficientNet's expansion ratio.
const BASE_RATIO: f64 = 6.0;

/// Candidate ratios are multiples of a twentieth: channels move in steps of G anyway.
const STEPS_PER_UNIT: f64 = 20.0;

/// `spec` with the ratio whose cost comes closest to the depthwise network's of ratio 6, channels rounded
/// to multiples of G and the channel divisor. Depthwise networks keep ratio 6 as it is.
///
/// Costs are compared at a resolution that halves evenly, so that the ratio does not depend on the
/// resolution a configuration trains at.
///
/// # Errors
/// As [`Network::resolve`].
pub fn compensated(spec: &NetworkSpec, keep: Compensation) -> Result<NetworkSpec, ArchError> {
    let base = NetworkSpec {
        group_size: 1,
        expansion: Expansion { ratio: BASE_RATIO, rounding: ChannelRounding::Exact },
        ..spec.clone()
    };
    if spec.group_size == 1 {
        return Ok(base);
    }
    let cost = |spec: &NetworkSpec| -> Result<f64, ArchError> {
        let network = Network::resolve(spec)?;
        let cost = Cost::of(&network, Norm::Batch, 8 << network.halvings());
        Ok(match keep {
            Compensation::Macs => cost.macs() as f64,
            Compensation::Parameters => cost.parameters() as f64,
        })
    };
    let target = cost(&base)?;
    let mut best: Option<(f64, NetworkSpec)> = None;
    for step in (1..=(BASE_RATIO * STEPS_PER_UNIT) as usize).rev() {
        // A division gives 3.55; a product with 0.05 would give 3.5500000000000003.
        let ratio = step as f64 / STEPS_PER_UNIT;
        let expansion = Expansion { ratio, rounding: ChannelRounding::ToGroup };
        let candidate = NetworkSpec { expansion, ..spec.clone() };
        let distance = (cost(&candidate)? - target).abs();
        if best.as_ref().is_none_or(|(closest, _)| distance < *closest) {
            best = Some((distance, candidate));
        }
    }
    Ok(best.map_or(base, |(_, spec)| spec))
}

#[cfg(test)]
mod tests {
    use super::super::{Padding, Preset};
    use super::*;

    fn spec(group_size: usize) -> NetworkSpec {
        let (stem_stride, stage_strides) = Preset::B0.strides();
        NetworkSpec {
            width: 1.0,
            depth: 1.0,
            channel_divisor: 8,
            group_size,
            expansion: Expansion { ratio: 6.0, rounding: ChannelRounding::Exact },
            stem_stride,
            stage_strides,
            squeeze_excite: true,
            classes: 1000,
            padding: Padding::Same,
        }
    }

    fn cost(spec: &NetworkSpec) -> Cost {
        Cost::of(&Network::resolve(spec).unwrap(), Norm::Batch, 224)
    }

    #[test]
    fn compensation_keeps_what_it_says_within_a_few_percent() {
        let base = cost(&spec(1));
        for group_size in [4, 16] {
            let macs = cost(&compensated(&spec(group_size), Compensation::Macs).unwrap()).macs() as f64;
            let parameters =
                cost(&compensated(&spec(group_size), Compensation::Parameters).unwrap()).parameters() as f64;
            assert!((macs / base.macs() as f64 - 1.0).abs() < 0.05, "G {group_size}: {macs}");
            assert!(
                (parameters / base.parameters() as f64 - 1.0).abs() < 0.05,
                "G {group_size}: {parameters}"
            );
        }
    }

    #[test]
    fn depthwise_needs_no_compensation() {
        assert_eq!(compensated(&spec(1), Compensation::Macs).unwrap().expansion.ratio, 6.0);
    }
}
