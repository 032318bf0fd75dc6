//! Values in half the memory: rounded to bfloat16, and widened again.

use half::bf16;

use super::buffers::Buffer;
use super::simd::dispatch;

/// The values to 8 significant bits, to nearest even; what is no number stays none.
pub(super) fn rounded(values: &[f32]) -> Buffer<bf16> {
    let mut halves = Buffer::stale(values.len());
    dispatch(
        #[inline(always)]
        || halves.iter_mut().zip(values).for_each(|(half, value)| *half = bf16::from_f32(*value)),
    );
    halves
}

/// The values as they were rounded.
pub(super) fn widened(halves: &[bf16]) -> Buffer {
    let mut values = Buffer::stale(halves.len());
    dispatch(
        #[inline(always)]
        || values.iter_mut().zip(halves).for_each(|(value, half)| *value = half.to_f32()),
    );
    values
}

#[cfg(test)]
mod tests {
    use super::super::testing::random;
    use super::*;

    #[test]
    fn values_keep_eight_bits() {
        for length in [0, 1, 15, 33, 1000] {
            let values = random(length, 3);
            let back = widened(&rounded(&values));
            assert_eq!(back.len(), length);
            for (value, back) in values.iter().zip(back.iter()) {
                assert!((value - back).abs() <= value.abs() / 256.0, "{value} became {back}");
                assert_eq!(back.to_bits() & 0xffff, 0);
            }
        }
    }

    #[test]
    fn ties_go_to_even_and_nan_stays_nan() {
        let tie = |bits: u32| f32::from_bits(bits);
        let values = [tie(0x3f80_8000), tie(0x3f81_8000), tie(0x3f80_8001), f32::NAN, f32::INFINITY, -0.0];
        let back = widened(&rounded(&values));
        assert_eq!(
            back[..3].iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
            [0x3f80_0000, 0x3f82_0000, 0x3f81_0000]
        );
        assert!(back[3].is_nan());
        assert_eq!(back[4..], [f32::INFINITY, -0.0]);
    }
}
