use super::super::reference;
use super::super::testing::{assert_close, central_differences, random, same_for_any_threads};
use super::*;

const EPSILON: f32 = 1e-3;

struct Case {
    n: usize,
    pixels: usize,
    c: usize,
    /// `None` for batch norm.
    groups: Option<usize>,
}

const CASES: [Case; 8] = [
    Case { n: 1, pixels: 1, c: 4, groups: Some(1) },
    Case { n: 3, pixels: 130, c: 8, groups: Some(4) },
    Case { n: 2, pixels: 9, c: 5, groups: Some(5) },
    Case { n: 2, pixels: 7, c: 33, groups: Some(1) },
    Case { n: 2, pixels: 65, c: 1, groups: Some(1) },
    Case { n: 3, pixels: 25, c: 6, groups: None },
    Case { n: 2, pixels: 1, c: 40, groups: None },
    Case { n: 1, pixels: 67, c: 3, groups: None },
];

fn statistics(case: &Case, x: &[f32]) -> Statistics {
    match case.groups {
        Some(groups) => Statistics::of_groups(x, case.pixels, case.c, groups, EPSILON),
        None => Statistics::of_batch(x, case.pixels, case.c, EPSILON).0,
    }
}

/// By the definition, in double precision.
fn expected(case: &Case, pass: &NormPass<'_>, x: &[f32]) -> Vec<f64> {
    let Case { n, pixels, c, groups } = *case;
    let at = |image: usize, pixel: usize, channel: usize| (image * pixels + pixel) * c + channel;
    let mut y = vec![0.0; x.len()];
    for image in 0..n {
        for channel in 0..c {
            let places: Vec<usize> = match groups {
                Some(groups) => {
                    let first = channel / (c / groups) * (c / groups);
                    let channels = first..first + c / groups;
                    channels.flat_map(|ch| (0..pixels).map(move |p| at(image, p, ch))).collect()
                }
                None => (0..n).flat_map(|i| (0..pixels).map(move |p| at(i, p, channel))).collect(),
            };
            let (mean, variance) = reference::moments(x, &places);
            for pixel in 0..pixels {
                let xhat =
                    (f64::from(x[at(image, pixel, channel)]) - mean) / (variance + f64::from(EPSILON)).sqrt();
                let beta = pass.beta.map_or(0.0, |beta| f64::from(beta[channel]));
                let z = f64::from(pass.gamma[channel]) * xhat + beta;
                let m = pass.proxy_mean.map_or(0.0, |m| f64::from(m[channel]));
                let s = pass.proxy_scale.map_or(1.0, |s| f64::from(s[channel]));
                y[at(image, pixel, channel)] = (reference::activate(pass.activation, z) - m) * s;
            }
        }
    }
    y
}

fn vectors(c: usize) -> [Vec<f32>; 4] {
    let shifted = |seed, by: f32| random(c, seed).iter().map(|v| v * 0.5 + by).collect::<Vec<f32>>();
    [shifted(11, 1.0), shifted(12, 0.2), shifted(13, 0.2), shifted(14, 1.5)]
}

#[test]
fn forward_equals_the_definition() {
    for case in &CASES {
        for activation in [Activation::Identity, Activation::Swish] {
            let [gamma, beta, m, s] = vectors(case.c);
            let x: Vec<f32> =
                random(case.n * case.pixels * case.c, 1).iter().map(|v| v * 3.0 + 1.0).collect();
            for proxy in [false, true] {
                let pass = NormPass {
                    pixels: case.pixels,
                    activation,
                    gamma: &gamma,
                    beta: proxy.then_some(&beta[..]),
                    proxy_mean: proxy.then_some(&m[..]),
                    proxy_scale: proxy.then_some(&s[..]),
                };
                let mut y = vec![f32::NAN; x.len()];
                pass.forward(&x, &statistics(case, &x), &mut y);
                let expected: Vec<f32> = expected(case, &pass, &x).iter().map(|v| *v as f32).collect();
                assert_close(&format!("{}×{}×{}", case.n, case.pixels, case.c), &y, &expected, 2e-6);
            }
        }
    }
}

/// A pass with swish and all four vectors.
fn proxied<'a>(case: &Case, [gamma, beta, m, s]: &'a [Vec<f32>; 4]) -> NormPass<'a> {
    NormPass {
        pixels: case.pixels,
        activation: Activation::Swish,
        gamma,
        beta: Some(beta),
        proxy_mean: Some(m),
        proxy_scale: Some(s),
    }
}

/// `Σ y · dy` by the definition.
fn weighted_sum(case: &Case, pass: &NormPass<'_>, x: &[f32], dy: &[f32]) -> f64 {
    expected(case, pass, x).iter().zip(dy).map(|(y, dy)| y * f64::from(*dy)).sum()
}

#[test]
fn gradients_equal_central_differences() {
    for case in &CASES {
        let vectors = vectors(case.c);
        let x = random(case.n * case.pixels * case.c, 1);
        let dy = random(x.len(), 2);
        let at = |x: &[f32], vectors: &[Vec<f32>; 4]| weighted_sum(case, &proxied(case, vectors), x, &dy);
        let difference =
            |values: &[f32], f: &dyn Fn(&[f32]) -> f64| central_differences(values, 1.0 / 512.0, f);
        let pass = proxied(case, &vectors);
        let before = random(x.len(), 3);
        let mut dx = before.clone();
        let gradients = pass.backward(&x, &statistics(case, &x), &mut dy.clone(), &mut dx);
        let dx: Vec<f32> = dx.iter().zip(&before).map(|(after, before)| after - before).collect();
        let name = format!("{}×{}×{} {:?}", case.n, case.pixels, case.c, case.groups);
        // One value per statistic leaves nothing but rounding to differentiate.
        if case.pixels * case.c * case.n > 40 || case.groups == Some(1) {
            assert_close(&format!("dx {name}"), &dx, &difference(&x, &|x| at(x, &vectors)), 1e-3);
        }
        let with = |index: usize, values: &[f32]| {
            let mut vectors = vectors.clone();
            vectors[index] = values.to_vec();
            at(&x, &vectors)
        };
        let got = [&gradients.gamma, &gradients.beta, &gradients.proxy_mean, &gradients.proxy_scale];
        for (index, got) in got.into_iter().enumerate() {
            let expected = difference(&vectors[index], &|values| with(index, values));
            assert_close(&format!("vector {index} {name}"), got, &expected, 1e-3);
        }
    }
}

#[test]
fn frozen_statistics_have_no_gradient() {
    let moments = Moments { mean: vec![0.5, -1.0], var: vec![4.0, 0.25] };
    let statistics = Statistics::frozen(&moments, 0.0);
    let gamma = [2.0, 3.0];
    let pass = NormPass {
        pixels: 1,
        activation: Activation::Identity,
        gamma: &gamma,
        beta: None,
        proxy_mean: None,
        proxy_scale: None,
    };
    let (mut y, mut dx) = ([0.0; 2], [0.0; 2]);
    pass.forward(&[2.5, 0.0], &statistics, &mut y);
    assert_eq!(y, [2.0, 6.0]);
    pass.backward(&[2.5, 0.0], &statistics, &mut [1.0, 1.0], &mut dx);
    assert_eq!(dx, [1.0, 6.0]);
}

#[test]
fn images_do_not_see_each_other_but_in_batch_norm() {
    let (pixels, c) = (10, 8);
    let x = random(3 * pixels * c, 1);
    let one = &x[pixels * c..][..pixels * c];
    for groups in [1, 4, 8] {
        let all = Statistics::of_groups(&x, pixels, c, groups, EPSILON);
        let alone = Statistics::of_groups(one, pixels, c, groups, EPSILON);
        assert_eq!(all.of_image(1, c), alone.of_image(0, c));
    }
    let all = Statistics::of_batch(&x, pixels, c, EPSILON).0;
    assert_ne!(all.of_image(1, c), Statistics::of_batch(one, pixels, c, EPSILON).0.of_image(0, c));
}

#[test]
fn threads_change_no_bit() {
    for groups in [Some(2), None] {
        let case = Case { n: 9, pixels: 70, c: 12, groups };
        let [gamma, beta, ..] = vectors(case.c);
        let (x, dy) = (random(9 * 70 * 12, 1), random(9 * 70 * 12, 2));
        same_for_any_threads(|| {
            let pass = NormPass {
                pixels: 70,
                activation: Activation::Swish,
                gamma: &gamma,
                beta: Some(&beta),
                proxy_mean: None,
                proxy_scale: None,
            };
            let statistics = statistics(&case, &x);
            let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            pass.forward(&x, &statistics, &mut y);
            let gradients = pass.backward(&x, &statistics, &mut dy.clone(), &mut dx);
            [y, dx, gradients.gamma, gradients.beta].concat()
        });
    }
}
