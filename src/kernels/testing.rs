//! What kernel tests share: comparison that fails on NaN, random values, and a tester of convolutions with
//! the shapes that hurt built in.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{ConvGeometry, Padding, conv, reference};

/// Values between −1 and 1.
pub(crate) fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| stream.random::<f32>() * 2.0 - 1.0).collect()
}

/// Fails unless the norm of the difference is at most `tolerance` times the norm of `expected`. Any NaN or
/// infinity fails.
#[track_caller]
pub(crate) fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    let error = relative_error(got, expected);
    let close = error <= tolerance;
    if !close {
        let worst = (0..got.len()).max_by(|a, b| {
            let far = |i: &usize| f64::from((got[*i] - expected[*i]).abs());
            far(a).total_cmp(&far(b))
        });
        let worst = worst.map(|i| format!("[{i}] {} instead of {}", got[i], expected[i]));
        panic!("{what}: relative error {error:.2e} over {tolerance:.0e}; worst {worst:?}");
    }
}

/// Norm of the difference over the norm of `expected`, NaN where anything is not finite.
pub(crate) fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let difference: f64 = got.iter().zip(expected).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let norm: f64 = expected.iter().map(|b| square(f64::from(*b))).sum();
    (difference / norm.max(1e-30)).sqrt()
}

/// The slope of `f` along each of `values`, by central differences.
pub(crate) fn central_differences(values: &[f32], step: f32, f: &dyn Fn(&[f32]) -> f64) -> Vec<f32> {
    let moved = |i: usize, by: f32| {
        let mut values = values.to_vec();
        values[i] += by;
        f(&values)
    };
    let slope = |i: usize| (moved(i, step) - moved(i, -step)) / (2.0 * f64::from(step));
    (0..values.len()).map(|i| slope(i) as f32).collect()
}

/// Fails unless `f` gives the same bits on 1 and on 3 threads.
#[track_caller]
pub(crate) fn same_for_any_threads(f: impl Fn() -> Vec<f32> + Sync) {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&f).iter().map(|value| value.to_bits()).collect::<Vec<u32>>()
    };
    assert_eq!(run(1), run(3));
}

/// Runs a convolution and its gradients against the nested loops over kernels 1 to 5, strides 1 and 2, both
/// paddings, and sizes from one pixel to odd rectangles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConvTester {
    batch: usize,
    channels: usize,
    channels_out: Option<usize>,
    groups: usize,
}

impl Default for ConvTester {
    fn default() -> Self {
        Self { batch: 2, channels: 1, channels_out: None, groups: 1 }
    }
}

impl ConvTester {
    pub(crate) fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    pub(crate) fn channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    pub(crate) fn channels_out(self, channels_out: usize) -> Self {
        Self { channels_out: Some(channels_out), ..self }
    }

    pub(crate) fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub(crate) fn run(self) {
        for padding in [Padding::Same, Padding::Symmetric] {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)] {
                for (h, w) in [(1, 1), (2, 3), (5, 4), (7, 10), (9, 1)] {
                    self.check(&self.geometry(h, w, kernel, stride, padding));
                }
            }
        }
    }

    pub(crate) fn run_at(self, (h, w): (usize, usize), kernel: usize, stride: usize) {
        self.check(&self.geometry(h, w, kernel, stride, Padding::Same));
    }

    pub(crate) fn run_for_any_threads(self, (h, w): (usize, usize), stride: usize) {
        let g = self.geometry(h, w, 3, stride, Padding::Same);
        let (x, w, dy) = (random(g.input_len(), 1), random(g.weight_len(), 2), random(g.output_len(), 3));
        same_for_any_threads(|| {
            let mut y = vec![f32::NAN; g.output_len()];
            let (mut dx, mut dw) = (vec![0.0; g.input_len()], vec![0.0; g.weight_len()]);
            let plan = conv::Plan::new(&g, &w);
            plan.forward(&x, &mut y);
            plan.add_input_gradient(&dy, &mut dx);
            plan.add_weight_gradient(&x, &dy, &mut dw);
            [y, dx, dw].concat()
        });
        self.check(&g);
    }

    fn geometry(self, h: usize, w: usize, kernel: usize, stride: usize, padding: Padding) -> ConvGeometry {
        let c_out = self.channels_out.unwrap_or(self.channels);
        ConvGeometry {
            n: self.batch,
            h,
            w,
            c_in: self.channels,
            c_out,
            kernel,
            stride,
            groups: self.groups,
            padding,
        }
    }

    fn check(self, g: &ConvGeometry) {
        let (x, w, dy) = (random(g.input_len(), 1), random(g.weight_len(), 2), random(g.output_len(), 3));
        let mut y = vec![f32::NAN; g.output_len()];
        let plan = conv::Plan::new(g, &w);
        plan.forward(&x, &mut y);
        assert_close(&format!("y {g:?}"), &y, &reference::conv(g, &x, &w), 1e-6);

        let (before_dx, before_dw) = (random(g.input_len(), 4), random(g.weight_len(), 5));
        let (mut dx, mut dw) = (before_dx.clone(), before_dw.clone());
        plan.add_input_gradient(&dy, &mut dx);
        plan.add_weight_gradient(&x, &dy, &mut dw);
        let (expected_dx, expected_dw) = reference::conv_gradients(g, &x, &w, &dy);
        let sum = |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
        assert_close(&format!("dx {g:?}"), &dx, &sum(&expected_dx, &before_dx), 1e-6);
        assert_close(&format!("dw {g:?}"), &dw, &sum(&expected_dw, &before_dw), 1e-6);

        dx.fill(f32::NAN);
        dw.fill(f32::NAN);
        plan.input_gradient(&dy, &mut dx);
        plan.sum_weight_gradient(&x, &dy, &mut dw, false);
        assert_close(&format!("dx in place {g:?}"), &dx, &expected_dx, 1e-6);
        assert_close(&format!("dw in place {g:?}"), &dw, &expected_dw, 1e-6);
    }
}

mod tests {
    use super::*;

    #[test]
    fn nan_infinity_and_distance_fail() {
        let fails = |got: &'static [f32]| {
            std::panic::catch_unwind(|| assert_close("x", got, &[1.0, 2.0], 1e-3)).is_err()
        };
        assert!(
            fails(&[f32::NAN, 2.0]) && fails(&[1.0, f32::INFINITY]) && fails(&[1.0, 2.1]) && fails(&[1.0])
        );
        assert!(!fails(&[1.0, 2.000_1]));
    }
}
