//! What the noise of few observations is, borrowing from all groups that were observed.
//!
//! Two or three seeds of one configuration say little about how far seeds lie apart; those of thirty configurations
//! together say a lot. Each group's variance is drawn towards the common one, by as much as the groups' variances
//! agree (Smyth 2004, *Linear models and empirical Bayes methods*, sections 4 and 6.2).

use std::f64::consts::PI;

/// The noise of one observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Its deviation.
    pub deviation: f64,
    /// Degrees of freedom with which that is known.
    pub freedom: f64,
}

/// The noise of each group's observations; of one with a single observation or none, the common one. `None`
/// where no group has two. Values that are not finite are left out.
pub fn moderated(groups: &[Vec<f64>]) -> Option<Vec<Noise>> {
    let own: Vec<(f64, f64)> = groups.iter().map(|group| variance(group)).collect();
    let mut known: Vec<(f64, f64)> = own.iter().copied().filter(|(_, freedom)| *freedom > 0.0).collect();
    let pooled_freedom: f64 = known.iter().map(|(_, freedom)| freedom).sum();
    if known.is_empty() {
        return None;
    }
    let pooled = known.iter().map(|(variance, freedom)| variance * freedom).sum::<f64>() / pooled_freedom;
    // Seeds that agree to the digit have a logarithm to be lifted from.
    known.iter_mut().for_each(|(variance, _)| *variance = variance.max(pooled * 1e-5));
    let (common, weight) = if pooled > 0.0 { prior(&known, pooled) } else { (0.0, f64::INFINITY) };
    let noise = |(variance, freedom): (f64, f64)| {
        let mixed = if weight.is_finite() {
            (weight * common + freedom * variance) / (weight + freedom)
        } else {
            common
        };
        Noise { deviation: mixed.sqrt(), freedom: (weight + freedom).min(pooled_freedom) }
    };
    Some(own.into_iter().map(noise).collect())
}

/// Sample variance and its degrees of freedom.
fn variance(group: &[f64]) -> (f64, f64) {
    let finite: Vec<f64> = group.iter().copied().filter(|value| value.is_finite()).collect();
    let count = finite.len() as f64;
    if count < 2.0 {
        return (0.0, 0.0);
    }
    let mean = finite.iter().sum::<f64>() / count;
    (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0), count - 1.0)
}

/// The common variance and with how many degrees of freedom it counts: from mean and variance of the logarithms of
/// variances (Smyth, section 6.2). Infinitely many where they differ no more than chance has it.
fn prior(known: &[(f64, f64)], pooled: f64) -> (f64, f64) {
    let count = known.len() as f64;
    let logs: Vec<f64> = known
        .iter()
        .map(|(variance, freedom)| variance.ln() - digamma(freedom / 2.0) + (freedom / 2.0).ln())
        .collect();
    let mean = logs.iter().sum::<f64>() / count;
    let spread = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let chance = known.iter().map(|(_, freedom)| trigamma(freedom / 2.0)).sum::<f64>() / count;
    let excess = spread - chance;
    if known.len() < 3 || excess <= 0.0 {
        return (pooled, f64::INFINITY);
    }
    let weight = 2.0 * inverse_trigamma(excess);
    ((mean + digamma(weight / 2.0) - (weight / 2.0).ln()).exp(), weight)
}

/// Derivative of ln Γ, for positive x: raised by its recurrence to where the asymptotic series is exact to 1e-12
/// (Abramowitz and Stegun 6.3.5 and 6.3.18).
fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 10.0 {
        below -= 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = inverse * (1.0 / 12.0 - inverse * (1.0 / 120.0 - inverse * (1.0 / 252.0 - inverse / 240.0)));
    below + x.ln() - 0.5 / x - series
}

/// Second derivative of ln Γ, likewise (6.4.6 and 6.4.12).
fn trigamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 10.0 {
        below += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = inverse * (1.0 / 6.0 - inverse * (1.0 / 30.0 - inverse * (1.0 / 42.0 - inverse / 30.0)));
    below + 1.0 / x + inverse / 2.0 + series / x
}

/// The x whose trigamma is `value`, by halving: trigamma falls from 1 / x² at 0 to 1 / x.
fn inverse_trigamma(value: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0 / value + PI);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if trigamma(middle) > value { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// `scipy.special.digamma` and `polygamma(1, x)`.
    #[test]
    fn digamma_and_trigamma_are_scipys() {
        for (x, first, second) in [
            (0.5, -1.963_510_026_021_423_5, 4.934_802_200_544_679),
            (1.0, -0.577_215_664_901_532_9, 1.644_934_066_848_226_4),
            (3.7, 1.167_153_539_361_511_3, 0.310_037_857_670_038_3),
            (25.0, 3.198_742_512_851_974, 0.040_810_663_257_225_58),
        ] {
            assert!((digamma(x) - first).abs() < 1e-10, "{x}: {}", digamma(x));
            assert!((trigamma(x) - second).abs() < 1e-10, "{x}: {}", trigamma(x));
            assert!((inverse_trigamma(second) - x).abs() < 1e-6 * x, "{x}");
        }
    }

    #[test]
    fn groups_that_agree_are_pooled() {
        let noise = moderated(&[vec![1.0, 3.0], vec![5.0, 7.0], vec![2.0], vec![]]).unwrap();
        for one in noise {
            assert!((one.deviation - 2.0_f64.sqrt()).abs() < 1e-12 && one.freedom == 2.0, "{one:?}");
        }
    }

    #[test]
    fn a_single_observation_each_says_nothing_of_noise() {
        assert_eq!(moderated(&[vec![1.0], vec![2.0], vec![]]), None);
        assert_eq!(moderated(&[]), None);
    }

    #[test]
    fn equal_observations_have_no_noise() {
        assert_eq!(moderated(&[vec![1.0, 1.0]]).unwrap()[0].deviation, 0.0);
        let noise = moderated(&[vec![1.0, 1.0, 1.0], vec![1.0, 3.0, 2.0], vec![4.0, 4.0, 5.0]]).unwrap();
        assert!(noise.iter().all(|one| one.deviation > 0.0 && one.freedom > 0.0), "{noise:?}");
    }

    #[test]
    fn a_group_apart_keeps_some_of_its_own() {
        let mut stream = ChaCha8Rng::seed_from_u64(3);
        let mut group = |deviation: f64| -> Vec<f64> {
            let mut one = || -> f64 { StandardNormal.sample(&mut stream) };
            (0..6).map(|_| deviation * one()).collect()
        };
        let groups: Vec<Vec<f64>> = [0.1, 10.0].into_iter().cycle().take(40).map(&mut group).collect();
        let noise = moderated(&groups).unwrap();
        assert!(noise.iter().step_by(2).all(|one| one.deviation < 1.0), "{noise:?}");
        assert!(noise.iter().skip(1).step_by(2).all(|one| one.deviation > 3.0), "{noise:?}");
    }
}
