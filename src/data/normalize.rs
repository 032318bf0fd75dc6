//! From bytes to what a network reads: `(x / 255 − mean) / std` per channel, by table.

/// Mean of ImageNet's training images, R, G, B.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// Standard deviation of ImageNet's training images, R, G, B.
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The normalized value of each byte in each channel.
const TABLE: [[f32; 256]; 3] = table();

const fn table() -> [[f32; 256]; 3] {
    let mut table = [[0.0; 256]; 3];
    let mut channel = 0;
    while channel < 3 {
        let mut byte = 0;
        while byte < 256 {
            table[channel][byte] = (byte as f32 / 255.0 - MEAN[channel]) / STD[channel];
            byte += 1;
        }
        channel += 1;
    }
    table
}

/// Appends the normalized values of RGB bytes to `out`.
pub(super) fn normalize(rgb: &[u8], out: &mut Vec<f32>) {
    let value = |channel: usize, byte: u8| TABLE[channel][usize::from(byte)];
    let (pixels, _) = rgb.as_chunks::<3>();
    out.extend(pixels.iter().flat_map(|&[r, g, b]| [value(0, r), value(1, g), value(2, b)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_formula() {
        let mut out = Vec::new();
        normalize(&[0, 128, 255], &mut out);
        for (channel, byte) in [(0, 0.0f32), (1, 128.0), (2, 255.0)] {
            let expected = (byte / 255.0 - MEAN[channel]) / STD[channel];
            assert!((out[channel] - expected).abs() <= 1e-6, "{channel}: {} {expected}", out[channel]);
        }
    }
}
