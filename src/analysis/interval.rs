//! How sure a number is: 95 % intervals for a share, a mean and a median.
//!
//! All intervals are two-sided with 2.5 % on either side, and `None` where so few values say nothing. A
//! value that is not finite makes every answer `None`: a mean over seeds of which one diverged is no mean.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LN_2};

/// Probability left out on either side.
const TAIL: f64 = 0.025;

/// The standard normal's 97.5 % quantile.
const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Distance between its ends.
    pub fn width(self) -> f64 {
        self.high - self.low
    }

    /// Whether `value` lies in it.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// Wilson's score interval of a probability, from `successes` of `trials` (Wilson 1927). It stays within 0
/// and 1 and keeps its width where nothing or everything succeeded. `None` without trials.
pub fn wilson(successes: u64, trials: u64) -> Option<Interval> {
    if trials == 0 || successes > trials {
        return None;
    }
    let (n, share) = (trials as f64, successes as f64 / trials as f64);
    let z2 = NORMAL_QUANTILE * NORMAL_QUANTILE;
    let centre = share + z2 / (2.0 * n);
    let reach = NORMAL_QUANTILE * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    Some(Interval {
        low: if successes == 0 { 0.0 } else { (centre - reach) / scale },
        high: if successes == trials { 1.0 } else { (centre + reach) / scale },
    })
}

/// Arithmetic mean. `None` without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (!values.is_empty() && mean.is_finite()).then_some(mean)
}

/// Sample standard deviation, with `n − 1` degrees of freedom. `None` for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let freedom = values.len().checked_sub(1).filter(|freedom| *freedom > 0)?;
    Some((values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom as f64).sqrt())
}

/// Student's interval of the mean of normally distributed values. `None` for fewer than two.
pub fn student(values: &[f64]) -> Option<Interval> {
    let (mean, deviation) = (mean(values)?, standard_deviation(values)?);
    let reach = student_quantile(values.len() - 1) * deviation / (values.len() as f64).sqrt();
    Some(Interval { low: mean - reach, high: mean + reach })
}

/// How far one more value may lie from the mean of its group, with 95 %, where all groups have one deviation: Student's
/// quantile times the pooled sample deviation. `None` without a group of two.
pub fn pooled_reach(groups: &[Vec<f64>]) -> Option<f64> {
    let (mut squares, mut freedom) = (0.0, 0);
    for group in groups.iter().filter(|group| group.len() > 1) {
        squares += standard_deviation(group)?.powi(2) * (group.len() - 1) as f64;
        freedom += group.len() - 1;
    }
    (freedom > 0).then(|| student_quantile(freedom) * (squares / freedom as f64).sqrt())
}

/// The 97.5 % quantile of Student's distribution with `freedom` degrees of freedom, at least one.
///
/// With t = √freedom · tan θ the central probability is a finite trigonometric sum in θ (Abramowitz and
/// Stegun 26.7.3 and 26.7.4), which is solved by halving; no table, and exact for every whole number.
pub(super) fn student_quantile(freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if central_probability(middle, freedom) < 1.0 - 2.0 * TAIL {
            low = middle;
        } else {
            high = middle;
        }
    }
    (freedom as f64).sqrt() * low.tan()
}

/// P(|T| < √freedom · tan θ) of Student's distribution.
fn central_probability(theta: f64, freedom: usize) -> f64 {
    let (sin, cos) = theta.sin_cos();
    let (odd, mut term) = (freedom % 2 == 1, if freedom % 2 == 1 { sin * cos } else { sin });
    let mut sum = 0.0;
    // Exponents of the cosine rise in steps of two up to freedom − 2; each term follows from the one before.
    for exponent in (freedom % 2..freedom.saturating_sub(1)).step_by(2) {
        sum += term;
        let factor = (exponent + 1) as f64 / (exponent + 2) as f64;
        term *= factor * cos * cos;
    }
    if odd { FRAC_2_PI * (theta + sum) } else { sum }
}

/// Median; the mean of the two middle values if their number is even. `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values)?;
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(lower + (upper - lower) / 2.0)
}

/// Interval of the median of any continuous distribution, between two of the values themselves (order
/// statistics; exact for independent values, at least 95 % for every number of them). `None` for fewer than
/// six values: not even smallest and largest of five enclose the median with 95 %.
pub fn median_interval(values: &[f64]) -> Option<Interval> {
    let sorted = sorted(values)?;
    let outside = outside_ranks(sorted.len()).checked_sub(1)?;
    Some(Interval { low: *sorted.get(outside)?, high: *sorted.get(sorted.len() - 1 - outside)? })
}

/// The largest k for which fewer than k of `count` fair coins show heads with at most 2.5 % probability: the
/// kth smallest value is below the median at least as surely.
fn outside_ranks(count: usize) -> usize {
    // In logarithms, since 2⁻ⁿ is no longer a number after a thousand coins.
    let mut log_term = -(count as f64) * LN_2;
    let mut below = 0.0;
    for heads in 0..count {
        below += log_term.exp();
        if below > TAIL {
            return heads;
        }
        log_term += ((count - heads) as f64 / (heads + 1) as f64).ln();
    }
    0
}

/// The values in ascending order, if there are any and all are finite.
fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(sorted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[track_caller]
    fn assert_close(found: f64, expected: f64) {
        let close = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
        assert!(close, "found {found}, expected {expected}");
    }

    #[track_caller]
    fn assert_interval(found: Option<Interval>, low: f64, high: f64) {
        let found = found.unwrap();
        assert_close(found.low, low);
        assert_close(found.high, high);
    }

    /// `scipy.stats.t.ppf(0.975, freedom)`; the density integrated numerically in θ agrees to ten digits.
    #[test]
    fn a_pooled_reach_is_students_times_the_pooled_deviation() {
        // Deviations √2 with one degree of freedom and 2 with two: variance (2 + 2·4) / 3.
        let groups = [vec![1.0, 3.0], vec![10.0, 12.0, 14.0], vec![99.0], vec![]];
        let reach = pooled_reach(&groups).unwrap();
        assert!((reach - 3.182_446_305 * (10.0_f64 / 3.0).sqrt()).abs() < 1e-6, "{reach}");
        assert_eq!(pooled_reach(&[vec![1.0]]), None);
        assert_eq!(pooled_reach(&[vec![1.0, f64::NAN]]), None);
    }

    #[test]
    fn student_quantiles_are_exact_for_odd_and_even_degrees_of_freedom() {
        for (freedom, expected) in [
            (1, 12.706_204_736_174_7),
            (2, 4.302_652_729_749_4),
            (3, 3.182_446_305_283_7),
            (4, 2.776_445_105_197_7),
            (9, 2.262_157_162_798_2),
            (30, 2.042_272_456_301_3),
            (101, 1.983_731_002_955_3),
        ] {
            assert_close(student_quantile(freedom), expected);
        }
    }

    #[test]
    fn many_degrees_of_freedom_approach_the_normal_quantile() {
        assert!((student_quantile(100_000) - NORMAL_QUANTILE).abs() < 1e-4);
    }

    /// `scipy.stats.t.interval(0.95, 4, loc=np.mean(x), scale=scipy.stats.sem(x))`.
    #[test]
    fn a_mean_over_five_seeds_has_students_interval() {
        let top1 = [0.812, 0.797, 0.823, 0.805, 0.819];
        assert_close(mean(&top1).unwrap(), 0.8112);
        assert_interval(student(&top1), 0.798_165_484_697, 0.824_234_515_303);
    }

    #[test]
    fn one_seed_has_a_mean_and_no_interval() {
        assert_eq!((mean(&[0.8]), student(&[0.8]), mean(&[])), (Some(0.8), None, None));
    }

    /// `scipy.stats.binomtest(k, n).proportion_ci(method="wilson")`.
    #[test]
    fn wilsons_interval_is_scipys() {
        for (successes, trials, low, high) in [
            (8, 10, 0.490_162_471_536_6, 0.943_317_848_545_6),
            (0, 20, 0.0, 0.161_125_158_052_8),
            (20, 20, 0.838_874_841_947_2, 1.0),
            (9123, 10_000, 0.906_596_564_280_6, 0.917_686_790_662_9),
        ] {
            assert_interval(wilson(successes, trials), low, high);
        }
        assert_eq!((wilson(0, 0), wilson(3, 2)), (None, None));
    }

    /// The largest k with `scipy.stats.binom.cdf(k - 1, n, 0.5) <= 0.025`.
    #[test]
    fn order_statistics_enclose_the_median_with_the_binomial_probability() {
        for (count, ranks) in
            [(5, 0), (6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (50, 18), (100, 40), (1000, 469), (2000, 956)]
        {
            assert_eq!(outside_ranks(count), ranks, "{count} values");
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_median_interval_ends_on_values_and_needs_six() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(median_interval(&values), Some(Interval { low: 6.0, high: 15.0 }));
        assert_eq!(median_interval(&values[..6]), Some(Interval { low: 15.0, high: 20.0 }));
        assert_eq!(median_interval(&values[..5]), None);
    }

    #[test]
    fn a_value_that_is_not_finite_leaves_no_answer() {
        for odd in [f64::NAN, f64::INFINITY] {
            let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, odd];
            assert_eq!((mean(&values), median(&values)), (None, None));
            assert_eq!((student(&values), median_interval(&values)), (None, None));
        }
    }

    #[test]
    fn intervals_enclose_the_truth_at_least_as_often_as_they_say() {
        let mut stream = ChaCha8Rng::seed_from_u64(11);
        let (mut wilson_hits, mut median_hits) = (0, 0);
        for _ in 0..4000 {
            let successes = (0..200).filter(|_| stream.random_bool(0.9)).count();
            wilson_hits += usize::from(wilson(successes as u64, 200).unwrap().contains(0.9));
            // Skewed, as times are: the median of −ln U is ln 2.
            let times: Vec<f64> = (0..15).map(|_| -stream.random::<f64>().ln()).collect();
            median_hits += usize::from(median_interval(&times).unwrap().contains(LN_2));
        }
        assert!((3740..3940).contains(&wilson_hits), "{wilson_hits} of 4000");
        assert!((3780..3960).contains(&median_hits), "{median_hits} of 4000");
    }

    proptest! {
        #[test]
        fn an_interval_encloses_its_estimate(values in prop::collection::vec(-1e6_f64..1e6, 6..40)) {
            prop_assert!(student(&values).unwrap().contains(mean(&values).unwrap()));
            prop_assert!(median_interval(&values).unwrap().contains(median(&values).unwrap()));
        }

        #[test]
        fn a_share_lies_in_wilsons_interval(trials in 1_u64..1_000_000, share in 0.0_f64..=1.0) {
            let successes = (share * trials as f64) as u64;
            prop_assert!(wilson(successes, trials).unwrap().contains(successes as f64 / trials as f64));
        }
    }
}
