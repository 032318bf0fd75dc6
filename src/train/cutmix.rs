//! CutMix (Yun et al. 2019) as the paper's code has it: in a share of the batches, a box of every image shows the image
//! two rows before instead; one box for the whole batch, its area drawn so that small ones are likelier.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The partner: so many rows before, so that Mixup's, one row before, is another one.
const ROLL: usize = 2;

/// How fast the density of the kept share λ rises towards 1: as e^(4 λ).
const RISE: f64 = 4.0;

/// Pastes boxes in `images (n, side, side, channels)` and mixes `targets (n, classes)` by the share of the area that
/// stays, in place; with probability `share`, which 0 turns off.
pub(super) fn cut(
    (images, side): (&mut [f32], usize),
    targets: &mut [f32],
    n: usize,
    share: f64,
    stream: &mut ChaCha8Rng,
) {
    if share == 0.0 || n <= ROLL || stream.random::<f64>() >= share {
        return;
    }
    let floor = (-RISE).exp();
    let kept = 1.0 + (floor + (1.0 - floor) * stream.random::<f64>()).ln() / RISE;
    let half = side as f64 * (1.0 - kept).max(0.0).sqrt() / 2.0;
    let mut span = || {
        let middle = stream.random::<f64>() * side as f64;
        let end = |at: f64| at.round().clamp(0.0, side as f64) as usize;
        end(middle - half)..end(middle + half)
    };
    let (rows, columns) = (span(), span());
    let channels = images.len() / (n * side * side);
    let pixels = |image: usize| {
        let columns = columns.clone();
        rows.clone().map(move |row| {
            let start = (image * side + row) * side;
            (start + columns.start) * channels..(start + columns.end) * channels
        })
    };
    let boxes: Vec<f32> = (0..n).flat_map(pixels).flat_map(|span| images[span].to_vec()).collect();
    let area = rows.len() * columns.len();
    let length = area * channels;
    for image in 0..n {
        let partner = (image + n - ROLL) % n;
        let mut pasted = &boxes[partner * length..][..length];
        for span in pixels(image) {
            let (line, rest) = pasted.split_at(span.len());
            images[span].copy_from_slice(line);
            pasted = rest;
        }
    }
    let pasted = area as f32 / (side * side) as f32;
    let classes = targets.len() / n;
    let before = targets.to_vec();
    for (image, target) in targets.chunks_exact_mut(classes).enumerate() {
        let partner = &before[(image + n - ROLL) % n * classes..][..classes];
        for (value, partner) in target.iter_mut().zip(partner) {
            *value = (1.0 - pasted) * *value + pasted * partner;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::{Purpose, stream};
    use super::*;

    const SIDE: usize = 9;

    /// Images whose every pixel, and targets whose every class, say which row they are.
    fn rows(n: usize) -> (Vec<f32>, Vec<f32>) {
        let image = |row: usize| vec![row as f32; SIDE * SIDE * 3];
        let target = |row: usize| (0..n).map(move |class| f32::from(u8::from(class == row)));
        ((0..n).flat_map(image).collect(), (0..n).flat_map(target).collect())
    }

    #[test]
    fn a_target_is_mixed_by_the_area_that_its_image_shows() {
        let n = 5;
        let mut areas = Vec::new();
        for step in 0..200 {
            let (mut images, mut targets) = rows(n);
            cut((&mut images, SIDE), &mut targets, n, 1.0, &mut stream(Purpose::Cutting, 7, step));
            for row in 0..n {
                let partner = (row + n - 2) % n;
                let image = &images[row * SIDE * SIDE * 3..][..SIDE * SIDE * 3];
                let of = |which: usize| image.iter().filter(|value| **value == which as f32).count();
                assert_eq!(of(row) + of(partner), image.len());
                let pasted = of(partner) as f32 / image.len() as f32;
                let target = &targets[row * n..][..n];
                assert!((target[partner] - pasted).abs() < 1e-6 && (target[row] + pasted - 1.0).abs() < 1e-6);
                areas.push(f64::from(pasted));
            }
        }
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        // 1 − E λ = 1 − (1 / (1 − e⁻⁴) − 1/4) = 0.23, less what the edge cuts off.
        assert!((0.1..0.24).contains(&mean), "{mean}");
        assert!(areas.iter().any(|area| *area > 0.5) && areas.contains(&0.0), "of all sizes");
    }

    #[test]
    fn a_share_of_the_batches_is_cut() {
        let changed = |share: f64, n: usize| {
            let count = |step: u64| {
                let (mut images, mut targets) = rows(n);
                cut((&mut images, SIDE), &mut targets, n, share, &mut stream(Purpose::Cutting, 7, step));
                targets != rows(n).1
            };
            (0..300).filter(|step| count(*step)).count()
        };
        assert_eq!((changed(0.0, 4), changed(1.0, 2)), (0, 0));
        let (half, all) = (changed(0.5, 4), changed(1.0, 4));
        assert!(all > 240 && (0.4..0.6).contains(&(half as f64 / all as f64)), "{half} of {all}");
    }
}
