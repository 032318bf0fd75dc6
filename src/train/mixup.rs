//! Mixup (Zhang et al. 2018) as the paper's code has it: every image has a `λ ~ Beta(α, α)` of its own, the
//! larger of `λ` and `1 − λ`, and its neighbour in the batch as its partner.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// Mixes `images (n, …)` and `targets (n, classes)` in place, each row with the row before it (the batch
/// rolled by one). `alpha` 0 leaves them as they are.
pub(super) fn mix(images: &mut [f32], targets: &mut [f32], n: usize, alpha: f64, stream: &mut ChaCha8Rng) {
    let Ok(beta) = Beta::new(alpha, alpha) else { return };
    if n < 2 {
        return;
    }
    let lambdas: Vec<f32> = (0..n)
        .map(|_| {
            let lambda: f64 = beta.sample(stream);
            lambda.max(1.0 - lambda) as f32
        })
        .collect();
    mix_rows(images, &lambdas);
    mix_rows(targets, &lambdas);
}

/// Mixes `rows (n, …)` in place, each with the row before it as it was: `λ row + (1 − λ) row before`, the last row
/// standing before the first. `lambdas (n)`.
///
/// # Panics
/// If there are no rows.
pub fn mix_rows(rows: &mut [f32], lambdas: &[f32]) {
    let n = lambdas.len();
    let len = rows.len() / n;
    let last = rows[(n - 1) * len..].to_vec();
    // From the back, so that each row's partner is still what it was.
    for row in (0..n).rev() {
        let (before, from) = rows.split_at_mut(row * len);
        let partner = if row == 0 { &last[..] } else { &before[(row - 1) * len..] };
        let lambda = lambdas[row];
        for (value, partner) in from[..len].iter_mut().zip(partner) {
            *value = lambda * *value + (1.0 - lambda) * partner;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::{Purpose, stream};
    use super::*;

    #[test]
    fn rows_are_mixed_with_the_row_before_as_it_was() {
        let mut rows = vec![1.0, 1.0, 10.0, 10.0, 100.0, 100.0];
        mix_rows(&mut rows, &[0.5, 0.75, 1.0]);
        assert_eq!(rows, [50.5, 50.5, 7.75, 7.75, 100.0, 100.0]);
    }

    #[test]
    fn images_and_targets_share_a_lambda_of_at_least_a_half() {
        let (mut images, mut targets) = (vec![0.0, 1.0, 0.0, 1.0], vec![0.0, 1.0, 0.0, 1.0]);
        mix(&mut images, &mut targets, 4, 0.4, &mut stream(Purpose::Mixing, 1, 2));
        assert_eq!(images, targets);
        assert!(images[1] >= 0.5 && images[0] <= 0.5 && images[0] != 0.0);
    }

    #[test]
    fn alpha_zero_and_lone_images_stay() {
        let mut images = vec![1.0, 2.0];
        mix(&mut images, &mut [1.0, 0.0], 2, 0.0, &mut stream(Purpose::Mixing, 1, 2));
        mix(&mut images, &mut [1.0, 0.0], 1, 1.0, &mut stream(Purpose::Mixing, 1, 2));
        assert_eq!(images, [1.0, 2.0]);
    }
}
