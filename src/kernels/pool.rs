//! Global average pooling.

use super::norm::channel_sums;
use super::simd::dispatch;
use super::threads::for_chunks;
use super::tile::repeated;

/// Means over pixels: `y (n, c)` of `x (n, pixels, c)`.
pub fn average(x: &[f32], pixels: usize, c: usize, y: &mut [f32]) {
    for_chunks(y, c, |image, y| {
        let sums = channel_sums(&x[image * pixels * c..][..pixels * c], c);
        y.iter_mut().zip(sums).for_each(|(y, sum)| *y = (sum / pixels as f64) as f32);
    });
}

/// Spreads the gradient of the means over the pixels: `dx += dy / pixels`.
pub fn add_spread(dy: &[f32], pixels: usize, c: usize, dx: &mut [f32]) {
    let share = 1.0 / pixels as f32;
    for_chunks(dx, pixels * c, |image, dx| {
        let dy = repeated(&dy[image * c..][..c]);
        dispatch(
            #[inline(always)]
            || {
                for dx in dx.chunks_mut(dy.len()) {
                    dx.iter_mut().zip(&dy).for_each(|(dx, dy)| *dx = dy.mul_add(share, *dx));
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::super::testing::{assert_close, random};
    use super::*;

    #[test]
    fn averages_and_their_gradient_equal_the_definition() {
        for (n, pixels, c) in [(1, 1, 1), (2, 130, 3), (3, 64, 17)] {
            let x = random(n * pixels * c, 1);
            let mut y = vec![f32::NAN; n * c];
            average(&x, pixels, c, &mut y);
            let expected = (0..n * c).map(|at| {
                let (image, channel) = (at / c, at % c);
                let places: Vec<usize> = (0..pixels).map(|p| (image * pixels + p) * c + channel).collect();
                reference::moments(&x, &places).0 as f32
            });
            assert_close("y", &y, &expected.collect::<Vec<_>>(), 1e-6);

            let (dy, before) = (random(n * c, 2), random(x.len(), 3));
            let mut dx = before.clone();
            add_spread(&dy, pixels, c, &mut dx);
            let expected = (0..x.len())
                .map(|at| before[at] + dy[at / (pixels * c) * c + at % c] / pixels as f32)
                .collect::<Vec<_>>();
            assert_close("dx", &dx, &expected, 1e-6);
        }
    }
}
