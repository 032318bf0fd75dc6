//! Compound scaling's rounding rules (Tan and Le 2019; `round_filters` and `round_repeats` of the
//! reference code).

/// What channels are kept divisible by in the reference code.
pub const CHANNEL_DIVISOR: usize = 8;

/// `channels` scaled by `width`, rounded to the nearest multiple of `divisor`, never below 90 % of the exact value.
pub fn round_channels(channels: usize, width: f64, divisor: usize) -> usize {
    let exact = channels as f64 * width;
    let steps = (exact / divisor as f64 + 0.5).floor() as usize;
    let rounded = (steps * divisor).max(divisor);
    if (rounded as f64) < 0.9 * exact { rounded + divisor } else { rounded }
}

/// `layers` scaled by `depth`, rounded up.
pub fn round_depth(layers: usize, depth: f64) -> usize {
    (layers as f64 * depth).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_round_to_eight_and_keep_ninety_percent() {
        for (channels, width, expected) in
            [(32, 1.0, 32), (32, 1.1, 32), (16, 1.2, 24), (320, 1.2, 384), (1280, 1.6, 2048), (16, 0.35, 8)]
        {
            assert_eq!(round_channels(channels, width, 8), expected, "{channels} at {width}");
        }
        assert_eq!(round_channels(32, 1.2, 16), 48);
    }

    #[test]
    fn depth_rounds_up() {
        assert_eq!([1, 2, 3, 4].map(|layers| round_depth(layers, 1.1)), [2, 3, 4, 5]);
    }
}
